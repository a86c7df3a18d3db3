package classic

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/groupcoord/records"
)

// recordVersion is the version of GroupMetadataValue that Kafka writes; it can
// read a newer one, but a broker before it could not.
const recordVersion = 3

// newRecord is the record of a group that was just made.
func (g *Group) newRecord(ticket Ticket) *Write {
	v := records.GroupMetadataValue{CurrentStateTimestamp: g.since}
	return &Write{Key: groupKey(g.ID), Value: records.AppendValue(nil, &v, recordVersion), group: g, what: writeNew, ticket: ticket}
}

// record is the group's record, with the assignments it shall have.
func (g *Group) record(what writeKind, assignment map[string][]byte) *Write {
	v := records.GroupMetadataValue{
		ProtocolType: g.kind, Generation: g.generation, Protocol: g.protocol,
		CurrentStateTimestamp: g.since, Members: make([]records.MemberMetadata, 0, g.members.len()),
	}
	if g.leader != "" {
		leader := g.leader
		v.Leader = &leader
	}
	for m := g.members.first; m != nil; m = m.next {
		e := records.MemberMetadata{
			MemberID: m.ID, GroupInstanceID: m.InstanceID, ClientID: m.ClientID, ClientHost: m.Host,
			RebalanceTimeout: m.RebalanceTimeout, SessionTimeout: m.SessionTimeout, Assignment: assignment[m.ID],
		}
		if g.protocol != nil {
			e.Subscription = m.metadata(*g.protocol)
		}
		v.Members = append(v.Members, e)
	}
	return &Write{
		Key: groupKey(g.ID), Value: records.AppendValue(nil, &v, recordVersion),
		group: g, generation: g.generation, what: what, assignment: assignment,
	}
}

func groupKey(id string) []byte { return records.AppendKey(nil, &records.GroupMetadataKey{Group: id}) }

// Tombstone is the key of the record that deletes the group.
func (g *Group) Tombstone() []byte { return groupKey(g.ID) }

// Written goes on after a Write: code is 0 when it is committed, else what its
// requester is told; appended says that it is in the log although it was not
// committed in time.
func (gs *Groups) Written(w *Write, code int16, appended bool, now int64) Effects {
	var e Effects
	g := w.group
	if gs.byID[g.ID] != g {
		return e // deleted or unloaded meanwhile
	}
	switch w.what {
	case writeNew:
		if code != 0 {
			gs.newFailed(g, w, code, appended, &e)
		}
	case writeAssignment:
		gs.assignmentWritten(g, w, code, now, &e)
	case writeStatic:
		gs.staticWritten(g, w, code, now, &e)
	}
	return e
}

// newFailed tells the first member of a group that could not be stored. It is
// as if it had never joined, and the next one tries again to store the group.
func (gs *Groups) newFailed(g *Group, w *Write, code int16, appended bool, e *Effects) {
	g.written = appended
	for m := g.members.first; m != nil; m = m.next {
		if m.join == w.ticket {
			g.answerJoin(m, joinError(m.ID, code), e)
			gs.alarms.Cancel(&m.session)
			g.drop(m)
			break
		}
	}
	if !appended && g.members.len() == 0 && len(g.pending) == 0 {
		gs.remove(g)
	}
}

// Replay applies a group's record as it is loaded; a nil value deletes it. Of a
// record that this coordinator wrote itself only the deletion is news, and a group
// that comes from the other protocol.
func (gs *Groups) Replay(id string, v *records.GroupMetadataValue, loading bool, now int64) {
	old := gs.byID[id]
	if v == nil {
		if old != nil {
			gs.remove(old)
		}
		return
	}
	if !loading && old != nil && !old.IsSimple() {
		return // one that is not there was a consumer group until now
	}
	if old != nil {
		gs.remove(old)
	}
	g := &Group{
		ID: id, state: Stable, previous: Dead, since: v.CurrentStateTimestamp, kind: v.ProtocolType,
		protocol: v.Protocol, generation: v.Generation, written: true,
	}
	if len(v.Members) == 0 {
		g.state = Empty
	}
	gs.byID[id] = g
	for i := range v.Members {
		g.addLoaded(&v.Members[i])
	}
	if v.Leader != nil {
		g.leader = *v.Leader
	}
	if g.members.byID[g.leader] == nil {
		g.leader = ""
		if g.members.first != nil {
			g.leader = g.members.first.ID
		}
	}
	g.topics = g.subscriptions()
}

// addLoaded makes a member of what a record says about it.
func (g *Group) addLoaded(r *records.MemberMetadata) {
	if g.members.byID[r.MemberID] != nil || r.GroupInstanceID != nil && g.instances[*r.GroupInstanceID] != nil {
		return // no coordinator writes that; the first one counts
	}
	m := &Member{
		ID: r.MemberID, InstanceID: r.GroupInstanceID, ClientID: r.ClientID, Host: r.ClientHost,
		RebalanceTimeout: r.RebalanceTimeout, SessionTimeout: r.SessionTimeout, Assignment: bytes.Clone(r.Assignment),
	}
	if m.RebalanceTimeout == -1 { // version 0 has none
		m.RebalanceTimeout = m.SessionTimeout
	}
	if g.protocol != nil {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = *g.protocol, bytes.Clone(r.Subscription)
		m.Protocols = []kmsg.JoinGroupRequestProtocol{p}
	}
	g.add(m, g.kind, 0)
}

// Loaded begins the sessions of the members that were loaded.
func (gs *Groups) Loaded(now int64) Effects {
	var e Effects
	for _, id := range gs.IDs() {
		g := gs.byID[id]
		for m := g.members.first; m != nil; m = m.next {
			gs.refreshSession(g, m, now)
		}
		if g.members.len() > gs.cfg.MaxSize {
			gs.prepare(g, "the group is larger than it may be", now, &e)
		}
	}
	return e
}

// IDs are the ids of all groups, in order.
func (gs *Groups) IDs() []string {
	out := make([]string, 0, len(gs.byID))
	for id := range gs.byID {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
