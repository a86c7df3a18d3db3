package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Loggers are the log levels that can be read and altered at run time (KIP-412).
// Levels are Kafka's words: TRACE, DEBUG, INFO, WARN, ERROR, FATAL.
type Loggers interface {
	Levels() map[string]string // by logger; the one named root is always there
	SetLevel(logger, level string)
	UnsetLevel(logger string) // back to what root has
}

// DescribeConfigs, versions 1 to 4: topics, this broker, the cluster's default
// for brokers, log levels, client-metrics subscriptions and groups, each key
// with its value, where that comes from, and what else would give it a value.
//
// v1 synonyms and sources  v3 documentation and types  v4 flexible
type describeConfigs struct {
	cluster *Cluster
	config  *Config
	node    ids.NodeID
	loggers Loggers
}

func describeConfigsHandler(cluster *Cluster, config *Config, node ids.NodeID, loggers Loggers) Handle {
	if cluster == nil {
		return nil
	}
	d := &describeConfigs{cluster, config, node, loggers}
	return Typed(func(c *conn.Call, r *kmsg.DescribeConfigsRequest) { c.Reply(d.answer(r)) })
}

func (d *describeConfigs) answer(r *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	resp := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
	known := !slices.ContainsFunc(r.Resources, func(q kmsg.DescribeConfigsRequestResource) bool { return !describable(q.ResourceType) })
	for i := range r.Resources {
		q := &r.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = q.ResourceType, q.ResourceName
		err := refusal{code: kerr.InvalidRequest, text: kerr.InvalidRequest.Description}
		if known { // one unknown type spoils the whole request
			out.Configs, err = d.resource(q, r)
		}
		if out.ErrorCode, out.ErrorMessage = err.wire(); out.ErrorMessage == nil {
			out.ErrorMessage = new(string) // Kafka's text for no error is empty here and null elsewhere
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func describable(t kmsg.ConfigResourceType) bool {
	switch int8(t) {
	case image.TopicResource, image.BrokerResource, image.BrokerLoggerResource, image.ClientMetricsResource, image.GroupResource:
		return true
	}
	return false
}

// refusal is an error for one resource. The zero value is none. Only an
// unexpected error has no text at all.
type refusal struct {
	code *kerr.Error
	text string
}

func (e refusal) wire() (code int16, text *string) {
	if e.code == nil {
		return 0, nil
	}
	if e.code == kerr.UnknownServerError && e.text == "" {
		return e.code.Code, nil
	}
	return e.code.Code, &e.text
}

func badRequest(format string, args ...any) refusal {
	return refusal{kerr.InvalidRequest, fmt.Sprintf(format, args...)}
}

type described = kmsg.DescribeConfigsResponseResourceConfig

func (d *describeConfigs) resource(q *kmsg.DescribeConfigsRequestResource, r *kmsg.DescribeConfigsRequest) ([]described, refusal) {
	e := &entries{synonyms: r.IncludeSynonyms, docs: r.IncludeDocumentation, layers: d.config.layers(), static: d.config.Static}
	if len(q.ConfigNames) > 0 {
		e.wanted = q.ConfigNames
	}
	switch int8(q.ResourceType) {
	case image.TopicResource:
		return d.topic(e, q.ResourceName)
	case image.BrokerResource:
		return d.broker(e, q.ResourceName)
	case image.BrokerLoggerResource:
		return d.loggerLevels(e, q.ResourceName)
	case image.ClientMetricsResource:
		return d.metrics(e, q.ResourceName)
	}
	return d.group(e, q.ResourceName)
}

func (d *describeConfigs) topic(e *entries, name string) ([]described, refusal) {
	if err := checkTopicName(name); err != nil {
		return nil, refusal{kerr.InvalidTopicException, err.Error()}
	}
	img := d.cluster.Image()
	if img.Topics.ByName(name) == nil {
		return nil, refusal{kerr.UnknownTopicOrPartition, ""}
	}
	e.overridden(configs.Topic, img.Configs.Topic(name), e.layers.topic, kmsg.ConfigSourceDynamicTopicConfig)
	return e.out, refusal{}
}

func (d *describeConfigs) group(e *entries, name string) ([]described, refusal) {
	if name == "" {
		return nil, badRequest("Group name must not be empty")
	}
	props := d.cluster.Image().Configs.Of(image.Resource{Type: image.GroupResource, Name: name})
	e.overridden(configs.Group, props, e.layers.group, kmsg.ConfigSourceGroupConfig)
	return e.out, refusal{}
}

func (d *describeConfigs) metrics(e *entries, name string) ([]described, refusal) {
	if name == "" {
		return nil, badRequest("Client metrics subscription name must not be empty")
	}
	props := d.cluster.Image().Configs.Of(image.Resource{Type: image.ClientMetricsResource, Name: name})
	e.overridden(configs.ClientMetrics, props, configs.ResolveDefaults(configs.ClientMetrics, e.layers.values), kmsg.ConfigSourceClientMetricsConfig)
	return e.out, refusal{}
}

func (d *describeConfigs) broker(e *entries, name string) ([]described, refusal) {
	if name == "" {
		for _, key := range slices.Sorted(maps.Keys(e.layers.cluster)) {
			e.clusterDefault(key, e.layers.cluster[key])
		}
		return e.out, refusal{}
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return nil, badRequest("Broker id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != d.node {
		return nil, badRequest("Unexpected broker id, expected %d or empty string, but received %s", d.node, name)
	}
	e.wholeBroker()
	return e.out, refusal{}
}

func (d *describeConfigs) loggerLevels(e *entries, name string) ([]described, refusal) {
	if name == "" {
		return nil, badRequest("Broker id must not be empty")
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return nil, badRequest("Broker id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != d.node {
		return nil, badRequest("Unexpected broker id, expected %d but received %s", d.node, name)
	}
	levels := map[string]string{}
	if d.loggers != nil {
		levels = d.loggers.Levels()
	}
	for _, logger := range slices.Sorted(maps.Keys(levels)) {
		if !e.wants(logger) {
			continue
		}
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value, c.Source = logger, kmsg.StringPtr(levels[logger]), kmsg.ConfigSourceDynamicBrokerLoggerConfig
		c.Documentation = new(string)
		e.out = append(e.out, c)
	}
	return e.out, refusal{}
}
