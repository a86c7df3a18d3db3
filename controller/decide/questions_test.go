package decide

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type question struct {
	name string
	req  kmsg.Request
}

func topic(name string, partitions int32, factor int16) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, factor
	return t
}

func ptr(s string) *string { return &s }

func with(t kmsg.CreateTopicsRequestTopic, pairs ...string) kmsg.CreateTopicsRequestTopic {
	for i := 0; i < len(pairs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name = pairs[i]
		if pairs[i+1] != "null" {
			c.Value = ptr(pairs[i+1])
		}
		t.Configs = append(t.Configs, c)
	}
	return t
}

func on(t kmsg.CreateTopicsRequestTopic, assignment ...[]int32) kmsg.CreateTopicsRequestTopic {
	for i, replicas := range assignment {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(i), replicas
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	return t
}

// questions change nothing where they are asked: they are refused or validate only.
func questions() []question {
	var out []question
	out = append(out, createQuestions()...)
	out = append(out, partitionQuestions()...)
	out = append(out, deleteQuestions()...)
	out = append(out, incrementalQuestions()...)
	out = append(out, alterQuestions()...)
	out = append(out, featureQuestions()...)
	return append(out, brokerQuestions()...)
}

func createQuestions() []question {
	moved := on(topic("t", -1, -1), []int32{1}, []int32{1})
	gap, twice := moved, moved
	gap.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1}}, {Partition: 2, Replicas: []int32{1}}}
	twice.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1}}, {Partition: 0, Replicas: []int32{1}}}
	long := strings.Repeat("x", 249)
	type topics = []kmsg.CreateTopicsRequestTopic
	var out []question
	for _, c := range []struct {
		name   string
		topics topics
	}{
		{"defaults", topics{topic("t", -1, -1)}},
		{"exists", topics{topic("exists", 1, 1)}},
		{"empty name", topics{topic("", 1, 1)}},
		{"dot", topics{topic(".", 1, 1)}},
		{"dots", topics{topic("..", 1, 1)}},
		{"249 characters", topics{topic(long, 1, 1)}},
		{"250 characters", topics{topic(long+"x", 1, 1)}},
		{"blank", topics{topic("a b", 1, 1)}},
		{"not ASCII", topics{topic("é", 1, 1)}},
		{"collision", topics{topic("a_b", 1, 1)}},
		{"same as collision", topics{topic("a.b", 1, 1)}},
		{"collision within", topics{topic("c_d", 1, 1), topic("c.d", 1, 1)}},
		{"no partitions", topics{topic("t", 0, 1)}},
		{"negative partitions", topics{topic("t", -2, 1)}},
		{"factor 0", topics{topic("t", 1, 0)}},
		{"factor -2", topics{topic("t", 1, -2)}},
		{"factor 0 and no partitions", topics{topic("t", 0, 0)}},
		{"factor 2", topics{topic("t", 1, 2)}},
		{"10001 partitions", topics{topic("t", 10001, 1)}},
		{"10000 partitions", topics{topic("t", 10000, 1)}},
		{"9999 partitions", topics{topic("t", 9999, 1)}},
		{"twice 5001 partitions", topics{topic("t", 5001, 1), topic("u", 5001, 1)}},
		{"manual", topics{moved}},
		{"manual and partitions", topics{on(topic("t", 1, -1), []int32{1})}},
		{"manual and factor", topics{on(topic("t", -1, 1), []int32{1})}},
		{"manual without replicas", topics{on(topic("t", -1, -1), []int32{})}},
		{"manual on nobody", topics{on(topic("t", -1, -1), []int32{5})}},
		{"manual twice on one", topics{on(topic("t", -1, -1), []int32{1, 1})}},
		{"manual with a gap", topics{gap}},
		{"manual twice a partition", topics{twice}},
		{"unknown config", topics{with(topic("t", 1, 1), "nope", "1")}},
		{"bad config", topics{with(topic("t", 1, 1), "retention.ms", "x")}},
		{"config out of range", topics{with(topic("t", 1, 1), "segment.bytes", "1")}},
		{"null config", topics{with(topic("t", 1, 1), "retention.ms", "null")}},
		{"null configs", topics{with(topic("t", 1, 1), "retention.ms", "null", "nope", "1")}},
		{"conflicting configs", topics{with(topic("t", 1, 1), "min.compaction.lag.ms", "10", "max.compaction.lag.ms", "5")}},
		{"configs", topics{with(topic("t", 1, 1), "retention.ms", "5", "cleanup.policy", "compact,delete", "min.insync.replicas", "2")}},
		{"config and exists", topics{with(topic("exists", 1, 1), "nope", "1")}},
		{"twice", topics{topic("t", 1, 1), topic("t", 2, 1), topic("u", 1, 1)}},
		{"thrice", topics{topic("t", 1, 1), topic("t", 2, 1), topic("t", 1, 1)}},
		{"metadata topic", topics{topic("__cluster_metadata", 1, 1)}},
		{"internal topic", topics{topic("__consumer_offsets", 1, 1)}},
		{"good and bad", topics{topic("t", 1, 1), topic("u", 0, 1), topic("exists", 1, 1)}},
		{"none", nil},
	} {
		for _, v := range []int16{2, 7} {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.Version, req.Topics, req.ValidateOnly = v, c.topics, true
			if v < 4 { // no defaults yet
				for _, t := range c.topics {
					if t.NumPartitions == -1 && len(t.ReplicaAssignment) == 0 {
						req = nil
						break
					}
				}
			}
			if req != nil && (v == 7 || c.name != "configs") {
				out = append(out, question{fmt.Sprintf("create v%d: %s", v, c.name), req})
			}
		}
	}
	return out
}

func partitionQuestions() []question {
	grow := func(name string, count int32, assignment ...[]int32) kmsg.CreatePartitionsRequestTopic {
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = name, count
		for _, replicas := range assignment {
			t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
		}
		return t
	}
	none := grow("exists", 3)
	none.Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
	type topics = []kmsg.CreatePartitionsRequestTopic
	var out []question
	for _, c := range []struct {
		name   string
		topics topics
	}{
		{"grow", topics{grow("exists", 3)}},
		{"unknown", topics{grow("nope", 3)}},
		{"same", topics{grow("exists", 2)}},
		{"fewer", topics{grow("exists", 1)}},
		{"none", topics{grow("exists", 0)}},
		{"negative", topics{grow("exists", -1)}},
		{"manual", topics{grow("exists", 4, []int32{1}, []int32{1})}},
		{"manual too few", topics{grow("exists", 4, []int32{1})}},
		{"manual none", topics{none}},
		{"manual unknown broker", topics{grow("exists", 3, []int32{7})}},
		{"manual empty", topics{grow("exists", 3, []int32{})}},
		{"manual other factor", topics{grow("exists", 3, []int32{1, 1})}},
		{"twice", topics{grow("exists", 3), grow("exists", 4), grow("nope", 2)}},
		{"10003", topics{grow("exists", 10003)}},
		{"10002", topics{grow("exists", 10002)}},
		{"nobody", nil},
	} {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Version, req.Topics, req.ValidateOnly = 3, c.topics, true
		out = append(out, question{"partitions: " + c.name, req})
	}
	return out
}

func deleteQuestions() []question {
	type topics = []kmsg.DeleteTopicsRequestTopic
	nobody := [16]byte{1, 2, 3}
	var out []question
	for _, c := range []struct {
		name   string
		topics topics
	}{
		{"nothing named", topics{{}}},
		{"both named", topics{{Topic: ptr("x"), TopicID: nobody}}},
		{"unknown name", topics{{Topic: ptr("nope")}}},
		{"unknown id", topics{{TopicID: nobody}}},
		{"twice a name", topics{{Topic: ptr("exists")}, {Topic: ptr("exists")}}},
		{"thrice a name", topics{{Topic: ptr("exists")}, {Topic: ptr("exists")}, {Topic: ptr("exists")}}},
		{"twice an id", topics{{TopicID: nobody}, {TopicID: nobody}}},
		{"nobody", nil},
	} {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.Topics = 6, c.topics
		out = append(out, question{"delete v6: " + c.name, req})
	}
	for _, v := range []int16{1, 5} {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version, req.TopicNames = v, []string{"nope", "exists", "exists"}
		out = append(out, question{fmt.Sprintf("delete v%d", v), req})
	}
	return out
}

// alteration is asked both ways where it can be.
type alteration struct {
	name string
	kind kmsg.ConfigResourceType
	res  string
	op   kmsg.IncrementalAlterConfigOp
	key  string
	val  *string
}

func alterations() []alteration {
	const set, del, app, sub = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete, kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract
	return []alteration{
		{"topic", 2, "exists", set, "retention.ms", ptr("5")},
		{"topic unknown", 2, "nope", set, "retention.ms", ptr("5")},
		{"topic default", 2, "", set, "retention.ms", ptr("5")},
		{"topic bad name", 2, "a b", set, "retention.ms", ptr("5")},
		{"topic unknown key", 2, "exists", set, "nope", ptr("5")},
		{"topic unknown key and topic", 2, "nope", set, "nope", ptr("5")},
		{"topic bad value", 2, "exists", set, "retention.ms", ptr("x")},
		{"topic delete unset", 2, "exists", del, "retention.ms", nil},
		{"topic delete unknown key", 2, "exists", del, "nope", nil},
		{"topic append", 2, "exists", app, "cleanup.policy", ptr("compact")},
		{"topic append no list", 2, "exists", app, "retention.ms", ptr("1")},
		{"topic append bad", 2, "exists", app, "cleanup.policy", ptr("nope")},
		{"topic append and a comma", 2, "exists", app, "cleanup.policy", ptr("compact,")},
		{"topic append a comma", 2, "exists", app, "cleanup.policy", ptr(",")},
		{"topic append nothing", 2, "exists", app, "cleanup.policy", ptr("")},
		{"topic append a gap", 2, "exists", app, "cleanup.policy", ptr("compact,,delete")},
		{"topic append unknown key", 2, "exists", app, "nope", ptr("1")},
		{"topic subtract", 2, "exists", sub, "cleanup.policy", ptr("delete")},
		{"topic subtract no list", 2, "exists", sub, "retention.ms", ptr("1")},
		{"topic min isr", 2, "exists", set, "min.insync.replicas", ptr("2")},
		{"broker", 4, "1", set, "log.retention.ms", ptr("5")},
		{"broker no number", 4, "x", set, "log.retention.ms", ptr("5")},
		{"broker negative", 4, "-1", set, "log.retention.ms", ptr("5")},
		{"broker unknown", 4, "5", set, "log.retention.ms", ptr("5")},
		{"broker min isr", 4, "1", set, "min.insync.replicas", ptr("2")},
		{"brokers", 4, "", set, "log.retention.ms", ptr("5")},
		{"brokers min isr", 4, "", set, "min.insync.replicas", ptr("2")},
		{"brokers delete min isr", 4, "", del, "min.insync.replicas", nil},
		{"broker cordoned", 4, "1", set, "cordoned.log.dirs", ptr("/x")},
		{"broker cordoned a comma", 4, "1", set, "cordoned.log.dirs", ptr(",")},
		{"group", 32, "g", set, "consumer.session.timeout.ms", ptr("50000")},
		{"group default", 32, "", set, "consumer.session.timeout.ms", ptr("50000")},
		{"group unknown key", 32, "g", set, "nope", ptr("1")},
		{"group bad", 32, "g", set, "consumer.session.timeout.ms", ptr("1")},
		{"metrics", 16, "m", set, "interval.ms", ptr("1000")},
		{"metrics default", 16, "", set, "interval.ms", ptr("1000")},
		{"metrics bad interval", 16, "m", set, "interval.ms", ptr("1")},
		{"metrics no number", 16, "m", set, "interval.ms", ptr("x")},
		{"metrics unknown key", 16, "m", set, "nope", ptr("1")},
		{"metrics bad match", 16, "m", set, "match", ptr("nope=1")},
		{"type 0", 0, "x", set, "a", ptr("1")},
		{"type 3", 3, "x", set, "a", ptr("1")},
		{"type 99", 99, "x", set, "a", ptr("1")},
	}
}

func incrementalQuestions() []question {
	type config = kmsg.IncrementalAlterConfigsRequestResourceConfig
	type resource = kmsg.IncrementalAlterConfigsRequestResource
	var out []question
	ask := func(name string, resources ...resource) {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version, req.Resources, req.ValidateOnly = 1, resources, true
		out = append(out, question{"incremental: " + name, req})
	}
	for _, a := range alterations() {
		ask(a.name, resource{ResourceType: a.kind, ResourceName: a.res, Configs: []config{{Name: a.key, Op: a.op, Value: a.val}}})
	}
	good := resource{ResourceType: 2, ResourceName: "exists", Configs: []config{{Name: "retention.ms", Value: ptr("5")}}}
	ask("twice", good, good)
	ask("twice unknown type", resource{ResourceType: 99, ResourceName: "x"}, resource{ResourceType: 99, ResourceName: "x"})
	ask("good and bad", good, resource{ResourceType: 2, ResourceName: "nope"})
	ask("nothing to change", resource{ResourceType: 2, ResourceName: "exists"})
	ask("key twice", resource{ResourceType: 2, ResourceName: "exists", Configs: []config{{Name: "retention.ms", Value: ptr("x")}, {Name: "retention.ms", Value: ptr("5")}}})
	ask("nobody")
	return out
}

func alterQuestions() []question {
	type config = kmsg.AlterConfigsRequestResourceConfig
	type resource = kmsg.AlterConfigsRequestResource
	var out []question
	ask := func(name string, resources ...resource) {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.Version, req.Resources, req.ValidateOnly = 2, resources, true
		out = append(out, question{"alter: " + name, req})
	}
	for _, a := range alterations() {
		if a.op == kmsg.IncrementalAlterConfigOpSet {
			ask(a.name, resource{ResourceType: a.kind, ResourceName: a.res, Configs: []config{{Name: a.key, Value: a.val}}})
		}
	}
	good := resource{ResourceType: 2, ResourceName: "exists", Configs: []config{{Name: "retention.ms", Value: ptr("5")}}}
	ask("twice", good, good)
	ask("logger", resource{ResourceType: 8, ResourceName: "1", Configs: []config{{Name: "root", Value: ptr("INFO")}}})
	ask("brokers without min isr", resource{ResourceType: 4, Configs: []config{{Name: "log.retention.ms", Value: ptr("1")}}})
	ask("nothing", resource{ResourceType: 2, ResourceName: "exists"})
	return out
}

func featureQuestions() []question {
	var out []question
	for _, c := range []struct {
		name, feature string
		level         int16
		kind          int8
	}{
		{"unknown", "nope", 1, 1},
		{"metadata too new", "metadata.version", 31, 1},
		{"metadata too old", "metadata.version", 6, 2},
		{"metadata same", "metadata.version", 30, 1},
		{"metadata down as upgrade", "metadata.version", 29, 1},
		{"metadata down", "metadata.version", 29, 2},
		{"metadata down unsafe", "metadata.version", 29, 3},
		{"group down as upgrade", "group.version", 0, 1},
		{"group down", "group.version", 0, 2},
		{"group same as downgrade", "group.version", 1, 2},
		{"transaction too new", "transaction.version", 3, 1},
		{"transaction down", "transaction.version", 1, 2},
		{"share up as downgrade", "share.version", 2, 2},
		{"negative", "group.version", -1, 2},
		{"kind 0", "group.version", 1, 0},
		{"kind 4", "group.version", 1, 4},
		{"kraft down", "kraft.version", 0, 2},
		{"kraft same", "kraft.version", 1, 1},
		{"elr same", "eligible.leader.replicas.version", 1, 1},
		{"elr down", "eligible.leader.replicas.version", 0, 2},
	} {
		for _, v := range []int16{1, 2} {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			u.Feature, u.MaxVersionLevel, u.UpgradeType = c.feature, c.level, c.kind
			req.Version, req.ValidateOnly, req.FeatureUpdates = v, true, []kmsg.UpdateFeaturesRequestFeatureUpdate{u}
			out = append(out, question{fmt.Sprintf("features v%d: %s", v, c.name), req})
		}
	}
	return out
}

func brokerQuestions() []question {
	var out []question
	register := func(name string, change func(*kmsg.BrokerRegistrationRequest)) {
		req := registrationOf(9, 1)
		change(req)
		out = append(out, question{"register: " + name, req})
	}
	register("other cluster", func(r *kmsg.BrokerRegistrationRequest) { r.ClusterID = "x" })
	register("from ZooKeeper", func(r *kmsg.BrokerRegistrationRequest) { r.IsMigratingZkBroker = true })
	register("no directories", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = nil })
	register("reserved directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = [][16]byte{{15: 99}} })
	register("directory twice", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = [][16]byte{{1}, {1}} })
	register("no features", func(r *kmsg.BrokerRegistrationRequest) { r.Features = nil })
	register("features without metadata", func(r *kmsg.BrokerRegistrationRequest) {
		for i, f := range r.Features {
			if f.Name == "metadata.version" {
				r.Features = append(r.Features[:i], r.Features[i+1:]...)
				return
			}
		}
	})
	register("old metadata version", func(r *kmsg.BrokerRegistrationRequest) {
		for i := range r.Features {
			if r.Features[i].Name == "metadata.version" {
				r.Features[i].MaxSupportedVersion = 29
			}
		}
	})
	register("no transaction version", func(r *kmsg.BrokerRegistrationRequest) {
		for i := range r.Features {
			if r.Features[i].Name == "transaction.version" {
				r.Features[i].MaxSupportedVersion = 0
			}
		}
	})
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.BrokerID = 77
	out = append(out, question{"heartbeat: nobody", beat})
	stale := kmsg.NewPtrBrokerHeartbeatRequest()
	stale.BrokerID, stale.BrokerEpoch = 1, -5
	out = append(out, question{"heartbeat: other epoch", stale})
	gone := kmsg.NewPtrUnregisterBrokerRequest()
	gone.BrokerID = 77
	out = append(out, question{"unregister: nobody", gone})
	nobody := kmsg.NewPtrAllocateProducerIDsRequest()
	nobody.BrokerID = 77
	out = append(out, question{"producer ids: nobody", nobody})
	other := kmsg.NewPtrAllocateProducerIDsRequest()
	other.BrokerID, other.BrokerEpoch = 1, -5
	out = append(out, question{"producer ids: other epoch", other})
	// The last one: Kafka's active controller resigns over it.
	register("listener of no protocol", func(r *kmsg.BrokerRegistrationRequest) { r.Listeners[0].SecurityProtocol = 4 })
	return out
}
