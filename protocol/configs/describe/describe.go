// Package describe answers DescribeConfigs, the same way on brokers and on
// controllers: topics, the node that is asked, the cluster's default for
// brokers, log levels, client-metrics subscriptions and groups, each key with
// its value, where that comes from, and what else would give it a value.
//
// Invariant: the value of a key is what the node acts on, in the key's own unit;
// its synonyms are as they were written, in theirs.
package describe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Node is the node that is asked, and the cluster as it knows it.
type Node struct {
	ID     ids.NodeID
	Layers *Layers
	// Topic returns the values a topic has of its own, false for one that is not there.
	Topic func(name string) (map[string]string, bool)
	// Of returns the values of a group or a client-metrics subscription.
	Of func(t kmsg.ConfigResourceType, name string) map[string]string
	// Levels are the node's log levels by logger, in Kafka's words; nil: none can be read.
	Levels map[string]string
}

// Answer describes the resources of a request. Versions 1 and up: v1 synonyms
// and sources, v3 documentation and types, v4 flexible.
func Answer(n *Node, r *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	resp := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
	known := !slices.ContainsFunc(r.Resources, func(q kmsg.DescribeConfigsRequestResource) bool { return !describable(q.ResourceType) })
	named := frame.Repeats[resource]{}
	for i := range r.Resources {
		q := &r.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = q.ResourceType, q.ResourceName
		out.ErrorMessage = new(string) // Kafka's text for no error is empty here and null elsewhere
		err := &refusal{kerr.InvalidRequest, kerr.InvalidRequest.Description}
		switch {
		case !known: // one unknown type spoils the whole request
		case named.TooMany(resource{q.ResourceType, q.ResourceName}):
			err = badRequest("The resource is named more than %d times.", frame.MaxRepeats)
		default:
			out.Configs, err = n.resource(q, r)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.code.Code, &err.text
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// resource is what an entry of a request is about.
type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

func describable(t kmsg.ConfigResourceType) bool {
	switch t {
	case kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
		return true
	}
	return false
}

// refusal is an error for one resource.
type refusal struct {
	code *kerr.Error
	text string
}

func badRequest(format string, args ...any) *refusal {
	return &refusal{kerr.InvalidRequest, fmt.Sprintf(format, args...)}
}

type described = []kmsg.DescribeConfigsResponseResourceConfig

func (n *Node) resource(q *kmsg.DescribeConfigsRequestResource, r *kmsg.DescribeConfigsRequest) (described, *refusal) {
	e := &entries{synonyms: r.IncludeSynonyms, docs: r.IncludeDocumentation, layers: n.Layers}
	if len(q.ConfigNames) > 0 {
		e.wanted = q.ConfigNames
	}
	switch q.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return n.topic(e, q.ResourceName)
	case kmsg.ConfigResourceTypeBroker:
		return n.broker(e, q.ResourceName)
	case kmsg.ConfigResourceTypeBrokerLogger:
		return n.loggers(e, q.ResourceName)
	case kmsg.ConfigResourceTypeClientMetrics:
		return n.metrics(e, q.ResourceName)
	}
	return n.group(e, q.ResourceName)
}

func (n *Node) topic(e *entries, name string) (described, *refusal) {
	if err := configs.CheckTopicName(name); err != nil {
		return nil, &refusal{kerr.InvalidTopicException, err.Error()}
	}
	own, there := n.Topic(name)
	if !there {
		return nil, &refusal{kerr.UnknownTopicOrPartition, ""}
	}
	e.overridden(configs.Topic, own, e.layers.topic, kmsg.ConfigSourceDynamicTopicConfig)
	return e.out, nil
}

func (n *Node) group(e *entries, name string) (described, *refusal) {
	if name == "" {
		return nil, badRequest("Group name must not be empty")
	}
	e.overridden(configs.Group, n.Of(kmsg.ConfigResourceTypeGroupConfig, name), e.layers.group, kmsg.ConfigSourceGroupConfig)
	return e.out, nil
}

func (n *Node) metrics(e *entries, name string) (described, *refusal) {
	if name == "" {
		return nil, badRequest("Client metrics subscription name must not be empty")
	}
	defaults := configs.ResolveDefaults(configs.ClientMetrics, e.layers.Values)
	e.overridden(configs.ClientMetrics, n.Of(kmsg.ConfigResourceTypeClientMetrics, name), defaults, kmsg.ConfigSourceClientMetricsConfig)
	return e.out, nil
}

func (n *Node) broker(e *entries, name string) (described, *refusal) {
	if name == "" {
		for _, key := range slices.Sorted(maps.Keys(e.layers.Cluster)) {
			e.clusterDefault(key, e.layers.Cluster[key])
		}
		return e.out, nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return nil, badRequest("Broker id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != n.ID {
		return nil, badRequest("Unexpected broker id, expected %d or empty string, but received %s", n.ID, name)
	}
	e.wholeBroker()
	return e.out, nil
}

func (n *Node) loggers(e *entries, name string) (described, *refusal) {
	if name == "" {
		return nil, badRequest("Broker id must not be empty")
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return nil, badRequest("Broker id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != n.ID {
		return nil, badRequest("Unexpected broker id, expected %d but received %s", n.ID, name)
	}
	for _, logger := range slices.Sorted(maps.Keys(n.Levels)) {
		if !e.wants(logger) {
			continue
		}
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value, c.Source = logger, kmsg.StringPtr(n.Levels[logger]), kmsg.ConfigSourceDynamicBrokerLoggerConfig
		c.Documentation = new(string)
		e.out = append(e.out, c)
	}
	return e.out, nil
}
