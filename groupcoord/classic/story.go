package classic

import (
	"fmt"

	"github.com/gregorbroker/gregor/groupcoord/rebalance"
)

// waitersShown is how many of those that a rebalance waits for are named.
const waitersShown = 10

// Rebalances are the last rebalances of the group, the newest last.
func (g *Group) Rebalances() []rebalance.Rebalance {
	return g.story.List(g.waitedFor())
}

// waitedFor are the members that have not joined, and later the leader that has
// not assigned.
func (g *Group) waitedFor() []string {
	switch g.state {
	case CompletingRebalance:
		if m := g.members.byID[g.leader]; m != nil {
			return []string{m.name() + " leads and has not told the assignment"}
		}
		return nil
	case PreparingRebalance:
	default:
		return nil
	}
	var out []string
	left := 0
	for m := g.members.first; m != nil; m = m.next {
		switch {
		case m.join != 0:
		case len(out) == waitersShown:
			left++
		default:
			out = append(out, m.name()+" has not joined again")
		}
	}
	if left > 0 {
		out = append(out, fmt.Sprintf("and %d more", left))
	}
	return out
}

// name is what a person knows the member by.
func (m *Member) name() string {
	out := m.ID
	if m.InstanceID != nil {
		out += " instance " + *m.InstanceID
	}
	return out + " (client " + m.ClientID + " at " + m.Host + ")"
}
