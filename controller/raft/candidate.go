package raft

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// candidate raised the epoch, voted for itself and asks for votes.
type candidate struct {
	votes    votes
	deadline int64
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
		invariant.Sometimes(len(s.votes.rejected) > 0, "raft: a vote is split")
		// A lost election waits here too, so that candidates that split the vote part by their timeouts.
		c.becomeProspective("election timeout", now)
		return now
	}
	return min(s.votes.ask(c, false, now), s.deadline)
}
