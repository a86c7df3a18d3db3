package consumer

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Beat is one ConsumerGroupHeartbeat, which Check has found well-formed.
type Beat struct {
	Req      *kmsg.ConsumerGroupHeartbeatRequest
	ClientID string
	Host     string
	// NewID is the id of a member that comes with none.
	NewID string
	// Again: it was held and is decided anew; the member's session runs since it came.
	Again bool
}

// Reply is the answer to a heartbeat.
type Reply struct {
	MemberID   string
	Epoch      int32
	Interval   int32 // ms until the next heartbeat; 0: of a member that left
	Assigned   Ownership
	Assignment bool // tell Assigned
	// Idle: nothing new, and nothing is about to come. Only such an answer may be
	// held back until there is news.
	Idle bool
}

// Check tells what is wrong with a request before any group is looked at.
func (cfg *Config) Check(r *kmsg.ConsumerGroupHeartbeatRequest) *Refusal {
	invalid := func(text string) *Refusal { return refuse(kerr.InvalidRequest, text) }
	switch {
	case (r.Version >= 1 || r.MemberEpoch > 0 || r.MemberEpoch == epochLeave) && blank(&r.MemberID):
		return invalid("MemberId can't be empty.")
	case blank(&r.Group):
		return invalid("GroupId can't be empty.")
	case blank(r.InstanceID):
		return invalid("InstanceId can't be empty.")
	case blank(r.RackID):
		return invalid("RackId can't be empty.")
	case r.MemberEpoch == epochJoin && r.RebalanceTimeoutMillis == -1:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case r.MemberEpoch == epochJoin && (r.Topics == nil || len(r.Topics) > 0):
		return invalid("TopicPartitions must be empty when (re-)joining.")
	case r.MemberEpoch == epochJoin && r.SubscribedTopicNames == nil && r.SubscribedTopicRegex == nil:
		return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case r.MemberEpoch == epochLeaveStatic && r.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case r.MemberEpoch < epochLeaveStatic:
		return invalid("MemberEpoch is invalid.")
	case r.ServerAssignor != nil && !slices.Contains(cfg.Assignors, *r.ServerAssignor):
		return refuse(kerr.UnsupportedAssignor, "ServerAssignor "+*r.ServerAssignor+" is not supported. Supported assignors: "+
			joined(cfg.Assignors)+".")
	}
	return nil
}

// blank tells whether a text is there and has nothing but what Java trims away.
func blank(s *string) bool {
	if s == nil {
		return false
	}
	for i := range len(*s) {
		if (*s)[i] > ' ' {
			return false
		}
	}
	return true
}

func joined(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}

// Heartbeat handles a well-formed ConsumerGroupHeartbeat. A group that is not there
// is made by Create or Upgrade; before are the records that it takes to make it,
// which are then in one batch with those of the heartbeat.
func (gs *Groups) Heartbeat(g *Group, b *Beat, before []runtime.Record, at Moment) (Reply, Decision, *Refusal) {
	if b.Req.MemberEpoch == epochLeave || b.Req.MemberEpoch == epochLeaveStatic {
		return gs.leave(g, b, at)
	}
	r, d, bad := gs.beat(g, b, at, before)
	if bad != nil {
		delete(gs.drafts, g.ID)
	}
	d.Split = len(before) == 0
	return r, d, bad
}

// draft is a member as a decision is going to leave it.
type draft struct {
	ID string
	About
	Standing
	old      *Member // nil: it is new
	replaces *Member // the static member whose place it takes
}

// change is a decision in the making.
type change struct {
	gs   *Groups
	g    *Group
	at   Moment
	out  []runtime.Record
	why  []string // for the notes
	note Note
}

func (c *change) put(r runtime.Record) { c.out = append(c.out, r) }

// because adds a reason for a new group epoch.
func (c *change) because(format string, args ...any) {
	c.why = append(c.why, fmt.Sprintf(format, args...))
}

func (c *change) decision() Decision {
	d := Decision{Records: c.out, Split: true, group: c.g}
	if c.note.Text != "" {
		d.Notes = []Note{c.note}
	}
	return d
}

// beat is a heartbeat of a member that stays. before are records of what has to
// happen to the group first.
func (gs *Groups) beat(g *Group, b *Beat, at Moment, before []runtime.Record) (Reply, Decision, *Refusal) {
	r := b.Req
	if m := g.members[r.MemberID]; m != nil && idle(g, m, b) {
		if !b.Again {
			gs.refresh(m, at.Now)
		}
		return g.nothingNew(m, at.Now), Decision{}, nil
	}
	c := &change{gs: gs, g: g, at: at, out: before}
	d, bad := c.admit(b)
	if bad != nil {
		return Reply{}, Decision{}, bad
	}
	was := d.Standing
	if d.old != nil && d.replaces == nil && !b.Again {
		gs.refresh(d.old, at.Now)
	}
	if bad = c.heartbeat(b, d); bad != nil {
		return Reply{}, Decision{}, bad
	}
	return c.reply(d, &was, r), c.decision(), nil
}

// idle tells whether a heartbeat says nothing new to a group that has nothing new
// for the member. It is what nearly all heartbeats are.
func idle(g *Group, m *Member, b *Beat) bool {
	r := b.Req
	return r.MemberEpoch == m.Epoch && m.Epoch > 0 && m.Classic == nil &&
		(r.InstanceID == nil || same(r.InstanceID, m.Instance)) && r.RackID == nil && r.RebalanceTimeoutMillis == -1 &&
		r.SubscribedTopicNames == nil && r.SubscribedTopicRegex == nil && r.ServerAssignor == nil &&
		m.ClientID == b.ClientID && m.Host == b.Host &&
		g.epoch == g.assignmentEpoch && g.hashKnown() && (m.reconciledTo(g.assignmentEpoch) || m.settled)
}

// admit finds the member, or makes a new one, and checks its epoch.
func (c *change) admit(b *Beat) (*draft, *Refusal) {
	r, g := b.Req, c.g
	joins := r.MemberEpoch == epochJoin
	id := r.MemberID
	if len(g.list) >= c.gs.cfg.MaxSize && (id == "" || g.members[id] == nil) {
		return nil, c.gs.full()
	}
	if id == "" {
		id = b.NewID
	}
	if r.InstanceID == nil {
		m := g.members[id]
		if m == nil && !joins {
			return nil, g.unknown(id)
		}
		d := draftOf(id, m)
		return d, checkEpoch(d, r.MemberEpoch, r.Topics)
	}
	return c.admitStatic(id, *r.InstanceID, joins, false, func(d *draft) *Refusal {
		return checkEpoch(d, r.MemberEpoch, r.Topics)
	})
}

func (gs *Groups) full() *Refusal {
	return refuse(kerr.GroupMaxSizeReached, fmt.Sprintf("The consumer group has reached its maximum capacity of %d members.", gs.cfg.MaxSize))
}

func (g *Group) unknown(id string) *Refusal {
	return refuse(kerr.UnknownMemberID, fmt.Sprintf("Member %s is not a member of group %s.", id, g.ID))
}

// draftOf is a member as it is, or as it is before it has said anything.
func draftOf(id string, m *Member) *draft {
	if m == nil {
		return &draft{ID: id, About: About{Topics: nothing, Regex: new(""), RebalanceTimeout: -1}, Standing: Standing{Previous: -1}}
	}
	return &draft{ID: id, About: m.About, Standing: m.Standing, old: m}
}

// admitStatic finds the member of an instance id. One that comes (back) takes the
// place of the one that was, if that has left.
func (c *change) admitStatic(id, instance string, joins, classic bool, check func(*draft) *Refusal) (*draft, *Refusal) {
	m := c.g.statics[instance]
	switch {
	case joins && m == nil:
		return draftOf(id, c.g.members[id]), nil
	case joins:
		if !classic && m.Classic == nil && m.Epoch != epochLeaveStatic {
			return nil, refuse(kerr.UnreleasedInstanceID, fmt.Sprintf(
				"Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.", id, instance, m.ID))
		}
		return c.replace(m, id), nil
	case m == nil:
		return nil, refuse(kerr.UnknownMemberID, fmt.Sprintf("Instance id %s is unknown.", instance))
	case m.ID != id:
		return nil, fenced(id, instance, m)
	}
	d := draftOf(id, m)
	return d, check(d)
}

func fenced(id, instance string, m *Member) *Refusal {
	return refuse(kerr.FencedInstanceID, fmt.Sprintf("Static member %s with instance id %s was fenced by member %s.", id, instance, m.ID))
}

// replace gives the place of a static member to the one that came back for it,
// with all that it has.
func (c *change) replace(m *Member, id string) *draft {
	d := draftOf(id, m)
	d.replaces = m
	d.Epoch, d.Previous = 0, 0
	c.out = memberTombstones(c.out, c.g.ID, m.ID)
	c.put(aboutRecord(c.g.ID, id, &d.About))
	c.put(targetRecord(c.g.ID, id, c.g.targets[m.ID].assignment))
	c.put(standingRecord(c.g.ID, id, &d.Standing))
	return d
}

// checkEpoch tells why the member may not go on in the epoch that it comes with.
// That of before is taken as long as what it has is no more than what it was
// given since: then the answer with the new epoch got lost.
func checkEpoch(d *draft, epoch int32, claim Claim) *Refusal {
	smaller := epoch < d.Epoch
	switch {
	case epoch == epochJoin || epoch == d.Epoch:
		return nil
	case smaller && epoch == d.Previous && claim.within(d.Assigned):
		return nil
	}
	word := "greater"
	if smaller {
		word = "smaller"
	}
	return refuse(kerr.FencedMemberEpoch, fmt.Sprintf("The consumer group member has a %s member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.",
		word, epoch, d.Epoch))
}

// heartbeat takes in what the member says, and lets it go on.
func (c *change) heartbeat(b *Beat, d *draft) *Refusal {
	r := b.Req
	before := d.About
	if r.InstanceID != nil {
		d.Instance = r.InstanceID
	}
	if r.RackID != nil {
		d.Rack = r.RackID
	}
	if r.RebalanceTimeoutMillis != -1 {
		d.RebalanceTimeout = r.RebalanceTimeoutMillis
	}
	if r.ServerAssignor != nil {
		d.Assignor = r.ServerAssignor
	}
	if r.SubscribedTopicNames != nil {
		d.Topics = c.gs.setOf(r.SubscribedTopicNames)
	}
	if r.SubscribedTopicRegex != nil {
		d.Regex = r.SubscribedTopicRegex
	}
	d.ClientID, d.Host, d.Classic = b.ClientID, b.Host, nil
	names := c.subscribe(d, &before)
	pattern, bad := c.pattern(d, &before)
	if bad != nil {
		return bad
	}
	epoch := c.advance(func() *Set { return c.g.namesWith(d, &before) }, names || pattern == patternKnown)
	goal := c.retarget(d, &before, epoch)
	return c.reconcile(d, goal, names || pattern != patternSame, r.Topics)
}

// subscribe writes what the member says of itself, if it says something new, and
// tells whether that is other topics.
func (c *change) subscribe(d *draft, before *About) bool {
	isNew := d.old == nil
	if !isNew && d.About.equal(before) {
		return false
	}
	c.put(aboutRecord(c.g.ID, d.ID, &d.About))
	changed := !d.Topics.equal(before.Topics)
	switch {
	case isNew:
		c.because("member %s joined", d.ID)
	case d.replaces != nil:
		c.because("static member %s came back as %s", d.replaces.ID, d.ID)
	case changed:
		c.because("member %s subscribes to other topics", d.ID)
	}
	return changed
}

// goal is a target assignment and the epoch it is for.
type goal struct {
	epoch      int32
	assignment assignor.Assignment
}

// reconcile lets the member take a step towards the goal.
func (c *change) reconcile(d *draft, to goal, changed bool, claim Claim) *Refusal {
	if !changed && d.reconciledTo(to.epoch) {
		return nil
	}
	if m := d.old; !changed && d.replaces == nil && m != nil && m.settled && to.epoch == c.g.assignmentEpoch {
		return nil
	}
	s := step{
		group: c.g, from: d.Standing, subscribed: c.topicIDs(d.Topics, d.regex()),
		epoch: to.epoch, target: to.assignment, changed: changed, claim: claim,
	}
	next, bad := s.take()
	if bad != nil {
		return bad
	}
	if !next.equal(&d.Standing) {
		d.Standing = next
		c.put(standingRecord(c.g.ID, d.ID, &d.Standing))
		return nil
	}
	if d.old != nil && d.replaces == nil && d.State == MemberUnreleased {
		d.old.settled = true // until it is in the news
	}
	return nil
}

// topicIDs are the ids of the topics that are subscribed to and exist, in order.
func (c *change) topicIDs(names *Set, regex string) []ids.TopicID {
	var out []ids.TopicID
	add := func(list []string) {
		for _, name := range list {
			if t, ok := c.at.Image.Topic(name); ok {
				out = append(out, t.ID)
			}
		}
	}
	add(names.names)
	if regex != "" {
		if r, ok := c.g.resolved[regex]; ok {
			add(r.topics.names)
		}
	}
	slices.SortFunc(out, compareTopics)
	return slices.Compact(out)
}

// nothingNew answers a heartbeat that changes nothing.
func (g *Group) nothingNew(m *Member, now int64) Reply {
	return Reply{MemberID: m.ID, Epoch: m.Epoch, Interval: g.interval(now), Idle: m.State != MemberUnrevoked}
}

// interval is when a member shall come again: soon while the group has not found
// itself, and some time after, because changes seldom come alone.
func (g *Group) interval(now int64) int32 {
	own := g.own().HeartbeatInterval
	if g.State() != Stable || now >= g.assignedAt && now < g.assignedAt+2*int64(own) {
		return g.soon()
	}
	return own
}

// beatsPerSecond bounds the heartbeats that the members of one group are asked for
// while they are told to come soon.
const beatsPerSecond = 5000

// soon is the interval of a member that something is about to come to.
func (g *Group) soon() int32 {
	own := g.own().HeartbeatInterval
	if g.home.cfg.Soon <= 0 {
		return own
	}
	return min(own, max(g.home.cfg.Soon, int32(len(g.list)*1000/beatsPerSecond)))
}

// Soon is the interval for the members of a group that expect something, in ms.
func (gs *Groups) Soon(group string) int32 {
	if g := gs.byID[group]; g != nil {
		return g.soon()
	}
	return gs.cfg.Soon
}

// HoldFor is how long a heartbeat to the group may be held, in ms: as long as the
// member would wait before its next one, and never so long that its session could
// end meanwhile.
func (gs *Groups) HoldFor(group string) int64 {
	g := gs.byID[group]
	if g == nil {
		return 0
	}
	return int64(min(g.own().HeartbeatInterval, g.own().SessionTimeout/3))
}

// reply answers a heartbeat with the state that the decision leads to. The
// assignment is told to a member that joins or sends all that it has to say, and
// when it has changed.
func (c *change) reply(d *draft, was *Standing, r *kmsg.ConsumerGroupHeartbeatRequest) Reply {
	full := r.RebalanceTimeoutMillis != -1 && (r.SubscribedTopicNames != nil || r.SubscribedTopicRegex != nil) && r.Topics != nil
	out := Reply{MemberID: d.ID, Epoch: d.Epoch, Interval: c.g.interval(c.at.Now)}
	if r.MemberEpoch == epochJoin || full || !d.Assigned.equal(was.Assigned) {
		out.Assigned, out.Assignment = d.Assigned, true
	}
	out.Idle = len(c.out) == 0 && !out.Assignment && d.State != MemberUnrevoked
	return out
}
