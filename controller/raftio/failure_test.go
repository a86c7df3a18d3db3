package raftio

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/storage/vfs"
)

// A disk that fails ends the node: nothing it was asked to append is committed, and
// whoever waits is answered. After a failed flush the file is not trusted again.
func TestFailingDiskEndsTheNode(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpSync, vfs.OpWrite} {
		fs := vfs.NewFaulty(vfs.NewMem())
		rec := newRecorder()
		o := testOptions(fs, rec)
		failed := make(chan error, 1)
		o.Failed = func(err error) { failed <- err }
		n, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		rec.wait(t, "leadership", leads(rec))
		fs.Set(vfs.Fault{Op: op, Name: ".log", Err: syscall.EIO})
		if _, err := n.Append(1, [][]byte{{1}}, 0); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("failed with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the node goes on")
		}
		if _, err := n.Append(1, [][]byte{{1}}, 0); !errors.Is(err, ErrClosed) {
			t.Errorf("append after the failure: %v", err)
		}
		_ = n.Close() // there is nothing left to close in order
		if len(rec.records) != 0 {
			t.Errorf("%d records were committed", len(rec.records))
		}
	}
}

// A node that cannot read how it voted does not start.
func TestDamagedElectionStateStopsTheStart(t *testing.T) {
	fs := vfs.NewMem()
	rec := newRecorder()
	o := testOptions(fs, rec)
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(fs, o.Dir+"/quorum-state", []byte(`{"leaderId":1`)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); !errors.Is(err, errQuorumState) {
		t.Fatalf("started with a damaged quorum-state: %v", err)
	}
}

// A log without its front needs the snapshot of what was there.
func TestMissingSnapshotStopsTheStart(t *testing.T) {
	fs := vfs.NewMem()
	rec := newRecorder()
	o := testOptions(fs, rec)
	o.Config.SegmentBytes, o.Config.RetentionBytes = 4096, 1
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	for snap := 1; snap <= 2; snap++ {
		for range 100 {
			if _, err := n.Append(1, [][]byte{make([]byte, 100)}, 0); err != nil {
				t.Fatal(err)
			}
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == 100*snap })
		if err := n.WriteSnapshot(rec.at, 0, func(func([]byte) bool) {}); err != nil {
			t.Fatal(err)
		}
	}
	at, _ := n.LatestSnapshot()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove(o.Dir + "/" + SnapshotName(at)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Fatal("started without the records below the log's start")
	}
}
