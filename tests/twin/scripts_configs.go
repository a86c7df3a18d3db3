package twin

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const topicType, brokerType, loggerType = 2, 4, 8

func describeConfigs(typ int8, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	res := kmsg.NewDescribeConfigsRequestResource()
	res.ResourceType, res.ResourceName, res.ConfigNames = kmsg.ConfigResourceType(typ), name, keys
	req.Resources = append(req.Resources, res)
	req.IncludeSynonyms = true
	return req
}

func alterConfigs(typ int8, name string, configs ...string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	res := kmsg.NewAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceType(typ), name
	for _, kv := range configs {
		k, v, ok := strings.Cut(kv, "=")
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name = k
		if ok {
			c.Value = &v
		}
		res.Configs = append(res.Configs, c)
	}
	req.Resources = append(req.Resources, res)
	return req
}

// incremental takes "op key=value" with op one of = (set), - (delete), + (append), ~ (subtract) or ? (none of them).
func incremental(typ int8, name string, ops ...string) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceType(typ), name
	for _, op := range ops {
		k, v, ok := strings.Cut(op[2:], "=")
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op = k, kmsg.IncrementalAlterConfigOp(strings.Index("=-+~?", op[:1]))
		if op[0] == '?' {
			c.Op = 9
		}
		if ok {
			c.Value = &v
		}
		res.Configs = append(res.Configs, c)
	}
	req.Resources = append(req.Resources, res)
	return req
}

// altering sends operations on a fresh topic and then shows what it has.
func altering(ops ...string) func(*Run) {
	return func(r *Run) {
		t := r.Topic("t", 1, "retention.ms=7000")
		r.Send(incremental(topicType, t, ops...))
		r.showConfigs(t)
	}
}

// showConfigs writes down three configurations. A broker may see a change a
// moment after the reply to it; by the time it leads a topic that was created
// later it has.
func (r *Run) showConfigs(topic string) {
	r.Topic("after", 1)
	d := describeConfigs(topicType, topic, "retention.ms", "cleanup.policy", "min.insync.replicas")
	d.Version = 4
	r.Send(d)
}

func configScripts() []Script {
	validating := func(q *kmsg.IncrementalAlterConfigsRequest) *kmsg.IncrementalAlterConfigsRequest {
		q.ValidateOnly = true
		return q
	}
	return []Script{
		{Key: 32, Name: "all of a topic", Run: func(r *Run) { r.Send(describeConfigs(topicType, r.Topic("t", 1, "retention.ms=7000"))) }},
		{Key: 32, Name: "two keys of a topic and one that is none", Run: func(r *Run) {
			r.Send(describeConfigs(topicType, r.Topic("t", 1), "retention.ms", "cleanup.policy", "no.such.key"))
		}},
		{Key: 32, Name: "without synonyms, with documentation", From: 3, Run: func(r *Run) {
			req := describeConfigs(topicType, r.Topic("t", 1), "retention.ms")
			req.IncludeSynonyms, req.IncludeDocumentation = false, true
			r.Send(req)
		}},
		{Key: 32, Name: "empty list of keys", Run: func(r *Run) {
			req := describeConfigs(topicType, r.Topic("t", 1))
			req.Resources[0].ConfigNames = []string{}
			r.Send(req)
		}},
		{Key: 32, Name: "unknown topic", Run: func(r *Run) { r.Send(describeConfigs(topicType, r.Name("none"))) }},
		{Key: 32, Name: "invalid topic name", Run: func(r *Run) { r.Send(describeConfigs(topicType, "bad/name")) }},
		{Key: 32, Name: "all of the broker", From: 4, Hide: []string{
			"[\"advertised.listeners\"]", "[\"listeners\"]", "[\"controller.quorum.bootstrap.servers\"]", "[\"log.dirs\"]",
		}, Run: func(r *Run) { r.Send(describeConfigs(brokerType, "1")) }},
		{Key: 32, Name: "one key of the broker", Run: func(r *Run) { r.Send(describeConfigs(brokerType, "1", "num.partitions", "log.retention.hours")) }},
		{Key: 32, Name: "cluster-wide broker defaults", Run: func(r *Run) { r.Send(describeConfigs(brokerType, "")) }},
		{Key: 32, Name: "another broker", Run: func(r *Run) { r.Send(describeConfigs(brokerType, "9")) }},
		{Key: 32, Name: "broker that is no number", Run: func(r *Run) { r.Send(describeConfigs(brokerType, "one")) }},
		{Key: 32, Name: "unknown resource type", Run: func(r *Run) { r.Send(describeConfigs(77, "x")) }},
		{Key: 32, Name: "a group", Run: func(r *Run) { r.Send(describeConfigs(32, r.Name("g"))) }},
		{Key: 32, Name: "nothing", Run: func(r *Run) { r.Send(kmsg.NewPtrDescribeConfigsRequest()) }},

		{Key: 33, Name: "set two", Run: func(r *Run) {
			t := r.Topic("t", 1, "retention.ms=7000")
			r.Send(alterConfigs(topicType, t, "cleanup.policy=compact", "min.insync.replicas=2"))
			r.showConfigs(t)
		}},
		{Key: 33, Name: "clear all", Run: func(r *Run) { r.Send(alterConfigs(topicType, r.Topic("t", 1, "retention.ms=7000"))) }},
		{Key: 33, Name: "unknown key", Run: func(r *Run) { r.Send(alterConfigs(topicType, r.Topic("t", 1), "no.such.key=1")) }},
		{Key: 33, Name: "invalid value", Run: func(r *Run) { r.Send(alterConfigs(topicType, r.Topic("t", 1), "retention.ms=x")) }},
		{Key: 33, Name: "null value", Run: func(r *Run) { r.Send(alterConfigs(topicType, r.Topic("t", 1), "retention.ms")) }},
		{Key: 33, Name: "unknown topic", Run: func(r *Run) { r.Send(alterConfigs(topicType, r.Name("none"), "retention.ms=1")) }},
		{Key: 33, Name: "same resource twice", From: 2, Run: func(r *Run) {
			t := r.Topic("t", 1)
			req := alterConfigs(topicType, t, "retention.ms=1")
			req.Resources = append(req.Resources, alterConfigs(topicType, t, "retention.ms=2").Resources...)
			r.Send(req)
		}},
		{Key: 33, Name: "only validated", Run: func(r *Run) {
			t := r.Topic("t", 1, "retention.ms=7000")
			req := alterConfigs(topicType, t, "retention.ms=9000")
			req.ValidateOnly = true
			r.Send(req)
			r.showConfigs(t)
		}},
		{Key: 33, Name: "unknown resource type", Run: func(r *Run) { r.Send(alterConfigs(77, "x", "a=b")) }},
		{Key: 33, Name: "another broker", Run: func(r *Run) { r.Send(alterConfigs(brokerType, "9", "log.cleaner.threads=2")) }},

		{Key: 44, Name: "set", Run: altering("= cleanup.policy=compact")},
		{Key: 44, Name: "delete", Run: altering("- retention.ms")},
		{Key: 44, Name: "delete what is not set", Run: altering("- segment.bytes")},
		{Key: 44, Name: "append to a list", Run: altering("+ cleanup.policy=compact")},
		{Key: 44, Name: "append what is there", Run: altering("+ cleanup.policy=delete")},
		{Key: 44, Name: "subtract from a list", Run: altering("~ cleanup.policy=delete")},
		{Key: 44, Name: "append to a number", Run: altering("+ retention.ms=5")},
		{Key: 44, Name: "operation that is none", Run: altering("? retention.ms=5")},
		{Key: 44, Name: "set without a value", Run: altering("= retention.ms")},
		{Key: 44, Name: "same key twice", Run: altering("= retention.ms=5", "= retention.ms=6")},
		{Key: 44, Name: "unknown key", Run: altering("= no.such.key=1")},
		{Key: 44, Name: "invalid value", Run: altering("= retention.ms=x")},
		{Key: 44, Name: "value out of range", Run: altering("= min.insync.replicas=0")},
		{Key: 44, Name: "value below the sense", Run: altering("= retention.ms=-2")},
		{Key: 44, Name: "unknown topic", Run: func(r *Run) { r.Send(incremental(topicType, r.Name("none"), "= retention.ms=5")) }},
		{Key: 44, Name: "only validated", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.Send(validating(incremental(topicType, t, "= retention.ms=5")))
			r.showConfigs(t)
		}},
		{Key: 44, Name: "same resource twice", Run: func(r *Run) {
			t := r.Topic("t", 1)
			req := incremental(topicType, t, "= retention.ms=5")
			req.Resources = append(req.Resources, incremental(topicType, t, "= segment.ms=6000").Resources...)
			r.Send(req)
		}},
		{Key: 44, Name: "broker: dynamic key, only validated", Run: func(r *Run) { r.Send(validating(incremental(brokerType, "1", "= log.cleaner.threads=2"))) }},
		{Key: 44, Name: "broker: key that can not change", Run: func(r *Run) { r.Send(incremental(brokerType, "1", "= broker.id=2")) }},
		{Key: 44, Name: "broker: invalid value", Run: func(r *Run) { r.Send(incremental(brokerType, "1", "= log.cleaner.threads=x")) }},
		{Key: 44, Name: "broker: per-broker key as cluster default", Run: func(r *Run) { r.Send(incremental(brokerType, "", "= listeners=PLAINTEXT://127.0.0.1:1")) }},
		{Key: 44, Name: "another broker", Run: func(r *Run) { r.Send(incremental(brokerType, "9", "= log.cleaner.threads=2")) }},
		{Key: 44, Name: "broker that is no number", Run: func(r *Run) { r.Send(incremental(brokerType, "one", "= log.cleaner.threads=2")) }},
		{Key: 44, Name: "unknown resource type", Run: func(r *Run) { r.Send(incremental(77, "x", "= a=b")) }},

		{Key: 74, Name: "topics", From: 1, Run: func(r *Run) {
			r.Topic("t", 1, "retention.ms=7000")
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = []int8{2}
			r.Send(req)
		}},
		{Key: 74, Name: "brokers", From: 1, Run: func(r *Run) {
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = []int8{4}
			r.Send(req)
		}},
		{Key: 74, Name: "unknown type", From: 1, Run: func(r *Run) {
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = []int8{99}
			r.Send(req)
		}},
		{Key: 74, Name: "all types", Run: func(r *Run) { r.Send(kmsg.NewPtrListConfigResourcesRequest()) }},
	}
}
