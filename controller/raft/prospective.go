package raft

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// prospective asks the voters whether they would vote for it, without raising the
// epoch, so that a node that is merely cut off disturbs nobody (KIP-996). It
// remembers the leader it lost, to return to it when the others still have it.
type prospective struct {
	leader   ids.NodeID
	at       []Endpoint
	votes    votes
	deadline int64
}

func (*prospective) role() Role              { return Prospective }
func (s *prospective) leaderID() ids.NodeID  { return s.leader }
func (s *prospective) endpoints() []Endpoint { return s.at }

func (s *prospective) grants(c *Core, r VoteRequest, upToDate bool) bool {
	return c.canVote(s.leader, r, upToDate)
}

func (s *prospective) poll(c *Core, now int64) int64 {
	if !c.mayCampaign() { // a voter set that lacks it arrived meanwhile
		s.lose(c, "it is no voter any more", now)
		return now
	}
	if c.stopping {
		return never
	}
	if now >= s.deadline {
		s.lose(c, "election timeout", now)
		return now
	}
	return min(s.votes.ask(c, true, now), s.deadline)
}

// lose goes back to where it came from.
func (s *prospective) lose(c *Core, why string, now int64) {
	if s.leader >= 0 && len(s.at) > 0 {
		invariant.Sometimes(true, "raft: a lost pre-vote leads back to the leader")
		c.becomeFollower(c.hard.Epoch, s.leader, s.at, why, now)
		return
	}
	c.becomeUnattached(c.hard.Epoch, s.leader, why, now)
}
