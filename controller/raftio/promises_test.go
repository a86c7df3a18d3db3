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

// bench is one voter of two, whose flushes, messages and commits are listed in order.
type bench struct {
	t    *testing.T
	disk *syncCounter
	r    *Replica
	now  int64
	sent []raft.Message
}

// tell is a Listener that lists what is committed.
type tell struct {
	*recorder
	disk *syncCounter
}

func (l tell) Committed(bs []CommittedBatch) {
	for _, b := range bs {
		l.disk.add(fmt.Sprintf("committed %d", b.LastOffset))
	}
}

func newBench(t *testing.T, voters ids.NodeID) *bench {
	t.Helper()
	b := &bench{t: t, disk: &syncCounter{FS: vfs.NewMem()}}
	o := testOptions(b.disk, newRecorder())
	o.Listener, o.StaticVoters = tell{newRecorder(), b.disk}, nil
	for id := range voters {
		o.StaticVoters = append(o.StaticVoters, raft.Voter{Key: raft.ReplicaKey{ID: id + 1}, Endpoints: []raft.Endpoint{{Name: "CONTROLLER", Host: "h", Port: uint16(id + 1)}}})
	}
	r, err := OpenReplica(o, rand.New(rand.NewPCG(1, 1)), func(m raft.Message) {
		b.sent = append(b.sent, m)
		b.disk.add(fmt.Sprintf("send %T", m.Body))
	}, 0, 0)
	b.r = r
	b.must(err)
	t.Cleanup(func() { b.must(r.Close(false)) })
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// step gives it a message and returns what it did, in order.
func (b *bench) step(m raft.Message) string {
	b.t.Helper()
	b.disk.take()
	b.must(b.r.Step(m, b.now))
	return b.disk.take()
}

// last is the last message of its kind that was sent.
func last[B raft.Body](b *bench) (m raft.Message, body B) {
	b.t.Helper()
	for i := len(b.sent) - 1; i >= 0; i-- {
		if body, ok := b.sent[i].Body.(B); ok {
			return b.sent[i], body
		}
	}
	b.t.Fatalf("sent no %T", body)
	return m, body
}

// follows checks that what is in the list, and not before any line of after.
func (b *bench) follows(list, what string, after ...string) {
	b.t.Helper()
	at := strings.Index(list, what)
	if at < 0 {
		b.t.Fatalf("no %q in\n%s", what, list)
	}
	for _, a := range after {
		if before := strings.Index(list, a); before < 0 || before > at {
			b.t.Errorf("%q does not come before %q in\n%s", a, what, list)
		}
	}
}

// flushed is what makes quorum-state durable, and the log.
var (
	flushedState = []string{"file quorum-state.tmp", "dir __cluster_metadata-0"}
	flushedLog   = "file 00000000000000000000.log"
)

// A vote, also that of a candidate for itself, and an epoch are told of behind the flush of
// quorum-state and of its name.
func TestAVoteIsAnsweredBehindItsFlush(t *testing.T) {
	b := newBench(t, 3)
	ask := raft.VoteRequest{Candidate: raft.ReplicaKey{ID: 2}, Voter: raft.ReplicaKey{ID: 1}, Epoch: 4}
	b.follows(b.step(raft.Message{Call: 1, Body: ask}), "send raft.VoteReply", flushedState...)
	if _, v := last[raft.VoteReply](b); !v.Granted || v.Epoch != 4 {
		t.Errorf("it answers %+v", v)
	}
	for b.r.Core().Role() != raft.Prospective {
		b.now = b.r.Core().Deadline()
		b.must(b.r.Tick(b.now))
	}
	m, v := last[raft.VoteRequest](b)
	list := b.step(raft.Message{Call: m.Call, From: m.To.ID, Body: raft.VoteReply{LeaderInfo: raft.LeaderInfo{Leader: ids.NoNode, Epoch: v.Epoch}, Granted: true}})
	if b.r.Core().Role() != raft.Candidate {
		t.Fatalf("it is %v", b.r.Core().Role())
	}
	b.follows(list, "send raft.VoteRequest", flushedState...)
}

func TestAnEpochIsAnsweredBehindItsFlush(t *testing.T) {
	b := newBench(t, 2)
	begin := raft.BeginEpochRequest{Leader: 2, Epoch: 7, Voter: raft.ReplicaKey{ID: 1}}
	b.follows(b.step(raft.Message{Call: 1, Body: begin}), "send raft.BeginEpochReply", flushedState...)
	end := raft.EndEpochRequest{Leader: 2, Epoch: 8}
	b.follows(b.step(raft.Message{Call: 2, Body: end}), "send raft.EndEpochReply", flushedState...)
	vote := raft.VoteRequest{Candidate: raft.ReplicaKey{ID: 2}, Voter: raft.ReplicaKey{ID: 1}, Epoch: 9, PreVote: true}
	b.follows(b.step(raft.Message{Call: 3, Body: vote}), "send raft.VoteReply", flushedState...)
}

// The next fetch of a follower acknowledges what the last one brought, so it leaves behind the flush.
func TestAnAppendIsAcknowledgedBehindItsFlush(t *testing.T) {
	b := newBench(t, 2)
	b.step(raft.Message{Call: 1, Body: raft.BeginEpochRequest{Leader: 2, Epoch: 1, Voter: raft.ReplicaKey{ID: 1}}})
	m, _ := last[raft.FetchRequest](b)
	data, err := encodeRecords(0, 1, [][]byte{[]byte("a"), []byte("b")}, 0)
	b.must(err)
	list := b.step(raft.Message{Call: m.Call, From: 2, Body: raft.FetchReply{LeaderInfo: raft.LeaderInfo{Leader: 2, Epoch: 1}, Data: data}})
	b.follows(list, "send raft.FetchRequest", flushedLog)
	if _, f := last[raft.FetchRequest](b); f.Last.Offset != 2 {
		t.Errorf("it acknowledges %v", f.Last)
	}
}

// A voter that is alone commits behind its own flush.
func TestACommitComesBehindTheFlush(t *testing.T) {
	b := newBench(t, 1)
	b.must(b.r.Tick(b.now))
	b.disk.take()
	at, err := b.r.Append([][]byte{[]byte("a")}, b.now)
	b.must(err)
	b.follows(b.disk.take(), fmt.Sprintf("committed %d", at), flushedLog)
}
