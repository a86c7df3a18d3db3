package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"
)

func put(t *testing.T, fsys FS, name string, b []byte, sync bool) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMem()
	m.MkdirAll("/d")
	m.SyncDir("/")
	put(t, m, "/d/synced", []byte("abc"), true)
	m.SyncDir("/d")
	put(t, m, "/d/synced", []byte("XYZW"), false)
	put(t, m, "/d/new", []byte("n"), true)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		none := m.CrashClone(0, r)
		if b, err := ReadFile(none, "/d/synced", 10); err != nil || string(b) != "abc" {
			t.Fatalf("%q %v", b, err)
		}
		if _, err := none.Stat("/d/new"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal("an unsynced name survived probability 0")
		}
		all := m.CrashClone(1, r)
		if b, err := ReadFile(all, "/d/new", 10); err != nil || string(b) != "n" {
			t.Fatalf("%q %v", b, err)
		}
	}
}

func TestRenameIsNotDurableByItself(t *testing.T) {
	m := NewMem()
	put(t, m, "/a", []byte("old"), true)
	m.SyncDir("/")
	put(t, m, "/a.tmp", []byte("new"), true)
	m.Rename("/a.tmp", "/a")
	seen := map[string]bool{}
	for seed := range uint64(100) {
		b, err := ReadFile(m.CrashClone(0.5, rand.New(rand.NewPCG(seed, 0))), "/a", 10)
		if err != nil {
			t.Fatal("neither old nor new", err)
		}
		seen[string(b)] = true
	}
	if !seen["old"] || !seen["new"] || len(seen) != 2 {
		t.Fatal(seen)
	}
}

func TestFailedSyncDropsDirtyPages(t *testing.T) {
	m := NewMem()
	f := NewFaulty(m)
	boom := errors.New("EIO")
	put(t, f, "/x.log", []byte("abc"), true)
	m.SyncDir("/")
	f.Set(Fault{Op: OpSync, Name: ".log", Times: 1, Err: boom})
	file, _ := f.OpenFile("/x.log", os.O_RDWR)
	file.WriteAt([]byte("XYZ"), 0)
	if err := file.Sync(); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal("the second sync lies, as the kernel's does", err)
	}
	b, _ := ReadFile(m.CrashClone(1, rand.New(rand.NewPCG(1, 1))), "/x.log", 10)
	if string(b) != "abc" {
		t.Fatalf("%q", b)
	}
}

func TestFaults(t *testing.T) {
	f := NewFaulty(NewMem())
	put(t, f, "/a", bytes.Repeat([]byte{1}, 100), true)
	file, _ := f.OpenFile("/a", os.O_RDWR)
	f.Set(Fault{Op: OpRead, FlipBit: true, Times: 1}, Fault{Op: OpWrite, Short: true, Err: ErrNoSpace})
	b := make([]byte, 100)
	file.ReadAt(b, 0)
	if b[50] == 1 {
		t.Fatal("no bit flipped")
	}
	if n, err := file.WriteAt(make([]byte, 10), 100); n != 5 || !errors.Is(err, ErrNoSpace) {
		t.Fatal(n, err)
	}
	if size, _ := file.Size(); size != 105 {
		t.Fatal(size)
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10)
	f, _ := m.OpenFile("/a", os.O_RDWR|os.O_CREATE)
	if n, err := f.WriteAt(make([]byte, 12), 0); n != 10 || !errors.Is(err, ErrNoSpace) {
		t.Fatal(n, err)
	}
	m.Remove("/a")
	if free, _, _ := m.Space("/"); free != 10 {
		t.Fatal(free)
	}
}

// TestBothFileSystems runs the same operations on memory and on the operating system.
func TestBothFileSystems(t *testing.T) {
	for name, fsys := range map[string]FS{"mem": NewMem(), "os": OS} {
		root := "/root"
		if name == "os" {
			root = t.TempDir()
		}
		d := root + "/a/b"
		if err := fsys.MkdirAll(d); err != nil {
			t.Fatal(name, err)
		}
		put(t, fsys, d+"/2", []byte("two"), true)
		put(t, fsys, d+"/1", []byte("one"), true)
		if err := errors.Join(fsys.Rename(d+"/2", d+"/0"), fsys.SyncDir(d)); err != nil {
			t.Fatal(name, err)
		}
		es, err := fsys.ReadDir(d)
		if err != nil || len(es) != 2 || es[0].Name != "0" || es[1].Name != "1" {
			t.Fatal(name, es, err)
		}
		if _, err := fsys.OpenFile(d+"/9", 0); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(name, err)
		}
		f, _ := fsys.OpenFile(d+"/0", os.O_RDWR)
		if n, err := f.ReadAt(make([]byte, 10), 0); n != 3 || err != io.EOF {
			t.Fatal(name, n, err)
		}
		if err := f.Allocate(100); err != nil {
			t.Fatal(name, err)
		}
		if size, _ := f.Size(); size != 100 {
			t.Fatal(name, size)
		}
		f.Close()
		l, err := fsys.Lock(d + "/.lock")
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := fsys.Lock(d + "/.lock"); !errors.Is(err, ErrLocked) {
			t.Fatal(name, "locked twice", err)
		}
		l.Close()
		if err := errors.Join(fsys.RemoveAll(root+"/a"), fsys.RemoveAll(root+"/a")); err != nil {
			t.Fatal(name, err)
		}
	}
}
