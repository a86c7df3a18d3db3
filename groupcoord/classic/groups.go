package classic

import (
	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Config is the broker's rules for classic groups. Times are in ms.
type Config struct {
	InitialDelay     int64
	NewMemberTimeout int64 // how long a new member may wait for its first answer
	MaxSize          int
}

// Groups is the classic groups of one shard.
type Groups struct {
	cfg       Config
	byID      map[string]*Group
	alarms    alarm.Queue[due]
	completed uint64 // rebalances
	news      []news
}

// New makes a shard's groups, none yet.
func New(cfg Config) *Groups { return &Groups{cfg: cfg, byID: map[string]*Group{}} }

// due is what an alarm is about.
type due struct {
	what    dueKind
	group   *Group
	member  *Member
	pending *pendingMember
}

type dueKind uint8

const (
	dueSession dueKind = iota // a member's heartbeat
	duePending                // a handed out id is not used
	dueJoin                   // the rebalance's time is over
	dueSync                   // members that joined do not sync
)

// Effects is what a call wants done. Replies are sent when everything decided
// before is committed; Write is appended, and Written called with the outcome.
type Effects struct {
	Joins []JoinReply
	Syncs []SyncReply
	Write *Write
	Notes []Note
}

// JoinReply answers a held JoinGroup.
type JoinReply struct {
	Ticket Ticket
	Resp   *kmsg.JoinGroupResponse
}

// SyncReply answers a held SyncGroup.
type SyncReply struct {
	Ticket Ticket
	Resp   *kmsg.SyncGroupResponse
}

// Note is worth a line in the broker's log.
type Note struct {
	Group      string
	Generation int32
	State      State
	Text       string
	Done       *rebalance.Rebalance // a rebalance that ended, nil for others
}

func (e *Effects) note(g *Group, text string) {
	e.Notes = append(e.Notes, Note{g.ID, g.generation, g.state, text, nil})
}

// noteEnd ends the group's rebalance, if one runs, and tells of it.
func (e *Effects) noteEnd(g *Group, text string, now int64) {
	n := Note{g.ID, g.generation, g.state, text, nil}
	if g.story.Running() {
		done := g.story.End(now)
		n.Done = &done
	}
	e.Notes = append(e.Notes, n)
}

// Write is a group's record on its way to the log.
type Write struct {
	Key, Value []byte
	group      *Group
	generation int32
	what       writeKind
	assignment map[string][]byte // writeAssignment
	ticket     Ticket            // of the request that needs it
	static     *staticSwap       // writeStatic
}

// Group is the id of the group that is written.
func (w *Write) Group() string { return w.group.ID }

type writeKind uint8

const (
	writeNew        writeKind = iota // a group that did not exist
	writeEmpty                       // a generation without members
	writeAssignment                  // the leader's assignment
	writeStatic                      // a static member came back with a new id
)

// Rebalances is how many rebalances have been completed here.
func (gs *Groups) Rebalances() uint64 { return gs.completed }

// Get is the group of this id, or nil.
func (gs *Groups) Get(id string) *Group { return gs.byID[id] }

// Len is the number of groups.
func (gs *Groups) Len() int { return len(gs.byID) }

// Ensure is the group of this id, which is made empty and simple if it isn't there.
// A simple group needs no record: its offsets tell of it.
func (gs *Groups) Ensure(id string, now int64) *Group {
	g := gs.byID[id]
	if g == nil {
		g = &Group{ID: id, state: Empty, previous: Dead, since: now, written: true}
		gs.byID[id] = g
	}
	return g
}

// EnsureBytes is Ensure of a group whose id is copied only if it is new.
func (gs *Groups) EnsureBytes(id []byte, now int64) {
	if gs.byID[string(id)] == nil {
		gs.Ensure(string(id), now)
	}
}

// Deadline is when Expire has something to do.
func (gs *Groups) Deadline() (int64, bool) { return gs.alarms.Next() }

// Shift moves all deadlines by ms: the clock was set.
func (gs *Groups) Shift(ms int64) { gs.alarms.Shift(ms) }

// remove forgets a group and its alarms; nobody in it may wait for an answer.
func (gs *Groups) remove(g *Group) {
	for m := g.members.first; m != nil; m = m.next {
		gs.alarms.Cancel(&m.session)
	}
	for _, p := range g.pending {
		gs.alarms.Cancel(&p.session)
	}
	gs.alarms.Cancel(&g.joining)
	gs.alarms.Cancel(&g.syncing)
	gs.tell(g, "")
	delete(gs.byID, g.ID)
}

// refresh begins the member's session anew.
func (gs *Groups) refresh(g *Group, m *Member, timeout int64, now int64) {
	m.session.Value = due{what: dueSession, group: g, member: m}
	gs.alarms.Set(&m.session, now+timeout)
}

func (gs *Groups) refreshSession(g *Group, m *Member, now int64) {
	gs.refresh(g, m, int64(m.SessionTimeout), now)
}

// answerJoin answers the member's held join, if it has one.
func (g *Group) answerJoin(m *Member, resp *kmsg.JoinGroupResponse, e *Effects) bool {
	if m.join == 0 {
		return false
	}
	e.Joins = append(e.Joins, JoinReply{m.join, resp})
	g.hold(m, 0)
	return true
}

// answerSync answers the member's held sync, if it has one.
func (g *Group) answerSync(m *Member, resp *kmsg.SyncGroupResponse, e *Effects) bool {
	if m.sync == 0 {
		return false
	}
	e.Syncs = append(e.Syncs, SyncReply{m.sync, resp})
	m.sync = 0
	return true
}

// joinError is a JoinGroup response that says only what is wrong.
func joinError(memberID string, code int16) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.MemberID, r.ErrorCode, r.Generation = memberID, code, -1
	return r
}

func syncError(code int16) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.ErrorCode = code
	r.MemberAssignment = []byte{}
	return r
}

// joined is the response that tells a member of the current generation.
func (g *Group) joined(m *Member) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.MemberID, r.Generation, r.Protocol, r.LeaderID = m.ID, g.generation, g.protocol, g.leader
	if g.kind != "" {
		kind := g.kind
		r.ProtocolType = &kind
	}
	if m.ID == g.leader {
		r.Members = g.roster()
	}
	return r
}

// roster is what the leader is told about everybody.
func (g *Group) roster() []kmsg.JoinGroupResponseMember {
	out := make([]kmsg.JoinGroupResponseMember, 0, g.members.len())
	for m := g.members.first; m != nil; m = m.next {
		e := kmsg.NewJoinGroupResponseMember()
		e.MemberID, e.InstanceID = m.ID, m.InstanceID
		if g.protocol != nil {
			e.ProtocolMetadata = m.metadata(*g.protocol)
		}
		out = append(out, e)
	}
	return out
}

// Shutdown answers everybody that waits, with code, and leaves no group.
func (gs *Groups) Shutdown(code int16) Effects {
	var e Effects
	for _, id := range gs.IDs() {
		g := gs.byID[id]
		for m := g.members.first; m != nil; m = m.next {
			g.answerJoin(m, joinError(m.ID, code), &e)
			g.answerSync(m, syncError(code), &e)
		}
		gs.remove(g)
		g.state = Dead
	}
	return e
}
