package raft

import "github.com/gregorbroker/gregor/protocol/ids"

// unattached knows no leader that it could fetch from. It asks the bootstrap
// nodes for one and, as a voter, campaigns when its election timeout ends.
type unattached struct {
	leader   ids.NodeID // known by name only, or NoNode
	deadline int64
}

func (*unattached) role() Role              { return Unattached }
func (s *unattached) leaderID() ids.NodeID  { return s.leader }
func (s *unattached) endpoints() []Endpoint { return nil }

func (s *unattached) grants(c *Core, r VoteRequest, upToDate bool) bool {
	return c.canVote(s.leader, r, upToDate)
}

func (s *unattached) poll(c *Core, now int64) int64 {
	if c.stopping {
		return never
	}
	if c.mayCampaign() && now >= s.deadline {
		c.becomeProspective("election timeout", now)
		return now
	}
	next := c.fetchFromBootstrap(now)
	if c.mayCampaign() {
		next = min(next, s.deadline)
	}
	return next
}
