package partlog

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"
)

// Room says what may still be written to a disk; the logs on it share one. What
// a full disk refuses leaves the log as it was: nothing is lost, and the same
// append may be tried again when there is room.
//
// Space is looked at now and then, and appends count down what was seen meanwhile:
// a quick producer meets the limit, not the end of the disk.
type Room struct {
	level atomic.Int32
	// Bytes that may still be appended before the next look; unknown before the first.
	known        atomic.Bool
	clients, few atomic.Int64
	// noFiles: no file could be opened. Every append, and every read that would open
	// one, is refused until some are closed, for which files are needed that they would take.
	noFiles atomic.Bool
}

// RoomLevel is what may still be written.
type RoomLevel int32

const (
	RoomForAll  RoomLevel = iota
	RoomForFew            // records of clients are refused; coordinators, which let consumers go on and end transactions, are not
	RoomForNone           // no append at all; truncation, deletion and reading go on
)

// Set changes the level and returns the one before.
func (r *Room) Set(l RoomLevel) RoomLevel { return RoomLevel(r.level.Swap(int32(l))) }

// Expect says how many bytes clients may append, and how many everyone, until
// the next look at the disk.
func (r *Room) Expect(clients, few int64) {
	r.clients.Store(clients)
	r.few.Store(few)
	r.known.Store(true)
}

// FilesAgain takes appends again after the process could open no file.
func (r *Room) FilesAgain() { r.noFiles.Store(false) }

// Starved tells whether no file could be opened.
func (r *Room) Starved() bool { return r != nil && r.noFiles.Load() }

// refusal is why an append must not begin now.
func (r *Room) refusal() error {
	if r.noFiles.Load() {
		return ErrTooManyFiles
	}
	return ErrDiskFull
}

// Level is what may still be written.
func (r *Room) Level() RoomLevel { return RoomLevel(r.level.Load()) }

// refuses tells whether an append of so many bytes must not begin, and counts it if it may.
func (r *Room) refuses(o Origin, bytes int) bool {
	if r == nil {
		return false
	}
	if r.noFiles.Load() {
		return true
	}
	limit, left := RoomForNone, &r.few
	if o == Client {
		limit, left = RoomForFew, &r.clients
	}
	if r.Level() >= limit || r.known.Load() && left.Load() < int64(bytes) {
		return true
	}
	r.clients.Add(-int64(bytes))
	r.few.Add(-int64(bytes))
	return false
}

// ErrTooManyFiles: the process may not open more files now.
var ErrTooManyFiles = errors.New("too many open files")

// shortage gives errors that say "not now" and nothing about the disk their
// sentinel: a full disk or quota, no file descriptor. An fsync that fails is
// never one, whatever it says: what it should have written may be gone.
func (l *Log) shortage(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && (p.Op == "sync" || p.Op == "fsync" || p.Op == "fdatasync") {
		return nil
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		if l.room != nil {
			l.room.Set(RoomForNone)
		}
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case FilesRanOut(err):
		if l.room != nil {
			l.room.noFiles.Store(true)
		}
		return fmt.Errorf("%w: %w", ErrTooManyFiles, err)
	}
	return nil
}

// FilesRanOut tells that an operation failed because the process, or the whole
// machine, may open no more files now.
func FilesRanOut(err error) bool {
	return errors.Is(err, ErrTooManyFiles) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// stall is fail for an operation that leaves the log as it was, so that a mere
// shortage need not end it. Callers hold mu.
func (l *Log) stall(op string, err error) error {
	if s := l.shortage(err); s != nil {
		return l.errf(op, s)
	}
	return l.fail(op, err)
}
