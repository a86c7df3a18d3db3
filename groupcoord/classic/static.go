package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// staticSwap is what it takes to undo a replacement, and to answer it.
type staticSwap struct {
	oldID          string
	member         *Member // the new one
	leader         string  // before the swap
	protocols      []kmsg.JoinGroupRequestProtocol
	rebalance      int32
	session        int32
	skipAssignment bool // the client understands SkipAssignment
}

// replaceStatic gives the instance of a static member that came back a new id
// (KIP-345). A stable group goes on without a rebalance if it can.
func (gs *Groups) replaceStatic(g *Group, old *Member, id string, j *Join, now int64, e *Effects) {
	swap := &staticSwap{
		oldID: old.ID, leader: g.leader, protocols: old.Protocols,
		rebalance: old.RebalanceTimeout, session: old.SessionTimeout,
		skipAssignment: j.Req.Version >= versionSkipAssignment,
	}
	m := gs.swap(g, old, id, now, e)
	swap.member = m
	g.update(m, j.Req, j.Ticket)
	reason := "static member " + id + " replaced " + swap.oldID + "; client reason: " + j.reason()
	switch g.state {
	case Stable:
		if g.protocol != nil && *g.protocol == g.selectProtocol() {
			e.Write = g.record(writeStatic, g.assignments())
			e.Write.ticket, e.Write.static = j.Ticket, swap
			e.note(g, reason+"; the assignment stays")
			return
		}
		gs.rebalanceOrComplete(g, reason, now, e)
	case CompletingRebalance:
		// The leader may be assigning to the old id just now: everyone joins again.
		gs.prepare(g, reason, now, e)
	default:
		gs.maybeComplete(g, now, e)
	}
}

// swap puts a member with a new id into the place of old, whose held requests
// are fenced.
func (gs *Groups) swap(g *Group, old *Member, id string, now int64, e *Effects) *Member {
	g.answerJoin(old, joinError(old.ID, kerr.FencedInstanceID.Code), e)
	g.answerSync(old, syncError(kerr.FencedInstanceID.Code), e)
	gs.alarms.Cancel(&old.session)
	gs.tell(g, old.ID)
	m := &Member{
		ID: id, InstanceID: old.InstanceID, ClientID: old.ClientID, Host: old.Host,
		RebalanceTimeout: old.RebalanceTimeout, SessionTimeout: old.SessionTimeout,
		Protocols: old.Protocols, Assignment: old.Assignment,
	}
	g.setUnsynced(old, false)
	g.members.replace(old, m)
	g.instances[*m.InstanceID] = m
	if g.leader == old.ID {
		g.leader = id
	}
	gs.refreshSession(g, m, now)
	return m
}

// staticWritten answers a replaced static member, or undoes the replacement.
func (gs *Groups) staticWritten(g *Group, w *Write, code int16, now int64, e *Effects) {
	s := w.static
	m := g.members.byID[s.member.ID]
	if m != s.member || m.join != w.ticket {
		return // gone, replaced or joined again meanwhile: answered there
	}
	if code != 0 {
		g.hold(m, 0)
		g.setTerms(m, s.protocols, s.rebalance, s.session)
		gs.swap(g, m, s.oldID, now, e)
		resp := g.joined(m)
		resp.MemberID, resp.ErrorCode, resp.LeaderID, resp.Members = "", code, s.leader, nil
		e.Joins = append(e.Joins, JoinReply{w.ticket, resp})
		return
	}
	resp := g.joined(m)
	if s.skipAssignment {
		resp.SkipAssignment = g.leader == m.ID
	} else {
		// An old client that hears it leads would assign; with the id it had
		// before it takes itself for a follower and keeps what it has.
		resp.LeaderID, resp.Members = s.leader, nil
	}
	g.answerJoin(m, resp, e)
	gs.refreshSession(g, m, now) // it may have run out unnoticed meanwhile
}

// assignments is what everybody has, by member id.
func (g *Group) assignments() map[string][]byte {
	out := make(map[string][]byte, g.members.len())
	for m := g.members.first; m != nil; m = m.next {
		out[m.ID] = m.Assignment
	}
	return out
}
