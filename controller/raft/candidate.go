package raft

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// candidate raised the epoch, voted for itself and asks for votes.
type candidate struct {
	votes    votes
	deadline int64
	lost     bool // no majority is left to win
}

func (*candidate) role() Role              { return Candidate }
func (s *candidate) leaderID() ids.NodeID  { return ids.NoNode }
func (s *candidate) endpoints() []Endpoint { return nil }

// grants: its vote is its own, but it would give way in a next epoch.
func (s *candidate) grants(c *Core, r VoteRequest, upToDate bool) bool {
	if c.mutant(MutantVoteTwice) {
		return upToDate
	}
	return r.PreVote && upToDate
}

func (s *candidate) poll(c *Core, now int64) int64 {
	if c.stopping {
		return never
	}
	if now >= s.deadline {
		why := "election timeout"
		if s.lost {
			why = "lost the election"
		}
		// A lost election waits here too, so that candidates that split the vote part by their timeouts.
		c.becomeProspective(why, now)
		return now
	}
	return min(s.votes.ask(c, false, now), s.deadline)
}

// retrySooner does not wait for the whole election timeout when all who live have
// voted, and not for it. An election without such an answer does: it may be the
// network that is slow.
func (s *candidate) retrySooner(c *Core, now int64) {
	if !s.lost && s.votes.hopeless() {
		s.lost = true
		c.defeat()
		invariant.Sometimes(true, "raft: a vote is split")
		s.deadline = min(s.deadline, now+c.electionBackoff())
	}
}
