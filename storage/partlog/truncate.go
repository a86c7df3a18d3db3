package partlog

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
)

// TruncateTo removes the batches that end at or after off, durably: a crash
// does not bring them back. An off at or beyond the end only drops leader
// epochs that begin there; one below the first segment empties the log. Where
// damage hides which batches these are the error is ErrCorrupt, and nothing is cut.
func (l *Log) TruncateTo(off ids.Offset) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if off < 0 {
		return l.errf("truncate", fmt.Errorf("%w: %d", ErrOffsetOutOfRange, off))
	}
	if off >= l.end {
		if l.epochs.TruncateEnd(off) {
			l.epochsDirty = true
		}
		return nil
	}
	if len(l.segs) == 0 || off < l.segs[0].Base || off < l.start {
		return l.restartAt(off)
	}
	for {
		h, found, err := l.whereToCut(off)
		if misled(err) && l.reindexLocked(l.segs[l.floor(off)]) {
			continue
		}
		if err != nil {
			return l.diskErr("truncate", err)
		}
		if found && h.Base < off {
			if off = h.Base; off < l.start {
				return l.restartAt(l.start) // nothing at or above the start is left
			}
			// A batch cut in the middle goes whole, for a follower to fetch again.
		}
		if err := l.truncate(off); err != nil {
			return l.fail("truncate", err)
		}
		return nil
	}
}

// whereToCut finds the first batch that goes, and reads everything that says so
// from the disk again, whether or not it was verified before: the batches from the
// index entry to that one. No checksum covers base offsets; one that lost bits would
// have records cut off that are in front of off, and committed. Callers hold mu.
func (l *Log) whereToCut(off ids.Offset) (segment.Header, bool, error) {
	s, interval := l.segs[l.floor(off)], l.config.Load().IndexIntervalBytes
	if err := s.Activate(interval); err != nil { // which may make the index anew: not after the look at it
		return segment.Header{}, false, err
	}
	h, at, found, err := s.Position(off, interval)
	if err != nil {
		return h, false, err
	}
	f, err := s.Log()
	if err != nil {
		return h, false, err
	}
	x, err := s.Index(interval)
	if err != nil {
		return h, false, err
	}
	e, _ := x.ByPosition(s.Base, at-1) // the last that stays
	to := at
	if found {
		to += int64(h.Size)
	}
	extent := segment.Extent{File: f, Base: s.Base, Next: l.nextBase(s), Size: l.sizeOf(s)}
	err = extent.Verify(x, e.Position, to)
	if d := new(segment.CorruptError); errors.As(err, &d) && s.Reindexed() {
		l.damaged(s, d)
	}
	return h, found, err
}

// truncate works from the end to the front, so that a crash in the middle
// leaves a log that is merely cut less far.
func (l *Log) truncate(off ids.Offset) error {
	cfg := l.config.Load()
	i := l.floor(off)
	if err := l.lower(off); err != nil {
		return err
	}
	for n := len(l.segs) - 1; n > i; n-- {
		l.segs[n].Cool()
		if err := segment.Remove(&l.dir, l.segs[n].Base, ""); err != nil {
			return err
		}
		l.segs = l.segs[:n:n]
	}
	if _, err := l.segs[i].TruncateTo(off, cfg.IndexIntervalBytes); err != nil {
		return err
	}
	l.segs[i].Active, l.unverified = true, false
	l.hints = nil
	l.end, l.committed = off, min(l.committed, off)
	if err := l.dropSnapshots(func(o ids.Offset) bool { return o > l.end }); err != nil {
		return err
	}
	l.prods = nil // made again from a snapshot when needed
	l.epochs.TruncateEnd(l.end)
	return errors.Join(l.saveEpochs(), l.syncNames())
}

// lower moves recovery point and start down before anything is cut, also on disk.
func (l *Log) lower(off ids.Offset) error {
	l.truncations++
	l.use()
	lowered := l.lowered
	if off >= l.recovered && off >= l.start {
		lowered = nil
	}
	l.recovered, l.start = min(l.recovered, off), min(l.start, off)
	l.mu.Unlock() // the checkpoint asks for both; wmu keeps writers out
	defer l.mu.Lock()
	if l.cutting != nil {
		if err := l.cutting(l.tp, off); err != nil {
			return err
		}
	}
	if lowered == nil {
		return nil
	}
	return lowered()
}

// TruncateFullyAndStartAt removes everything; the next record gets off. A
// follower does it when its leader's log begins after the follower's end.
func (l *Log) TruncateFullyAndStartAt(off ids.Offset) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if off > 0 { // nothing else would tell the offset after a restart
		if err := l.materialise(); err != nil {
			return l.stall("truncate", err)
		}
	}
	return l.restartAt(off)
}

func (l *Log) restartAt(off ids.Offset) error {
	if err := l.lower(off); err != nil {
		return l.fail("truncate", err)
	}
	old := l.segs
	l.segs, l.hints, l.prods, l.unverified = nil, nil, nil, false
	for i := len(old) - 1; i >= 0; i-- {
		old[i].Cool()
		if err := segment.Remove(&l.dir, old[i].Base, ""); err != nil {
			return l.fail("truncate", err)
		}
	}
	l.start, l.end, l.recovered = off, off, off
	l.committed = min(l.committed, off)
	l.epochs.Clear()
	if err := l.dropSnapshots(func(ids.Offset) bool { return true }); err != nil {
		return l.fail("truncate", err)
	}
	if !l.made {
		return nil
	}
	// The names must be gone from the disk before a segment at off is made: old and new must never lie side by side.
	if err := errors.Join(l.saveEpochs(), l.syncNames()); err != nil {
		return l.fail("truncate", err)
	}
	if _, err := l.rollTo(off, l.config.Load(), l.env.Clock()); err != nil {
		return l.fail("truncate", err)
	}
	if err := l.syncNames(); err != nil {
		return l.fail("truncate", err)
	}
	l.namesKept = l.named
	return nil
}

// saveEpochs replaces leader-epoch-checkpoint.
func (l *Log) saveEpochs() error {
	if !l.made {
		return nil
	}
	l.epochsDirty = false
	return ReplaceFile(l.dir.FS, l.dir.Path+"/"+epochs.FileName, l.epochs.Encode())
}

// AdvanceStartOffset moves the start of the log up, as DeleteRecords asks; what
// lies below is no longer served and is removed by ApplyRetention. It is false
// when the start was there already. The caller has checked the high watermark.
func (l *Log) AdvanceStartOffset(off ids.Offset) (bool, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return false, err
	}
	if off > l.end {
		return false, l.errf("advance the start", fmt.Errorf("%w: %d beyond the end %d", ErrOffsetOutOfRange, off, l.end))
	}
	if off <= l.start {
		return false, nil
	}
	l.moveStart(off)
	return true, nil
}

func (l *Log) moveStart(off ids.Offset) {
	l.start = off
	if l.epochs.TruncateStart(off) {
		l.epochsDirty = true
	}
}
