package raftio

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gregorbroker/gregor/storage/vfs"
)

// slowDisk counts what is done to the log, and holds a flush of it until it is let go.
type slowDisk struct {
	vfs.FS
	writes, syncs atomic.Int64
	hold          atomic.Bool
	held, free    chan struct{}
}

func (d *slowDisk) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := d.FS.OpenFile(name, flag)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &slowFile{f, d}, nil
}

type slowFile struct {
	vfs.File
	d *slowDisk
}

func (f *slowFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.writes.Add(1)
	return f.File.WriteAt(p, off)
}

func (f *slowFile) Sync() error {
	f.d.syncs.Add(1)
	if f.d.hold.CompareAndSwap(true, false) {
		f.d.held <- struct{}{}
		<-f.d.free
	}
	return f.File.Sync()
}

// Whatever is appended while the disk is busy goes to it in one write and with one
// flush, and Append waits for neither.
func TestAppendsAreBatched(t *testing.T) {
	disk := &slowDisk{FS: vfs.NewMem(), held: make(chan struct{}), free: make(chan struct{})}
	rec := newRecorder()
	n := startNode(t, testOptions(disk, rec))
	rec.wait(t, "leadership", leads(rec))
	add(t, n, rec, 1, "before")
	writes, syncs := disk.writes.Load(), disk.syncs.Load()
	disk.hold.Store(true)
	const many = 100
	for i := range many {
		if _, err := n.Append(1, [][]byte{{byte(i)}, {byte(i)}}, 0); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-disk.held // the others come while it is flushed
		}
	}
	rec.mu.Lock()
	if len(rec.records) != 1 {
		t.Errorf("%d records are committed while the flush is under way", len(rec.records))
	}
	rec.mu.Unlock()
	close(disk.free)
	rec.wait(t, "all", func() bool { return len(rec.records) == 1+2*many })
	if writes, syncs = disk.writes.Load()-writes, disk.syncs.Load()-syncs; writes != 2 || syncs != 2 {
		t.Errorf("%d appends took %d writes and %d flushes", many, writes, syncs)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
