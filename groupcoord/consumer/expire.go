package consumer

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
)

// due is what an alarm is about.
type due struct {
	what   dueKind
	group  *Group
	member *Member
	epoch  int32 // the member's, when a revocation began
}

type dueKind uint8

const (
	dueSession dueKind = iota // no heartbeat came
	dueRevoke                 // a member did not give up its partitions
	dueJoin                   // a classic member did not join again
	dueSync                   // a classic member did not sync
	dueAssign                 // the group may have a new target
	dueMatch                  // the group's regular expressions are to be matched
)

// retryAfter is how long what an alarm wanted waits when it could not be written, in ms.
const retryAfter = 500

// fenceAtOnce is how many members that are due are fenced with one decision at most:
// half as many as last time if that could not be written, for it may have been too
// much for one batch; twice as many if it could.
const fenceAtOnce = 1000

// session is how long the member may be silent, in ms.
func (m *Member) sessionTimeout() int64 {
	if m.Classic != nil {
		return int64(m.Classic.SessionTimeoutMs)
	}
	return int64(m.group.own().SessionTimeout)
}

// refresh begins the member's session anew.
func (gs *Groups) refresh(m *Member, now int64) {
	if m.group.home != gs {
		return // a member on paper
	}
	m.session.Value = due{what: dueSession, group: m.group, member: m}
	gs.alarms.Set(&m.session, now+m.sessionTimeout())
}

// cancel ends all alarms of a member.
func (gs *Groups) cancel(m *Member) {
	gs.alarms.Cancel(&m.session)
	gs.alarms.Cancel(&m.rebalance)
	gs.alarms.Cancel(&m.join)
	gs.alarms.Cancel(&m.sync)
}

// watchRevocation gives a member that has partitions to give up its rebalance
// timeout to do so. Classic members have their joins and syncs watched instead.
func (gs *Groups) watchRevocation(m *Member, now int64) {
	switch {
	case m.Classic != nil || m.Epoch == epochLeaveStatic:
	case m.State == MemberUnrevoked:
		m.rebalance.Value = due{what: dueRevoke, group: m.group, member: m, epoch: m.Epoch}
		gs.alarms.Set(&m.rebalance, now+int64(m.RebalanceTimeout))
	default:
		gs.alarms.Cancel(&m.rebalance)
	}
}

// Loaded begins the sessions of the members that were loaded.
func (gs *Groups) Loaded(at Moment) {
	gs.newTopics = at.Image.Version()
	for _, id := range gs.IDs() {
		gs.begin(gs.byID[id], at.Now)
	}
}

// begin sets the alarms of a group that was loaded.
func (gs *Groups) begin(g *Group, now int64) {
	for _, m := range g.list {
		gs.refresh(m, now)
		gs.watchRevocation(m, now)
	}
	gs.assignAt(g, now)
	g.watchPatterns(now)
}

// watchPatterns sets the alarm of the group's regular expressions.
func (g *Group) watchPatterns(now int64) {
	switch {
	case len(g.regexes) == 0:
		g.home.alarms.Cancel(&g.matching)
	case g.unmatched() || g.matchedBefore(g.home.newTopics):
		g.home.matchSoon(g, now)
	case !g.matching.IsSet():
		g.home.setMatching(g, max(now, g.lastMatched()+g.home.cfg.RegexRefresh+1))
	}
}

// Expire handles what is due at now: of one group at a time.
func (gs *Groups) Expire(at Moment) Decision {
	a := gs.alarms.Pop(at.Now)
	if a == nil {
		return Decision{}
	}
	switch d := a.Value; d.what {
	case dueAssign:
		return gs.proceed(d.group, at)
	case dueMatch:
		return gs.search(d.group, at)
	default:
		return gs.expire(a, at)
	}
}

// expire fences a member that let something pass, and with it all others of its
// group that are due: when a host dies, they all are.
func (gs *Groups) expire(first *alarm.Alarm[due], at Moment) Decision {
	g := first.Value.group
	var late []*Member
	var off []*alarm.Alarm[due]
	var notes []Note
	for a := first; ; {
		d := &a.Value
		if why := d.stillDue(); why != "" {
			off = append(off, a)
			if !slices.Contains(late, d.member) {
				late = append(late, d.member)
				notes = append(notes, Note{Group: g.ID, Epoch: g.epoch + 1, Text: "member " + d.member.ID + " fenced: " + why})
				g.story.Reason("member " + d.member.ID + ": " + why)
			}
		}
		next := gs.alarms.Peek(at.Now)
		if next == nil || next.Value.group != g || next.Value.member == nil || len(late) == g.atOnce {
			break
		}
		a = gs.alarms.Pop(at.Now)
	}
	if len(late) == 0 {
		return Decision{}
	}
	g.atOnce = min(2*g.atOnce, fenceAtOnce)
	out := gs.fence(g, late, at)
	out.Notes = append(notes, out.Notes...)
	out.retry = off
	return out
}

// stillDue tells what the member let pass; "" when it is over.
func (d *due) stillDue() string {
	m := d.member
	if m.group.members[m.ID] != m {
		return ""
	}
	switch d.what {
	case dueSession:
		return fmt.Sprintf("no heartbeat for %d ms", m.sessionTimeout())
	case dueRevoke:
		if m.Epoch != d.epoch {
			return ""
		}
		return fmt.Sprintf("did not leave epoch %d within %d ms", m.Epoch, m.RebalanceTimeout)
	case dueJoin:
		return fmt.Sprintf("did not join within %d ms", m.RebalanceTimeout)
	case dueSync:
		return fmt.Sprintf("did not sync within %d ms", m.RebalanceTimeout)
	default:
		return ""
	}
}

// Failed says that a decision could not be written: what went off for it is
// tried again.
func (gs *Groups) Failed(d Decision, now int64) {
	if n := len(d.retry); n > 0 {
		d.group.atOnce = max(1, n/2)
	}
	for _, a := range d.retry {
		g, m := a.Value.group, a.Value.member
		if gs.byID[g.ID] == g && g.members[m.ID] == m && !a.IsSet() {
			gs.alarms.Set(a, now+retryAfter)
		}
	}
	if d.group != nil {
		delete(gs.drafts, d.group.ID)
	}
	if g := d.group; g != nil && gs.byID[g.ID] == g {
		g.forgetHash()
		gs.assignAt(g, now+retryAfter)
		g.watchPatterns(now + retryAfter)
	}
}
