package raftio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// The numbered cases are listed in docs/reliability/CASES.md; those without a disk are in raft.

// KAFKA-14238, 14618, 13968: whatever retention removes, a log that does not begin at
// 0 begins at a snapshot, which is whole, and everything behind it is there.
func TestCase24NothingIsDeletedPastTheLatestSnapshot(t *testing.T) {
	fs, rec := newDisk(t), newRecorder()
	o := testOptions(fs, rec)
	o.Config.SegmentBytes, o.Config.RetentionBytes = 2048, 1
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	total := 0
	for range 8 {
		for range 40 + total%7 {
			if _, err := n.Append(1, [][]byte{fmt.Appendf(nil, "r%06d", total)}, 0); err != nil {
				t.Fatal(err)
			}
			total++
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == total })
		recs := append([]string(nil), rec.records...)
		if err := n.WriteSnapshot(rec.at, 0, func(yield func([]byte) bool) {
			for _, r := range recs {
				if !yield([]byte(r)) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		at, _ := n.LatestSnapshot()
		start := n.driver.store.log.StartOffset()
		if start > at.Offset {
			t.Fatalf("the log begins at %d, the latest snapshot is %v", start, at)
		}
		checkWhole(t, fs, o, at, total)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkWhole opens what a power cut would leave now: snapshot and log together hold all records.
func checkWhole(t *testing.T, fs *vfs.Mem, o Options, at ids.OffsetAndEpoch, total int) {
	t.Helper()
	o.FS = fs.CrashClone(0.5, rand.New(rand.NewPCG(uint64(total), 1)))
	again := newRecorder()
	o.Listener = again
	n := startNode(t, o)
	again.wait(t, "all records", func() bool { return len(again.records) == total })
	for i, r := range again.records {
		if r != fmt.Sprintf("r%06d", i) {
			t.Fatalf("record %d is %s, with the snapshot %v", i, r, at)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// KAFKA-14204: an operation that fits into no batch is refused as a whole. Nothing of it
// is appended, and what comes next goes where it would have gone. (Decisions that may be split are
// controller/active's, and stand between transaction markers.)
func TestCase25WhatFitsIntoNoBatchIsRefusedAsAWhole(t *testing.T) {
	rec := newRecorder()
	o := testOptions(vfs.NewMem(), rec)
	o.Config.MaxBatchBytes = 10_000
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	before := n.EndOffset()
	large := make([][]byte, 10_000)
	for i := range large {
		large[i] = []byte("a partition record")
	}
	if _, err := n.Append(1, large, 0); !errors.Is(err, ErrBatchTooLarge) {
		t.Fatalf("appended: %v", err)
	}
	if _, err := n.Append(1, [][]byte{[]byte("small")}, 0); err != nil {
		t.Fatal(err)
	}
	rec.wait(t, "the next record", func() bool { return len(rec.records) > 0 })
	if rec.records[0] != "small" || rec.offsets[0] != before {
		t.Errorf("%s at %d, the log ended at %d", rec.records[0], rec.offsets[0], before)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// The disk of a leader fills up or fails: it ends with an error that says so, and what it
// could not write is never acknowledged. When the disk is well again the node
// starts with everything that was. After a failed flush the pages that the kernel took
// for clean are written again before they are believed, so that not even a power
// cut later loses what was acknowledged behind them.
func TestCase26ADiskThatFailsEndsTheLeaderAndIsNotTrusted(t *testing.T) {
	for _, c := range []struct {
		op  vfs.Op
		err error
	}{{vfs.OpWrite, syscall.ENOSPC}, {vfs.OpWrite, syscall.EIO}, {vfs.OpSync, syscall.EIO}, {vfs.OpSync, syscall.ENOSPC}} {
		disk := newDisk(t)
		fs, rec := vfs.NewFaulty(disk), newRecorder()
		o := testOptions(fs, rec)
		failed := make(chan error, 1)
		o.Failed = func(err error) { failed <- err }
		n, err := New(o)
		if err == nil {
			err = n.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.wait(t, "leadership", leads(rec))
		add(t, n, rec, 1, "before")
		fs.Set(vfs.Fault{Op: c.op, Name: ".log", Err: c.err, Short: c.op == vfs.OpWrite, Times: 1})
		lost := []byte(strings.Repeat("lost ", 4000)) // some blocks, that nothing else makes dirty
		if _, err := n.Append(1, [][]byte{lost}, 0); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), ".log") {
				t.Errorf("it failed with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on")
		}
		_ = n.Close() // it ended
		if len(rec.records) != 1 {
			t.Errorf("%v: acknowledged %v", c, rec.records)
		}
		rec = newRecorder()
		o.FS, o.Listener = disk, rec
		n = startNode(t, o)
		rec.wait(t, "leadership", leads(rec))
		add(t, n, rec, rec.leader.Epoch, "after")
		want := append([]string(nil), rec.records...)
		cut := disk.CrashClone(0, rand.New(rand.NewPCG(1, 1)))
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		rec = newRecorder()
		o.FS, o.Listener = cut, rec
		n = startNode(t, o)
		rec.wait(t, "leadership", leads(rec))
		if got := strings.Join(rec.records, " "); got != strings.Join(want, " ") || want[0] != "before" {
			t.Errorf("%v: after the power cut %.40q, acknowledged was %.40q", c, got, want)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// newDisk has the folder above the metadata log's, durably, as format leaves it.
func newDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	if err := errors.Join(fs.MkdirAll("/data"), fs.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	return fs
}

// add appends a record and waits for its commit.
func add(t *testing.T, n *Node, rec *recorder, epoch ids.LeaderEpoch, text string) {
	t.Helper()
	if _, err := n.Append(epoch, [][]byte{[]byte(text)}, 0); err != nil {
		t.Fatal(err)
	}
	rec.wait(t, text, func() bool { return len(rec.records) > 0 && rec.records[len(rec.records)-1] == text })
}
