package classic

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// rebalanceOrComplete begins a rebalance, or completes the one that goes on.
func (gs *Groups) rebalanceOrComplete(g *Group, reason string, now int64, e *Effects) {
	if g.state.mayEnter(PreparingRebalance) {
		gs.prepare(g, reason, now, e)
		return
	}
	gs.maybeComplete(g, now, e)
}

// prepare begins a rebalance: everybody has to join again.
func (gs *Groups) prepare(g *Group, reason string, now int64, e *Effects) {
	if g.state == CompletingRebalance {
		gs.resetAssignments(g, kerr.RebalanceInProgress.Code, now, e)
	}
	g.clearUnsynced()
	gs.alarms.Cancel(&g.syncing)
	initial := g.state == Empty
	g.enter(PreparingRebalance, now)
	gs.tell(g, "")
	g.story.Begin(g.generation, g.generation+1, reason, now)
	e.note(g, "preparing to rebalance: "+reason)
	g.delay = initialDelay{}
	if initial {
		// Members of a new group tend to start together: wait for the others.
		g.delay = initialDelay{on: true, delay: gs.cfg.InitialDelay, remaining: max(g.rebalanceTimeout()-gs.cfg.InitialDelay, 0)}
		gs.setJoinTimer(g, gs.cfg.InitialDelay, now)
		return
	}
	if g.allJoined() {
		gs.complete(g, now, e)
		return
	}
	gs.setJoinTimer(g, g.rebalanceTimeout(), now)
}

func (gs *Groups) setJoinTimer(g *Group, delay, now int64) {
	g.joining.Value = due{what: dueJoin, group: g}
	gs.alarms.Set(&g.joining, now+delay)
}

// maybeComplete completes the rebalance if all have joined. The first one of an
// empty group is completed by its timer only.
func (gs *Groups) maybeComplete(g *Group, now int64, e *Effects) {
	if g.state == PreparingRebalance && g.previous != Empty && g.allJoined() {
		gs.complete(g, now, e)
	}
}

// joinDue is the end of the wait for members.
func (gs *Groups) joinDue(g *Group, now int64, e *Effects) {
	if d := &g.delay; d.on && d.newMember && d.remaining > 0 {
		next := min(gs.cfg.InitialDelay, d.remaining)
		d.newMember = false
		d.remaining = max(d.remaining-d.delay, 0)
		d.delay = next
		gs.setJoinTimer(g, next, now)
		return
	}
	gs.complete(g, now, e)
}

// complete ends the wait for members: who did not join is dropped, unless it is
// static, and the group goes to its next generation.
func (gs *Groups) complete(g *Group, now int64, e *Effects) {
	gs.alarms.Cancel(&g.joining)
	g.delay = initialDelay{}
	gs.dropAbsent(g, e)
	if g.members.len() > 0 && !g.electJoined() {
		// Only static members are left and none has come back yet. Their
		// sessions decide; until then the rebalance cannot go on.
		e.note(g, "nobody has joined; the rebalance waits on")
		gs.setJoinTimer(g, g.rebalanceTimeout(), now)
		return
	}
	g.nextGeneration(now)
	if g.state == Empty {
		e.noteEnd(g, "the group is empty", now)
		e.Write = g.record(writeEmpty, nil)
		return
	}
	e.note(g, fmt.Sprintf("%d members joined, led by %s", g.members.len(), g.leader))
	for m := g.members.first; m != nil; m = m.next {
		g.answerJoin(m, g.joined(m), e)
		gs.refreshSession(g, m, now)
		m.isNew = false
		g.setUnsynced(m, true)
	}
	g.syncing.Value = due{what: dueSync, group: g}
	gs.alarms.Set(&g.syncing, now+g.rebalanceTimeout())
}

// dropAbsent drops the dynamic members that have not joined.
func (gs *Groups) dropAbsent(g *Group, e *Effects) {
	for m := g.members.first; m != nil; {
		next := m.next
		if m.join == 0 && m.InstanceID == nil {
			gs.alarms.Cancel(&m.session)
			g.drop(m)
			e.note(g, "member "+m.ID+" did not join in time")
		}
		m = next
	}
}

// resetAssignments takes everybody's assignment and answers held syncs with code.
func (gs *Groups) resetAssignments(g *Group, code int16, now int64, e *Effects) {
	for m := g.members.first; m != nil; m = m.next {
		m.Assignment = []byte{}
		if g.answerSync(m, syncError(code), e) {
			gs.refreshSession(g, m, now)
		}
	}
}
