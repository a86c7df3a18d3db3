package raft

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// resigned led this epoch and will not again: it resigned, or was started anew. It
// tells the voters, and moves on to the next epoch when its election timeout ends.
type resigned struct {
	self       ids.NodeID
	at         []Endpoint
	successors []ReplicaKey // who should campaign, best first
	unacked    []ids.NodeID // voters that have not heard of it
	deadline   int64
}

func (*resigned) role() Role              { return Resigned }
func (s *resigned) leaderID() ids.NodeID  { return s.self }
func (s *resigned) endpoints() []Endpoint { return s.at }

// heard crosses off a voter that need not be told any more.
func (s *resigned) heard(from ids.NodeID) {
	s.unacked = slices.DeleteFunc(s.unacked, func(id ids.NodeID) bool { return id == from })
}

func (s *resigned) grants(_ *Core, r VoteRequest, upToDate bool) bool { return r.PreVote && upToDate }

func (s *resigned) poll(c *Core, now int64) int64 {
	next := never
	for _, id := range s.unacked {
		if v, ok := c.log.lastVoters().Get(id); ok {
			_, at := c.trySend(Target{id, v.Endpoints}, EndEpochRequest{
				Leader: s.self, Epoch: c.hard.Epoch, Endpoints: s.at, Successors: s.successors,
			}, now)
			next = min(next, at)
		}
	}
	if c.stopping {
		return next
	}
	if now >= s.deadline {
		c.becomeUnattached(c.hard.Epoch+1, ids.NoNode, "left the epoch it led", now)
		return now
	}
	return min(next, s.deadline)
}
