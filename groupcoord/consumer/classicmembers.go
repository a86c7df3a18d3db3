package consumer

import (
	"bytes"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that speaks the classic protocol rejoins for each step towards its
// target: its heartbeats tell it to while there is one, JoinGroup takes the step
// and answers with the epoch as generation, SyncGroup hands out what it has. It
// is never held up by others.

// fromVersionMemberID is the version of JoinGroup from which a dynamic member is
// given an id before it joins (KIP-394).
const fromVersionMemberID = 4

// JoinClassic is one JoinGroup. Group id and session timeout are checked already.
type JoinClassic struct {
	Req      *kmsg.JoinGroupRequest
	ClientID string
	Host     string
	NewID    string // for a member that comes with none
}

// Joined is the answer to it; Code is MEMBER_ID_REQUIRED when only MemberID is told.
type Joined struct {
	MemberID   string
	Generation int32
	Protocol   string
	Code       *kerr.Error
	// rebalance is how long the member has to sync, in ms; 0: it needs not.
	rebalance int64
}

// JoinClassic handles a JoinGroup to a group with members.
func (gs *Groups) JoinClassic(g *Group, j *JoinClassic, at Moment) (Joined, Decision, *Refusal) {
	r := j.Req
	id := r.MemberID
	if id == "" {
		id = j.NewID
	}
	switch {
	case !gs.cfg.Upgrade && !gs.cfg.Downgrade:
		return Joined{}, Decision{}, refuse(kerr.InconsistentGroupProtocol, "")
	case len(g.list) >= gs.cfg.MaxSize && g.members[id] == nil:
		return Joined{}, Decision{}, gs.full()
	case !g.supports(r):
		return Joined{}, Decision{}, refuse(kerr.InconsistentGroupProtocol, "")
	case r.MemberID == "" && r.InstanceID == nil && r.Version >= fromVersionMemberID:
		return Joined{MemberID: id, Code: kerr.MemberIDRequired, Generation: -1}, Decision{}, nil
	}
	sub, ok := subscriptionOf(r.Protocols[0].Metadata)
	if !ok {
		return Joined{}, Decision{}, refuse(kerr.UnknownServerError, "")
	}
	c := &change{gs: gs, g: g, at: at}
	d, bad := c.admitClassic(id, r)
	if bad != nil {
		return Joined{}, Decision{}, bad
	}
	replaced := d.replaces
	if r.InstanceID != nil && replaced == nil {
		replaced = g.statics[*r.InstanceID]
	}
	before := d.About
	d.takeClassic(j, sub, gs)
	names := c.subscribe(d, &before)
	pattern, bad := c.pattern(d, &before)
	if bad != nil {
		return Joined{}, Decision{}, bad
	}
	changed := names || pattern != patternSame
	epoch := c.advance(func() *Set { return g.namesWith(d, &before) }, changed)
	out, bad := c.joinClassic(d, replaced, &before, epoch, changed, claimOf(sub, at.Image))
	if bad != nil {
		return Joined{}, Decision{}, bad
	}
	joined := Joined{MemberID: d.ID, Generation: d.Epoch, Protocol: d.Classic.SupportedProtocols[0].Name}
	if out.Adopt == nil {
		joined.rebalance = int64(r.RebalanceTimeoutMillis)
	}
	return joined, out, nil
}

// joinClassic lets the member take its step; or, if it takes the place of the last
// that spoke the new protocol, makes the group a classic one.
func (c *change) joinClassic(d *draft, replaced *Member, before *About, epoch int32, changed bool, claim Claim) (Decision, *Refusal) {
	g := c.g
	if replaced == nil || replaced.Classic != nil || !c.gs.downgradesTo(g) {
		to := c.retarget(d, before, epoch)
		bad := c.reconcile(d, to, changed, claim)
		return c.decision(), bad
	}
	d.replaces = replaced
	rebalance := g.assignmentEpoch < epoch
	if !rebalance {
		if bad := c.reconcile(d, goal{g.assignmentEpoch, g.targetOf(d)}, changed, claim); bad != nil {
			return Decision{}, bad
		}
	}
	return c.downgrade(nil, d, rebalance), nil
}

// downgradesTo tells whether the group is a classic one but for the member that
// is replaced by a classic one.
func (gs *Groups) downgradesTo(g *Group) bool {
	return gs.cfg.Downgrade && g.classic == len(g.list)-1 && len(g.list) <= gs.cfg.ClassicMaxSize
}

// admitClassic finds the member, or makes one: unlike in a classic group any id will do.
func (c *change) admitClassic(id string, r *kmsg.JoinGroupRequest) (*draft, *Refusal) {
	if r.InstanceID == nil {
		return draftOf(id, c.g.members[id]), nil
	}
	return c.admitStatic(id, *r.InstanceID, r.MemberID == "", true, func(*draft) *Refusal { return nil })
}

// supports tells whether a member with these protocols fits in.
func (g *Group) supports(r *kmsg.JoinGroupRequest) bool {
	if r.ProtocolType != ProtocolType {
		return false
	}
	for i := range r.Protocols {
		if g.protocols[r.Protocols[i].Name] == g.classic {
			return true
		}
	}
	return false
}

// takeClassic is what a JoinGroup says of its member.
func (d *draft) takeClassic(j *JoinClassic, sub *kmsg.ConsumerMemberMetadata, gs *Groups) {
	r := j.Req
	if r.InstanceID != nil {
		d.Instance = r.InstanceID
	}
	if sub.Rack != nil && *sub.Rack != "" {
		d.Rack = sub.Rack
	}
	if r.RebalanceTimeoutMillis != -1 {
		d.RebalanceTimeout = r.RebalanceTimeoutMillis
	}
	d.Topics, d.Regex = gs.setOf(sub.Topics), new("")
	d.ClientID, d.Host = j.ClientID, j.Host
	d.Classic = &records.ClassicMemberMetadata{SessionTimeoutMs: r.SessionTimeoutMillis}
	for i := range r.Protocols {
		d.Classic.SupportedProtocols = append(d.Classic.SupportedProtocols,
			records.ClassicProtocol{Name: r.Protocols[i].Name, Metadata: bytes.Clone(r.Protocols[i].Metadata)})
	}
}

// claimOf is what the member says in its metadata that it has.
func claimOf(sub *kmsg.ConsumerMemberMetadata, img Image) Claim {
	out := Claim{}
	for i := range sub.OwnedPartitions {
		o := &sub.OwnedPartitions[i]
		if t, ok := img.Topic(o.Topic); ok {
			out = append(out, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.ID, Partitions: o.Partitions})
		}
	}
	return out
}

// JoinAnswered begins the time in which a member that joined has to sync.
func (gs *Groups) JoinAnswered(group string, j Joined, now int64) {
	g := gs.byID[group]
	if g == nil || j.Code != nil || j.rebalance == 0 {
		return
	}
	m := g.members[j.MemberID]
	if m == nil || m.Classic == nil {
		return
	}
	gs.alarms.Cancel(&m.join)
	gs.refresh(m, now)
	m.sync.Value = due{what: dueSync, group: g, member: m}
	gs.alarms.Set(&m.sync, now+j.rebalance)
}

// classicMember finds the member that sends a classic request.
func (g *Group) classicMember(id string, instance *string) (*Member, *kerr.Error) {
	m := g.members[id]
	if instance != nil {
		m = g.statics[*instance]
	}
	switch {
	case m == nil:
		return nil, kerr.UnknownMemberID
	case m.ID != id:
		return nil, kerr.FencedInstanceID
	case m.Classic == nil:
		return nil, kerr.UnknownMemberID
	default:
		return m, nil
	}
}

// SyncClassic handles a SyncGroup: it is answered with what the member has.
func (gs *Groups) SyncClassic(g *Group, r *kmsg.SyncGroupRequest, at Moment) ([]byte, *kerr.Error) {
	m, bad := g.classicMember(r.MemberID, r.InstanceID)
	switch {
	case bad != nil:
		return nil, bad
	case r.Generation != m.Epoch:
		return nil, kerr.IllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != ProtocolType,
		r.Protocol != nil && *r.Protocol != m.Classic.SupportedProtocols[0].Name:
		return nil, kerr.InconsistentGroupProtocol
	case g.assignmentEpoch > m.Epoch && m.State != MemberUnrevoked:
		gs.expectJoin(m, at.Now)
		return nil, kerr.RebalanceInProgress
	}
	gs.alarms.Cancel(&m.sync)
	gs.refresh(m, at.Now)
	return classicAssignment(m.Assigned.assignment(), m.Classic.SupportedProtocols[0].Metadata, at.Image), nil
}

// HeartbeatClassic handles a Heartbeat. The member shall rejoin when there is a
// new target, when it has partitions to give up, and when what it waits for is free.
func (gs *Groups) HeartbeatClassic(g *Group, r *kmsg.HeartbeatRequest, now int64) *kerr.Error {
	m, bad := g.classicMember(r.MemberID, r.InstanceID)
	if bad != nil {
		return bad
	}
	if r.Generation != m.Epoch {
		return kerr.IllegalGeneration
	}
	gs.refresh(m, now)
	return gs.rejoins(g, m, now)
}

// CheckClassic is what HeartbeatClassic answers, for a heartbeat that came before:
// the member's session runs since then.
func (gs *Groups) CheckClassic(g *Group, r *kmsg.HeartbeatRequest, now int64) *kerr.Error {
	m, bad := g.classicMember(r.MemberID, r.InstanceID)
	if bad != nil {
		return bad
	}
	if r.Generation != m.Epoch {
		return kerr.IllegalGeneration
	}
	return gs.rejoins(g, m, now)
}

// HoldForClassic is HoldFor for a member that speaks the classic protocol, whose
// session is its own.
func (gs *Groups) HoldForClassic(g *Group, member string) int64 {
	m := g.members[member]
	if m == nil || m.Classic == nil {
		return 0
	}
	return min(gs.HoldFor(g.ID), m.sessionTimeout()/3)
}

// rejoins tells a member to rejoin, if it shall.
func (gs *Groups) rejoins(g *Group, m *Member, now int64) *kerr.Error {
	if m.Epoch < g.assignmentEpoch || m.State == MemberUnrevoked || m.State == MemberUnreleased && !g.waits(m) {
		gs.expectJoin(m, now)
		return kerr.RebalanceInProgress
	}
	return nil
}

// waits tells whether others still have something of the member's target.
func (g *Group) waits(m *Member) bool {
	for _, t := range g.targets[m.ID].assignment {
		for _, p := range t.Partitions {
			if !m.Assigned.has(t.Topic, p) && g.owner(t.Topic, p) != nil {
				return true
			}
		}
	}
	return false
}

// expectJoin gives a member that was told to rejoin its rebalance timeout.
func (gs *Groups) expectJoin(m *Member, now int64) {
	if !m.join.IsSet() {
		m.join.Value = due{what: dueJoin, group: m.group, member: m}
		gs.alarms.Set(&m.join, now+int64(m.RebalanceTimeout))
	}
}

// LeaveClassic handles a LeaveGroup, in the form of version 3 and later. Members
// of either protocol may leave with it: an operator takes static ones out so.
func (gs *Groups) LeaveClassic(g *Group, members []kmsg.LeaveGroupRequestMember, at Moment) ([]kmsg.LeaveGroupResponseMember, Decision) {
	out := make([]kmsg.LeaveGroupResponseMember, len(members))
	var leaving []*Member
	seen := map[*Member]bool{}
	for i := range members {
		r := &members[i]
		out[i] = kmsg.NewLeaveGroupResponseMember()
		out[i].MemberID, out[i].InstanceID = r.MemberID, r.InstanceID
		m := g.members[r.MemberID]
		if r.InstanceID != nil {
			m = g.statics[*r.InstanceID]
		}
		switch {
		case m == nil:
			out[i].ErrorCode = kerr.UnknownMemberID.Code
		case r.InstanceID != nil && r.MemberID != "" && m.ID != r.MemberID:
			out[i].ErrorCode = kerr.FencedInstanceID.Code
		case !seen[m]:
			seen[m] = true
			leaving = append(leaving, m)
			g.story.Reason("member " + m.ID + " left" + reasonOf(r.Reason))
		}
	}
	if len(leaving) == 0 {
		return out, Decision{}
	}
	return out, gs.fence(g, leaving, at)
}

func reasonOf(text *string) string {
	if text == nil || *text == "" {
		return ""
	}
	return " (" + *text + ")"
}
