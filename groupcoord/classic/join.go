package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Join is one JoinGroup request.
type Join struct {
	Req      *kmsg.JoinGroupRequest
	Ticket   Ticket
	ClientID string
	Host     string
	// Suffix is a fresh random UUID, for the id of a member that has none yet.
	Suffix string
}

// From this version on a member joins with an id it was given before (KIP-394),
// and may be told to skip the assignment (KIP-814).
const (
	versionMemberIDRequired = 4
	versionSkipAssignment   = 9
)

// Join handles a JoinGroup. Group id and session timeout are checked already.
func (gs *Groups) Join(j Join, now int64) Effects {
	var e Effects
	g := gs.byID[j.Req.Group]
	if g == nil && j.Req.MemberID != "" {
		j.refuse(&e, j.Req.MemberID, kerr.UnknownMemberID)
		return e
	}
	if g == nil {
		g = gs.Ensure(j.Req.Group, now)
		g.written = false
	}
	switch {
	case !gs.hasRoom(g, j.Req.MemberID):
		j.refuse(&e, "", kerr.GroupMaxSizeReached)
		gs.evict(g, j.Req.MemberID)
		gs.maybeComplete(g, now, &e) // it may have been the last that was missing
	case !g.accepts(j.Req.ProtocolType, j.Req.Protocols):
		j.refuse(&e, j.Req.MemberID, kerr.InconsistentGroupProtocol)
	case j.Req.MemberID == "":
		gs.joinNew(g, &j, now, &e)
	default:
		gs.joinKnown(g, &j, now, &e)
	}
	if !g.written && e.Write == nil {
		e.Write = g.newRecord(j.Ticket)
	}
	g.written = true
	return e
}

func (j *Join) refuse(e *Effects, memberID string, err *kerr.Error) {
	e.Joins = append(e.Joins, JoinReply{j.Ticket, joinError(memberID, err.Code)})
}

// reason is why the client says it joins (KIP-800).
func (j *Join) reason() string {
	if j.Req.Reason == nil || *j.Req.Reason == "" {
		return "not provided"
	}
	return *j.Req.Reason
}

// hasRoom tells whether the member may join as far as the group's size goes.
// While a rebalance is prepared those who wait count, not those who are
// members: a group that is over its size loses the members that join last.
func (gs *Groups) hasRoom(g *Group, memberID string) bool {
	m := g.members.byID[memberID]
	switch g.state {
	case PreparingRebalance:
		return m != nil && m.join != 0 || g.awaiting < gs.cfg.MaxSize
	case CompletingRebalance, Stable:
		return m != nil || g.members.len() < gs.cfg.MaxSize
	default:
		return true
	}
}

// evict forgets a member, or an id handed out, for which there is no room.
func (gs *Groups) evict(g *Group, memberID string) {
	if m := g.members.byID[memberID]; m != nil {
		gs.alarms.Cancel(&m.session)
		g.drop(m)
	}
	gs.dropPending(g, memberID)
}

func (gs *Groups) dropPending(g *Group, memberID string) bool {
	p := g.pending[memberID]
	if p == nil {
		return false
	}
	gs.alarms.Cancel(&p.session)
	delete(g.pending, memberID)
	return true
}

// longestID is how many bytes a string has at most, on the wire and in records.
const longestID = 1<<15 - 1

// newID is the id of a member that has none.
func (j *Join) newID() string {
	if j.Req.InstanceID != nil {
		return *j.Req.InstanceID + "-" + j.Suffix
	}
	return j.ClientID + "-" + j.Suffix
}

// joinNew handles a member without an id.
func (gs *Groups) joinNew(g *Group, j *Join, now int64, e *Effects) {
	id := j.newID()
	switch {
	case len(id) > longestID: // a record with it would end the load of the whole partition
		j.refuse(e, "", kerr.UnknownServerError)
		return
	case j.Req.InstanceID != nil && g.instances[*j.Req.InstanceID] != nil:
		gs.replaceStatic(g, g.instances[*j.Req.InstanceID], id, j, now, e)
		return
	case j.Req.InstanceID != nil || j.Req.Version < versionMemberIDRequired:
		gs.addMember(g, id, j, now, e)
		return
	}
	if g.pending == nil {
		g.pending = map[string]*pendingMember{}
	}
	p := &pendingMember{id: id}
	p.session.Value = due{what: duePending, group: g, pending: p}
	g.pending[id] = p
	gs.alarms.Set(&p.session, now+int64(j.Req.SessionTimeoutMillis))
	j.refuse(e, id, kerr.MemberIDRequired)
}

// joinKnown handles a member that names its id.
func (gs *Groups) joinKnown(g *Group, j *Join, now int64, e *Effects) {
	id := j.Req.MemberID
	if j.Req.InstanceID == nil && gs.dropPending(g, id) {
		gs.addMember(g, id, j, now, e)
		return
	}
	if err := g.check(id, j.Req.InstanceID); err != nil {
		j.refuse(e, id, err)
		return
	}
	m := g.members.byID[id]
	switch g.state {
	case PreparingRebalance:
		gs.rejoin(g, m, j, "member "+id+" rejoins; client reason: "+j.reason(), now, e)
	case CompletingRebalance:
		if m.matches(j.Req.Protocols) { // it may have missed our answer
			e.Joins = append(e.Joins, JoinReply{j.Ticket, g.joined(m)})
			return
		}
		gs.rejoin(g, m, j, "metadata of member "+id+" changed; client reason: "+j.reason(), now, e)
	case Stable:
		switch {
		case g.leader == id: // it may know of changes that no metadata shows
			gs.rejoin(g, m, j, "leader "+id+" rejoins; client reason: "+j.reason(), now, e)
		case !m.matches(j.Req.Protocols):
			gs.rejoin(g, m, j, "metadata of member "+id+" changed; client reason: "+j.reason(), now, e)
		default:
			e.Joins = append(e.Joins, JoinReply{j.Ticket, g.joined(m)})
		}
	default:
		j.refuse(e, id, kerr.UnknownMemberID)
	}
}

// rejoin holds a member's join and rebalances, or completes the rebalance.
func (gs *Groups) rejoin(g *Group, m *Member, j *Join, reason string, now int64, e *Effects) {
	gs.supersede(g, m, e)
	g.update(m, j.Req, j.Ticket)
	g.story.Arrived(m.name())
	gs.rebalanceOrComplete(g, reason, now, e)
}

// supersede answers the join a member left behind when it sends another one: its
// connection is gone or it gave up waiting, but every request gets its answer.
func (gs *Groups) supersede(g *Group, m *Member, e *Effects) {
	g.answerJoin(m, joinError(m.ID, kerr.RebalanceInProgress.Code), e)
}

// addMember makes a new member, which gives the group a reason to rebalance.
func (gs *Groups) addMember(g *Group, id string, j *Join, now int64, e *Effects) {
	m := &Member{
		ID: id, InstanceID: j.Req.InstanceID, ClientID: j.ClientID, Host: j.Host,
		RebalanceTimeout: j.Req.RebalanceTimeoutMillis, SessionTimeout: j.Req.SessionTimeoutMillis,
		Protocols: j.Req.Protocols, isNew: true, Assignment: []byte{},
	}
	if g.state == PreparingRebalance && g.previous == Empty {
		g.delay.newMember = true
	}
	g.add(m, j.Req.ProtocolType, j.Ticket)
	// The member knows no id to heartbeat with and its connection is not watched
	// while it waits, so a client that went away and came back would leave a
	// ghost. The limit makes those go; a client that is there joins again.
	gs.refresh(g, m, gs.cfg.NewMemberTimeout, now)
	reason := "new member " + id + "; client reason: " + j.reason()
	if g.state == PreparingRebalance {
		g.story.Begin(g.generation, g.generation+1, reason, now)
	}
	gs.rebalanceOrComplete(g, reason, now, e)
}
