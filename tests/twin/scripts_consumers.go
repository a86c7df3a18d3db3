package twin

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// joinsConsumers is the first heartbeat of a member of a consumer group (KIP-848).
func joinsConsumers(group, member, topic string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.RebalanceTimeoutMillis = group, member, 60_000
	req.SubscribedTopicNames, req.Topics = []string{topic}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return req
}

// staysConsumer is a heartbeat of a member that has nothing to say.
func staysConsumer(group, member string, epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, member, epoch, -1
	return req
}

// assignable waits until the group's coordinator knows the topic: others know it
// before. The group is gone afterwards.
func (r *Run) assignable(group, topic string) {
	r.Eventually("the coordinator assigns a new topic", func() bool {
		join := joinsConsumers(group, "p", topic)
		join.Version = 1
		resp := r.Do(join).(*kmsg.ConsumerGroupHeartbeatResponse)
		leave := staysConsumer(group, "p", -1)
		leave.Version = 1
		r.Do(leave)
		remove := deleteGroups(group)
		remove.Version = 2
		r.Do(remove)
		return resp.Assignment != nil && len(resp.Assignment.Topics) > 0
	})
}

// consuming sends a first heartbeat that change has altered; the coordinator is ready before.
func consuming(change func(r *Run, q *kmsg.ConsumerGroupHeartbeatRequest)) func(*Run) {
	return func(r *Run) {
		g := r.Name("g")
		r.Coordinator(g)
		t := r.Topic("t", 2)
		r.assignable(g, t)
		req := joinsConsumers(g, "m", t)
		change(r, req)
		r.Send(req)
	}
}

// withConsumer asks something of a consumer group with the member m in epoch 2.
func withConsumer(ask func(r *Run, group, topic string)) func(*Run) {
	return func(r *Run) {
		g, t := r.Name("g"), r.Topic("t", 2)
		r.Coordinator(g)
		r.assignable(g, t)
		join := joinsConsumers(g, "m", t)
		join.Version = 1
		r.Do(join)
		ask(r, g, t)
	}
}

func consumerScripts() []Script {
	hide := []string{"HeartbeatIntervalMillis"} // gregor tells members of a young group to come back soon
	beat := func(name string, run func(*Run)) Script { return Script{Key: 68, Name: name, Hide: hide, Run: run} }
	wrong := func(name string, change func(q *kmsg.ConsumerGroupHeartbeatRequest)) Script {
		return beat(name, consuming(func(_ *Run, q *kmsg.ConsumerGroupHeartbeatRequest) { change(q) }))
	}
	one := func(name string, change func(q *kmsg.ConsumerGroupHeartbeatRequest)) Script {
		return beat(name, withConsumer(func(r *Run, g, _ string) {
			q := staysConsumer(g, "m", 2)
			change(q)
			r.Send(q)
		}))
	}
	type request = kmsg.ConsumerGroupHeartbeatRequest
	describe := func(groups ...string) *kmsg.ConsumerGroupDescribeRequest {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = groups
		return req
	}
	return []Script{
		wrong("joins", func(*request) {}),
		{Key: 68, Name: "no member id", Hide: append([]string{"MemberID"}, hide...), Run: consuming(func(_ *Run, q *request) { q.MemberID = "" })},
		wrong("empty group id", func(q *request) { q.Group = "" }),
		wrong("blank group id", func(q *request) { q.Group = "  " }),
		wrong("empty instance id", func(q *request) { q.InstanceID = kmsg.StringPtr("") }),
		wrong("empty rack", func(q *request) { q.RackID = kmsg.StringPtr("") }),
		wrong("no rebalance timeout", func(q *request) { q.RebalanceTimeoutMillis = -1 }),
		wrong("does not say what it has", func(q *request) { q.Topics = nil }),
		wrong("has partitions before it joins", func(q *request) {
			q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: [16]byte{1}, Partitions: []int32{0}}}
		}),
		wrong("subscribes to nothing", func(q *request) { q.SubscribedTopicNames = nil }),
		wrong("subscribes to no topics", func(q *request) { q.SubscribedTopicNames = []string{} }),
		wrong("topic that there is not", func(q *request) { q.SubscribedTopicNames = []string{"nowhere"} }),
		wrong("unknown assignor", func(q *request) { q.ServerAssignor = kmsg.StringPtr("sticky") }),
		wrong("range assignor", func(q *request) { q.ServerAssignor = kmsg.StringPtr("range") }),
		wrong("static member", func(q *request) { q.InstanceID = kmsg.StringPtr("i") }),
		wrong("epoch below all", func(q *request) { q.MemberEpoch = -3 }),
		wrong("epoch of a group that is not there", func(q *request) { q.MemberEpoch = 1 }),
		wrong("leaves a group that is not there", func(q *request) { q.MemberEpoch = -1 }),
		wrong("goes for a while without an instance", func(q *request) { q.MemberEpoch = -2 }),
		one("stays", func(*request) {}),
		one("tells all again", func(q *request) {
			q.RebalanceTimeoutMillis, q.SubscribedTopicNames, q.Topics = 60_000, []string{"nowhere"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}),
		one("greater epoch", func(q *request) { q.MemberEpoch = 7 }),
		one("smaller epoch", func(q *request) { q.MemberEpoch = 1 }),
		one("another member", func(q *request) { q.MemberID = "n" }),
		one("unknown instance", func(q *request) { q.InstanceID = kmsg.StringPtr("nobody") }),
		one("leaves", func(q *request) { q.MemberEpoch = -1 }),
		one("joins again", func(q *request) {
			q.MemberEpoch, q.RebalanceTimeoutMillis, q.SubscribedTopicNames, q.Topics = 0, 60_000, []string{}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}),
		{Key: 68, Name: "bad regular expression", From: 1, Hide: hide, Run: consuming(func(_ *Run, q *request) {
			q.SubscribedTopicNames, q.SubscribedTopicRegex = nil, kmsg.StringPtr("a(")
		})},
		{Key: 68, Name: "regular expression", From: 1, Hide: hide, Run: consuming(func(_ *Run, q *request) {
			q.SubscribedTopicNames, q.SubscribedTopicRegex = nil, kmsg.StringPtr("nowhere.*")
		})},
		beat("group of the classic protocol", withMember(func(r *Run, g, t string, _ Member) { r.Send(joinsConsumers(g, "m", t)) })),
		beat("member of a classic group", withMember(func(r *Run, g, _ string, m Member) { r.Send(staysConsumer(g, m.ID, m.Generation)) })),

		{Key: 69, Name: "stable group", Run: withConsumer(func(r *Run, g, _ string) { r.Send(describe(g)) })},
		{Key: 69, Name: "unknown group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(describe(r.Name("g"))) }},
		{Key: 69, Name: "empty group id", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(describe("")) }},
		{Key: 69, Name: "classic group", Run: withMember(func(r *Run, g, _ string, _ Member) { r.Send(describe(g)) })},
		{Key: 69, Name: "authorized operations", Run: withConsumer(func(r *Run, g, _ string) {
			req := describe(g)
			req.IncludeAuthorizedOperations = true
			r.Send(req)
		})},

		{Key: 15, Name: "consumer group", Run: withConsumer(func(r *Run, g, _ string) { r.Send(describeGroups(g)) })},
		{Key: 42, Name: "consumer group with a member", Run: withConsumer(func(r *Run, g, _ string) { r.Send(deleteGroups(g)) })},
		{Key: 42, Name: "consumer group without members", Run: withConsumer(func(r *Run, g, _ string) {
			l := staysConsumer(g, "m", -1)
			l.Version = 1
			r.Do(l)
			r.Send(deleteGroups(g))
		})},
	}
}
