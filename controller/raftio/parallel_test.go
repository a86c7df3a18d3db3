package raftio

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// What a leader appends leaves for a follower that waits before the leader flushes it
// itself, so that a commit costs the longer of the two flushes, not their sum. A
// promise, a vote for one, leaves only behind the flush.
func TestRecordsLeaveBeforeTheFlushAndPromisesBehindIt(t *testing.T) {
	disk := &syncCounter{FS: vfs.NewMem()}
	o := testOptions(disk, newRecorder())
	for id := range ids.NodeID(2) {
		o.StaticVoters = append(o.StaticVoters[:id:id], raft.Voter{Key: raft.ReplicaKey{ID: id + 1}, Endpoints: []raft.Endpoint{{Name: "CONTROLLER", Host: "h", Port: uint16(id + 1)}}})
	}
	var sent []raft.Message
	r, err := OpenReplica(o, rand.New(rand.NewPCG(1, 1)), func(m raft.Message) {
		sent = append(sent, m)
		disk.add(fmt.Sprintf("send %T", m.Body))
	}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := int64(0)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for r.Core().Role() != raft.Leader {
		now = r.Core().Deadline()
		sent = nil
		must(r.Tick(now))
		for i := 0; i < len(sent); i++ { // the answer to a pre-vote makes it send the next
			m := sent[i]
			if v, ok := m.Body.(raft.VoteRequest); ok {
				must(r.Step(raft.Message{Call: m.Call, From: 2, Body: raft.VoteReply{LeaderInfo: raft.LeaderInfo{Leader: ids.NoNode, Epoch: v.Epoch}, Granted: true}}, now))
			}
		}
	}
	end := r.Core().End()
	// The first commits the epoch and is answered, the second waits.
	must(r.Step(raft.Message{Call: 999, Body: raft.FetchRequest{Replica: raft.ReplicaKey{ID: 2}, Epoch: end.Epoch, Last: end, HighWatermark: r.Core().HighWatermark(), MaxWait: 500, MaxBytes: 1 << 20}}, now))
	must(r.Step(raft.Message{Call: 1000, Body: raft.FetchRequest{Replica: raft.ReplicaKey{ID: 2}, Epoch: end.Epoch, Last: end, HighWatermark: r.Core().HighWatermark(), MaxWait: 500, MaxBytes: 1 << 20}}, now))
	disk.take()
	if _, err := r.Append([][]byte{[]byte("record")}, now); err != nil {
		t.Fatal(err)
	}
	got := disk.take()
	if want := "send raft.FetchReply\nfile 00000000000000000000.log"; !strings.HasPrefix(got, want) {
		t.Errorf("an append does\n%s", got)
	}
	must(r.Step(raft.Message{Call: 1002, Body: raft.VoteRequest{Candidate: raft.ReplicaKey{ID: 2}, Voter: raft.ReplicaKey{ID: 1}, Epoch: 9, Last: ids.OffsetAndEpoch{Offset: 9, Epoch: 5}}}, now))
	got = disk.take()
	if vote := strings.Index(got, "send raft.VoteReply"); vote < strings.Index(got, "file quorum-state.tmp") || vote < strings.Index(got, "dir __cluster_metadata-0") || !strings.Contains(got, "quorum-state") {
		t.Errorf("a vote does\n%s", got)
	}
	if err := r.Close(false); err != nil {
		t.Error(err)
	}
}
