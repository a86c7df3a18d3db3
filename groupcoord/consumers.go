package groupcoord

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// soonest is the shortest interval that a member is told, in ms.
const soonest = 20

// ConsumerGroupHeartbeat handles versions 0–1. With c.Hold the reply may be held
// until there is news.
func (s *Service) ConsumerGroupHeartbeat(c Caller, req *kmsg.ConsumerGroupHeartbeatRequest, reply func(*kmsg.ConsumerGroupHeartbeatResponse)) {
	b := &beat{
		s: s, caller: c, reply: reply,
		Beat: consumer.Beat{Req: req, ClientID: c.ClientID, Host: c.Host},
	}
	if bad := s.consumerConfig.Check(req); bad != nil {
		b.refuse(bad)
		return
	}
	if req.MemberID == "" {
		b.NewID = newMemberID(s.uuid())
	}
	s.do(req.Group, b.arrive, b.fail)
}

// newMemberID writes a UUID as Kafka writes those of members: 22 letters of base64.
func newMemberID(uuid string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return uuid
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// beat is a ConsumerGroupHeartbeat on its way.
type beat struct {
	consumer.Beat
	s      *Service
	caller Caller
	reply  func(*kmsg.ConsumerGroupHeartbeatResponse)
	came   int64 // ms
}

// arrive decides the heartbeat, or holds it. One of the member that is still held
// has come on a connection that the member has given up: were it answered with
// news later on, nobody would hear of them.
func (b *beat) arrive(sh *shard, now int64) runtime.Outcome {
	old := sh.holds.supersede(b.Req.Group, b.Req.MemberID)
	o := b.decide(sh, now)
	if old == nil {
		return o
	}
	done := o.Done
	o.Done = func(now int64, err error) {
		old(err)
		if done != nil {
			done(now, err)
		}
	}
	return o
}

func (b *beat) decide(sh *shard, now int64) runtime.Outcome {
	b.came = now
	r, d, bad := sh.beat(b, now)
	if bad == nil && r.Idle && len(d.Records) == 0 && b.caller.Hold != nil && sh.holdBeat(&hold{
		group: b.Req.Group, member: r.MemberID, fail: b.fail,
		again: func(now int64) (runtime.Outcome, bool) { return b.again(sh, now) },
		late: func(err error) {
			if err != nil {
				b.fail(err)
				return
			}
			b.answer(&r)
		},
	}, sh.consumers.HoldFor(b.Req.Group), b.caller.Hold, b.s, now) {
		return runtime.Outcome{}
	}
	return b.outcome(sh, r, d, bad)
}

// again decides a heartbeat that was held. The member's session runs since it came.
func (b *beat) again(sh *shard, now int64) (runtime.Outcome, bool) {
	b.Again = true
	r, d, bad := sh.beat(b, now)
	waited := min(max(now-b.came, 0), int64(r.Interval)) // the clock may have been set meanwhile
	r.Interval = max(soonest, r.Interval-int32(waited))
	return b.outcome(sh, r, d, bad), r.Assignment
}

// outcome appends what was decided and then replies.
func (b *beat) outcome(sh *shard, r consumer.Reply, d consumer.Decision, bad *consumer.Refusal) runtime.Outcome {
	return sh.decided(d, func(err error) {
		switch {
		case err != nil:
			b.fail(err)
		case bad != nil:
			b.refuse(bad)
		default:
			if b.caller.Hold != nil && r.Interval > 0 && !r.Idle && sh.cfg.HoldMax > 0 {
				r.Interval = min(r.Interval, b.next(sh, &r)) // the next one is held
			}
			b.answer(&r)
		}
	})
}

// next is when a member whose heartbeats may be held is to come back: at once when
// it was told something, so that there is a question to hold; but one that is busy
// with what it was told before must not ask without end.
func (b *beat) next(sh *shard, r *consumer.Reply) int32 {
	if r.Assignment || r.Epoch != b.Req.MemberEpoch {
		return soonest
	}
	return sh.consumers.Soon(b.Req.Group)
}

func (b *beat) fail(err error) { b.refuse(&consumer.Refusal{Error: &kerr.Error{Code: code(err)}}) }

func (b *beat) refuse(bad *consumer.Refusal) {
	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.Version, r.ErrorCode = b.Req.Version, bad.Code
	if bad.Message != "" {
		r.ErrorMessage = &bad.Message
	}
	b.reply(r)
}

func (b *beat) answer(a *consumer.Reply) {
	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.Version, r.MemberID, r.MemberEpoch, r.HeartbeatIntervalMillis = b.Req.Version, &a.MemberID, a.Epoch, a.Interval
	if a.Assignment {
		list := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
		for _, w := range a.Assigned {
			t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			t.TopicID, t.Partitions = w.Topic, w.Partitions
			list.Topics = append(list.Topics, t)
		}
		r.Assignment = &list
	}
	b.reply(r)
}

// beat decides a heartbeat; a group that is not there yet is made for who joins.
func (sh *shard) beat(b *beat, now int64) (consumer.Reply, consumer.Decision, *consumer.Refusal) {
	at := sh.moment(now)
	id := b.Req.Group
	if g := sh.consumers.Get(id); g != nil {
		return sh.consumers.Heartbeat(g, &b.Beat, nil, at)
	}
	old := sh.groups.Get(id)
	switch {
	case b.Req.MemberEpoch != 0 && old != nil:
		return consumer.Reply{}, consumer.Decision{}, notFound("Group " + id + " is not a consumer group.")
	case b.Req.MemberEpoch < 0:
		return consumer.Reply{}, consumer.Decision{}, notFound("Group " + id + " not found.")
	case b.Req.MemberEpoch > 0:
		return consumer.Reply{}, consumer.Decision{}, notFound("Consumer group " + id + " not found.")
	case old == nil:
		return sh.consumers.Heartbeat(sh.consumers.Create(id), &b.Beat, nil, at)
	case old.IsEmpty():
		return sh.consumers.Heartbeat(sh.consumers.Create(id), &b.Beat, []runtime.Record{{Key: old.Tombstone()}}, at)
	}
	g, before, bad := sh.consumers.Upgrade(classicOf(old), at)
	if bad != nil {
		return consumer.Reply{}, consumer.Decision{}, bad
	}
	r, d, bad := sh.consumers.Heartbeat(g, &b.Beat, before, at)
	if bad == nil {
		sh.deliver(sh.groups.Withdraw(old), nil) // they join again and find the group as it is then
	}
	return r, d, bad
}

func notFound(text string) *consumer.Refusal {
	return &consumer.Refusal{Error: kerr.GroupIDNotFound, Message: text}
}

// classicOf is a classic group as it would go over.
func classicOf(g *classic.Group) *consumer.ClassicGroup {
	out := &consumer.ClassicGroup{ID: g.ID, Type: g.Type(), Protocol: g.Protocol(), Generation: g.Generation()}
	g.Each(func(m *classic.Member) {
		c := consumer.ClassicMember{
			ID: m.ID, Instance: m.InstanceID, ClientID: m.ClientID, Host: m.Host,
			RebalanceTimeout: m.RebalanceTimeout, SessionTimeout: m.SessionTimeout, Assignment: m.Assignment,
		}
		for i := range m.Protocols {
			c.Protocols = append(c.Protocols, records.ClassicProtocol{Name: m.Protocols[i].Name, Metadata: m.Protocols[i].Metadata})
		}
		out.Members = append(out.Members, c)
	})
	return out
}

// moment is now, with the topics as they are.
func (sh *shard) moment(now int64) consumer.Moment {
	return consumer.Moment{Now: now, Image: sh.image()}
}

// decided turns what the core of consumer groups decided into an outcome; then
// learns how it ended.
func (sh *shard) decided(d consumer.Decision, then func(error)) runtime.Outcome {
	sh.tellConsumers(d.Notes)
	return runtime.Outcome{Records: d.Records, Split: d.Split, Done: func(now int64, err error) {
		switch {
		case err != nil && err != runtime.ErrCommitTimeout:
			sh.consumers.Failed(d, now)
		case d.Adopt != nil:
			sh.follow(sh.groups.Adopt(d.Adopt.Group, d.Adopt.Rebalance, now))
		}
		if then != nil {
			then(err)
		}
	}}
}

// hearNews readies the held heartbeats of members that have news.
func (sh *shard) hearNews(now int64) {
	sh.groups.TakeNews(func(group, member string) {
		if member == "" {
			sh.holds.releaseAll(group)
			return
		}
		sh.holds.release(group, member)
	})
	sh.consumers.TakeNews(func(group, member string) {
		if member == "" {
			if g := sh.consumers.Get(group); g != nil {
				sh.holds.sweepSoon(group, g.Members(), now)
			}
			return
		}
		sh.holds.release(group, member)
	})
}

// expireConsumers does one thing that is due for consumer groups; false: nothing is.
func (sh *shard) expireConsumers(now int64) (runtime.Outcome, bool) {
	sh.hearNews(now)
	sh.holds.expire(now, sh.consumers.Behind)
	if len(sh.holds.ready) > 0 {
		return sh.holds.answer(now), true
	}
	if at, ok := sh.consumers.Deadline(); ok && at <= now {
		d := sh.consumers.Expire(sh.moment(now))
		if d.Search != nil {
			sh.search(d.Search)
		}
		return sh.decided(d, nil), true
	}
	return runtime.Outcome{}, false
}

// consumersDeadline is when expireConsumers has something to do.
func (sh *shard) consumersDeadline() (int64, bool) {
	if sh.consumers.HasNews() || sh.groups.HasNews() {
		return 0, true
	}
	at, ok := sh.consumers.Deadline()
	if h, holds := sh.holds.deadline(); holds && (!ok || h < at) {
		return h, true
	}
	return at, ok
}

// ConsumerGroupDescribe handles versions 0–1.
func (s *Service) ConsumerGroupDescribe(req *kmsg.ConsumerGroupDescribeRequest, reply func(*kmsg.ConsumerGroupDescribeResponse)) {
	all := gather(len(req.Groups), func(groups []kmsg.ConsumerGroupDescribeResponseGroup) {
		r := kmsg.NewPtrConsumerGroupDescribeResponse()
		r.Version, r.Groups = req.Version, groups
		reply(r)
	})
	named := frame.Repeats[string]{}
	for i, id := range req.Groups {
		failed := func(code int16) kmsg.ConsumerGroupDescribeResponseGroup {
			g := kmsg.NewConsumerGroupDescribeResponseGroup()
			g.Group, g.ErrorCode = id, code
			return g
		}
		if id == "" {
			all.set(i, failed(kerr.InvalidGroupID.Code))
			continue
		}
		if named.TooMany(id) {
			all.set(i, failed(kerr.InvalidRequest.Code))
			continue
		}
		readGroup(s, id,
			func(sh *shard) kmsg.ConsumerGroupDescribeResponseGroup {
				g := sh.consumers.Get(id)
				if g == nil {
					out, text := failed(kerr.GroupIDNotFound.Code), "Group "+id+" not found."
					if sh.groups.Get(id) != nil {
						text = "Group " + id + " is not a consumer group."
					}
					out.ErrorMessage = &text
					return out
				}
				out := g.Describe(sh.image())
				if asksWhy(&req.UnknownTags) {
					tellWhy(&out.UnknownTags, g.Rebalances())
				}
				return out
			},
			func(err error) kmsg.ConsumerGroupDescribeResponseGroup { return failed(code(err)) },
			func(g kmsg.ConsumerGroupDescribeResponseGroup) { all.set(i, g) })
	}
}
