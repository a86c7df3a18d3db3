package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxHeld bounds how long a heartbeat may be held, in ms: clients' default
// heartbeat.interval.ms, which they do not tell. One who beats more often has its
// next heartbeat late by that much, which a third of any session allows.
const maxHeld = 3000

// news is a member whose next heartbeat would be answered with an error; an empty
// member is everybody in the group.
type news struct{ group, member string }

// HasNews tells whether TakeNews has something to tell.
func (gs *Groups) HasNews() bool { return len(gs.news) > 0 }

// TakeNews calls f with every member whose heartbeat has another answer than
// before, and forgets them; an empty member stands for all of a group.
func (gs *Groups) TakeNews(f func(group, member string)) {
	for i := range gs.news {
		f(gs.news[i].group, gs.news[i].member)
	}
	clear(gs.news)
	gs.news = gs.news[:0]
}

func (gs *Groups) tell(g *Group, member string) {
	if n := len(gs.news); n == 0 || gs.news[n-1] != (news{g.ID, ""}) {
		gs.news = append(gs.news, news{g.ID, member})
	}
}

// HoldFor is for how long, in ms, a heartbeat that has nothing to be told may be
// held; 0: not at all. A static member's is not, because the Java client's close
// would wait for it: it leaves nothing on the connection that would end the hold.
func (gs *Groups) HoldFor(req *kmsg.HeartbeatRequest) int64 {
	g := gs.byID[req.Group]
	if g == nil || req.InstanceID != nil || gs.CheckHeartbeat(req) != nil {
		return 0
	}
	return min(maxHeld, int64(g.members.byID[req.MemberID].SessionTimeout)/3)
}

// CheckHeartbeat is what a heartbeat is answered now. Unlike Heartbeat it leaves
// the session alone, which runs from when a heartbeat came, not from its answer.
func (gs *Groups) CheckHeartbeat(req *kmsg.HeartbeatRequest) *kerr.Error {
	g := gs.byID[req.Group]
	if g == nil {
		return kerr.UnknownMemberID
	}
	if err := g.check(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	switch {
	case req.Generation != g.generation:
		return kerr.IllegalGeneration
	case g.state == Empty:
		return kerr.UnknownMemberID
	case g.state == PreparingRebalance:
		return kerr.RebalanceInProgress
	default:
		return nil
	}
}
