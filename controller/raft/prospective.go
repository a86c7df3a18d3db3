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
	lost     bool // no majority is left to win
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
		why := "election timeout"
		if s.lost {
			why = "those who live would not vote for it"
		}
		s.lose(c, why, now)
		return now
	}
	return min(s.votes.ask(c, true, now), s.deadline)
}

// retrySooner shortens the wait of who lost its leader and was refused: the others
// may learn of the leader's death a moment later. Who never had a leader has nothing to hurry for.
func (s *prospective) retrySooner(c *Core, now int64) {
	if !s.lost && s.leader >= 0 && s.votes.hopeless() {
		s.lost = true
		c.defeat()
		s.deadline = min(s.deadline, now+c.electionBackoff())
	}
}

// lose goes back to where it came from.
func (s *prospective) lose(c *Core, why string, now int64) {
	if s.leader >= 0 && len(s.at) > 0 {
		if s.votes.lost() {
			c.defeat() // suspect waits longer each time
		}
		invariant.Sometimes(true, "raft: a lost pre-vote leads back to the leader")
		c.becomeFollower(c.hard.Epoch, s.leader, s.at, why, now)
		return
	}
	c.becomeUnattached(c.hard.Epoch, s.leader, why, now)
}
