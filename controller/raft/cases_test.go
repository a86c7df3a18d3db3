package raft

import (
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// The numbered cases are failures that Kafka's quorum had or that its design rules
// out (docs/reliability/CASES.md). Those about disks are in raftio.

// run lets time pass evenly on all nodes, and messages arrive. A deaf node sends and hears nothing.
func (h *harness) run(ms int64, deaf ids.NodeID) {
	for range ms / 50 {
		for _, n := range h.nodes {
			if n.down {
				continue
			}
			if n.now += 50; n.now >= n.core.Deadline() {
				n.core.Tick(n.now)
				h.settle(n)
			}
		}
		for _, n := range h.nodes {
			if n.id != deaf {
				h.deliver(0, n.id, false, true)
			}
		}
		h.wire = slices.DeleteFunc(h.wire, func(w wireMessage) bool { return w.to == deaf })
	}
}

// leaders lists who leads, and fails if two lead the same epoch.
func (h *harness) leaders(t *testing.T) (out []*testNode) {
	t.Helper()
	epochs := map[ids.LeaderEpoch]ids.NodeID{}
	for _, n := range h.nodes {
		if n.down || n.core.Role() != Leader {
			continue
		}
		if other, two := epochs[n.core.hard.Epoch]; two {
			t.Fatalf("nodes %d and %d lead epoch %d", other, n.id, n.core.hard.Epoch)
		}
		epochs[n.core.hard.Epoch] = n.id
		out = append(out, n)
	}
	return out
}

func (h *harness) propose(n *testNode, count int) {
	n.core.Propose(n.core.hard.Epoch, count, nil)
	h.settle(n)
}

// KAFKA-10527: a leader that restarts without the unflushed end of its log, and went
// on in its epoch, would write other records at positions that others have already.
func TestCase19ARestartedLeaderNeverResumesItsEpoch(t *testing.T) {
	for lost := 0; lost <= 2; lost++ {
		h := &harness{}
		h.cluster(3, 0, false)
		n := h.nodes[0]
		h.elect(n)
		for range 3 {
			h.propose(n, 1)
		}
		epoch := n.core.hard.Epoch
		h.wire = nil
		n.log = n.log[:len(n.log)-lost]
		h.boot(n)
		if n.core.Role() != Resigned || n.core.LeaderAndEpoch().Leader >= 0 {
			t.Fatalf("%d lost: it starts as %v", lost, n.core.Role())
		}
		if _, ok := n.core.Propose(epoch, 1, nil); ok {
			t.Fatalf("%d lost: it appends in the epoch that it led", lost)
		}
		h.run(20_000, 0)
		lead := h.leaders(t)
		if len(lead) != 1 || lead[0].core.hard.Epoch <= epoch {
			t.Fatalf("%d lost: leaders %v in epoch %d", lost, lead, lead[0].core.hard.Epoch)
		}
	}
}

// KAFKA-15489: a leader that reaches the others but is not reached by them is not
// asked by a majority, and has to resign within one and a half fetch timeouts.
func TestCase20ALeaderThatNobodyReachesResigns(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, false)
	h.elect(h.nodes[0])
	h.run(5000, 0)
	h.run(h.nodes[0].cfg.FetchTimeout*3/2+100, 1)
	if h.nodes[0].core.Role() == Leader {
		t.Fatal("it leads still")
	}
	h.run(15_000, 1)
	if lead := h.leaders(t); len(lead) != 1 || lead[0].id == 1 {
		t.Fatalf("no other leader: %v", lead)
	}
}

// KIP-996: a voter that sends and hears nothing raises no epoch and deposes nobody, however
// often it tries; and pre-votes do not keep a quorum from electing.
func TestCase21PreVotesNeitherDisturbNorBlock(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, false)
	lead := h.nodes[0]
	h.elect(lead)
	epoch := lead.core.hard.Epoch
	for range 20 { // it flaps
		h.run(3000, 3)
		h.run(500, 0)
	}
	for _, n := range h.nodes {
		if n.core.hard.Epoch != epoch {
			t.Errorf("node %d is in epoch %d, not %d", n.id, n.core.hard.Epoch, epoch)
		}
	}
	if lead.core.Role() != Leader {
		t.Fatal("the leader was deposed")
	}
	h.die(lead)
	h.run(2000, 0)
	if again := h.leaders(t); len(again) != 1 {
		t.Fatal("two of three, who both lost the leader, elect nobody")
	}
}

// KAFKA-14205: a voter whose disk is gone knows nothing of its votes. Under its new directory id
// it is not the voter that the others know, and no majority counts it.
func TestCase22AVoterWithAnEmptyDiskDoesNotVote(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, true)
	h.elect(h.nodes[0])
	h.propose(h.nodes[0], 5)
	h.run(1000, 0)
	h.wipe(h.nodes[2])
	h.boot(h.nodes[2])
	h.die(h.nodes[0])
	h.run(30_000, 0)
	if lead := h.leaders(t); len(lead) > 0 {
		t.Fatalf("node %d was elected by one voter and one empty disk", lead[0].id)
	}
	h.boot(h.nodes[0])
	h.run(20_000, 0)
	if lead := h.leaders(t); len(lead) != 1 || lead[0].id == 3 {
		t.Fatalf("leaders %v", lead)
	}
	if h.nodes[2].core.IsVoter() || h.nodes[2].core.End().Offset != h.nodes[0].core.End().Offset {
		t.Error("the node without its disk is no observer that follows")
	}
}

// KAFKA-17608, 17604: voters change one at a time, also when the leader removes itself while
// another change is asked for; and a change that is cut off again leaves the set
// before it in force, also when that is in a snapshot only.
func TestCase23VotersChangeOneAtATime(t *testing.T) {
	h := &harness{}
	h.cluster(3, 1, true)
	lead := h.nodes[0]
	h.elect(lead)
	h.run(3000, 0)
	h.snapshot(lead)
	h.run(1000, 0)
	h.nodes[1].cut, h.nodes[2].cut = true, true
	h.change(lead, 0, 1) // itself; nobody hears of it
	h.change(lead, 4, 0)
	h.deliver(lead.id, 4, false, true)
	h.deliver(4, lead.id, false, true)
	h.change(lead, 0, 2)
	if got := voterIDs(lead.core.log.lastVoters()); !slices.Equal(got, []ids.NodeID{2, 3}) {
		t.Fatalf("the voters %v are in force: more than one change", got)
	}
	h.die(lead)
	h.nodes[1].cut, h.nodes[2].cut = false, false
	h.run(5000, 0)
	next := h.leaders(t)
	if len(next) != 1 {
		t.Fatal("no leader without the one that removed itself")
	}
	h.propose(next[0], 1)
	h.boot(lead)
	h.run(10_000, 0)
	for _, n := range h.nodes {
		if got := voterIDs(n.core.log.lastVoters()); !slices.Equal(got, []ids.NodeID{1, 2, 3}) {
			t.Errorf("node %d knows the voters %v", n.id, got)
		}
	}
	if lead.core.Role() != Follower || lead.core.hw != next[0].core.hw {
		t.Errorf("the former leader is %v at %d", lead.core.Role(), lead.core.hw)
	}
}
