package groupcoord

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var recordConsumers = flag.String("record-consumers", "", "address of an Apache Kafka to record testdata/consumers.txt from")

// story is a script for consumer groups. Beside the answers it writes down the
// records that were written for each group.
type story struct {
	script
	topics  map[string]ids.TopicID
	written func() [][2][]byte // all records of __consumer_offsets, key and value
	pause   func()             // lets what goes on by itself go on
	group   string
	epochs  map[string]int32
	owned   map[string][]kmsg.ConsumerGroupHeartbeatRequestTopic
}

// TestConsumerGroupsAreKafkas plays the story against the service and compares
// answers and records with those of Apache Kafka 4.3.1 (recorded with
// -record-consumers on a fresh broker with four partitions of __consumer_offsets,
// no initial delay and group.consumer.assignment.interval.ms=0).
func TestConsumerGroupsAreKafkas(t *testing.T) {
	if *recordConsumers != "" {
		recordConsumerGroups(t, *recordConsumers)
	}
	want, err := os.ReadFile("testdata/consumers.txt")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(want), "\n")
	var a, b string
	if _, err := fmt.Sscanf(head, "topics t=%s u=%s", &a, &b); err != nil {
		t.Fatal(head, err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.InitialRebalanceDelay, c.ConsumerAssignmentInterval, c.RebalanceInterval = 0, 0, 0 })
		h.topics["t"], h.topics["u"] = catalogEntry{topicID(a), 4}, catalogEntry{topicID(b), 1}
		h.lead(1)
		s := &story{topics: map[string]ids.TopicID{"t": topicID(a), "u": topicID(b)}, pause: synctest.Wait}
		s.do = h.roundTrip
		s.written = func() [][2][]byte { return h.written(t) }
		s.tell()
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(s.out.String(), "\n")); diff != "" {
			t.Fatalf("Kafka (-) and the service (+) differ:\n%s", diff)
		}
		h.svc.Close()
	})
}

func topicID(s string) (id ids.TopicID) {
	raw, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	copy(id[:], raw)
	return id
}

// written is all records of the service's log.
func (h *house) written(t *testing.T) [][2][]byte {
	var out [][2][]byte
	for p := range int32(2) {
		for _, r := range h.log.Records(p) {
			out = append(out, [2][]byte{r.Key, r.Value})
		}
	}
	return out
}

// recordConsumerGroups plays the story against a fresh Apache Kafka.
func recordConsumerGroups(t *testing.T, addr string) {
	ctx := context.Background()
	newClient := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.ClientID("twin"), kgo.RequestRetries(3))...)
		if err != nil {
			t.Fatal(err)
		}
		return cl
	}
	cl := newClient()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for name, n := range map[string]int32{"t": 4, "u": 1} {
		if _, err := adm.CreateTopic(ctx, n, 1, nil, name); err != nil {
			t.Log(err)
		}
	}
	for c := adm.FindGroupCoordinators(ctx, "g"); !c.Ok(); c = adm.FindGroupCoordinators(ctx, "g") {
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	topics, err := adm.ListTopics(ctx, "t", "u")
	if err != nil {
		t.Fatal(err)
	}
	s := &story{topics: map[string]ids.TopicID{"t": ids.TopicID(topics["t"].ID), "u": ids.TopicID(topics["u"].ID)}}
	s.pause = func() { time.Sleep(500 * time.Millisecond) }
	s.do = func(req kmsg.Request) (kmsg.Response, error) {
		one := newClient()
		defer one.Close()
		return one.Broker(1).Request(ctx, exactly{req})
	}
	s.written = func() [][2][]byte {
		ends, err := adm.ListEndOffsets(ctx, Topic)
		if err != nil {
			t.Fatal(err)
		}
		one := newClient(kgo.ConsumeTopics(Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		defer one.Close()
		left := int64(0)
		ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
		var out [][2][]byte
		for left > 0 {
			one.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				out = append(out, [2][]byte{r.Key, r.Value})
				left--
			})
		}
		return out
	}
	s.tell()
	if err := os.WriteFile("testdata/consumers.txt", []byte(s.out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// chapter begins with a group of its own.
func (s *story) chapter(group, title string) {
	s.group, s.epochs, s.owned = group, map[string]int32{}, map[string][]kmsg.ConsumerGroupHeartbeatRequestTopic{}
	s.printf("%s\n", title)
}

type beatChange = func(*kmsg.ConsumerGroupHeartbeatRequest)

// request is the heartbeat of a member as it is.
func (s *story) request(member string, changes ...beatChange) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = s.group, member, s.epochs[member], -1
	if s.epochs[member] == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	for _, c := range changes {
		c(r)
	}
	return r
}

// beat sends a heartbeat and writes down the answer.
func (s *story) beat(member string, changes ...beatChange) {
	s.beatV(1, member, changes...)
}

func (s *story) beatV(v int16, member string, changes ...beatChange) {
	r := s.request(member, changes...)
	resp := s.ask(r, v).(*kmsg.ConsumerGroupHeartbeatResponse)
	s.printf("  %s@%d -> %s", member, r.MemberEpoch, name(resp.ErrorCode))
	if resp.ErrorMessage != nil {
		s.printf(" %q", *resp.ErrorMessage)
	}
	if resp.ErrorCode == 0 {
		id := "<nil>"
		if resp.MemberID != nil {
			id = *resp.MemberID
			if member == "" {
				id = fmt.Sprintf("<%d letters>", min(22, len(id)))
			}
		}
		s.printf(" member=%s epoch=%d interval=%d", id, resp.MemberEpoch, resp.HeartbeatIntervalMillis)
		s.epochs[member] = resp.MemberEpoch
	}
	if a := resp.Assignment; a != nil {
		s.owned[member] = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		s.printf(" assigned=[")
		slices.SortFunc(a.Topics, func(x, y kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) int {
			return strings.Compare(s.nameOf(x.TopicID), s.nameOf(y.TopicID))
		})
		for _, tp := range a.Topics {
			slices.Sort(tp.Partitions)
			s.printf("%s%v", s.nameOf(tp.TopicID), tp.Partitions)
			s.owned[member] = append(s.owned[member], kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: tp.TopicID, Partitions: tp.Partitions})
		}
		s.printf("]")
	}
	s.printf("\n")
}

// owns makes a heartbeat tell all that the member has.
func (s *story) owns(r *kmsg.ConsumerGroupHeartbeatRequest) {
	if r.Topics = s.owned[r.MemberID]; r.Topics == nil {
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
}

func leaves(r *kmsg.ConsumerGroupHeartbeatRequest)       { r.MemberEpoch = -1 }
func leavesAWhile(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = -2 }
func subscribes(topics ...string) beatChange {
	return func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.SubscribedTopicNames = topics }
}
func static(instance string) beatChange {
	return func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.InstanceID = &instance }
}
func matches(regex string) beatChange {
	return func(r *kmsg.ConsumerGroupHeartbeatRequest) {
		r.SubscribedTopicRegex = &regex
		if r.MemberEpoch == 0 {
			r.SubscribedTopicNames = nil
		}
	}
}
func inEpoch(e int32) beatChange {
	return func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = e }
}

func (s *story) nameOf(id [16]byte) string {
	for n, i := range s.topics {
		if i == ids.TopicID(id) {
			return n
		}
	}
	return hex.EncodeToString(id[:])
}

// tells what ConsumerGroupDescribe says.
func (s *story) describes(v int16, groups ...string) {
	r := kmsg.NewPtrConsumerGroupDescribeRequest()
	r.Groups, r.IncludeAuthorizedOperations = groups, false
	described := s.ask(r, v).(*kmsg.ConsumerGroupDescribeResponse).Groups // in no order, as Kafka has it
	slices.SortFunc(described, func(a, b kmsg.ConsumerGroupDescribeResponseGroup) int { return strings.Compare(a.Group, b.Group) })
	for _, g := range described {
		text := "<nil>"
		if g.ErrorMessage != nil {
			text = *g.ErrorMessage
		}
		s.printf("  describe v%d %q -> %s %s state=%q epoch=%d/%d assignor=%q\n", v, g.Group, name(g.ErrorCode), text, g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName)
		slices.SortFunc(g.Members, func(a, b kmsg.ConsumerGroupDescribeResponseGroupMember) int {
			return strings.Compare(a.MemberID, b.MemberID)
		})
		for _, m := range g.Members {
			slices.Sort(m.SubscribedTopics)
			s.printf("    %s inst=%s rack=%s epoch=%d client=%s host=%s topics=%v regex=%q type=%d has=%s shall=%s\n", s.member(m.MemberID), sp(m.InstanceID), sp(m.RackID), m.MemberEpoch,
				m.ClientID, m.ClientHost, m.SubscribedTopics, sp(m.SubscribedTopicRegex), m.MemberType, s.parts(m.Assignment.TopicPartitions), s.parts(m.TargetAssignment.TopicPartitions))
		}
	}
}

func sp(p *string) string {
	if p == nil {
		return "<nil>"
	}
	return *p
}

// member shortens ids that servers make.
func (s *story) member(id string) string {
	if len(id) >= 36 {
		return id[:len(id)-36] + "<uuid>"
	}
	if len(id) == 22 || len(id) == 24 {
		return "<uuid>"
	}
	return id
}

func (s *story) parts(list []kmsg.AssignmentTopicPartition) string {
	var out []string
	for _, tp := range list {
		slices.Sort(tp.Partitions)
		out = append(out, fmt.Sprintf("%s%v", tp.Topic, tp.Partitions))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// records writes down what was written for the group, in the order of the log.
// Where Kafka takes the order of a hash table, members are put in order.
func (s *story) records() {
	s.pause()
	var lines []string
	for _, r := range s.written() {
		key, err := records.ParseKey(r[0])
		if err != nil {
			panic(err)
		}
		value, version, err := records.ParseValue(key, r[1])
		if err != nil {
			panic(err)
		}
		if value != nil && !bytes.Equal(records.AppendValue(nil, value, version), r[1]) {
			panic(fmt.Sprintf("%T is written otherwise: %x", value, r[1]))
		}
		if line, ok := s.line(key, value); ok {
			lines = append(lines, line)
		}
	}
	kind := func(l string) string { k, _, _ := strings.Cut(l, " "); return k }
	for from := 0; from < len(lines); {
		to := from + 1
		for to < len(lines) && kind(lines[to]) == kind(lines[from]) && kind(lines[from]) != "epoch" {
			to++
		}
		slices.Sort(lines[from:to])
		from = to
	}
	for _, l := range lines {
		s.printf("    + %s\n", l)
	}
}

// line is a record of the group as text.
func (s *story) line(key, value records.Record) (string, bool) {
	dead := func(kind, member string) string { return strings.TrimRight(kind+" "+s.member(member), " ") + " gone" }
	switch k := key.(type) {
	case *records.ConsumerGroupMetadataKey:
		if v, ok := value.(*records.ConsumerGroupMetadataValue); ok {
			return fmt.Sprintf("epoch %d hash=%016x", v.Epoch, uint64(v.MetadataHash)), k.GroupID == s.group
		}
		return dead("epoch", ""), k.GroupID == s.group
	case *records.ConsumerGroupPartitionMetadataKey:
		return dead("subscription-metadata", ""), k.GroupID == s.group
	case *records.ConsumerGroupMemberMetadataKey:
		v, ok := value.(*records.ConsumerGroupMemberMetadataValue)
		if !ok {
			return dead("member", k.MemberID), k.GroupID == s.group
		}
		classic := "<nil>"
		if c := v.ClassicMemberMetadata; c != nil && len(c.SupportedProtocols) > 0 {
			classic = fmt.Sprintf("%d %s", c.SessionTimeoutMs, c.SupportedProtocols[0].Name)
		}
		return fmt.Sprintf("member %s inst=%s rack=%s client=%s host=%s topics=%v regex=%q rebalance=%d assignor=%s classic=%s", s.member(k.MemberID), sp(v.InstanceID), sp(v.RackID),
			v.ClientID, v.ClientHost, v.SubscribedTopicNames, sp(v.SubscribedTopicRegex), v.RebalanceTimeoutMs, sp(v.ServerAssignor), classic), k.GroupID == s.group
	case *records.ConsumerGroupTargetAssignmentMetadataKey:
		if v, ok := value.(*records.ConsumerGroupTargetAssignmentMetadataValue); ok {
			return fmt.Sprintf("assignment %d timed=%v", v.AssignmentEpoch, v.AssignmentTimestamp > 0), k.GroupID == s.group
		}
		return dead("assignment", ""), k.GroupID == s.group
	case *records.ConsumerGroupTargetAssignmentMemberKey:
		v, ok := value.(*records.ConsumerGroupTargetAssignmentMemberValue)
		if !ok {
			return dead("target", k.MemberID), k.GroupID == s.group
		}
		var out []string
		for _, tp := range v.TopicPartitions {
			out = append(out, fmt.Sprint(s.nameOf(tp.TopicID), tp.Partitions))
		}
		slices.Sort(out)
		return fmt.Sprintf("target %s %v", s.member(k.MemberID), out), k.GroupID == s.group
	case *records.ConsumerGroupCurrentMemberAssignmentKey:
		v, ok := value.(*records.ConsumerGroupCurrentMemberAssignmentValue)
		if !ok {
			return dead("current", k.MemberID), k.GroupID == s.group
		}
		return fmt.Sprintf("current %s epoch=%d previous=%d state=%d has=%s revoking=%s", s.member(k.MemberID), v.MemberEpoch, v.PreviousMemberEpoch, v.State,
			s.current(v.AssignedPartitions), s.current(v.PartitionsPendingRevocation)), k.GroupID == s.group
	case *records.ConsumerGroupRegularExpressionKey:
		if v, ok := value.(*records.ConsumerGroupRegularExpressionValue); ok {
			return fmt.Sprintf("regex %q topics=%v timed=%v", k.RegularExpression, v.Topics, v.Timestamp > 0 && v.Version > 0), k.GroupID == s.group
		}
		return dead("regex", k.RegularExpression), k.GroupID == s.group
	case *records.GroupMetadataKey:
		v, ok := value.(*records.GroupMetadataValue)
		if !ok {
			return dead("classic", ""), k.Group == s.group
		}
		out := fmt.Sprintf("classic type=%q generation=%d protocol=%s leader=%s timed=%v", v.ProtocolType, v.Generation, sp(v.Protocol), s.member(sp(v.Leader)), v.CurrentStateTimestamp > 0)
		for _, m := range v.Members {
			out += fmt.Sprintf(" [%s inst=%s %s %s %d %d %x %x]", s.member(m.MemberID), sp(m.GroupInstanceID), m.ClientID, m.ClientHost, m.RebalanceTimeout, m.SessionTimeout, m.Subscription, m.Assignment)
		}
		return out, k.Group == s.group
	default:
		return "", false
	}
}

func (s *story) current(list []records.ConsumerGroupCurrentMemberAssignmentTopicPartitions) string {
	var out []string
	for _, tp := range list {
		out = append(out, fmt.Sprintf("%s%v@%v", s.nameOf(tp.TopicID), tp.Partitions, tp.AssignmentEpochs))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
