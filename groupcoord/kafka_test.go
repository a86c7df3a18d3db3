package groupcoord

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var record = flag.String("record", "", "address of an Apache Kafka to record testdata/kafka.txt from")

// script asks many good and bad questions and writes down the answers.
type script struct {
	out strings.Builder
	do  func(kmsg.Request) (kmsg.Response, error)
}

func (x *script) printf(format string, args ...any) { fmt.Fprintf(&x.out, format, args...) }

func (x *script) ask(req kmsg.Request, version int16) kmsg.Response {
	req.SetVersion(version)
	resp, err := x.do(req)
	if err != nil {
		panic(err)
	}
	return resp
}

// TestAnswersAreKafkas plays the script against the service and compares with
// what Apache Kafka 4.3.1 answered (recorded with -record, on a broker with
// four partitions of __consumer_offsets and an initial delay of 300 ms).
func TestAnswersAreKafkas(t *testing.T) {
	if *record != "" {
		recordKafka(t, *record)
	}
	want, err := os.ReadFile("testdata/kafka.txt")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.InitialRebalanceDelay = 300 })
		h.topics["t"] = catalogEntry{h.topics["t"].id, 3}
		h.lead(1)
		x := &script{do: h.roundTrip}
		x.play(h.topics["t"].id)
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(x.out.String(), "\n")); diff != "" {
			t.Fatalf("Kafka (-) and the service (+) differ:\n%s", diff)
		}
		h.svc.Close()
	})
}

func (x *script) join(v int16, group, member string, inst *string, session, rebalance int32, typ string, protos ...string) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.InstanceID, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = group, member, inst, session, rebalance, typ
	for _, p := range protos {
		q := kmsg.NewJoinGroupRequestProtocol()
		q.Name = p
		q.Metadata = []byte{0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff}
		r.Protocols = append(r.Protocols, q)
	}
	resp := x.ask(r, v)
	j := resp.(*kmsg.JoinGroupResponse)
	mid := j.MemberID
	if len(mid) > 36 {
		mid = mid[:len(mid)-36] + "<uuid>"
	}
	lid := j.LeaderID
	if len(lid) > 36 {
		lid = lid[:len(lid)-36] + "<uuid>"
	}
	x.printf("  join v%d -> %s member=%q gen=%d type=%s proto=%s leader=%q skip=%v members=%d\n", v, name(j.ErrorCode), mid, j.Generation, s(j.ProtocolType), s(j.Protocol), lid, j.SkipAssignment, len(j.Members))
	return j
}
func (x *script) syncg(v int16, group, member string, inst *string, gen int32, typ, proto *string, assign map[string]string) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation, r.ProtocolType, r.Protocol = group, member, inst, gen, typ, proto
	for m, a := range assign {
		r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m, MemberAssignment: []byte(a)})
	}
	resp := x.ask(r, v)
	j := resp.(*kmsg.SyncGroupResponse)
	x.printf("  sync v%d -> %s type=%s proto=%s assignment=%q\n", v, name(j.ErrorCode), s(j.ProtocolType), s(j.Protocol), j.MemberAssignment)
}
func (x *script) beat(v int16, group, member string, inst *string, gen int32) {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation = group, member, inst, gen
	resp := x.ask(r, v)
	x.printf("  heartbeat v%d -> %s\n", v, name(resp.(*kmsg.HeartbeatResponse).ErrorCode))
}
func (x *script) leave(v int16, group, member string, ms ...kmsg.LeaveGroupRequestMember) {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group, r.MemberID, r.Members = group, member, ms
	resp := x.ask(r, v)
	j := resp.(*kmsg.LeaveGroupResponse)
	x.printf("  leave v%d -> %s", v, name(j.ErrorCode))
	for _, m := range j.Members {
		x.printf(" [%q %s %s]", short(m.MemberID), s(m.InstanceID), name(m.ErrorCode))
	}
	x.printf("\n")
}
func name(c int16) string {
	if e := kerr.TypedErrorForCode(c); e != nil {
		return e.Message
	}
	return "ok"
}

func s(p *string) string {
	if p == nil {
		return "<nil>"
	}
	return *p
}

func short(m string) string {
	if len(m) > 36 {
		return m[:len(m)-36] + "<uuid>"
	}
	if len(m) == 22 || len(m) == 24 {
		return "<uuid>"
	}
	return m
}
func (x *script) describe(v int16, groups ...string) {
	r := kmsg.NewPtrDescribeGroupsRequest()
	r.Groups = groups
	resp := x.ask(r, v)
	described := resp.(*kmsg.DescribeGroupsResponse).Groups // in no order, as Kafka has it
	sort.Slice(described, func(a, b int) bool { return described[a].Group < described[b].Group })
	for _, g := range described {
		x.printf("  describe v%d %q -> %s msg=%s state=%q type=%q proto=%q\n", v, g.Group, name(g.ErrorCode), s(g.ErrorMessage), g.State, g.ProtocolType, g.Protocol)
		for _, m := range g.Members {
			x.printf("    %q inst=%s client=%s host=%s meta=%x assign=%q\n", short(m.MemberID), s(m.InstanceID), m.ClientID, m.ClientHost, m.ProtocolMetadata, m.MemberAssignment)
		}
	}
}
func (x *script) list(v int16, states, types []string) {
	r := kmsg.NewPtrListGroupsRequest()
	r.StatesFilter, r.TypesFilter = states, types
	resp := x.ask(r, v)
	j := resp.(*kmsg.ListGroupsResponse)
	sort.Slice(j.Groups, func(a, b int) bool { return j.Groups[a].Group < j.Groups[b].Group })
	x.printf("  list v%d %v %v -> %s", v, states, types, name(j.ErrorCode))
	for _, g := range j.Groups {
		x.printf(" [%s type=%q state=%q kind=%q]", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
	}
	x.printf("\n")
}
func (x *script) commit(v int16, group, member string, inst *string, gen int32, topic string, id [16]byte, meta *string, retention int64, parts ...int32) {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation, r.RetentionTimeMillis = group, member, inst, gen, retention
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = topic, id
	for _, p := range parts {
		q := kmsg.NewOffsetCommitRequestTopicPartition()
		q.Partition, q.Offset, q.Metadata = p, 42, meta
		t.Partitions = append(t.Partitions, q)
	}
	r.Topics = append(r.Topics, t)
	resp := x.ask(r, v)
	x.printf("  commit v%d ->", v)
	for _, t := range resp.(*kmsg.OffsetCommitResponse).Topics {
		x.printf(" %q", t.Topic)
		for _, p := range t.Partitions {
			x.printf(" %d=%s", p.Partition, name(p.ErrorCode))
		}
	}
	x.printf("\n")
}
func (x *script) fetch(v int16, group, topic string, id [16]byte, all bool, parts ...int32) {
	r := kmsg.NewPtrOffsetFetchRequest()
	if v < 8 {
		r.Group = group
		if !all {
			r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: parts}}
		}
	} else {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = group
		if !all {
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, TopicID: id, Partitions: parts}}
		}
		r.Groups = append(r.Groups, g)
	}
	resp := x.ask(r, v)
	j := resp.(*kmsg.OffsetFetchResponse)
	x.printf("  fetch v%d %q -> top=%s", v, group, name(j.ErrorCode))
	for _, t := range j.Topics {
		x.printf(" %q", t.Topic)
		for _, p := range t.Partitions {
			x.printf(" %d=%d/%d/%s/%s", p.Partition, p.Offset, p.LeaderEpoch, s(p.Metadata), name(p.ErrorCode))
		}
	}
	for _, g := range j.Groups {
		x.printf(" group %q %s", g.Group, name(g.ErrorCode))
		for _, t := range g.Topics {
			x.printf(" %q", t.Topic)
			for _, p := range t.Partitions {
				x.printf(" %d=%d/%d/%s/%s", p.Partition, p.Offset, p.LeaderEpoch, s(p.Metadata), name(p.ErrorCode))
			}
		}
	}
	x.printf("\n")
}
func (x *script) odelete(group string, topics map[string][]int32) {
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = group
	for _, t := range slices.Sorted(maps.Keys(topics)) {
		q := kmsg.NewOffsetDeleteRequestTopic()
		q.Topic = t
		for _, p := range topics[t] {
			q.Partitions = append(q.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: p})
		}
		r.Topics = append(r.Topics, q)
	}
	resp := x.ask(r, 0)
	j := resp.(*kmsg.OffsetDeleteResponse)
	x.printf("  odelete %q -> %s", group, name(j.ErrorCode))
	for _, t := range j.Topics {
		x.printf(" %q", t.Topic)
		for _, p := range t.Partitions {
			x.printf(" %d=%s", p.Partition, name(p.ErrorCode))
		}
	}
	x.printf("\n")
}
func (x *script) gdelete(v int16, groups ...string) {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Groups = groups
	resp := x.ask(r, v)
	j := resp.(*kmsg.DeleteGroupsResponse)
	sort.Slice(j.Groups, func(a, b int) bool { return j.Groups[a].Group < j.Groups[b].Group })
	x.printf("  gdelete v%d ->", v)
	for _, g := range j.Groups {
		x.printf(" %q=%s", g.Group, name(g.ErrorCode))
	}
	x.printf("\n")
}

func (x *script) play(tid [16]byte) {
	long := string(make([]byte, 5000))
	m := "meta"
	inst := "i1"
	bad := "nope"
	cons := "consumer"
	rng := "range"
	x.printf("join errors\n")
	for _, v := range []int16{0, 3, 4, 9} {
		x.join(v, "", "", nil, 10000, 10000, "consumer", "range")
		x.join(v, "g", "", nil, 5, 10000, "consumer", "range")
		x.join(v, "g", "ghost", nil, 10000, 10000, "consumer", "range")
		x.join(v, "g", "", nil, 10000, 10000, "", "range")
		x.join(v, "g", "", nil, 10000, 10000, "consumer")
	}
	x.printf("life of a member\n")
	j := x.join(9, "g", "", nil, 10000, 10000, "consumer", "range", "roundrobin")
	x.list(5, nil, nil)
	x.describe(6, "g")
	x.fetch(9, "g", "t", tid, false, 0)
	j = x.join(9, "g", j.MemberID, nil, 10000, 10000, "consumer", "range", "roundrobin")
	x.describe(5, "g")
	x.beat(4, "g", j.MemberID, nil, 1)
	x.beat(4, "g", j.MemberID, nil, 2)
	x.beat(4, "g", "x", nil, 1)
	x.beat(4, "nogroup", "x", nil, 1)
	x.beat(0, "", "x", nil, 1)
	x.beat(4, "g", j.MemberID, &inst, 1)
	x.commit(9, "g", j.MemberID, nil, 1, "t", tid, &m, -1, 0)
	x.commit(9, "g", "", nil, -1, "t", tid, &m, -1, 0)
	x.syncg(5, "g", j.MemberID, nil, 1, nil, nil, nil)
	x.syncg(4, "g", j.MemberID, nil, 9, nil, nil, nil)
	x.syncg(5, "g", j.MemberID, nil, 1, &cons, &bad, nil)
	x.syncg(5, "", j.MemberID, nil, 1, &cons, &rng, nil)
	x.syncg(5, "none", j.MemberID, nil, 1, &cons, &rng, nil)
	x.syncg(5, "g", j.MemberID, nil, 1, &cons, &rng, map[string]string{j.MemberID: "hello"})
	x.syncg(3, "g", j.MemberID, nil, 1, nil, nil, nil)
	x.describe(6, "g")
	x.describe(2, "g", "none", "")
	x.describe(6, "none")
	x.list(5, nil, nil)
	x.list(4, []string{"stable"}, nil)
	x.list(4, []string{" STABLE "}, nil)
	x.list(5, []string{"Empty"}, nil)
	x.list(5, nil, []string{"Classic"})
	x.list(5, nil, []string{"consumer"})
	x.list(5, nil, []string{"bogus"})
	x.list(5, []string{"bogus"}, nil)
	x.list(0, nil, nil)
	x.printf("commits\n")
	for _, v := range []int16{2, 5, 8, 9, 10} {
		x.commit(v, "g", j.MemberID, nil, 1, "t", tid, &m, -1, 0, 1, 7)
		x.commit(v, "g", j.MemberID, nil, 3, "t", tid, &m, -1, 0)
		x.commit(v, "g", "ghost", nil, 1, "t", tid, &m, -1, 0)
		x.commit(v, "g", "", nil, -1, "t", tid, &m, -1, 0)
		x.commit(v, "g", j.MemberID, nil, 1, "none", [16]byte{9}, &m, -1, 0)
		x.commit(v, "g", j.MemberID, nil, 1, "t", tid, &long, -1, 2)
		x.commit(v, "ghosts", "m", nil, 1, "t", tid, &m, -1, 0)
		x.commit(v, "simple", "", nil, -1, "t", tid, nil, -1, 0, 1)
		x.commit(v, "", "", nil, -1, "t", tid, nil, -1, 0)
	}
	x.commit(3, "retained", "", nil, -1, "u", [16]byte{}, &m, 3600000, 0)
	x.printf("fetches\n")
	for _, v := range []int16{1, 2, 7, 8, 9, 10} {
		x.fetch(v, "g", "t", tid, false, 0, 2, 9)
		x.fetch(v, "g", "none", [16]byte{9}, false, 0)
		x.fetch(v, "nobody", "t", tid, false, 0)
		x.fetch(v, "", "t", tid, false, 0)
		if v > 1 {
			x.fetch(v, "simple", "", tid, true)
			x.fetch(v, "nobody", "", tid, true)
		}
	}
	x.describe(6, "simple")
	x.list(5, nil, nil)
	x.printf("delete\n")
	x.odelete("g", map[string][]int32{"t": {0, 9}})
	x.odelete("g", map[string][]int32{"u": {0}})
	x.odelete("simple", map[string][]int32{"t": {0, 2}})
	x.odelete("none", map[string][]int32{"t": {0}})
	x.odelete("", map[string][]int32{"t": {0}})
	x.odelete("simple", map[string][]int32{"none": {0}})
	x.gdelete(2, "g", "simple", "none", "none", "")
	x.gdelete(0, "none")
	x.leave(5, "g", "", kmsg.LeaveGroupRequestMember{MemberID: "ghost"}, kmsg.LeaveGroupRequestMember{InstanceID: &inst}, kmsg.LeaveGroupRequestMember{MemberID: j.MemberID})
	x.leave(1, "g", "ghost")
	x.leave(1, "none", "ghost")
	x.leave(3, "none", "", kmsg.LeaveGroupRequestMember{MemberID: "a"})
	x.leave(3, "", "", kmsg.LeaveGroupRequestMember{MemberID: "a"})
	x.leave(3, "g", "")
	x.describe(6, "g")
	x.commit(8, "g", "", nil, -1, "t", tid, nil, -1, 0)
	x.commit(8, "g", "ghost", nil, 5, "t", tid, nil, -1, 0)
	x.printf("static\n")
	a := x.join(9, "st", "", &inst, 10000, 10000, "consumer", "range")
	x.syncg(5, "st", a.MemberID, &inst, a.Generation, &cons, &rng, map[string]string{a.MemberID: "x"})
	b := x.join(9, "st", "", &inst, 10000, 10000, "consumer", "range")
	c := x.join(6, "st", "", &inst, 10000, 10000, "consumer", "range")
	x.beat(4, "st", b.MemberID, &inst, 1)
	x.beat(4, "st", c.MemberID, &inst, 1)
	x.join(9, "st", b.MemberID, &inst, 10000, 10000, "consumer", "range")
	x.commit(8, "st", b.MemberID, &inst, 1, "t", tid, nil, -1, 0)
	x.syncg(5, "st", b.MemberID, &inst, 1, &cons, &rng, nil)
	x.describe(6, "st")
	x.leave(5, "st", "", kmsg.LeaveGroupRequestMember{MemberID: b.MemberID, InstanceID: &inst}, kmsg.LeaveGroupRequestMember{InstanceID: &inst})
	d := x.join(3, "old", "", nil, 10000, 10000, "connect", "x")
	x.syncg(2, "old", d.MemberID, nil, 1, nil, nil, nil)
	x.odelete("old", map[string][]int32{"t": {0}})
	x.leave(0, "old", d.MemberID)
}
