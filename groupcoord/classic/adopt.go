package classic

import "github.com/twmb/franz-go/pkg/kerr"

// Groups move between the classic protocol and that of KIP-848. A group that
// leaves for the other answers whoever waits in it, and goes when its tombstone is
// replayed; one that comes begins as its record says, and rebalances if it must.

// IsSimple tells whether the group was made by a commit only and has no record.
func (g *Group) IsSimple() bool { return g.kind == "" && g.state == Empty && len(g.pending) == 0 }

// Protocol is the protocol of the current generation, nil for none.
func (g *Group) Protocol() *string { return g.protocol }

// Each calls f with every member, the one that is longest in the group first.
func (g *Group) Each(f func(*Member)) {
	for m := g.members.first; m != nil; m = m.next {
		f(m)
	}
}

// Withdraw answers everybody that waits in the group with REBALANCE_IN_PROGRESS:
// they join again, wherever the group is then.
func (gs *Groups) Withdraw(g *Group) Effects {
	var e Effects
	for m := g.members.first; m != nil; m = m.next {
		g.answerJoin(m, joinError(m.ID, kerr.RebalanceInProgress.Code), &e)
		g.answerSync(m, syncError(kerr.RebalanceInProgress.Code), &e)
	}
	return e
}

// Adopt begins the life of a group whose record was just replayed, because it was
// one of the other protocol before. A reason that is not "" makes its members join
// again.
func (gs *Groups) Adopt(id, reason string, now int64) Effects {
	var e Effects
	g := gs.byID[id]
	if g == nil {
		return e
	}
	for m := g.members.first; m != nil; m = m.next {
		gs.refreshSession(g, m, now)
	}
	if reason != "" && g.state.mayEnter(PreparingRebalance) {
		gs.prepare(g, reason, now, &e)
	}
	return e
}
