package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// nextGen is a client of KIP-848 that does what it is told at once.
type nextGen struct {
	h     *house
	id    string
	epoch int32
	has   []kmsg.ConsumerGroupHeartbeatRequestTopic
	last  *kmsg.ConsumerGroupHeartbeatResponse
}

func (m *nextGen) beat(change func(*kmsg.ConsumerGroupHeartbeatRequest)) int16 {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, "g", m.id, m.epoch, -1
	if m.epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 30_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	} else {
		r.Topics = m.has
	}
	if change != nil {
		change(r)
	}
	m.last = ask(func(r *kmsg.ConsumerGroupHeartbeatRequest, reply func(*kmsg.ConsumerGroupHeartbeatResponse)) {
		m.h.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h"}, r, reply)
	}, r)
	if m.last.ErrorCode == 0 {
		m.epoch = m.last.MemberEpoch
		if a := m.last.Assignment; a != nil {
			m.has = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			for _, t := range a.Topics {
				m.has = append(m.has, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
			}
		}
	}
	return m.last.ErrorCode
}

func (m *nextGen) owns() string {
	out := ""
	for _, t := range m.has {
		out += fmt.Sprint(t.Partitions)
	}
	return out
}

func TestConsumersShareATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		a, b := &nextGen{h: h, id: "a"}, &nextGen{h: h, id: "b"}
		if c := a.beat(nil); c != 0 || a.epoch != 2 || a.owns() != "[0 1 2 3]" {
			t.Fatalf("first member: %d, epoch %d, %s", c, a.epoch, a.owns())
		}
		if c := b.beat(nil); c != 0 || b.owns() != "" {
			t.Fatalf("second member: %d, %s", c, b.owns())
		}
		h.clock.Advance(1000)
		synctest.Wait()
		for range 3 {
			if a.beat(nil) != 0 || b.beat(nil) != 0 {
				t.Fatal(*a.last.ErrorMessage, b.last.ErrorMessage)
			}
		}
		if a.epoch != 3 || b.epoch != 3 || a.owns() != "[0 1]" || b.owns() != "[2 3]" {
			t.Fatalf("shared: a %d %s, b %d %s", a.epoch, a.owns(), b.epoch, b.owns())
		}
		for range 2 {
			h.resign()
			h.lead(2)
			if a.beat(nil) != 0 || b.beat(nil) != 0 || a.last.Assignment != nil {
				t.Fatalf("after a move: %+v, %+v", a.last, b.last)
			}
		}
		h.clock.Advance(44_000)
		synctest.Wait()
		if c := a.beat(nil); c != 0 {
			t.Fatalf("in time: %d", c)
		}
		h.clock.Advance(2_000)
		synctest.Wait()
		if c := b.beat(nil); c != kerr.UnknownMemberID.Code {
			t.Fatalf("late: %d", c)
		}
		a.beat(nil)
		if a.owns() != "[0 1 2 3]" {
			t.Fatalf("what is left to one: %s", a.owns())
		}
		h.svc.Close()
	})
}

// Members that are fenced together have their records in one batch: if they are too
// many for one, there are several.
func TestMoreAreFencedThanABatchHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.log.MaxBatch = 1500
		h.lead(1)
		defer h.close()
		for i := range 40 {
			if m := (&nextGen{h: h, id: fmt.Sprint("m", i)}); m.beat(nil) != 0 {
				t.Fatalf("join: %+v", m.last)
			}
		}
		h.clock.Advance(45_000)
		for range 20 { // tried again every half a second
			synctest.Wait()
			h.clock.Advance(500)
		}
		synctest.Wait()
		if s := h.svc.Stats(); s.Consumer["Empty"] != 1 {
			t.Fatalf("%v", s.Consumer)
		}
	})
}
