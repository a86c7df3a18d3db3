package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sync handles a SyncGroup. The group id is checked already.
func (gs *Groups) Sync(req *kmsg.SyncGroupRequest, ticket Ticket, now int64) Effects {
	var e Effects
	g := gs.byID[req.Group]
	if g == nil || g.state == Empty {
		e.Syncs = append(e.Syncs, SyncReply{ticket, syncError(kerr.UnknownMemberID.Code)})
		return e
	}
	if err := g.checkSync(req); err != nil {
		e.Syncs = append(e.Syncs, SyncReply{ticket, syncError(err.Code)})
		return e
	}
	m := g.members.byID[req.MemberID]
	switch g.state {
	case PreparingRebalance:
		e.Syncs = append(e.Syncs, SyncReply{ticket, syncError(kerr.RebalanceInProgress.Code)})
	case CompletingRebalance:
		g.answerSync(m, syncError(kerr.RebalanceInProgress.Code), &e) // one it left behind
		m.sync = ticket
		gs.synced(g, m)
		if g.leader == m.ID {
			e.Write = g.record(writeAssignment, g.assigned(req))
		}
	case Stable:
		gs.synced(g, m)
		e.Syncs = append(e.Syncs, SyncReply{ticket, g.assignmentOf(m)})
	}
	return e
}

func (g *Group) checkSync(req *kmsg.SyncGroupRequest) *kerr.Error {
	if err := g.check(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	if req.ProtocolType != nil && *req.ProtocolType != g.kind ||
		req.Protocol != nil && (g.protocol == nil || *req.Protocol != *g.protocol) {
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// synced notes that the member has sent its SyncGroup.
func (gs *Groups) synced(g *Group, m *Member) {
	g.setUnsynced(m, false)
	if g.unsynced == 0 {
		gs.alarms.Cancel(&g.syncing)
	}
}

// assigned is the leader's assignment, an empty one for whom it left out.
func (g *Group) assigned(req *kmsg.SyncGroupRequest) map[string][]byte {
	out := make(map[string][]byte, g.members.len())
	for m := g.members.first; m != nil; m = m.next {
		out[m.ID] = []byte{}
	}
	for i := range req.GroupAssignment {
		a := &req.GroupAssignment[i]
		if _, ok := out[a.MemberID]; ok {
			out[a.MemberID] = a.MemberAssignment
		}
	}
	return out
}

// assignmentOf is the response with the member's assignment.
func (g *Group) assignmentOf(m *Member) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	kind := g.kind
	r.ProtocolType, r.Protocol = &kind, g.protocol
	r.MemberAssignment = m.Assignment
	return r
}

// assignmentWritten makes the group stable, or its members join again. Another
// rebalance may have begun meanwhile; then this one is history.
func (gs *Groups) assignmentWritten(g *Group, w *Write, code int16, now int64, e *Effects) {
	if g.state != CompletingRebalance || g.generation != w.generation {
		return
	}
	if code != 0 {
		gs.resetAssignments(g, code, now, e)
		gs.rebalanceOrComplete(g, "the assignment could not be stored", now, e)
		return
	}
	for m := g.members.first; m != nil; m = m.next {
		m.Assignment = w.assignment[m.ID]
		if m.Assignment == nil {
			m.Assignment = []byte{}
		}
		// While it was held its session may have run out unnoticed: begin anew.
		if g.answerSync(m, g.assignmentOf(m), e) {
			gs.refreshSession(g, m, now)
		}
	}
	g.enter(Stable, now)
	gs.completed++
	e.noteEnd(g, "stable", now)
}
