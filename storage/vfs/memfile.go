package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// ErrNoSpace is what a full disk answers.
const ErrNoSpace = syscall.ENOSPC

var (
	errIsDir    = errors.New("is a directory")
	errNotEmpty = errors.New("directory not empty")
)

type memFile struct {
	fs       *Mem
	n        *memNode
	name     string
	writable bool
	closed   bool
}

func (f *memFile) check(op string, write bool) error {
	if f.closed {
		return pathErr(op, f.name, fs.ErrClosed)
	}
	if write && !f.writable {
		return pathErr(op, f.name, fs.ErrPermission)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathErr("read", f.name, fs.ErrInvalid)
	}
	if off >= int64(len(f.n.cache)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.cache[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	end := off + int64(len(p))
	var full error
	if grow := end - int64(len(f.n.cache)); f.fs.capacity > 0 && grow > 0 && f.fs.used+grow > f.fs.capacity {
		end = max(off, end-(f.fs.used+grow-f.fs.capacity))
		p, full = p[:end-off], pathErr("write", f.name, ErrNoSpace)
	}
	if end > int64(len(f.n.cache)) {
		f.fs.resize(f.n, end)
	}
	if len(p) > 0 {
		copy(f.n.cache[off:], p)
		for b := off / BlockSize; b <= (end-1)/BlockSize; b++ {
			f.n.dirty[b] = struct{}{}
		}
	}
	f.fs.touch(f.n)
	return len(p), full
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate", true); err != nil {
		return err
	}
	f.fs.resize(f.n, size)
	return nil
}

func (f *memFile) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("allocate", true); err != nil {
		return err
	}
	if grow := size - int64(len(f.n.cache)); f.fs.capacity > 0 && f.fs.used+grow > f.fs.capacity {
		return pathErr("allocate", f.name, ErrNoSpace)
	}
	f.fs.resize(f.n, size)
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync", false); err != nil {
		return err
	}
	n := f.n
	if n.resized {
		n.disk = resized(n.disk, len(n.cache))
	}
	for b := range n.dirty {
		copyBlock(n.disk, n.cache, b, BlockSize)
	}
	n.dirty, n.resized = map[int64]struct{}{}, false
	return nil
}

// dropDirty is what a failing disk does: the error is reported once, the
// pages are marked clean and their data never reaches the disk.
func (f *memFile) dropDirty() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.n.dirty = map[int64]struct{}{}
}

// Forget makes the clean blocks of the range what the disk has.
func (f *memFile) Forget(off, n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("fadvise", false); err != nil {
		return err
	}
	end := min(off+n, int64(len(f.n.cache)))
	for b := (off + BlockSize - 1) / BlockSize; b*BlockSize < end; b++ {
		if _, dirty := f.n.dirty[b]; dirty {
			continue
		}
		block := f.n.cache[b*BlockSize : min((b+1)*BlockSize, int64(len(f.n.cache)))]
		clear(block)
		if b*BlockSize < int64(len(f.n.disk)) {
			copy(block, f.n.disk[b*BlockSize:])
		}
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.n.cache)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}

func (f *memFile) Fd() uintptr  { return NoFd }
func (f *memFile) Name() string { return f.name }

// resized returns b with the given length, zero-filled where it grows.
func resized(b []byte, size int) []byte {
	if size <= len(b) {
		return b[:size]
	}
	out := make([]byte, size)
	copy(out, b)
	return out
}

// copyBlock copies the first n bytes of block b from src to dst, where both have them.
func copyBlock(dst, src []byte, b int64, n int) {
	from := min(b*BlockSize, int64(len(dst)))
	to := min(from+int64(n), int64(len(dst)), int64(len(src)))
	if from < to {
		copy(dst[from:to], src[from:to])
	}
}
