package raftio

import (
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/storage/vfs"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// A node that asks another cluster's controllers says so, once an address, and not
// with every request: it asks them for as long as it runs.
func TestAnotherClustersControllerIsNamedOnce(t *testing.T) {
	w := &wires{dial: map[string]conn.DialFunc{}}
	theirs := &testMember{id: 1, fs: vfs.NewMem()}
	theirs.start(t, w, []raft.Voter{{Key: theirs.key(), Endpoints: []raft.Endpoint{theirs.endpoint()}}})
	defer theirs.kill(w)
	core, logs := observer.New(zapcore.WarnLevel)
	o := testOptions(vfs.NewMem(), newRecorder())
	o.NodeID, o.CanBeVoter, o.StaticVoters, o.ClusterID, o.Logger = 7, false, nil, "another", zap.New(core)
	o.Bootstrap, o.Seed, o.Dial = []string{"nobody:1"}, 7, w.connect
	ours := startNode(t, o)
	defer ours.Close()
	to := raft.Target{ID: theirs.key().ID, Endpoints: []raft.Endpoint{theirs.endpoint()}}
	for _, body := range []raft.Body{raft.FetchRequest{}, raft.FetchRequest{}, raft.VoteRequest{}, raft.FetchRequest{}} {
		if _, err := ours.net.exchange(raft.Message{To: to, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if said := logs.All(); len(said) != 1 || said[0].ContextMap()["address"] != "node:1" {
		t.Fatalf("%+v", said)
	}
}

// What the core notes again and again is told once in a while.
func TestNotesAreNotRepeated(t *testing.T) {
	var told []string
	d := driver{note: func(s string) { told = append(told, s) }}
	for i, n := range []string{"a", "a", "b", "a", "a", "a", "a"} {
		d.tell(n, []int64{0, 1, 2, 3, 9_000, 10_003, 5}[i]) // the clock may be set back
	}
	if !slices.Equal(told, []string{"a", "b", "a", "a", "a"}) {
		t.Fatal(told)
	}
}
