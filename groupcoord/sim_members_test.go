package groupcoord

import (
	"fmt"
	"slices"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// simClassic is a member that speaks the classic protocol, eagerly.
type simClassic struct {
	eager
}

// simModern is a member that speaks KIP-848. It subscribes to the topic by its name,
// or by an expression.
type simModern struct {
	reader
	regex bool
}

// asks is called with a request: what it returns lets its answer be heard only by the
// life that asked, from a broker that lived to tell.
func asks(b *simBroker, life *int) func(func()) {
	mine, its := *life, b.life
	return func(hear func()) {
		if *life == mine && b.life == its {
			hear()
		}
	}
}

// actClassic sends a classic member's next request.
func (s *sim) actClassic(c *simClassic) {
	b := s.coordinator(classicGroup)
	if c.waiting || b == nil {
		return
	}
	c.waiting = true
	hear := asks(b, &c.life)
	switch c.next {
	case "join":
		c.owned = nil
		b.svc.JoinGroup(Caller{ClientID: c.name, Host: "/h"}, c.joinRequest(), func(r *kmsg.JoinGroupResponse) {
			hear(func() { c.waiting = false; c.joined(r); s.note("%s joined %d %d", c.name, r.ErrorCode, r.Generation) })
		})
	case "sync":
		r := kmsg.NewPtrSyncGroupRequest()
		r.Group, r.MemberID, r.InstanceID, r.Generation, r.GroupAssignment = classicGroup, c.member, c.instance, c.gen, c.assign
		b.svc.SyncGroup(r, func(r *kmsg.SyncGroupResponse) {
			hear(func() { c.waiting = false; c.synced(r); s.note("%s synced %d %v", c.name, r.ErrorCode, c.owned) })
		})
	case "beat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Group, r.MemberID, r.InstanceID, r.Generation = classicGroup, c.member, c.instance, c.gen
		b.svc.Heartbeat(Caller{}, r, func(r *kmsg.HeartbeatResponse) {
			hear(func() { c.waiting = false; c.failed(r.ErrorCode) })
		})
	}
	synctest.Wait()
}

// lost ends the waiting of members for brokers that were killed.
func (s *sim) lost() {
	for _, c := range s.classics {
		if c.waiting {
			c.life++
			c.waiting = false
		}
	}
	for _, m := range s.moderns {
		if m.out {
			m.life++
			m.out, m.full = false, m.epoch > 0
			m.line = line{}
		}
	}
}

// beat sends a KIP-848 member's next heartbeat.
func (s *sim) beat(m *simModern, givesUp bool) {
	b := s.coordinator(modernGroup)
	if m.out || b == nil {
		return
	}
	q := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	q.Version, q.Group, q.MemberID, q.MemberEpoch, q.RebalanceTimeoutMillis = 1, modernGroup, m.id, m.epoch, -1
	owned := func(parts []int32) []kmsg.ConsumerGroupHeartbeatRequestTopic {
		return []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.topics["t"].id, Partitions: slices.Clone(parts)}}
	}
	subscribe := func() {
		q.RebalanceTimeoutMillis = 20_000
		if m.regex {
			q.SubscribedTopicNames, q.SubscribedTopicRegex = []string{}, new("t|x.*")
		} else {
			q.SubscribedTopicNames = []string{"t"}
		}
	}
	switch {
	case m.epoch == 0:
		subscribe()
		q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	case m.epoch > 0 && m.full:
		subscribe()
		q.Topics = owned(m.reads)
	case m.epoch > 0 && givesUp:
		m.reads = slices.Clone(m.has)
		q.Topics = owned(m.has)
	}
	m.out = true
	hear := asks(b, &m.life)
	s.note("%s asks broker %d: epoch %d, reads %v, all %v, gives up %v", m.id, b.id, m.epoch, m.reads, m.full, givesUp)
	b.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h", Hold: m.line.hold}, q, func(a *kmsg.ConsumerGroupHeartbeatResponse) {
		hear(func() {
			m.out = false
			m.hear(a)
			s.note("%s heard %d epoch %d has %v", m.id, a.ErrorCode, m.epoch, m.has)
			if a.ErrorCode == 0 && a.Assignment != nil {
				s.claims(modernGroup, a.MemberEpoch, m.id, m.has)
			}
		})
	})
	synctest.Wait()
}

// commits commits the next number for a partition that the member owns.
func (s *sim) commits(group string, member string, instance *string, epoch int32, p int32) {
	b := s.coordinator(group)
	if b == nil {
		return
	}
	o := s.offset(group, p)
	o.last++
	n := o.last
	o.tried[n] = true
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation = 9, group, member, instance, epoch
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: p, Offset: n}}}}
	life := b.life
	b.svc.OffsetCommit(r, func(r *kmsg.OffsetCommitResponse) {
		if b.life != life {
			return
		}
		code := r.Topics[0].Partitions[0].ErrorCode
		s.note("%s commits %s-%d=%d: %d", member, group, p, n, code)
		switch code {
		case 0:
			s.hit("an offset is committed")
			o.acknowledged(n, epoch, s)
		case kerr.UnknownMemberID.Code, kerr.IllegalGeneration.Code, kerr.FencedInstanceID.Code, kerr.RebalanceInProgress.Code,
			kerr.StaleMemberEpoch.Code, kerr.GroupIDNotFound.Code, kerr.CoordinatorLoadInProgress.Code:
			delete(o.tried, n) // refused before anything was written
		}
	})
	synctest.Wait()
}

// leaveClassic lets a member go for good.
func (s *sim) leaveClassic(i int) {
	c := s.classics[i]
	s.classics = slices.Delete(s.classics, i, i+1)
	c.life++
	b := s.coordinator(classicGroup)
	if b == nil || c.member == "" {
		return
	}
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = 5, classicGroup
	r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.member, InstanceID: c.instance}}
	b.svc.LeaveGroup(r, func(*kmsg.LeaveGroupResponse) {})
	synctest.Wait()
}

func (s *sim) leaveModern(i int) {
	m := s.moderns[i]
	s.moderns = slices.Delete(s.moderns, i, i+1)
	b := s.coordinator(modernGroup)
	if b == nil || m.epoch <= 0 {
		return
	}
	m.life++
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, modernGroup, m.id, -1, -1
	b.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h"}, r, func(*kmsg.ConsumerGroupHeartbeatResponse) {})
	synctest.Wait()
}

// birth makes a member.
func (s *sim) birth() {
	s.born++
	if s.rnd.IntN(2) == 0 && len(s.classics) < 4 {
		c := &simClassic{eager{name: fmt.Sprint("c", s.born), next: "join"}}
		if s.rnd.IntN(2) == 0 {
			c.instance = &c.name
		}
		s.classics = append(s.classics, c)
	} else if len(s.moderns) < 4 {
		s.moderns = append(s.moderns, &simModern{reader{id: fmt.Sprint("m", s.born)}, s.rnd.IntN(3) == 0})
	}
}
