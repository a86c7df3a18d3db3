package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat handles a Heartbeat; the group id is checked already.
func (gs *Groups) Heartbeat(req *kmsg.HeartbeatRequest, now int64) *kerr.Error {
	err := gs.CheckHeartbeat(req)
	if err == nil || err == kerr.RebalanceInProgress {
		g := gs.byID[req.Group]
		gs.refreshSession(g, g.members.byID[req.MemberID], now)
	}
	return err
}

// Leave handles a LeaveGroup, one member or many, in the form of version 3 and
// later. It answers with UNKNOWN_MEMBER_ID for each if there is no such group.
func (gs *Groups) Leave(group string, members []kmsg.LeaveGroupRequestMember, now int64) ([]kmsg.LeaveGroupResponseMember, Effects) {
	var e Effects
	out := make([]kmsg.LeaveGroupResponseMember, len(members))
	g := gs.byID[group]
	left := 0
	for i := range members {
		m := &members[i]
		out[i] = kmsg.NewLeaveGroupResponseMember()
		out[i].MemberID, out[i].InstanceID = m.MemberID, m.InstanceID
		if err := gs.leave(g, m, &e); err != nil {
			out[i].ErrorCode = err.Code
			continue
		}
		left++
	}
	if left == 0 {
		return out, e
	}
	switch g.state {
	case Stable, CompletingRebalance:
		gs.rebalanceOrComplete(g, leaveReason(members), now, &e)
	case PreparingRebalance:
		gs.maybeComplete(g, now, &e)
	}
	return out, e
}

// leaveReason says who left and why, for as many as are worth a line.
func leaveReason(members []kmsg.LeaveGroupRequestMember) string {
	text := "left:"
	for i := range members {
		if i == 8 {
			return text + " …"
		}
		m := &members[i]
		name := m.MemberID
		if name == "" && m.InstanceID != nil {
			name = "instance " + *m.InstanceID
		}
		text += " " + name
		if m.Reason != nil {
			text += " (" + *m.Reason + ")"
		}
	}
	return text
}

// leave takes one member out; an operator names static ones by instance alone.
func (gs *Groups) leave(g *Group, m *kmsg.LeaveGroupRequestMember, e *Effects) *kerr.Error {
	if g == nil {
		return kerr.UnknownMemberID
	}
	id := m.MemberID
	if id == "" {
		if m.InstanceID == nil || g.instances[*m.InstanceID] == nil {
			return kerr.UnknownMemberID
		}
		id = g.instances[*m.InstanceID].ID
	} else if gs.dropPending(g, id) {
		return nil
	} else if err := g.check(id, m.InstanceID); err != nil {
		return err
	}
	gs.takeOut(g, g.members.byID[id], e)
	return nil
}

// takeOut drops a member and answers what it holds. A client that is still there
// joins again when it hears that it isn't known.
func (gs *Groups) takeOut(g *Group, m *Member, e *Effects) {
	g.answerJoin(m, joinError("", kerr.UnknownMemberID.Code), e)
	g.answerSync(m, syncError(kerr.UnknownMemberID.Code), e)
	gs.alarms.Cancel(&m.session)
	gs.tell(g, m.ID)
	g.drop(m)
}

// Expire handles one thing that is due at now.
func (gs *Groups) Expire(now int64) Effects {
	var e Effects
	a := gs.alarms.Pop(now)
	if a == nil {
		return e
	}
	d := a.Value
	switch d.what {
	case dueSession:
		gs.sessionDue(d.group, d.member, now, &e)
	case duePending:
		delete(d.group.pending, d.pending.id)
		gs.afterLoss(d.group, "", now, &e)
	case dueJoin:
		gs.joinDue(d.group, now, &e)
	case dueSync:
		gs.syncDue(d.group, now, &e)
	}
	return e
}

func (gs *Groups) sessionDue(g *Group, m *Member, now int64, e *Effects) {
	if m.satisfied() {
		return // it waits for us; its session begins anew with our answer
	}
	gs.takeOut(g, m, e)
	gs.afterLoss(g, "session of member "+m.ID+" expired", now, e)
}

// afterLoss goes on without a member. An id that was handed out and never used
// (no reason given) is no loss to a group that is not waiting for it.
func (gs *Groups) afterLoss(g *Group, reason string, now int64, e *Effects) {
	switch {
	case g.state == PreparingRebalance && g.allJoined():
		gs.complete(g, now, e)
	case reason != "" && g.is(Stable, CompletingRebalance):
		gs.rebalanceOrComplete(g, reason, now, e)
	}
}

// syncDue drops the members that joined and did not sync.
func (gs *Groups) syncDue(g *Group, now int64, e *Effects) {
	if !g.is(CompletingRebalance, Stable) || g.unsynced == 0 {
		return
	}
	for m := g.members.first; m != nil; {
		next := m.next
		if m.unsynced {
			gs.takeOut(g, m, e)
			e.note(g, "member "+m.ID+" did not sync in time")
		}
		m = next
	}
	gs.prepare(g, "members did not sync in time", now, e)
}
