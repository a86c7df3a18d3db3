package twin

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func create(name string, partitions int32, rf int16, configs ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, rf
	for _, kv := range configs {
		k, v, ok := strings.Cut(kv, "=")
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name = k
		if ok {
			c.Value = &v
		}
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// creating sends a creation of a topic of this run.
func creating(partitions int32, rf int16, configs ...string) func(*Run) {
	return func(r *Run) { r.Send(create(r.Name("t"), partitions, rf, configs...)) }
}

// assigned creates with a manual assignment: one replica list a partition.
func assigned(replicas ...[]int32) func(*Run) {
	return func(r *Run) {
		req := create(r.Name("t"), -1, -1)
		for p, rs := range replicas {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(p), rs
			req.Topics[0].ReplicaAssignment = append(req.Topics[0].ReplicaAssignment, a)
		}
		r.Send(req)
	}
}

func deleteTopics(ids [][16]byte, names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis, req.TopicNames = 10000, names
	for _, n := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	for _, id := range ids {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.TopicID = id
		req.Topics = append(req.Topics, t)
	}
	return req
}

func grow(topic string, count int32, assignment ...[]int32) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, count
	for _, a := range assignment {
		t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: a})
	}
	req.Topics = append(req.Topics, t)
	return req
}

func topicScripts() []Script {
	return []Script{
		{Key: 19, Name: "two partitions", Run: creating(2, 1)},
		{Key: 19, Name: "default partitions and replication", From: 4, Run: creating(-1, -1)},
		{Key: 19, Name: "default partitions in a version before", To: 3, Run: creating(-1, -1)},
		{Key: 19, Name: "with configurations", Run: creating(1, 1, "retention.ms=5000", "cleanup.policy=compact,delete")},
		{Key: 19, Name: "exists", Run: func(r *Run) { r.Send(create(r.Topic("t", 1), 1, 1)) }},
		{Key: 19, Name: "only validated", Run: func(r *Run) {
			req := create(r.Name("t"), 2, 1)
			req.ValidateOnly = true
			r.Send(req)
			r.Send(req)
		}},
		{Key: 19, Name: "two thousand million partitions", Run: creating(1<<31-1, 1)},
		{Key: 19, Name: "ten thousand and one partitions", Run: creating(10_001, 1)},
		{Key: 19, Name: "zero partitions", Run: creating(0, 1)},
		{Key: 19, Name: "minus two partitions", Run: creating(-2, 1)},
		{Key: 19, Name: "zero replicas", Run: creating(1, 0)},
		{Key: 19, Name: "more replicas than brokers", Run: creating(1, 3)},
		{Key: 19, Name: "invalid name", Run: func(r *Run) { r.Send(create("bad/name", 1, 1)) }},
		{Key: 19, Name: "empty name", Run: func(r *Run) { r.Send(create("", 1, 1)) }},
		{Key: 19, Name: "dots", Run: func(r *Run) { r.Send(create("..", 1, 1)) }},
		{Key: 19, Name: "name of 250 characters", Run: func(r *Run) { r.Send(create(strings.Repeat("n", 250), 1, 1)) }},
		{Key: 19, Name: "collides with another in dot and underscore", Run: func(r *Run) {
			r.Topic("a.b", 1)
			r.Send(create(r.Name("a_b"), 1, 1))
		}},
		{Key: 19, Name: "unknown configuration", Run: creating(1, 1, "no.such.key=1")},
		{Key: 19, Name: "invalid value", Run: creating(1, 1, "retention.ms=x")},
		{Key: 19, Name: "value out of range", Run: creating(1, 1, "segment.bytes=-4")},
		{Key: 19, Name: "null value", Run: creating(1, 1, "retention.ms")},
		{Key: 19, Name: "invalid list value", Run: creating(1, 1, "cleanup.policy=squash")},
		{Key: 19, Name: "configuration twice", Run: creating(1, 1, "retention.ms=5000", "retention.ms=6000")},
		{Key: 19, Name: "same topic twice", Run: func(r *Run) {
			req := create(r.Name("t"), 1, 1)
			req.Topics = append(req.Topics, create(r.Name("t"), 2, 1).Topics...)
			r.Send(req)
		}},
		{Key: 19, Name: "good and bad together", Run: func(r *Run) {
			req := create(r.Name("t"), 1, 1)
			req.Topics = append(req.Topics, create(r.Name("u"), 1, 9).Topics...)
			r.Send(req)
		}},
		{Key: 19, Name: "nothing", Run: func(r *Run) {
			req := create("", 1, 1)
			req.Topics = nil
			r.Send(req)
		}},
		{Key: 19, Name: "assigned by hand", Run: assigned([]int32{1}, []int32{1})},
		{Key: 19, Name: "assigned to an unknown broker", Run: assigned([]int32{5})},
		{Key: 19, Name: "assigned twice to one broker", Run: assigned([]int32{1, 1})},
		{Key: 19, Name: "assigned to nobody", Run: assigned([]int32{})},
		{Key: 19, Name: "assignment and partition count", Run: func(r *Run) {
			req := create(r.Name("t"), 3, 1)
			req.Topics[0].ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1}}}
			r.Send(req)
		}},
		{Key: 19, Name: "assignment with a gap", Run: func(r *Run) {
			req := create(r.Name("t"), -1, -1)
			req.Topics[0].ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: []int32{1}}, {Partition: 2, Replicas: []int32{1}}}
			r.Send(req)
		}},
		{Key: 19, Name: "internal topic name", Run: func(r *Run) { r.Send(create("__cluster_metadata", 1, 1)) }},

		{Key: 20, Name: "by name", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.Send(deleteTopics(nil, t))
			r.Send(deleteTopics(nil, t))
		}},
		{Key: 20, Name: "by id", From: 6, Run: func(r *Run) { r.Topic("t", 1); r.Send(deleteTopics([][16]byte{r.ID("t")})) }},
		{Key: 20, Name: "unknown id", From: 6, Run: func(r *Run) { r.Send(deleteTopics([][16]byte{{3}})) }},
		{Key: 20, Name: "neither name nor id", From: 6, Run: func(r *Run) { r.Send(deleteTopics([][16]byte{{}})) }},
		{Key: 20, Name: "name and id", From: 6, Run: func(r *Run) {
			req := deleteTopics(nil, r.Topic("t", 1))
			req.Topics[0].TopicID = r.ID("t")
			r.Send(req)
		}},
		{Key: 20, Name: "same topic twice", Run: func(r *Run) { t := r.Topic("t", 1); r.Send(deleteTopics(nil, t, t)) }},
		{Key: 20, Name: "unknown", Run: func(r *Run) { r.Send(deleteTopics(nil, r.Name("none"))) }},
		{Key: 20, Name: "nothing", Run: func(r *Run) { r.Send(deleteTopics(nil)) }},

		{Key: 37, Name: "from one to three", Run: func(r *Run) { r.Send(grow(r.Topic("t", 1), 3)) }},
		{Key: 37, Name: "fewer", Run: func(r *Run) { r.Send(grow(r.Topic("t", 3), 2)) }},
		{Key: 37, Name: "as many", Run: func(r *Run) { r.Send(grow(r.Topic("t", 3), 3)) }},
		{Key: 37, Name: "minus one", Run: func(r *Run) { r.Send(grow(r.Topic("t", 3), -1)) }},
		{Key: 37, Name: "unknown topic", Run: func(r *Run) { r.Send(grow(r.Name("none"), 3)) }},
		{Key: 37, Name: "only validated", Run: func(r *Run) {
			req := grow(r.Topic("t", 1), 3)
			req.ValidateOnly = true
			r.Send(req)
		}},
		{Key: 37, Name: "assigned by hand", Run: func(r *Run) { r.Send(grow(r.Topic("t", 1), 2, []int32{1})) }},
		{Key: 37, Name: "assigned to an unknown broker", Run: func(r *Run) { r.Send(grow(r.Topic("t", 1), 2, []int32{8})) }},
		{Key: 37, Name: "wrong number of assignments", Run: func(r *Run) { r.Send(grow(r.Topic("t", 1), 3, []int32{1})) }},
		{Key: 37, Name: "another replication factor", Run: func(r *Run) { r.Send(grow(r.Topic("t", 1), 2, []int32{1, 2})) }},
		{Key: 37, Name: "same topic twice", Run: func(r *Run) {
			t := r.Topic("t", 1)
			req := grow(t, 2)
			req.Topics = append(req.Topics, grow(t, 3).Topics...)
			r.Send(req)
		}},
	}
}
