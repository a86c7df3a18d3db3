package groupcoord

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// reader is a client of KIP-848 under random trouble. It sends one heartbeat at a
// time, which may be held, and reads a partition from when it hears of it until it
// has said that it gave it up.
type reader struct {
	id    string
	epoch int32
	has   []int32 // told
	reads []int32
	full  bool // says all that there is to say, as clients do after an error
	out   bool
	life  int
	line  line
}

// school is the readers of one group.
type school struct {
	*fleet
	readers []*reader
	topic   ids.TopicID
}

// TestConsumersSurviveTrouble: whatever happens to members and coordinators, no
// partition is read by two members of the group, and when the trouble is over
// everybody is in the same epoch and everything is read.
func TestConsumersSurviveTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			s := &school{fleet: &fleet{t: rt, h: newHouse(nil), epoch: 1}}
			defer s.h.close()
			s.topic = s.h.topics["t"].id
			s.h.topics["t"] = catalogEntry{s.topic, simPartitions}
			for range rapid.IntRange(5, 100).Draw(rt, "steps") {
				s.step(rapid.IntRange(0, 29).Draw(rt, "op"))
				synctest.Wait()
				s.checkReaders()
			}
			s.settle()
		})
	})
}

func (s *school) step(op int) {
	switch {
	case op < 2 && len(s.readers) < 5:
		s.born++
		s.readers = append(s.readers, &reader{id: fmt.Sprint("r", s.born)})
	case op == 2 && len(s.readers) > 0: // dies, and comes back without knowing anything
		r := s.one()
		*r = reader{id: r.id, life: r.life + 1}
	case op == 3 && len(s.readers) > 0: // leaves
		i := rapid.IntRange(0, len(s.readers)-1).Draw(s.t, "reader")
		r := s.readers[i]
		s.readers = slices.Delete(s.readers, i, i+1)
		r.life++
		r.epoch = -1
		s.beat(r, false)
	case op == 4:
		s.move()
	case op == 5:
		if s.h.log.Hold = !s.h.log.Hold; !s.h.log.Hold {
			s.commitAll()
		}
	case op == 6:
		if s.h.log.Fail == nil {
			s.h.log.Fail = func(int32) error { return kerr.NotEnoughReplicas }
		} else {
			s.h.log.Fail = nil
		}
	case op < 12:
		s.h.clock.Advance(rapid.Int64Range(1, 6000).Draw(s.t, "ms"))
	case op < 15 && len(s.readers) > 0: // something comes on the connection of one
		if r := s.one(); r.line.release != nil {
			r.line.release()
		}
	case len(s.readers) > 0:
		s.beat(s.one(), rapid.Bool().Draw(s.t, "gives up"))
	}
}

func (s *school) one() *reader {
	return s.readers[rapid.IntRange(0, len(s.readers)-1).Draw(s.t, "reader")]
}

// beat sends a heartbeat, unless one is out.
func (s *school) beat(r *reader, givesUp bool) {
	if r.out {
		return
	}
	q := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	q.Version, q.Group, q.MemberID, q.MemberEpoch, q.RebalanceTimeoutMillis = 1, "g", r.id, r.epoch, -1
	switch {
	case r.epoch == 0:
		q.RebalanceTimeoutMillis, q.SubscribedTopicNames, q.Topics = 20_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	case r.epoch > 0 && givesUp && !r.full:
		r.reads = slices.Clone(r.has)
		q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.topic, Partitions: r.has}}
	case r.epoch > 0 && r.full:
		q.RebalanceTimeoutMillis, q.SubscribedTopicNames = 20_000, []string{"t"}
		q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.topic, Partitions: r.reads}}
	}
	r.out = true
	life := r.life
	s.h.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h", Hold: r.line.hold}, q, func(a *kmsg.ConsumerGroupHeartbeatResponse) {
		if r.life == life {
			r.out = false
			r.hear(a)
		}
	})
}

func (r *reader) hear(a *kmsg.ConsumerGroupHeartbeatResponse) {
	switch a.ErrorCode {
	case 0:
	case kerr.FencedMemberEpoch.Code, kerr.UnknownMemberID.Code, kerr.GroupIDNotFound.Code:
		r.epoch, r.has, r.reads, r.full = 0, nil, nil, false
		return
	default:
		r.full = true // asks again
		return
	}
	r.full = false
	r.epoch = a.MemberEpoch
	if a.Assignment == nil {
		return
	}
	r.has = nil
	for _, t := range a.Assignment.Topics {
		r.has = append(r.has, t.Partitions...)
	}
	slices.Sort(r.has)
	for _, p := range r.has {
		if !slices.Contains(r.reads, p) {
			r.reads = append(r.reads, p)
		}
	}
}

// checkReaders: of two that read the same partition one was fenced and has not
// heard of it yet.
func (s *school) checkReaders() {
	epochs := s.members()
	by := map[int32]*reader{}
	for _, r := range s.readers {
		if epoch, member := epochs[r.id]; !member || epoch != r.epoch && !r.out {
			continue
		}
		for _, p := range r.reads {
			if other := by[p]; other != nil {
				s.t.Fatalf("partition %d is read by %+v and %+v", p, *other, *r)
			}
			by[p] = r
		}
	}
}

// members are the epochs of the group's members, as the coordinator has committed them.
func (s *school) members() map[string]int32 {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{"g"}
	out := map[string]int32{}
	if r := ask(s.h.svc.ConsumerGroupDescribe, req); r != nil { // nil: it waits for a commit
		for _, m := range r.Groups[0].Members {
			out[m.MemberID] = m.MemberEpoch
		}
	}
	return out
}

// settle ends the trouble and waits until the group has found itself.
func (s *school) settle() {
	s.h.log.Fail, s.h.log.Hold = nil, false
	s.commitAll()
	if !s.leading {
		s.lead()
	}
	synctest.Wait()
	for range 60 {
		for _, r := range s.readers {
			s.beat(r, true)
			synctest.Wait()
		}
		s.checkReaders()
		s.h.clock.Advance(1500)
		synctest.Wait()
	}
	reads := map[int32]bool{}
	for _, r := range s.readers {
		if r.epoch != s.readers[0].epoch {
			s.t.Fatalf("not settled: %+v and %+v", *r, *s.readers[0])
		}
		for _, p := range r.reads {
			if reads[p] {
				s.t.Fatalf("partition %d has two readers", p)
			}
			reads[p] = true
		}
	}
	if len(s.readers) > 0 && len(reads) != simPartitions {
		s.t.Fatalf("%d of %d partitions are read", len(reads), simPartitions)
	}
}
