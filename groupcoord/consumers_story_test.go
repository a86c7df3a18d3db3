package groupcoord

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tell is the whole story.
func (s *story) tell() {
	s.printf("topics t=%x u=%x\n", [16]byte(s.topics["t"]), [16]byte(s.topics["u"]))
	s.chapter("bad", "requests that are wrong")
	s.wrongRequests()
	s.chapter("life", "members share a topic")
	s.sharedTopic()
	s.chapter("static", "static members")
	s.staticMembers()
	s.chapter("subscriptions", "subscriptions change")
	s.subscriptionsChange()
	s.chapter("regex", "regular expressions")
	s.regularExpressions()
	s.chapter("up", "a classic group moves to the consumer protocol and back")
	s.upAndDown()
	s.chapter("empty", "empty groups change their kind")
	s.emptyGroups()
	s.chapter("offsets", "offsets and member epochs")
	s.offsetsAndEpochs()
}

func (s *story) wrongRequests() {
	for _, v := range []int16{0, 1} {
		s.beatV(v, "")
		s.beatV(v, "", inEpoch(1))
		s.beatV(v, "", leaves)
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Group = " " })
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Group = "" })
		s.beatV(v, "m", static(""))
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RackID = kmsg.StringPtr("") })
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RebalanceTimeoutMillis = -1 })
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.Topics = nil })
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) {
			r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.topics["t"], Partitions: []int32{0}}}
		})
		s.beatV(v, "m", subscribes())
		s.beatV(v, "m", inEpoch(-2))
		s.beatV(v, "m", inEpoch(-3))
		s.beatV(v, "m", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.ServerAssignor = kmsg.StringPtr("sticky") })
		s.group = "nobody"
		s.beatV(v, "m", inEpoch(1))
		s.beatV(v, "m", leaves)
		s.group = "bad"
	}
	s.beat("m", matches("(a"))
	s.beat("m", matches("a{1001}"))
	s.beat("m", matches("[b-a]"))
	s.describes(1, "bad", "nobody", "")
	s.describes(0, "nobody")
}

func (s *story) sharedTopic() {
	s.beat("a")
	s.beat("a")
	s.list(5, nil, nil)
	s.beat("b")
	s.describes(1, "life")
	s.describes(0, "life")
	s.beat("a")
	s.beat("a")
	s.beat("b", s.owns)
	s.beat("a", s.owns)
	s.list(5, []string{"Reconciling"}, nil)
	s.beat("b", s.owns)
	s.beat("b", s.owns, func(r *kmsg.ConsumerGroupHeartbeatRequest) {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames = 60_000, []string{"t"}
	})
	s.list(5, nil, nil)
	s.describes(1, "life")
	s.describe(6, "life")
	s.describe(5, "life")
	s.printf(" epochs that are wrong\n")
	s.beat("a", inEpoch(9))
	s.beat("a", inEpoch(1))
	s.beat("a", inEpoch(2), s.owns)
	s.beat("a", inEpoch(2))
	s.beat("c", inEpoch(3))
	s.beat("c", leaves)
	s.printf(" one comes again, three, one goes\n")
	s.epochs["a"] = 0
	s.beat("a")
	s.beat("c")
	s.beat("a", s.owns)
	s.beat("b", s.owns)
	s.beat("a", s.owns)
	s.beat("b", s.owns)
	s.beat("c", s.owns)
	s.beat("b", leaves)
	s.beat("a", s.owns)
	s.beat("c", s.owns)
	s.beat("a", s.owns)
	s.gdelete(2, "life")
	s.odelete("life", map[string][]int32{"t": {0}})
	s.beat("c", leaves)
	s.beat("a", s.owns)
	s.beat("a", leaves)
	s.list(5, nil, []string{"consumer"})
	s.list(5, []string{"empty"}, nil)
	s.describes(1, "life")
	s.beat("a", inEpoch(3))
	s.gdelete(2, "life")
	s.describes(1, "life")
	s.records()
}

func (s *story) staticMembers() {
	s.beat("a", static("i"))
	s.beat("b", static("j"))
	s.beat("a", static("i"), s.owns)
	s.beat("a", static("i"), s.owns)
	s.beat("b", static("j"), s.owns)
	s.beat("x", static("i"))
	s.beat("x", static("i"), inEpoch(3))
	s.beat("a", static("k"))
	s.beat("a", static("i"), leavesAWhile)
	s.beat("a", static("i"))
	s.describes(1, "static")
	s.beat("b", static("j"), s.owns)
	s.beat("x", static("i"))
	s.beat("a", static("i"), inEpoch(3))
	s.beat("x", static("i"))
	s.describes(1, "static")
	s.beat("b", static("j"), s.owns)
	s.printf(" with another subscription\n")
	s.beat("x", static("i"), leavesAWhile)
	s.beat("y", static("i"), subscribes("t", "u"))
	s.beat("b", static("j"), s.owns)
	s.beat("b", static("j"), s.owns)
	s.beat("y", static("i"), s.owns)
	s.beat("z", static("i"), leaves)
	s.beat("y", static("nobody"), leaves)
	s.beat("y", static("i"), leaves)
	s.beat("b", static("j"), s.owns)
	s.leave(5, "static", "", kmsg.LeaveGroupRequestMember{InstanceID: kmsg.StringPtr("j")})
	s.gdelete(2, "static")
	s.records()
}

func (s *story) subscriptionsChange() {
	s.beat("a", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RackID = kmsg.StringPtr("r1") })
	s.beat("a", subscribes("u", "t", "t"), s.owns)
	s.beat("a", s.owns)
	s.beat("a", subscribes("none", "u"), s.owns)
	s.beat("a", s.owns)
	s.beat("a", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.ServerAssignor = kmsg.StringPtr("range") })
	s.describes(1, "subscriptions")
	s.beat("b", subscribes("t", "u"))
	s.beat("a", s.owns)
	s.beat("a", s.owns)
	s.beat("b", s.owns)
	s.beat("b", subscribes(), s.owns)
	s.beat("b", s.owns)
	s.describes(1, "subscriptions")
	s.odelete("subscriptions", map[string][]int32{"t": {0}, "u": {0}})
	s.beat("a", func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.RebalanceTimeoutMillis = 5000 })
	s.records()
}

func (s *story) regularExpressions() {
	s.beat("a", matches("[tx]|v+"))
	s.pause()
	s.beat("a", s.owns)
	s.beat("a", s.owns)
	s.beat("b", matches("[tx]|v+"))
	s.pause()
	s.beat("a", s.owns)
	s.beat("a", s.owns)
	s.beat("b", s.owns)
	s.describes(1, "regex")
	s.beat("b", matches(""), subscribes("u"), s.owns)
	s.beat("b", s.owns)
	s.beat("a", s.owns)
	s.beat("a", matches("*bad"))
	s.beat("a", leaves)
	s.beat("b", s.owns)
	s.describes(1, "regex")
	s.records()
}

// classicMetadata is that of a consumer of version 3 that has partitions of t.
func classicMetadata(topic string, owned ...int32) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.Generation = 3, []string{topic}, -1
	if len(owned) > 0 {
		m.OwnedPartitions = []kmsg.ConsumerMemberMetadataOwnedPartition{{Topic: "t", Partitions: owned}}
	}
	return m.AppendTo(nil)
}

func (s *story) classicJoin(member string, owned ...int32) *kmsg.JoinGroupResponse {
	return s.classicJoinAs(member, nil, classicMetadata("t", owned...))
}

func (s *story) classicJoinAs(member string, instance *string, metadata []byte) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.InstanceID, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = s.group, member, instance, 45_000, 60_000, "consumer"
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: metadata}}
	j := s.ask(r, 9).(*kmsg.JoinGroupResponse)
	s.printf("  classic %s joins -> %s generation=%d type=%s protocol=%s leader=%q members=%d skip=%v\n", s.member(member), name(j.ErrorCode), j.Generation, sp(j.ProtocolType), sp(j.Protocol), s.member(j.LeaderID), len(j.Members), j.SkipAssignment)
	return j
}

func (s *story) classicSync(member string, generation int32, assigned ...int32) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = s.group, member, generation
	r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	if len(assigned) > 0 {
		a := kmsg.NewConsumerMemberAssignment()
		a.Version, a.Topics = 3, []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: assigned}}
		r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: member, MemberAssignment: a.AppendTo(nil)}}
	}
	j := s.ask(r, 5).(*kmsg.SyncGroupResponse)
	s.printf("  classic %s syncs -> %s type=%s protocol=%s %x\n", s.member(member), name(j.ErrorCode), sp(j.ProtocolType), sp(j.Protocol), j.MemberAssignment)
}

func (s *story) classicBeat(member string, generation int32) {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation = s.group, member, generation
	s.printf("  classic %s@%d -> %s\n", s.member(member), generation, name(s.ask(r, 4).(*kmsg.HeartbeatResponse).ErrorCode))
}

func (s *story) upAndDown() {
	j := s.classicJoin("")
	c := j.MemberID
	j = s.classicJoin(c)
	s.classicSync(c, j.Generation, 0, 1, 2, 3)
	s.beat("n")
	s.list(5, nil, nil)
	s.describes(1, "up")
	s.describe(6, "up")
	s.classicBeat(c, 1)
	s.classicBeat(c, 7)
	s.classicSync(c, 1)
	j = s.classicJoin(c, 0, 1, 2, 3)
	s.classicSync(c, j.Generation)
	s.classicBeat(c, j.Generation)
	s.beat("n", s.owns)
	j = s.classicJoin(c, 0, 1)
	s.classicSync(c, j.Generation)
	s.classicBeat(c, j.Generation)
	s.beat("n", s.owns)
	s.describes(1, "up")
	s.describes(0, "up")
	s.printf(" another classic member, which reads something else\n")
	u := classicMetadata("u")
	d := s.classicJoinAs("", nil, u).MemberID
	j = s.classicJoinAs(d, nil, u)
	s.classicSync(d, j.Generation)
	s.classicBeat(c, 3)
	k := s.classicJoin(c, 0, 1)
	s.classicSync(c, k.Generation)
	s.classicBeat(c, k.Generation)
	s.beat("n", s.owns)
	s.classicBeat(d, j.Generation)
	s.describes(1, "up")
	s.leave(5, "up", "", kmsg.LeaveGroupRequestMember{MemberID: "nobody"}, kmsg.LeaveGroupRequestMember{MemberID: d})
	s.beat("n", s.owns)
	s.classicBeat(c, k.Generation)
	k = s.classicJoin(c, 0, 1)
	s.classicSync(c, k.Generation)
	s.printf(" and back\n")
	s.beat("n", leaves)
	s.list(5, nil, nil)
	s.classicBeat(c, k.Generation)
	s.describes(1, "up")
	s.records()
	s.chapter("swap", "a static member changes its protocol")
	i := "i"
	m := classicMetadata("t")
	j = s.classicJoinAs("", &i, m)
	s.classicSync(j.MemberID, j.Generation, 0, 1, 2, 3)
	s.beat("n", static(i))
	s.beat("n", static(i), s.owns)
	j = s.classicJoinAs("", &i, m)
	s.classicSync(j.MemberID, j.Generation)
	s.list(5, nil, nil)
	s.beat("n", static(i), inEpoch(2))
	s.records()
}

func (s *story) emptyGroups() {
	j := s.classicJoin(s.classicJoin("").MemberID)
	s.classicSync(j.MemberID, j.Generation, 0)
	s.leave(5, "empty", "", kmsg.LeaveGroupRequestMember{MemberID: j.MemberID})
	s.beat("a", leaves)
	s.beat("a", inEpoch(1))
	s.beat("a")
	s.commit(9, "empty", "", nil, -1, "t", s.topics["t"], nil, -1, 0)
	s.beat("a", leaves)
	s.commit(9, "empty", "", nil, -1, "t", s.topics["t"], nil, -1, 0)
	j = s.classicJoin(s.classicJoin("").MemberID)
	s.classicSync(j.MemberID, j.Generation, 0)
	s.leave(5, "empty", "", kmsg.LeaveGroupRequestMember{MemberID: j.MemberID})
	s.fetch(9, "empty", "t", s.topics["t"], false, 0)
	s.group = "simple"
	s.commit(9, "simple", "", nil, -1, "t", s.topics["t"], nil, -1, 0)
	s.beat("b")
	s.fetch(9, "simple", "t", s.topics["t"], false, 0)
	s.list(5, nil, nil)
	s.records()
	s.group = "empty"
	s.records()
}

func (s *story) memberFetch(v int16, member *string, epoch int32) {
	r := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.MemberID, g.MemberEpoch = s.group, member, epoch
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: s.topics["t"], Partitions: []int32{0}}}
	r.Groups = append(r.Groups, g)
	for _, g := range s.ask(r, v).(*kmsg.OffsetFetchResponse).Groups {
		s.printf("  fetch v%d by %s@%d -> %s topics=%d\n", v, sp(member), epoch, name(g.ErrorCode), len(g.Topics))
	}
}

func (s *story) offsetsAndEpochs() {
	s.beat("a")
	s.beat("b")
	s.beat("a", s.owns)
	s.beat("a", s.owns, func(r *kmsg.ConsumerGroupHeartbeatRequest) { // gives up what it has to
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: s.topics["t"], Partitions: []int32{0, 1}}}
	})
	s.beat("b", s.owns)
	t := s.topics["t"]
	for _, v := range []int16{8, 9, 10} {
		s.commit(v, s.group, "a", nil, 3, "t", t, nil, -1, 0, 1)
		s.commit(v, s.group, "a", nil, 2, "t", t, nil, -1, 0, 1)
		s.commit(v, s.group, "a", nil, 2, "t", t, nil, -1, 0, 2)
		s.commit(v, s.group, "b", nil, 2, "t", t, nil, -1, 2)
		s.commit(v, s.group, "a", nil, 1, "t", t, nil, -1, 0)
		s.commit(v, s.group, "a", nil, 4, "t", t, nil, -1, 0)
		s.commit(v, s.group, "x", nil, 3, "t", t, nil, -1, 0)
		s.commit(v, s.group, "", nil, -1, "t", t, nil, -1, 0)
	}
	a, none, x := "a", "", "x"
	for _, v := range []int16{9, 10} {
		s.memberFetch(v, &a, 3)
		s.memberFetch(v, &a, 2)
		s.memberFetch(v, &a, 4)
		s.memberFetch(v, &x, 3)
		s.memberFetch(v, &none, -1)
		s.memberFetch(v, nil, -1)
	}
	s.odelete(s.group, map[string][]int32{"t": {0, 2}})
	s.gdelete(2, s.group)
}
