// Package vfs is the file-system port of storage: everything the log does to
// a disk goes through FS and File, so that the same code runs on the operating
// system (OS), on memory that can be crashed (Mem) and behind scripted faults
// (Faulty).
//
// What callers may rely on, and nothing more:
//   - data written is durable only after File.Sync returned nil;
//   - a name created, renamed or removed is durable only after SyncDir of its
//     directory returned nil;
//   - after File.Sync returned an error the pages that were dirty may be gone
//     although later reads still show them (fsync's error is reported once),
//     so the file must not be trusted again by this process.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// FS is one file system. Names are ordinary paths; every method is safe for
// concurrent use. Errors satisfy errors.Is with fs.ErrNotExist and friends and
// carry the path.
type FS interface {
	// OpenFile takes os.O_RDONLY or os.O_RDWR, with os.O_CREATE, os.O_EXCL and os.O_TRUNC.
	OpenFile(name string, flag int) (File, error)
	Remove(name string) error
	RemoveAll(name string) error
	// Rename replaces newName atomically if it exists.
	Rename(oldName, newName string) error
	MkdirAll(name string) error
	// ReadDir lists names in ascending order.
	ReadDir(name string) ([]Entry, error)
	Stat(name string) (Info, error)
	// SyncDir makes the directory's entries durable.
	SyncDir(name string) error
	// Lock takes an exclusive lock that dies with the process; ErrLocked when another holder has it.
	Lock(name string) (io.Closer, error)
	// Space returns the bytes free and in total of the file system that holds name.
	Space(name string) (free, total int64, err error)
}

// Entry is one name of a directory.
type Entry struct {
	Name  string
	IsDir bool
}

// Info describes a file.
type Info struct {
	Size    int64
	ModTime time.Time
	IsDir   bool
}

// File is an open file. Reads and writes are positional, so one File serves
// any number of goroutines; the callers serialise their writes.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Allocate reserves disk blocks up to size and sets the file's size (Kafka's preallocate).
	Allocate(size int64) error
	Sync() error
	// Forget drops what is cached of [off, off+n) and need not be written, so that
	// the next read tells what the disk has: after a sync that failed, in this
	// process or one before it, the cache may show bytes that never got there.
	Forget(off, n int64) error
	Size() (int64, error)
	// Fd is the descriptor for sendfile, or ^uintptr(0) when there is none.
	Fd() uintptr
	Name() string
}

var errTooLong = errors.New("file is longer than any valid one")

// NoFd is what Fd returns for files that the kernel does not know.
const NoFd = ^uintptr(0)

// ErrLocked says that another process (or FS user) holds the lock.
var ErrLocked error = lockedError{}

type lockedError struct{}

func (lockedError) Error() string { return "the lock is held by another process" }

// SyncFile makes a file durable; one that is not there, or not any more, needs it not.
func SyncFile(fsys FS, name string) error {
	f, err := fsys.OpenFile(name, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// ReadFile reads a whole file of at most max bytes; a longer one is an error.
func ReadFile(fsys FS, name string, max int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errTooLong}
	}
	buf := make([]byte, size)
	if _, err := f.ReadAt(buf, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return buf, nil
}
