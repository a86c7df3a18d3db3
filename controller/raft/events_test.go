package raft

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// eventTable says which event leads from which role to which, for node 1 of three voters in
// epoch 5, whose log ends at (3, 4), and who follows node 2 where it follows. "-" is: it stays.
// The columns are in the order of the roles: Unattached, Prospective, Candidate, Leader, Follower,
// Resigned. A change that is not named here is a bug, even if doc.go allows it.
var eventTable = []struct {
	event string
	do    func(c *Core, now int64)
	then  [6]string
}{
	{"its timeout ends", func(c *Core, now int64) { c.Tick(now + 1_000_000) },
		[6]string{"Prospective", "Follower", "Prospective", "Resigned", "Prospective", "Prospective"}},
	{"a vote request of a higher epoch", request(VoteRequest{Candidate: key(3), Voter: key(1), Epoch: 7, Last: end(3, 4)}),
		[6]string{"Unattached", "Unattached", "Unattached", "Unattached", "Unattached", "Unattached"}},
	{"a vote request of its epoch", request(VoteRequest{Candidate: key(3), Voter: key(1), Epoch: 5, Last: end(3, 4)}),
		[6]string{"-", "-", "-", "-", "-", "-"}},
	{"a vote request of an older epoch", request(VoteRequest{Candidate: key(3), Voter: key(1), Epoch: 4, Last: end(3, 3)}),
		[6]string{"-", "-", "-", "-", "-", "-"}},
	{"a pre-vote request of its epoch", request(VoteRequest{Candidate: key(3), Voter: key(1), Epoch: 5, Last: end(3, 4), PreVote: true}),
		[6]string{"-", "-", "-", "-", "-", "-"}},
	{"a pre-vote request of a higher epoch", request(VoteRequest{Candidate: key(3), Voter: key(1), Epoch: 7, Last: end(3, 4), PreVote: true}),
		[6]string{"Unattached", "Unattached", "Unattached", "Unattached", "Unattached", "Unattached"}},
	{"the leader of its epoch announces itself", request(BeginEpochRequest{Leader: 2, Epoch: 5, Endpoints: endpointOf(2), Voter: key(1)}),
		[6]string{"Follower", "-", "Follower", "-", "-", "-"}},
	{"the leader of a higher epoch announces itself", request(BeginEpochRequest{Leader: 3, Epoch: 7, Endpoints: endpointOf(3), Voter: key(1)}),
		[6]string{"Follower", "Follower", "Follower", "Follower", "Follower", "Follower"}},
	{"the leader of its epoch resigns, naming it", request(EndEpochRequest{Leader: 2, Epoch: 5, Endpoints: endpointOf(2), Successors: []ReplicaKey{key(1)}}),
		[6]string{"Prospective", "-", "Prospective", "-", "Prospective", "-"}},
	{"a reply tells of a higher epoch and its leader", reply(func() Body {
		return VoteReply{LeaderInfo: LeaderInfo{Leader: 3, Epoch: 7, Endpoints: endpointOf(3), Err: FencedLeaderEpoch}}
	}),
		[6]string{"Follower", "Follower", "Follower", "Follower", "Follower", "Follower"}},
	{"a reply tells of a higher epoch without leader", reply(func() Body {
		return VoteReply{LeaderInfo: LeaderInfo{Leader: ids.NoNode, Epoch: 7, Err: FencedLeaderEpoch}}
	}),
		[6]string{"Unattached", "Unattached", "Unattached", "Unattached", "Unattached", "Unattached"}},
	{"a vote is granted", reply(func() Body { return VoteReply{LeaderInfo: LeaderInfo{Leader: ids.NoNode, Epoch: 5}, Granted: true} }),
		[6]string{"-", "Candidate", "Leader", "-", "-", "-"}},
	{"all votes are refused", func(c *Core, now int64) {
		for _, id := range []ids.NodeID{2, 3} {
			answer(c, id, VoteReply{LeaderInfo: LeaderInfo{Leader: ids.NoNode, Epoch: 5}}, now)
		}
	}, [6]string{"-", "Follower", "-", "-", "-", "-"}},
	{"the leader's port refuses, and some ms pass", func(c *Core, now int64) {
		answer(c, 2, Unreachable{Refused: true}, now)
		c.Tick(now + suspectMin + suspectSpread + 1)
	}, [6]string{"-", "-", "-", "-", "Prospective", "-"}},
	{"the connection to the leader breaks, and some ms pass", func(c *Core, now int64) {
		answer(c, 2, Unreachable{}, now)
		c.Tick(now + suspectMin + suspectSpread + 1)
	}, [6]string{"-", "-", "-", "-", "-", "-"}},
	{"the controller asks it to resign", func(c *Core, now int64) { c.Resign(5, "test", now) },
		[6]string{"-", "-", "-", "Resigned", "-", "-"}},
	{"it is to stop", func(c *Core, now int64) { c.Stop(now) },
		[6]string{"-", "-", "-", "Resigned", "-", "-"}},
	{"it is to stop, and its timeout ends", func(c *Core, now int64) { c.Stop(now); c.Tick(now + 1_000_000) },
		[6]string{"-", "-", "-", "Resigned", "-", "-"}},
}

func key(id ids.NodeID) ReplicaKey { return ReplicaKey{id, dirOf(id)} }

func end(off ids.Offset, epoch ids.LeaderEpoch) ids.OffsetAndEpoch {
	return ids.OffsetAndEpoch{Offset: off, Epoch: epoch}
}

func request(b Body) func(*Core, int64) {
	return func(c *Core, now int64) { c.Step(Message{Call: 1, Body: b}, now) }
}

// reply comes from node 3, to whatever it was asked.
func reply(b func() Body) func(*Core, int64) {
	return func(c *Core, now int64) { answer(c, 3, b(), now) }
}

// answer ends the request under way to id, or one that is made up.
func answer(c *Core, id ids.NodeID, b Body, now int64) {
	p := c.peer(id)
	if p.call == 0 {
		c.calls++
		p.call, p.sentAt = c.calls, now
	}
	c.Step(Message{Call: p.call, From: id, Body: b}, now)
}

// inRole brings node 1 into a role in epoch 5.
func inRole(r Role) (*Core, int64) {
	h := &harness{}
	h.cluster(3, 0, false)
	c, now := h.nodes[0].core, int64(1000)
	for e := range 3 {
		c.appendEntry(Entry{Base: ids.Offset(e), Last: ids.Offset(e), Epoch: 4})
	}
	c.becomeFollower(4, 2, endpointOf(2), "test", now)
	c.becomeUnattached(4, ids.NoNode, "test", now)
	if r == Leader || r == Candidate || r == Resigned {
		c.becomeProspective("test", now)
		c.becomeCandidate("test", now)
	}
	switch r {
	case Unattached:
		c.becomeUnattached(5, ids.NoNode, "test", now)
	case Follower, Prospective:
		c.becomeFollower(5, 2, endpointOf(2), "test", now)
		if r == Prospective {
			c.becomeProspective("test", now)
		}
	case Leader, Resigned:
		c.role.(*candidate).votes.record(2, true)
		c.becomeLeader(now)
		if r == Resigned {
			c.becomeResigned(nil, "test", now)
		}
	}
	c.poll(now)
	c.out = output{}
	return c, now
}

func TestWhichEventLeadsToWhichRole(t *testing.T) {
	for _, row := range eventTable {
		for r := range Role(len(roleNames)) {
			c, now := inRole(r)
			if c.Role() != r || c.hard.Epoch != 5 {
				t.Fatalf("the test begins in %v of epoch %d, not in %v", c.Role(), c.hard.Epoch, r)
			}
			row.do(c, now)
			got := c.Role().String()
			if want := row.then[r]; want != "-" && got != want || want == "-" && got != r.String() {
				t.Errorf("%v, %s: %s, not %s: %q", r, row.event, got, want, c.out.notes)
			}
		}
	}
}
