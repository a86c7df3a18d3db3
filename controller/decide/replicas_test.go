package decide

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testdata/replicas.txt holds what the active controller of Apache Kafka 4.3.1
// answers to the questions of replicaQuestions, asked as by its own broker 1,
// in the setting of testdata/kafka.txt. To ask again:
//
//	go test ./controller/decide -run Replica -ask 127.0.0.1:9093
const replicaAnswers = "testdata/replicas.txt"

// alter asks for partition 0 of a topic as leader 1 in epochs 0 would.
func alter(version int16, topic [16]byte, epoch int64, isr ...int32) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = version, 1, epoch
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.NewISR = isr
	for _, id := range isr {
		m := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		m.BrokerID = id
		p.NewEpochISR = append(p.NewEpochISR, m)
	}
	req.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: topic, Partitions: []kmsg.AlterPartitionRequestTopicPartition{p}}}
	return req
}

func assign(dir, topic [16]byte, epoch int64, partitions ...int32) *kmsg.AssignReplicasToDirsRequest {
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = 1, epoch
	t := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
	t.TopicID = topic
	for _, p := range partitions {
		t.Partitions = append(t.Partitions, kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{Partition: p})
	}
	req.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{{ID: dir, Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{t}}}
	return req
}

func replicaQuestions(topic [16]byte, epoch int64) []question {
	var out []question
	alters := func(name string, req *kmsg.AlterPartitionRequest, change func(*kmsg.AlterPartitionRequestTopicPartition)) {
		if change != nil {
			change(&req.Topics[0].Partitions[0])
		}
		out = append(out, question{fmt.Sprintf("alter %d %s", req.Version, name), req})
	}
	type part = kmsg.AlterPartitionRequestTopicPartition
	for _, v := range []int16{2, 3} {
		alters("as it is", alter(v, topic, epoch, 1), nil)
		alters("unknown topic", alter(v, [16]byte{9}, epoch, 1), nil)
		alters("no topic", alter(v, [16]byte{}, epoch, 1), nil)
		alters("unknown partition", alter(v, topic, epoch, 1), func(p *part) { p.Partition = 9 })
		alters("old broker epoch", alter(v, topic, epoch-1, 1), nil)
		alters("leader epoch to come", alter(v, topic, epoch, 1), func(p *part) { p.LeaderEpoch = 1 })
		alters("partition epoch to come", alter(v, topic, epoch, 1), func(p *part) { p.PartitionEpoch = 1 })
		alters("past leader epoch", alter(v, topic, epoch, 1), func(p *part) { p.LeaderEpoch = -1 })
		alters("past partition epoch", alter(v, topic, epoch, 1), func(p *part) { p.PartitionEpoch = -1 })
		alters("nobody", alter(v, topic, epoch), nil)
		alters("not a replica", alter(v, topic, epoch, 1, 2), nil)
		alters("without the leader", alter(v, topic, epoch, 2), nil)
		alters("twice", alter(v, topic, epoch, 1, 1), nil)
		alters("recovering again", alter(v, topic, epoch, 1), func(p *part) { p.LeaderRecoveryState = 1 })
	}
	alters("its epoch", alter(3, topic, epoch, 1), func(p *part) { p.NewEpochISR[0].BrokerEpoch = epoch })
	alters("another epoch", alter(3, topic, epoch, 1), func(p *part) { p.NewEpochISR[0].BrokerEpoch = epoch + 1 })
	unassigned := [16]byte(ids.UnassignedDir)
	return append(out,
		question{"assign unknown topic", assign(unassigned, [16]byte{9}, epoch, 0, 1)},
		question{"assign unknown partition", assign(unassigned, topic, epoch, 9)},
		question{"assign old broker epoch", assign(unassigned, topic, epoch-1, 0)},
		question{"assign to the lost directory nowhere", assign(ids.LostDir, [16]byte{9}, epoch, 0)})
}

func decideReplicas(e *Env, req kmsg.Request) (Decision, error) {
	if r, ok := req.(*kmsg.AlterPartitionRequest); ok {
		return AlterPartition(e, r)
	}
	return AssignReplicasToDirs(e, req.(*kmsg.AssignReplicasToDirsRequest))
}

func TestReplicaAnswersAreKafkas(t *testing.T) {
	if *ask != "" {
		askReplicas(t, *ask)
		return
	}
	raw, err := os.ReadFile(replicaAnswers)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, line := range strings.Split(string(raw), "\n") {
		if name, answer, ok := strings.Cut(line, "\t"); ok {
			want[name] = answer
		}
	}
	e := kafkaLike(t)
	for _, q := range replicaQuestions(e.Image.Topics.ByName("exists").ID, e.Image.Cluster.Broker(1).Epoch) {
		d, err := decideReplicas(e, q.req)
		got := ""
		if err != nil {
			got, want[q.name] = fmt.Sprintf("request refused: %d", err.(*Error).Code), wholeError(want[q.name])
		} else {
			again := q.req.ResponseKind()
			if err := again.ReadFrom(d.Reply.AppendTo(nil)); err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			got = normal(t, again)
		}
		if diff := cmp.Diff(want[q.name], got); diff != "" || len(d.Records) > 0 {
			t.Errorf("%s: %d records (-kafka +here):\n%s", q.name, len(d.Records), diff)
		}
	}
}

// askReplicas finds the epoch of Kafka's broker, which no client is told, by
// trying what it could be.
func askReplicas(t *testing.T, addr string) {
	ctx := context.Background()
	c, err := conn.Dial(ctx, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}, "ask")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	setup := kmsg.NewPtrCreateTopicsRequest()
	setup.Version = 7
	setup.Topics = []kmsg.CreateTopicsRequestTopic{topic(fmt.Sprint("asked-", os.Getpid()), 2, 1)}
	created, err := c.Do(ctx, setup)
	if err != nil {
		t.Fatal(err)
	}
	id := created.(*kmsg.CreateTopicsResponse).Topics[0].TopicID
	epoch := int64(-1)
	for resp := (*kmsg.AlterPartitionResponse)(nil); resp == nil || resp.ErrorCode != 0; {
		epoch++
		r, err := c.Do(ctx, alter(3, id, epoch, 1))
		if err != nil || epoch > 10_000 {
			t.Fatal(epoch, err)
		}
		resp = r.(*kmsg.AlterPartitionResponse)
	}
	var out strings.Builder
	for _, q := range replicaQuestions(id, epoch) {
		resp, err := c.Do(ctx, q.req)
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		fmt.Fprintf(&out, "%s\t%s\n", q.name, normal(t, resp))
	}
	if err := os.WriteFile(replicaAnswers, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// trio is a cluster of three brokers with a topic "t" on all of them, led by 1,
// of which two must be in sync.
func trio(t *testing.T, unclean bool) (*Env, ids.TopicID) {
	e := kafkaLike(t)
	e.join(t, 2, 1)
	e.join(t, 3, 1)
	spec := with(on(topic("t", -1, -1), []int32{1, 2, 3}), "min.insync.replicas", "2")
	if unclean {
		spec = with(spec, "unclean.leader.election.enable", "true")
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, spec)
	d, err := CreateTopics(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	return e, e.Image.Topics.ByName("t").ID
}

func (e *Env) only() *image.Partition { return e.Image.Topics.ByName("t").Partition(0) }

// change applies a change record to partition 0 of "t".
func (e *Env) change(t *testing.T, r records.PartitionChangeRecord) {
	r.TopicID = e.Image.Topics.ByName("t").ID
	e.apply(t, Decision{Records: []records.Versioned{{Record: &r, Version: 2}}})
}

// alters carries an alteration out and returns its code.
func (e *Env) alters(t *testing.T, recovery int8, isr ...int32) int16 {
	t.Helper()
	p := e.only()
	req := alter(3, e.Image.Topics.ByName("t").ID, e.Image.Cluster.Broker(p.Leader).Epoch, isr...)
	req.BrokerID = int32(p.Leader)
	in := &req.Topics[0].Partitions[0]
	in.LeaderEpoch, in.PartitionEpoch, in.LeaderRecoveryState = int32(p.LeaderEpoch), p.PartitionEpoch, recovery
	d, err := AlterPartition(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	out := d.Reply.(*kmsg.AlterPartitionResponse).Topics[0].Partitions[0]
	if q := e.only(); out.ErrorCode == 0 && (out.PartitionEpoch != q.PartitionEpoch || out.LeaderEpoch != int32(q.LeaderEpoch) || !slices.Equal(nodes(out.ISR), q.ISR)) {
		t.Errorf("told %+v, became %+v", out, *q)
	}
	return out.ErrorCode
}

func TestLeaderAltersISR(t *testing.T) {
	e, _ := trio(t, false)
	check := func(what string, code, want int16, isr, elr []ids.NodeID) {
		t.Helper()
		if p := e.only(); code != want || !slices.Equal(p.ISR, isr) || !slices.Equal(p.ELR, elr) || p.LeaderEpoch != 0 {
			t.Errorf("%s: code %d, %+v", what, code, *p)
		}
	}
	check("shrinks to two", e.alters(t, 0, 1, 2), 0, []ids.NodeID{1, 2}, nil)
	check("shrinks below two", e.alters(t, 0, 1), 0, []ids.NodeID{1}, []ids.NodeID{2})
	check("grows", e.alters(t, 0, 1, 3), 0, []ids.NodeID{1, 3}, nil)
	check("same again", e.alters(t, 0, 1, 3), 0, []ids.NodeID{1, 3}, nil)
	e.apply(t, Fence(e, 2))
	check("takes in a fenced one", e.alters(t, 0, 1, 2, 3), kerr.IneligibleReplica.Code, []ids.NodeID{1, 3}, nil)
	b := e.Image.Cluster.Broker(3)
	e.apply(t, Decision{Records: []records.Versioned{{Record: &records.BrokerRegistrationChangeRecord{BrokerID: 3, BrokerEpoch: b.Epoch, InControlledShutdown: 1}, Version: 1}}})
	check("keeps one that is leaving", e.alters(t, 0, 1, 3), kerr.IneligibleReplica.Code, []ids.NodeID{1, 3}, nil)
}

func TestOnlyTheLeaderAlters(t *testing.T) {
	e, id := trio(t, false)
	req := alter(3, id, e.Image.Cluster.Broker(2).Epoch, 1, 2)
	req.BrokerID = 2
	d, err := AlterPartition(e, req)
	if err != nil || d.Reply.(*kmsg.AlterPartitionResponse).Topics[0].Partitions[0].ErrorCode != kerr.InvalidRequest.Code || len(d.Records) > 0 {
		t.Errorf("%+v %v", d, err)
	}
}

func TestLeaderRecovers(t *testing.T) {
	e, _ := trio(t, true)
	e.change(t, records.PartitionChangeRecord{Leader: 3, ISR: []ids.NodeID{3}, LeaderRecoveryState: 1})
	if code := e.alters(t, 1, 3, 2); code != kerr.InvalidRequest.Code {
		t.Errorf("grows while it recovers: %d", code)
	}
	before := e.only()
	if code := e.alters(t, 0, 3); code != 0 || e.only().Recovering || e.only().LeaderEpoch != before.LeaderEpoch || e.only().PartitionEpoch != before.PartitionEpoch+1 {
		t.Errorf("recovers: %d %+v", code, *e.only())
	}
	if code := e.alters(t, 1, 3); code != kerr.InvalidRequest.Code {
		t.Errorf("unlearns it: %d", code)
	}
}

// TestReassignmentEnds: the last of the new replicas is in sync, and the leader
// is none of them.
func TestReassignmentEnds(t *testing.T) {
	e, _ := trio(t, false)
	e.change(t, records.PartitionChangeRecord{Leader: noLeaderChange, LeaderRecoveryState: -1, ISR: []ids.NodeID{1, 3},
		RemovingReplicas: []ids.NodeID{1}, AddingReplicas: []ids.NodeID{2}})
	if code := e.alters(t, 0, 1, 2, 3); code != kerr.NewLeaderElected.Code {
		t.Errorf("code %d", code)
	}
	p := e.only()
	if p.Reassigning() || !slices.Equal(p.Replicas, []ids.NodeID{2, 3}) || p.Leader != 2 || p.LeaderEpoch != 1 ||
		!slices.Equal(p.Directories, []ids.DirectoryID{{2, 200}, {3, 200}}) {
		t.Errorf("%+v", *p)
	}
}

func TestDirectoriesAreAssigned(t *testing.T) {
	e, id := trio(t, false)
	b := e.Image.Cluster.Broker(1)
	assigned := func(dir ids.DirectoryID) {
		t.Helper()
		d, err := AssignReplicasToDirs(e, assign(dir, id, b.Epoch, 0))
		if err != nil || d.Reply.(*kmsg.AssignReplicasToDirsResponse).Directories[0].Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("%+v %v", d.Reply, err)
		}
		e.apply(t, d)
		if p := e.only(); p.Directories[0] != dir || p.Directories[1] != (ids.DirectoryID{2, 200}) {
			t.Errorf("%v: %+v", dir, *p)
		}
	}
	assigned(ids.UnassignedDir)
	assigned(ids.DirectoryID{1, 200})
	if p := e.only(); p.Leader != 1 || p.LeaderEpoch != 0 || p.PartitionEpoch != 2 || len(p.ISR) != 3 {
		t.Errorf("%+v", *p)
	}
	assigned(ids.DirectoryID{8, 8}) // which the broker does not have any more
	if p := e.only(); p.Leader != 2 || !slices.Equal(p.ISR, []ids.NodeID{2, 3}) {
		t.Errorf("replica in a lost directory stays: %+v", *p)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, on(topic("other", -1, -1), []int32{2}))
	d, err := CreateTopics(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	d, err = AssignReplicasToDirs(e, assign(ids.DirectoryID{1, 200}, e.Image.Topics.ByName("other").ID, b.Epoch, 0))
	if err != nil || d.Reply.(*kmsg.AssignReplicasToDirsResponse).Directories[0].Topics[0].Partitions[0].ErrorCode != kerr.NotLeaderForPartition.Code || len(d.Records) > 0 {
		t.Errorf("another broker's partition: %+v %v", d, err)
	}
}

// elects asks for an election and returns the code of partition 0 of "t".
func (e *Env) elects(t *testing.T, kind int8, all bool) int16 {
	t.Helper()
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version, req.ElectionType = 2, kind
	if !all {
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	}
	d, err := ElectLeaders(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	for _, x := range d.Reply.(*kmsg.ElectLeadersResponse).Topics {
		if x.Topic == "t" && len(x.Partitions) == 1 {
			return x.Partitions[0].ErrorCode
		}
	}
	return kerr.ElectionNotNeeded.Code
}

func TestLeadersAreElected(t *testing.T) {
	const preferredKind, uncleanKind = 0, 1
	e, _ := trio(t, false)
	if code := e.elects(t, preferredKind, false); code != kerr.ElectionNotNeeded.Code {
		t.Errorf("it leads: %d", code)
	}
	e.change(t, records.PartitionChangeRecord{Leader: 2, LeaderRecoveryState: -1})
	if code := e.elects(t, preferredKind, true); code != 0 || e.only().Leader != 1 || e.only().LeaderEpoch != 2 {
		t.Errorf("preferred: %d %+v", code, *e.only())
	}
	e.change(t, records.PartitionChangeRecord{Leader: 2, LeaderRecoveryState: -1, ISR: []ids.NodeID{2, 3}})
	if code := e.elects(t, preferredKind, false); code != kerr.PreferredLeaderNotAvailable.Code || e.only().Leader != 2 {
		t.Errorf("preferred out of sync: %d %+v", code, *e.only())
	}
	if code := e.elects(t, uncleanKind, false); code != kerr.ElectionNotNeeded.Code {
		t.Errorf("unclean with a leader: %d", code)
	}
	e.apply(t, Fence(e, 3))
	e.apply(t, Fence(e, 2))
	e.apply(t, Fence(e, 1))
	if code := e.elects(t, uncleanKind, true); code != kerr.EligibleLeadersNotAvailable.Code || e.only().HasLeader() {
		t.Errorf("nobody is there: %d %+v", code, *e.only())
	}
	e.beat(t, 1, e.Image.Cluster.Broker(1).Epoch, nil)
	if e.only().HasLeader() {
		t.Fatalf("a replica that lacks records leads: %+v", *e.only())
	}
	if code := e.elects(t, uncleanKind, false); code != 0 || e.only().Leader != 1 || !e.only().Recovering || !slices.Equal(e.only().ISR, []ids.NodeID{1}) {
		t.Errorf("unclean: %d %+v", code, *e.only())
	}
}

// TestUncleanElectionEndsEligibility: who was eligible has what was committed before, and not
// what is from then on. So it is when eligible leaders are no longer kept.
func TestUncleanElectionEndsEligibility(t *testing.T) {
	e, _ := trio(t, true)
	for _, id := range []ids.NodeID{3, 2, 1} {
		e.change(t, records.PartitionChangeRecord{Leader: 1, LeaderRecoveryState: -1, ISR: []ids.NodeID{1}, EligibleLeaderReplicas: []ids.NodeID{2}})
		e.apply(t, Fence(e, id))
	}
	if p := e.only(); p.HasLeader() || !slices.Equal(p.ELR, []ids.NodeID{1, 2}) {
		t.Fatalf("%+v", *p)
	}
	e.beat(t, 3, e.Image.Cluster.Broker(3).Epoch, nil)
	if p := e.only(); p.Leader != 3 || !p.Recovering || !slices.Equal(p.ISR, []ids.NodeID{3}) || len(p.ELR)+len(p.LastKnownELR) > 0 {
		t.Errorf("%+v", *p)
	}
	e, _ = trio(t, false)
	e.change(t, records.PartitionChangeRecord{Leader: 1, LeaderRecoveryState: -1, ISR: []ids.NodeID{1}, EligibleLeaderReplicas: []ids.NodeID{2}})
	e.apply(t, Decision{Records: []records.Versioned{{Record: &records.FeatureLevelRecord{Name: image.ELRVersionFeature}}}})
	if code := e.alters(t, 0, 1, 3); code != 0 || len(e.only().ELR) > 0 {
		t.Errorf("code %d %+v", code, *e.only())
	}
}

// TestISRShrinksInOldVersions: brokers before 3.6 learn of a smaller ISR by the leader epoch only.
func TestISRShrinksInOldVersions(t *testing.T) {
	for mv := image.MetadataVersion(11); mv <= 12; mv++ {
		e, _ := trio(t, false)
		d := Decision{}
		d.add(&records.FeatureLevelRecord{Name: image.ELRVersionFeature}, 0)
		d.add(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: int16(mv)}, 0)
		e.apply(t, d)
		old := mv == 11
		for _, c := range []struct {
			isr  []int32
			bump bool
		}{{[]int32{1, 2}, old}, {[]int32{1, 2}, false}, {[]int32{1, 2, 3}, false}, {[]int32{1, 3}, old}} {
			before := *e.only()
			want := before.LeaderEpoch
			if c.bump {
				want++
			}
			if code := e.alters(t, 0, c.isr...); code != 0 || e.only().Leader != 1 || e.only().LeaderEpoch != want || !slices.Equal(e.only().ISR, nodes(c.isr)) {
				t.Errorf("%v: ISR %v after %+v: code %d %+v", mv, c.isr, before, code, *e.only())
			}
		}
	}
}

// TestLastLeaderIsForgotten: when there is a leader again, be it node 0, nobody is taken for
// the one before the partition lost all.
func TestLastLeaderIsForgotten(t *testing.T) {
	e, _ := trio(t, false)
	e.join(t, 0, 1)
	all := []ids.NodeID{0, 1, 2}
	e.change(t, records.PartitionChangeRecord{Leader: 0, LeaderRecoveryState: -1, Replicas: all, Directories: make([]ids.DirectoryID, 3), ISR: []ids.NodeID{0}, EligibleLeaderReplicas: []ids.NodeID{}})
	e.change(t, records.PartitionChangeRecord{Leader: noLeaderChange, LeaderRecoveryState: -1, Directories: []ids.DirectoryID{{0, 200}, {1, 200}, {2, 200}}})
	e.apply(t, Fence(e, 0))
	if p := e.only(); p.HasLeader() || !slices.Equal(p.LastKnownELR, []ids.NodeID{0}) || !slices.Equal(p.ELR, []ids.NodeID{0}) {
		t.Fatalf("%+v", *p)
	}
	e.beat(t, 0, e.Image.Cluster.Broker(0).Epoch, nil)
	if p := e.only(); p.Leader != 0 || len(p.LastKnownELR)+len(p.ELR) > 0 || p.Recovering {
		t.Errorf("%+v", *p)
	}
}

func TestElectionRequests(t *testing.T) {
	e, _ := trio(t, false)
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType, req.Topics = 9, []kmsg.ElectLeadersRequestTopic{}
	if d, err := ElectLeaders(e, req); err != nil || len(d.Records) > 0 {
		t.Errorf("nothing asked: %v", err)
	}
	req.Topics = nil
	if _, err := ElectLeaders(e, req); err == nil || err.(*Error).Code != kerr.InvalidRequest.Code {
		t.Errorf("kind that is none: %v", err)
	}
}
