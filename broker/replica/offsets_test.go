package replica

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Between the failure of a disk and the end of its directory records may be
// deleted by offset: that fails too, and keeps nobody else from the partition.
func TestDeleteRecordsOnAFailedDisk(t *testing.T) {
	w := newWorld(t)
	if err := w.logs.Close(1, nil); err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewFaulty(w.fs)
	w.fs = disk
	w.open()
	w.create("t", 1, 1, 1)
	w.mustAppend(tp("t", 0), 3)
	disk.Set(vfs.Fault{Op: vfs.OpWrite, Name: ".log", Err: syscall.EIO})
	if r, _ := w.append(tp("t", 0), 1, all); !errors.Is(r.Err, partlog.ErrFailed) {
		t.Fatalf("%+v", r)
	}
	deleted := make(chan error, 1)
	go func() {
		_, err := mustGet(t, w.m).DeleteRecords(2)
		deleted <- err
	}()
	select {
	case err := <-deleted:
		if !errors.Is(err, ErrOffline) {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the partition is locked for ever")
	}
	w.m.DirectoryFailed(homeDir)
	if r, _ := w.append(tp("t", 0), 1, all); !errors.Is(r.Err, ErrOffline) {
		t.Fatalf("%+v", r)
	}
}
