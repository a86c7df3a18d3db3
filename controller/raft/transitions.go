package raft

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// Role names what a node does in its epoch.
type Role uint8

// The roles; doc.go says what each is.
const (
	Unattached Role = iota
	Prospective
	Candidate
	Leader
	Follower
	Resigned
)

var roleNames = [...]string{"Unattached", "Prospective", "Candidate", "Leader", "Follower", "Resigned"}

func (r Role) String() string { return roleNames[r] }

// legal is the list of doc.go.
var legal = map[Role][]Role{
	Unattached:  {Unattached, Prospective, Follower},
	Prospective: {Candidate, Unattached, Follower, Prospective},
	Candidate:   {Leader, Prospective, Unattached, Follower},
	Leader:      {Resigned, Unattached, Follower},
	Follower:    {Prospective, Unattached, Follower},
	Resigned:    {Unattached, Prospective, Follower},
}

// state is one role's own data and behaviour. A new value is made for each transition.
type state interface {
	role() Role
	// leaderID and endpoints are those of the leader this role knows of.
	leaderID() ids.NodeID
	endpoints() []Endpoint
	// poll does what is due at now: leave by timeout, send what may be sent. It
	// returns when it wants to be polled again.
	poll(c *Core, now int64) int64
	// grants decides on a vote request of the current epoch.
	grants(c *Core, r VoteRequest, upToDate bool) bool
}

const never = int64(1) << 62

// enter is the only place that changes the role.
func (c *Core) enter(s state, why string) {
	from := c.role
	if from != nil {
		ok := false
		for _, r := range legal[from.role()] {
			ok = ok || r == s.role()
		}
		invariant.Check(ok, "node %v: transition %v → %v (%s)", c.cfg.Self, from.role(), s.role(), why)
		c.leave(from, s.role())
	}
	c.role = s
	c.note("%v in epoch %d: %s", s.role(), c.hard.Epoch, why)
	for _, p := range c.peers {
		p.reset()
	}
}

// leave answers what only the old role could have answered later.
func (c *Core) leave(from state, to Role) {
	if l, ok := from.(*leader); ok {
		l.abandon(c)
	}
}

// setEpoch moves to another epoch or leader within it; what changes has to be on disk
// before anything is sent.
func (c *Core) setElection(epoch ids.LeaderEpoch, leader ids.NodeID, voted ReplicaKey) {
	invariant.Check(epoch >= c.hard.Epoch, "node %v: epoch falls from %d to %d", c.cfg.Self, c.hard.Epoch, epoch)
	h := HardState{Epoch: epoch, Leader: leader, Voted: voted}
	if h != c.hard {
		c.hard = h
		c.out.hardDirty = true
	}
}

var noVote = ReplicaKey{ID: ids.NoNode}

// becomeUnattached enters epoch without a leader to fetch from. leader may be
// known all the same, without its endpoints.
func (c *Core) becomeUnattached(epoch ids.LeaderEpoch, leader ids.NodeID, why string, now int64) {
	deadline := c.randomElection(now)
	// An election timeout that already runs goes on: a stream of candidates of
	// ever higher epochs must not keep a better one from campaigning.
	switch s := c.role.(type) {
	case *candidate:
		deadline = s.deadline
	case *unattached:
		deadline = s.deadline
	case *resigned:
		deadline = s.deadline
	case *prospective:
		if !s.votes.lost() {
			deadline = s.deadline
		}
	}
	voted := c.hard.Voted
	if epoch != c.hard.Epoch {
		voted = noVote
	}
	c.setElection(epoch, leader, voted)
	c.enter(&unattached{leader: leader, deadline: deadline}, why)
}

// becomeProspective asks for pre-votes; nothing of it is durable.
func (c *Core) becomeProspective(why string, now int64) {
	invariant.Check(c.mayCampaign(), "node %v: an observer campaigns in %v", c.cfg.Self, c.log.lastVoters())
	known, at := c.role.leaderID(), c.role.endpoints()
	if known == c.cfg.Self.ID { // resigned: it will not follow itself
		known, at = ids.NoNode, nil
	}
	p := &prospective{leader: known, at: at, votes: newVotes(c), deadline: c.randomElection(now)}
	c.enter(p, why)
	if c.mutant(MutantPreVoteRaisesEpoch) {
		c.setElection(c.hard.Epoch+1, ids.NoNode, noVote)
		p.leader, p.at = ids.NoNode, nil
	}
	if p.votes.won() {
		c.becomeCandidate("alone", now)
	}
}

// becomeCandidate raises the epoch and votes for itself.
func (c *Core) becomeCandidate(why string, now int64) {
	c.setElection(c.hard.Epoch+1, ids.NoNode, c.cfg.Self)
	s := &candidate{votes: newVotes(c), deadline: c.randomElection(now)}
	c.enter(s, why)
	invariant.Sometimes(!c.IsVoter(), "raft: a node campaigns whose removal is not committed")
	if s.votes.won() {
		c.becomeLeader(now)
	}
}

// becomeLeader starts the epoch it was elected for with a LeaderChange record.
func (c *Core) becomeLeader(now int64) {
	s := c.role.(*candidate)
	invariant.Check(s.votes.won(), "node %v leads without a majority", c.cfg.Self)
	c.setElection(c.hard.Epoch, c.cfg.Self.ID, noVote)
	l := newLeader(c, s.votes.granted, now)
	c.defeats = 0
	c.enter(l, "elected")
	l.openEpoch(c)
}

// becomeFollower fetches from a leader whose endpoints are known.
func (c *Core) becomeFollower(epoch ids.LeaderEpoch, leader ids.NodeID, at []Endpoint, why string, now int64) {
	invariant.Check(leader != c.cfg.Self.ID, "node %v would follow itself in epoch %d", c.cfg.Self, epoch)
	voted := c.hard.Voted
	if epoch != c.hard.Epoch {
		voted, c.defeats = noVote, 0
	}
	c.setElection(epoch, leader, voted)
	f := &follower{leader: leader, at: at, fetchDeadline: now + c.cfg.FetchTimeout, updateDeadline: now + c.cfg.FetchTimeout*updatePeriods}
	if at := max(c.hw, c.log.Start, 0); c.mutant(MutantTruncateToHW) && at < c.log.End {
		c.log.truncateTo(at)
		c.out.ops = append(c.out.ops, LogOp{Truncate: &at})
	}
	if old, ok := c.role.(*follower); ok && old.leader == leader {
		f.download = old.download
	}
	c.enter(f, why)
}

// becomeResigned stops leading but keeps the epoch, so that nobody takes it
// for a follower of anyone.
func (c *Core) becomeResigned(successors []ReplicaKey, why string, now int64) {
	s := &resigned{self: c.cfg.Self.ID, at: c.cfg.Endpoints, successors: successors, deadline: c.randomElection(now)}
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID != c.cfg.Self.ID {
			s.unacked = append(s.unacked, v.Key.ID)
		}
	}
	c.enter(s, why)
}
