package classic

import (
	"fmt"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Group is one classic group. One without members, type and protocol is a
// "simple" group: it was made by a commit and only keeps offsets.
type Group struct {
	ID         string
	state      State
	previous   State
	since      int64  // ms, when the state was entered; -1 not known
	kind       string // protocol type, "consumer" for consumers; "" none
	protocol   *string
	generation int32
	leader     string

	members   memberList
	instances map[string]*Member
	pending   map[string]*pendingMember // were given an id and have not joined with it yet
	supported map[string]int
	awaiting  int
	unsynced  int // members that are unsynced

	topics  map[string]struct{} // subscribed to by anybody; nil not known
	delay   initialDelay
	written bool // its record is in the log, or on the way
	joining alarm.Alarm[due]
	syncing alarm.Alarm[due]
	story   rebalance.Story
}

// pendingMember is an id that was handed out with MEMBER_ID_REQUIRED.
type pendingMember struct {
	id      string
	session alarm.Alarm[due]
}

// initialDelay is how the first rebalance of an empty group waits for members.
type initialDelay struct {
	on        bool
	delay     int64 // ms of the wait that runs
	remaining int64 // ms that it may still be prolonged by
	newMember bool  // one came during the wait
}

// State is the group's state.
func (g *Group) State() State { return g.state }

// Type is the protocol type, "" for none.
func (g *Group) Type() string { return g.kind }

// Generation counts the group's rebalances.
func (g *Group) Generation() int32 { return g.generation }

// Members is the number of members.
func (g *Group) Members() int { return g.members.len() }

func (g *Group) is(states ...State) bool {
	for _, s := range states {
		if g.state == s {
			return true
		}
	}
	return false
}

// enter moves the group to a state.
func (g *Group) enter(to State, now int64) {
	if !g.state.mayEnter(to) {
		panic(fmt.Sprintf("classic: group %q cannot go from %v to %v", g.ID, g.state, to))
	}
	g.previous, g.state, g.since = g.state, to, now
}

// check tells whether the member may act in the group's name.
func (g *Group) check(memberID string, instance *string) *kerr.Error {
	if instance != nil {
		static := g.instances[*instance]
		if static == nil {
			return kerr.UnknownMemberID
		}
		if static.ID != memberID {
			return kerr.FencedInstanceID
		}
	}
	if g.members.byID[memberID] == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// add makes m a member, with a held join if ticket is not 0.
func (g *Group) add(m *Member, kind string, ticket Ticket) {
	if g.members.len() == 0 {
		g.kind = kind
	}
	if m.InstanceID != nil {
		if g.instances == nil {
			g.instances = map[string]*Member{}
		}
		g.instances[*m.InstanceID] = m
	}
	if g.leader == "" {
		g.leader = m.ID
	}
	g.members.add(m)
	g.count(m, 1)
	g.hold(m, ticket)
	delete(g.pending, m.ID)
}

// drop takes a member out. Its held requests must be answered and its session
// cancelled by the caller.
func (g *Group) drop(m *Member) {
	g.members.remove(m)
	g.count(m, -1)
	g.hold(m, 0)
	g.setUnsynced(m, false)
	if m.InstanceID != nil {
		delete(g.instances, *m.InstanceID)
	}
	if g.leader == m.ID {
		g.leader = ""
		if g.members.first != nil {
			g.leader = g.members.first.ID
		}
	}
}

// hold sets the member's held join.
func (g *Group) hold(m *Member, ticket Ticket) {
	if m.join != 0 {
		g.awaiting--
	}
	if ticket != 0 {
		g.awaiting++
	}
	m.join = ticket
}

func (g *Group) setUnsynced(m *Member, v bool) {
	if m.unsynced == v {
		return
	}
	m.unsynced = v
	if v {
		g.unsynced++
	} else {
		g.unsynced--
	}
}

// count adds the member's protocols to what is supported, or takes them away.
func (g *Group) count(m *Member, n int) {
	if g.supported == nil {
		g.supported = map[string]int{}
	}
	for i := range m.Protocols {
		name := m.Protocols[i].Name
		if g.supported[name] += n; g.supported[name] == 0 {
			delete(g.supported, name)
		}
	}
}

// update gives a member what it joins with now.
func (g *Group) update(m *Member, req *kmsg.JoinGroupRequest, ticket Ticket) {
	g.setTerms(m, req.Protocols, req.RebalanceTimeoutMillis, req.SessionTimeoutMillis)
	g.hold(m, ticket)
}

func (g *Group) setTerms(m *Member, protocols []kmsg.JoinGroupRequestProtocol, rebalance, session int32) {
	g.count(m, -1)
	m.Protocols, m.RebalanceTimeout, m.SessionTimeout = protocols, rebalance, session
	g.count(m, 1)
}

// allJoined tells whether nobody is missing from the rebalance.
func (g *Group) allJoined() bool {
	return g.awaiting == g.members.len() && len(g.pending) == 0
}

// rebalanceTimeout is the longest of all members', in ms.
func (g *Group) rebalanceTimeout() int64 {
	longest := int32(0)
	for m := g.members.first; m != nil; m = m.next {
		longest = max(longest, m.RebalanceTimeout)
	}
	return int64(longest)
}

// electJoined makes sure that the leader has joined; false when nobody has.
func (g *Group) electJoined() bool {
	leader := g.members.byID[g.leader]
	if leader == nil {
		return false
	}
	if leader.join != 0 {
		return true
	}
	for m := g.members.first; m != nil; m = m.next {
		if m.join != 0 {
			g.leader = m.ID
			return true
		}
	}
	return false
}

// nextGeneration picks the protocol and counts the generation on.
func (g *Group) nextGeneration(now int64) {
	g.generation++
	if g.members.len() > 0 {
		p := g.selectProtocol()
		g.protocol = &p
		g.topics = g.subscriptions()
		g.enter(CompletingRebalance, now)
	} else {
		g.protocol = nil
		g.topics = g.subscriptions()
		g.enter(Empty, now)
	}
	g.clearUnsynced()
}

func (g *Group) clearUnsynced() {
	for m := g.members.first; m != nil && g.unsynced > 0; m = m.next {
		g.setUnsynced(m, false)
	}
}
