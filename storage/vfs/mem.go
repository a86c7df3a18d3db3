package vfs

import (
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"time"
)

// BlockSize is the unit in which unsynced data survives a crash.
const BlockSize = 4096

// Mem is a file system in memory that remembers what is durable, so that it
// can be crashed (CrashClone). The zero value is not usable; call NewMem.
//
// A node keeps two images: cache (what reads see) and disk (what was synced),
// and the set of blocks in which they may differ. One lock serves the whole
// file system: tests gain nothing from parallel access.
type Mem struct {
	mu    sync.Mutex
	root  *memNode
	locks map[string]bool
	// Capacity bounds the bytes of all files; writes beyond fail with ENOSPC. 0 = no bound.
	capacity, used int64
	clock          int64 // every change gets the next second as its modification time
}

type memNode struct {
	isDir bool
	// files
	cache, disk []byte
	dirty       map[int64]struct{} // blocks written since the last sync
	resized     bool               // size changed since the last sync
	// directories
	names, diskNames map[string]*memNode
	modTime          time.Time
}

var _ FS = (*Mem)(nil)

// NewMem returns an empty file system with a root directory.
func NewMem() *Mem { return &Mem{root: newDirNode(), locks: map[string]bool{}} }

func newDirNode() *memNode {
	return &memNode{isDir: true, names: map[string]*memNode{}, diskNames: map[string]*memNode{}}
}

// SetCapacity bounds the total size; writes beyond it write what fits and fail with ErrNoSpace.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
}

func (m *Mem) lookup(name string) *memNode {
	n := m.root
	if name = clean(name); name == "" {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n == nil || !n.isDir {
			return nil
		}
		n = n.names[part]
	}
	return n
}

func (m *Mem) parent(name string) (*memNode, string) {
	dir, base := path.Split(clean(name))
	p := m.lookup(dir)
	if p == nil || !p.isDir {
		return nil, base
	}
	return p, base
}

func pathErr(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

func (m *Mem) touch(n *memNode) {
	m.clock++
	n.modTime = time.Unix(m.clock, 0)
}

// OpenFile implements FS.
func (m *Mem) OpenFile(name string, flag int) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, base := m.parent(name)
	if p == nil || base == "" {
		return nil, pathErr("open", name, fs.ErrNotExist)
	}
	n := p.names[base]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, pathErr("open", name, fs.ErrNotExist)
	case n == nil:
		n = &memNode{dirty: map[int64]struct{}{}}
		p.names[base] = n
		m.touch(n)
	case flag&os.O_EXCL != 0:
		return nil, pathErr("open", name, fs.ErrExist)
	case n.isDir:
		return nil, pathErr("open", name, errIsDir)
	}
	if flag&os.O_TRUNC != 0 {
		m.resize(n, 0)
	}
	return &memFile{fs: m, n: n, name: name, writable: flag&(os.O_RDWR|os.O_WRONLY) != 0}, nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, base := m.parent(name)
	if p == nil || p.names[base] == nil {
		return pathErr("remove", name, fs.ErrNotExist)
	}
	if n := p.names[base]; n.isDir && len(n.names) > 0 {
		return pathErr("remove", name, errNotEmpty)
	}
	m.used -= int64(len(p.names[base].cache))
	delete(p.names, base)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, base := m.parent(name); p != nil && p.names[base] != nil {
		m.used -= p.names[base].bytes()
		delete(p.names, base)
	}
	return nil
}

func (n *memNode) bytes() int64 {
	total := int64(len(n.cache))
	for _, c := range n.names {
		total += c.bytes()
	}
	return total
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	op, ob := m.parent(oldName)
	np, nb := m.parent(newName)
	if op == nil || np == nil || op.names[ob] == nil {
		return pathErr("rename", oldName, fs.ErrNotExist)
	}
	if old := np.names[nb]; old != nil {
		if old.isDir {
			return pathErr("rename", newName, fs.ErrExist)
		}
		m.used -= int64(len(old.cache))
	}
	np.names[nb] = op.names[ob]
	delete(op.names, ob)
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for part := range strings.SplitSeq(clean(name), "/") {
		if part == "" {
			continue
		}
		c := n.names[part]
		if c == nil {
			c = newDirNode()
			n.names[part] = c
			m.touch(c)
		}
		if !c.isDir {
			return pathErr("mkdir", name, fs.ErrExist)
		}
		n = c
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil || !n.isDir {
		return nil, pathErr("readdir", name, fs.ErrNotExist)
	}
	out := make([]Entry, 0, len(n.names))
	for k, c := range n.names {
		out = append(out, Entry{Name: k, IsDir: c.isDir})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil {
		return Info{}, pathErr("stat", name, fs.ErrNotExist)
	}
	return Info{Size: int64(len(n.cache)), ModTime: n.modTime, IsDir: n.isDir}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.lookup(name)
	if n == nil || !n.isDir {
		return pathErr("sync", name, fs.ErrNotExist)
	}
	n.diskNames = make(map[string]*memNode, len(n.names))
	for k, c := range n.names {
		n.diskNames[k] = c
	}
	return nil
}

// Space implements FS; without a capacity it claims a terabyte.
func (m *Mem) Space(string) (free, total int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		return 1 << 40, 1 << 40, nil
	}
	return m.capacity - m.used, m.capacity, nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// Lock implements FS. A crash clone starts without locks.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, base := m.parent(name)
	if p == nil {
		return nil, pathErr("lock", name, fs.ErrNotExist)
	}
	if p.names[base] == nil {
		p.names[base] = &memNode{dirty: map[int64]struct{}{}}
	}
	if m.locks[clean(name)] {
		return nil, pathErr("lock", name, ErrLocked)
	}
	m.locks[clean(name)] = true
	return memLock{m, clean(name)}, nil
}

// resize sets the cached size; new bytes are zero. Callers hold mu.
func (m *Mem) resize(n *memNode, size int64) {
	old := int64(len(n.cache))
	m.used += size - old
	if size < old {
		clear(n.cache[size:])
		n.cache = n.cache[:size]
		if size%BlockSize != 0 {
			n.dirty[size/BlockSize] = struct{}{}
		}
	} else {
		n.cache = append(n.cache, make([]byte, size-old)...)
	}
	n.resized = true
	m.touch(n)
}
