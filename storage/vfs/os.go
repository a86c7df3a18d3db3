package vfs

import (
	"io"
	"os"
	"sort"
)

// OS is the operating system's file system.
var OS FS = osFS{}

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f osFile) Allocate(size int64) error {
	if err := fallocate(f.File, size); err != nil {
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return f.Truncate(size)
}

func (f osFile) Forget(off, n int64) error {
	if err := forget(f.File, off, n); err != nil {
		return &os.PathError{Op: "fadvise", Path: f.Name(), Err: err}
	}
	return nil
}

// OpenFile opens name; files are created 0644, as Kafka's are under the usual umask.
func (osFS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Remove deletes one file or empty directory.
func (osFS) Remove(name string) error { return os.Remove(name) }

// RemoveAll deletes a tree; a missing one is no error.
func (osFS) RemoveAll(name string) error { return os.RemoveAll(name) }

// Rename replaces newName atomically.
func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// MkdirAll makes name and its parents.
func (osFS) MkdirAll(name string) error { return os.MkdirAll(name, 0o755) }

// ReadDir lists names in ascending order.
func (osFS) ReadDir(name string) ([]Entry, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = Entry{Name: e.Name(), IsDir: e.IsDir()}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// Stat describes name.
func (osFS) Stat(name string) (Info, error) {
	st, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: st.Size(), ModTime: st.ModTime(), IsDir: st.IsDir()}, nil
}

// SyncDir makes the names in the directory durable.
func (osFS) SyncDir(name string) error { return syncDir(name) }

// Space returns free and total bytes of the file system that holds name.
func (osFS) Space(name string) (free, total int64, err error) { return space(name) }

// Lock creates name if need be and locks it in a way that excludes the lock
// a Java process takes on the same file.
func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}
