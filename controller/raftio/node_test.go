package raftio

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// recorder is a Listener that keeps what it was told.
type recorder struct {
	mu        sync.Mutex
	changed   chan struct{}
	records   []string
	offsets   []ids.Offset
	snapshots []ids.OffsetAndEpoch
	leader    ids.LeaderAndEpoch
	at        ids.OffsetAndEpoch
	time      int64
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{}, 1)} }

func (r *recorder) Committed(bs []CommittedBatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range bs {
		for i, rec := range b.Records {
			r.records = append(r.records, string(rec))
			r.offsets = append(r.offsets, b.BaseOffset+ids.Offset(i))
		}
		r.at, r.time = ids.OffsetAndEpoch{Offset: b.LastOffset + 1, Epoch: b.Epoch}, b.AppendTime
	}
	poke(r.changed)
}

func (r *recorder) LoadSnapshot(s *SnapshotReader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots, r.records = append(r.snapshots, s.ID()), nil
	for b, err := range s.Batches() {
		if err != nil {
			panic(err)
		}
		for _, rec := range b.Records {
			r.records = append(r.records, string(rec))
		}
	}
	poke(r.changed)
}

func (r *recorder) LeaderChanged(l ids.LeaderAndEpoch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leader = l
	poke(r.changed)
}

// wait until ok holds.
func (r *recorder) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.changed:
		case <-timeout:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waited for %s: leader %v, %d records, snapshots %v", what, r.leader, len(r.records), r.snapshots)
		}
	}
}

func testOptions(fs vfs.FS, rec *recorder) Options {
	return Options{
		FS: fs, Dir: "/data/__cluster_metadata-0", ClusterID: "5L6g3nShT-eMCtK--X86sw", DirectoryID: ids.DirectoryID{1: 7}, NodeID: 1, CanBeVoter: true,
		StaticVoters: []raft.Voter{{Key: raft.ReplicaKey{ID: 1}, Endpoints: []raft.Endpoint{{Name: "CONTROLLER", Host: "localhost", Port: 9093}}}},
		Endpoints:    []raft.Endpoint{{Name: "CONTROLLER", Host: "localhost", Port: 9093}}, ListenerName: "CONTROLLER", Listener: rec, Seed: 1,
	}
}

func startNode(t *testing.T, o Options) *Node {
	t.Helper()
	o.Failed = func(err error) { t.Errorf("node failed: %v", err) }
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

func leads(r *recorder) func() bool { return func() bool { return r.leader.Leader == 1 } }

func TestSingleVoterElectsItselfAndKeepsItsRecords(t *testing.T) {
	fs := vfs.NewMem()
	var want []string
	for round := 1; round <= 3; round++ {
		rec := newRecorder()
		n := startNode(t, testOptions(fs, rec))
		rec.wait(t, "leadership", leads(rec))
		epoch := rec.leader.Epoch
		if int(epoch) != round {
			t.Fatalf("round %d leads in epoch %d", round, epoch)
		}
		for i := 0; i < 50; i++ {
			recs := [][]byte{fmt.Appendf(nil, "a%d.%d", round, i), fmt.Appendf(nil, "b%d.%d", round, i)}
			if _, err := n.Append(epoch, recs, 1000); err != nil {
				t.Fatal(err)
			}
			want = append(want, string(recs[0]), string(recs[1]))
		}
		if _, err := n.Append(epoch-1, [][]byte{{1}}, 0); err == nil {
			t.Fatal("an append of an old epoch was taken")
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == len(want) })
		for i := range want {
			if rec.records[i] != want[i] {
				t.Fatalf("record %d is %q, not %q", i, rec.records[i], want[i])
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Append(epoch, [][]byte{{1}}, 0); err == nil {
			t.Fatal("a closed node took an append")
		}
	}
}

func TestSnapshotReplacesTheLogBelowIt(t *testing.T) {
	fs := vfs.NewMem()
	rec := newRecorder()
	o := testOptions(fs, rec)
	o.Config.SegmentBytes, o.Config.RetentionBytes = 4096, 1
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	total := 0
	for snap := 0; snap < 3; snap++ {
		for i := 0; i < 100; i++ {
			if _, err := n.Append(1, [][]byte{fmt.Appendf(nil, "r%d", total)}, int64(total)); err != nil {
				t.Fatal(err)
			}
			total++
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == total })
		at, recs := rec.at, append([]string(nil), rec.records...)
		err := n.WriteSnapshot(at, rec.time, func(yield func([]byte) bool) {
			for _, s := range recs {
				if !yield([]byte(s)) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := n.LatestSnapshot(); !ok || got != at {
			t.Fatalf("latest snapshot %v, wrote %v", got, at)
		}
	}
	if err := n.WriteSnapshot(rec.at, 0, func(func([]byte) bool) {}); err == nil {
		t.Fatal("the same position twice")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := newRecorder()
	o.Listener = again
	n = startNode(t, o)
	again.wait(t, "leadership", leads(again))
	if len(again.records) != total || len(again.snapshots) != 1 {
		t.Fatalf("%d of %d records after the restart, snapshots %v", len(again.records), total, again.snapshots)
	}
	names, _ := fs.ReadDir(o.Dir)
	checkpoints := 0
	for _, e := range names {
		if _, _, ok := parseSnapshotName(e.Name); ok {
			checkpoints++
		}
	}
	if checkpoints != 1 {
		t.Fatalf("%d checkpoints are left: %v", checkpoints, names)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// The first start counts in the 30 ms to ready; what it does to the disk is
// two flushes for quorum-state and those of the log's first flush.
func TestStartOfASingleVoter(t *testing.T) {
	dir := t.TempDir()
	rec := newRecorder()
	o := testOptions(vfs.OS, rec)
	o.Dir = dir + "/__cluster_metadata-0"
	began := time.Now()
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	t.Logf("leader after %v", time.Since(began))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
