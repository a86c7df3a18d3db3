package vfs

import (
	"io"
	"strings"
	"sync"
)

// Op is a kind of file-system operation that can be made to fail.
type Op uint8

// The operations a Fault can name.
const (
	OpOpen Op = iota
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpRename
	OpRemove
	OpSyncDir
	OpReadDir
)

// Fault is one line of a script: the operation on names that contain Name
// fails, after Skip matching operations, Times times (0 = for ever).
type Fault struct {
	Op    Op
	Name  string // part of the name, such as ".log" or "checkpoint"; empty = all
	Skip  int
	Times int
	Err   error // nil with FlipBit
	// Short: a write writes only half of its bytes before Err.
	Short bool
	// FlipBit: a read returns its data with the middle bit inverted, and no error.
	FlipBit bool

	seen, fired int
}

// Faulty is an FS that follows a script of faults. A failing sync also drops
// the dirty pages when the files are Mem's.
type Faulty struct {
	FS
	mu     sync.Mutex
	script []*Fault
}

// NewFaulty wraps fs.
func NewFaulty(fs FS) *Faulty { return &Faulty{FS: fs} }

// Set replaces the script.
func (f *Faulty) Set(script ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = nil
	for _, s := range script {
		f.script = append(f.script, &s)
	}
}

func (f *Faulty) hit(op Op, name string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.script {
		if s.Op != op || !strings.Contains(name, s.Name) {
			continue
		}
		if s.seen++; s.seen <= s.Skip || s.Times > 0 && s.fired >= s.Times {
			continue
		}
		s.fired++
		return s
	}
	return nil
}

func (f *Faulty) fail(op Op, verb, name string) error {
	if s := f.hit(op, name); s != nil {
		return pathErr(verb, name, s.Err)
	}
	return nil
}

// OpenFile implements FS.
func (f *Faulty) OpenFile(name string, flag int) (File, error) {
	if err := f.fail(OpOpen, "open", name); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f}, nil
}

// Rename implements FS.
func (f *Faulty) Rename(oldName, newName string) error {
	if err := f.fail(OpRename, "rename", oldName); err != nil {
		return err
	}
	return f.FS.Rename(oldName, newName)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.fail(OpRemove, "remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(name string) error {
	if err := f.fail(OpSyncDir, "sync", name); err != nil {
		return err
	}
	return f.FS.SyncDir(name)
}

// ReadDir implements FS.
func (f *Faulty) ReadDir(name string) ([]Entry, error) {
	if err := f.fail(OpReadDir, "readdir", name); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(name)
}

type faultyFile struct {
	File
	fs *Faulty
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	s := f.fs.hit(OpRead, f.Name())
	if s != nil && !s.FlipBit {
		return 0, pathErr("read", f.Name(), s.Err)
	}
	n, err := f.File.ReadAt(p, off)
	if s != nil && n > 0 && (err == nil || err == io.EOF) {
		p[n/2] ^= 0x10
	}
	return n, err
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	s := f.fs.hit(OpWrite, f.Name())
	if s == nil {
		return f.File.WriteAt(p, off)
	}
	n := 0
	if s.Short {
		n, _ = f.File.WriteAt(p[:len(p)/2], off)
	}
	return n, pathErr("write", f.Name(), s.Err)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.fail(OpTruncate, "truncate", f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.fail(OpSync, "sync", f.Name()); err != nil {
		if m, ok := f.File.(*memFile); ok {
			m.dropDirty()
		}
		return err
	}
	return f.File.Sync()
}
