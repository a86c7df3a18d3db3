package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// line is a connection that lets heartbeats be held.
type line struct {
	release func() // of what is held
	busy    bool   // something is queued: answer now
}

func (l *line) hold(release func()) bool {
	if l.busy {
		return false
	}
	l.release = release
	return true
}

// send sends the member's next heartbeat; the answer may be some time away.
func (m *nextGen) send(l *line) {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, "g", m.id, m.epoch, -1
	if m.epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 30_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	m.last = nil
	m.h.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h", Hold: l.hold}, r, func(r *kmsg.ConsumerGroupHeartbeatResponse) {
		m.last = r
		if r.ErrorCode == 0 {
			m.epoch = r.MemberEpoch
		}
	})
}

func TestHeldHeartbeatsTellNewsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		la, lb := &line{}, &line{}
		a, b := &nextGen{h: h, id: "a"}, &nextGen{h: h, id: "b"}
		a.send(la)
		synctest.Wait()
		if a.last == nil || a.last.Assignment == nil || a.last.HeartbeatIntervalMillis != soonest {
			t.Fatalf("who joins is answered: %+v", a.last)
		}
		a.send(la)
		synctest.Wait()
		if a.last != nil {
			t.Fatalf("nothing new is answered: %+v", a.last)
		}
		b.send(lb)
		h.clock.Advance(30) // the least time between two assignments of a small group
		synctest.Wait()
		if a.last == nil || a.epoch != 2 || a.last.Assignment == nil || len(a.last.Assignment.Topics[0].Partitions) != 2 {
			t.Fatalf("what it has to give up: %+v", a.last)
		}
		b.send(lb) // goes to the new epoch, and waits for what a has
		synctest.Wait()
		b.send(lb)
		b.send(lb) // the older one of the two is answered
		synctest.Wait()
		if b.last == nil || b.last.Assignment != nil || b.epoch != 3 {
			t.Fatalf("the older heartbeat: %+v", b.last)
		}
		b.last = nil
		a.has = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: a.last.Assignment.Topics[0].TopicID, Partitions: a.last.Assignment.Topics[0].Partitions}}
		if c := a.beat(nil); c != 0 { // tells that it gave up
			t.Fatal(c)
		}
		if b.last == nil || b.last.Assignment == nil || len(b.last.Assignment.Topics[0].Partitions) != 2 {
			t.Fatalf("what it waited for: %+v", b.last)
		}
		h.clock.Advance(20_000)
		a.send(la)
		synctest.Wait()
		h.clock.Advance(1_000)
		la.release() // something else came on the connection
		synctest.Wait()
		if a.last == nil || a.last.HeartbeatIntervalMillis != 4_000 {
			t.Fatalf("released: %+v", a.last)
		}
		la.release() // late, and harmless
		a.send(la)
		synctest.Wait()
		h.clock.Advance(5_000)
		synctest.Wait()
		if a.last == nil || a.last.HeartbeatIntervalMillis != soonest {
			t.Fatalf("held for the whole interval: %+v", a.last)
		}
		la.busy = true
		a.send(la)
		synctest.Wait()
		if a.last == nil || a.last.HeartbeatIntervalMillis != 5_000 {
			t.Fatalf("a busy line: %+v", a.last)
		}
		la.busy = false
		a.send(la)
		synctest.Wait()
		h.resign()
		if a.last == nil || a.last.ErrorCode != kerr.NotCoordinator.Code {
			t.Fatalf("the coordinator went: %+v", a.last)
		}
		h.svc.Close()
	})
}

// One member that joins a large group is heard of by all, in few appends.
func TestALargeGroupHearsOfOneMore(t *testing.T) {
	const members = 2500
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		lines, all := make([]line, members), make([]*nextGen, members)
		for i := range all {
			all[i] = &nextGen{h: h, id: fmt.Sprint("m", i)}
			all[i].send(&lines[i])
		}
		synctest.Wait()
		h.clock.Advance(1_100)
		synctest.Wait()
		all[0].beat(func(r *kmsg.ConsumerGroupHeartbeatRequest) { // gives up what was all its own
			r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		})
		for range 8 {
			for i, m := range all {
				if m.last != nil {
					m.send(&lines[i])
				}
			}
			synctest.Wait()
		}
		epoch := all[1].epoch
		for _, m := range all {
			if m.epoch != epoch || m.last != nil {
				t.Fatalf("%s is in epoch %d, not %d, and has %+v", m.id, m.epoch, epoch, m.last)
			}
		}
		before := h.log.Appends(0) + h.log.Appends(1)
		one := &nextGen{h: h, id: "one-more"}
		one.send(&line{})
		synctest.Wait()
		h.clock.Advance(1_200)
		synctest.Wait()
		for _, m := range all {
			if m.epoch != epoch+1 {
				t.Fatalf("%s has not heard of it: epoch %d", m.id, m.epoch)
			}
		}
		if n := h.log.Appends(0) + h.log.Appends(1) - before; n > 12 {
			t.Fatalf("%d appends", n)
		}
		h.svc.Close()
	})
}

// What is held on a connection that its member has given up tells nobody anything:
// news must wait for the member's next heartbeat. Clients tell all that they have to
// say when they come back on another connection, which is answered at once.
func TestNewsAreNotToldToAConnectionGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		a, b := &nextGen{h: h, id: "a"}, &nextGen{h: h, id: "b"}
		a.send(&line{})
		synctest.Wait()
		a.send(&line{})
		synctest.Wait()
		if a.last != nil {
			t.Fatalf("not held: %+v", a.last)
		}
		given := a.epoch
		a.full(&line{})
		synctest.Wait()
		if a.last == nil || a.last.Assignment == nil || a.epoch != given {
			t.Fatalf("a full heartbeat: %+v", a.last)
		}
		if n := h.svc.Stats().HeldHeartbeats; n != 0 {
			t.Fatalf("%d heartbeats are held", n)
		}
		b.send(&line{})
		h.clock.Advance(30)
		synctest.Wait()
		a.send(&line{})
		synctest.Wait()
		if a.last == nil || a.last.Assignment == nil || len(a.last.Assignment.Topics[0].Partitions) != 2 {
			t.Fatalf("what it has to give up went to the connection before: %+v", a.last)
		}
	})
}

// full sends a heartbeat that tells all that there is to say.
func (m *nextGen) full(l *line) {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch = 1, "g", m.id, m.epoch
	r.RebalanceTimeoutMillis, r.SubscribedTopicNames = 30_000, []string{"t"}
	r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: m.h.topics["t"].id, Partitions: []int32{0, 1, 2, 3}}}
	m.h.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h", Hold: l.hold}, r, func(r *kmsg.ConsumerGroupHeartbeatResponse) {
		m.last = r
		m.epoch = r.MemberEpoch
	})
}

// What is held when the clock is set back does not tell its member to come again in
// an hour.
func TestHeldHeartbeatWhenTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		a, l := &nextGen{h: h, id: "a"}, &line{}
		a.send(l)
		synctest.Wait()
		h.clock.Advance(20_000)
		for _, jump := range []int64{-3_600_000, 3_600_000} {
			a.send(l)
			synctest.Wait()
			h.clock.Set(jump)
			h.clock.Advance(1_000)
			l.release()
			synctest.Wait()
			if a.last == nil || a.last.HeartbeatIntervalMillis > 5_000 {
				t.Fatalf("set by %d ms: %+v", jump, a.last)
			}
			a.send(l)
			synctest.Wait()
			h.clock.Advance(5_000)
			synctest.Wait()
			if a.last == nil || a.last.ErrorCode != 0 {
				t.Fatalf("set by %d ms, and held for the whole interval: %+v", jump, a.last)
			}
		}
	})
}

// A member that speaks the classic protocol has a session of its own, also in a
// consumer group: its heartbeats are held by that.
func TestHeartbeatsOfClassicMembersAreHeldByTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		(&nextGen{h: h, id: "a"}).send(&line{})
		c := &eager{name: "c"}
		for range 2 { // the second time with what it was assigned meanwhile
			r := c.joinRequest()
			r.Version, r.Protocols[0].Metadata = 3, classicMetadata("u")
			c.joined(ask(func(r *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
				h.svc.JoinGroup(Caller{ClientID: "c", Host: "/h"}, r, reply)
			}, r))
			sync := kmsg.NewPtrSyncGroupRequest()
			sync.Version, sync.Group, sync.MemberID, sync.Generation = 3, "g", c.member, c.gen
			if s := ask(h.svc.SyncGroup, sync); s == nil || s.ErrorCode != 0 {
				t.Fatalf("%+v synced %+v", *c, s)
			}
			h.clock.Advance(30)
			synctest.Wait()
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = "g", c.member, c.gen
		var got *kmsg.HeartbeatResponse
		h.svc.Heartbeat(Caller{Hold: (&line{}).hold}, beat, func(r *kmsg.HeartbeatResponse) { got = r })
		synctest.Wait()
		h.clock.Advance(1_999)
		synctest.Wait()
		if got != nil {
			t.Fatalf("not held: %+v", got)
		}
		h.clock.Advance(1)
		synctest.Wait()
		if got == nil || got.ErrorCode != 0 {
			t.Fatalf("held for more than a third of its session: %+v", got)
		}
	})
}
