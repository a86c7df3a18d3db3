package coord

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadata is consumer.Image over an image.
type metadata struct{ *image.Image }

// Topic implements consumer.Image.
func (w metadata) Topic(name string) (consumer.Topic, bool) { return asTopic(w.Topics.ByName(name)) }

// TopicByID implements consumer.Image.
func (w metadata) TopicByID(id ids.TopicID) (consumer.Topic, bool) { return asTopic(w.Topics.ByID(id)) }

func asTopic(t *image.Topic) (consumer.Topic, bool) {
	if t == nil {
		return consumer.Topic{}, false
	}
	return consumer.Topic{Name: t.Name, ID: t.ID, Partitions: int32(len(t.Partitions))}, true
}

// Racks implements consumer.Image.
func (w metadata) Racks(topic string, partition int32) []string {
	p := w.Topics.Partition(ids.TopicPartition{Topic: topic, Partition: partition})
	if p == nil {
		return nil
	}
	var out []string
	for _, r := range p.Replicas {
		if b := w.Cluster.Broker(r); b != nil && b.Rack != nil {
			out = append(out, *b.Rack)
		}
	}
	return out
}

// Names implements consumer.Image.
func (w metadata) Names(f func(string) bool) {
	w.Topics.Each(func(t *image.Topic) bool { return f(t.Name) })
}

// Version implements consumer.Image.
func (w metadata) Version() int64 { return int64(w.Provenance.Last.Offset) }

// topicsChanged are the topics that groups have to look at again: of what changes
// about a topic they care for its partitions and where those lie.
func topicsChanged(d *image.TopicsDelta) (names []string, created bool) {
	for _, t := range d.Deleted {
		names = append(names, t.Name)
	}
	for i := range d.Changed {
		c := &d.Changed[i]
		moved := slices.ContainsFunc(c.Partitions, func(p image.PartitionChange) bool {
			return p.Old == nil || !slices.Equal(p.Old.Replicas, p.New.Replicas)
		})
		if c.Old == nil || moved {
			names = append(names, c.New.Name)
		}
		created = created || c.Old == nil
	}
	return names, created
}

func settingsChanged(d *image.ConfigsDelta) bool {
	return d != nil && slices.ContainsFunc(d.Changed, func(c image.ConfigChange) bool {
		return c.Resource.Type == image.GroupResource || c.Resource.Type == image.BrokerResource
	})
}

// consumerConfig is the part of the configuration that consumer groups have.
func consumerConfig(c *groupcoord.Config, v *configs.Values) {
	c.ConsumerMaxSize = v.Int("group.consumer.max.size")
	c.ConsumerSessionTimeout = v.Int("group.consumer.session.timeout.ms")
	c.ConsumerHeartbeatInterval = v.Int("group.consumer.heartbeat.interval.ms")
	c.ConsumerRegexRefresh = int64(v.Int("group.consumer.regex.refresh.interval.ms"))
	c.RebalanceInterval = v.Int("gregor.group.rebalance.heartbeat.interval.ms")
	c.HoldMax = v.Long("gregor.group.heartbeat.hold.max.ms")
	policy := strings.ToUpper(v.String("group.consumer.migration.policy"))
	c.ConsumerUpgrade = policy == "UPGRADE" || policy == "BIDIRECTIONAL"
	c.ConsumerDowngrade = policy == "DOWNGRADE" || policy == "BIDIRECTIONAL"
	c.ConsumerAssignors = assignors(v.List("group.consumer.assignors"))
}

// assignors are the short names of a list that was checked at the start.
func assignors(list []string) []string {
	var out []string
	for _, given := range list {
		if name, ok := configs.ConsumerAssignor(given); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// settings reads what groups have of their own.
type settings struct {
	broker *configs.Values
	image  func() *image.Image
}

// setting is a key that a group can have of its own, within the broker's bounds,
// and the broker's key for groups that have none.
type setting struct{ own, broker, least, most string }

var (
	sessionTimeout = setting{"consumer.session.timeout.ms", "group.consumer.session.timeout.ms",
		"group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"}
	heartbeatInterval = setting{"consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms",
		"group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"}
	assignmentInterval = setting{"consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms",
		"group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"}
)

// of is the settings of one group. How often it is assigned depends on its size
// where nobody said it.
func (s settings) of(group string) consumer.Settings {
	img := s.image()
	own := img.Configs.Of(image.Resource{Type: image.GroupResource, Name: group})
	node := strconv.Itoa(int(s.broker.Int("node.id")))
	broker := s.broker.Overlay(
		img.Configs.Of(image.Resource{Type: image.BrokerResource}),
		img.Configs.Of(image.Resource{Type: image.BrokerResource, Name: node}),
	)
	out := consumer.Settings{
		SessionTimeout: sessionTimeout.of(own, broker), HeartbeatInterval: heartbeatInterval.of(own, broker), AssignmentInterval: -1,
	}
	if _, set := own[assignmentInterval.own]; set || broker.IsSet(assignmentInterval.broker) {
		out.AssignmentInterval = assignmentInterval.of(own, broker)
	}
	return out
}

// of is the group's value, moved to the bounds: they may have changed since it was set.
func (k setting) of(own map[string]string, broker *configs.Values) int32 {
	text, set := own[k.own]
	n, err := strconv.ParseInt(text, 10, 32)
	if !set || err != nil {
		return broker.Int(k.broker)
	}
	return min(max(int32(n), broker.Int(k.least)), broker.Int(k.most))
}

// ConsumerGroupHeartbeat is the Service's, where the protocol is on.
func (g *Groups) ConsumerGroupHeartbeat(c groupcoord.Caller, req *kmsg.ConsumerGroupHeartbeatRequest, reply func(*kmsg.ConsumerGroupHeartbeatResponse)) {
	if g.consumersOn() {
		g.Service.ConsumerGroupHeartbeat(c, req, reply)
		return
	}
	r := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	r.Version, r.ErrorCode = req.Version, kerr.UnsupportedVersion.Code
	reply(r)
}

// ConsumerGroupDescribe is the Service's, where the protocol is on.
func (g *Groups) ConsumerGroupDescribe(req *kmsg.ConsumerGroupDescribeRequest, reply func(*kmsg.ConsumerGroupDescribeResponse)) {
	if g.consumersOn() {
		g.Service.ConsumerGroupDescribe(req, reply)
		return
	}
	r := kmsg.NewPtrConsumerGroupDescribeResponse()
	r.Version = req.Version
	for _, id := range req.Groups {
		d := kmsg.NewConsumerGroupDescribeResponseGroup()
		d.Group, d.ErrorCode = id, kerr.UnsupportedVersion.Code
		r.Groups = append(r.Groups, d)
	}
	reply(r)
}

// consumersOn tells whether KIP-848 is on: by the configuration, and by the
// cluster's features.
func (g *Groups) consumersOn() bool {
	return g.consumers && g.image().Features.Level(image.GroupVersionFeature) >= 1
}
