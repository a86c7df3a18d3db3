// Package coord connects the coordinators to the broker: it implements their
// ports over replica and the metadata image, and tells them of leadership,
// commits and deleted topics.
//
//	replica.OnLeadership ─▶ Service.Lead / Resign
//	replica.OnHighWatermark ─▶ Service.Committed
//	image delta ─▶ Service.TopicsDeleted
//
// Invariant: what the image says of topics is asked anew each time; nothing of
// it is kept here.
package coord

import (
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// Groups is the group coordinator of this broker, wired to its partitions.
type Groups struct {
	*groupcoord.Service
	image     func() *image.Image
	consumers bool // the configuration lets KIP-848 be
}

// NewGroups makes the group coordinator and registers it with the replicas; call
// it before their first Apply.
func NewGroups(replicas *replica.Manager, broker *configs.Values, logger *zap.Logger) *Groups {
	g := &Groups{image: replicas.Image, consumers: consumersAllowed(broker)}
	g.Service = groupcoord.New(groupcoord.Options{
		Config:   GroupConfig(broker),
		Settings: settings{broker, replicas.Image}.of,
		Log:      &log{replicas, groupcoord.Topic},
		Topics:   topics{replicas.Image},
		Image:    func() consumer.Image { return metadata{replicas.Image()} },
		Clock:    runtime.SystemClock{},
		Logger:   logger,
		NewUUID:  randomUUID,
	})
	replicas.OnLeadership(groupcoord.Topic, func(partition int32, leader bool, epoch ids.LeaderEpoch) {
		if leader {
			g.Lead(partition, epoch)
		} else {
			g.Resign(partition, epoch)
		}
	})
	replicas.OnHighWatermark(groupcoord.Topic, g.Committed)
	return g
}

// consumersAllowed tells whether the configuration lets KIP-848 be.
func consumersAllowed(broker *configs.Values) bool {
	return slices.Contains(broker.List("group.coordinator.rebalance.protocols"), "consumer")
}

// Apply is the image.Publisher: call it after the replicas' Apply.
func (g *Groups) Apply(d *image.Delta, _ *image.Image) {
	if settingsChanged(d.Configs()) {
		g.SettingsChanged()
	}
	changed := d.Topics()
	if changed == nil {
		return
	}
	if names, created := topicsChanged(changed); len(names) > 0 {
		g.TopicsChanged(names, created)
	}
	if len(changed.Deleted) == 0 {
		return
	}
	gone := make([]groupcoord.DeletedTopic, 0, len(changed.Deleted))
	for _, t := range changed.Deleted {
		gone = append(gone, groupcoord.DeletedTopic{Name: t.Name, ID: t.ID})
	}
	g.TopicsDeleted(gone)
}

// GroupConfig is the group coordinator's part of the broker's configuration.
func GroupConfig(v *configs.Values) groupcoord.Config {
	c := groupcoord.DefaultConfig()
	c.OffsetsPartitions = v.Int("offsets.topic.num.partitions")
	c.OffsetsCompression = v.Int("offsets.topic.compression.codec")
	c.OffsetMetadataMaxBytes = v.Int("offset.metadata.max.bytes")
	c.OffsetsRetention = int64(v.Int("offsets.retention.minutes")) * 60_000
	c.OffsetsRetentionCheck = v.Long("offsets.retention.check.interval.ms")
	c.OffsetsLoadBufferBytes = v.Int("offsets.load.buffer.size")
	c.OffsetsCommitTimeout = v.Int("offsets.commit.timeout.ms")
	c.BackgroundThreads = v.Int("group.coordinator.background.threads")
	c.GroupMaxSize = v.Int("group.max.size")
	c.GroupMinSessionTimeout = v.Int("group.min.session.timeout.ms")
	c.GroupMaxSessionTimeout = v.Int("group.max.session.timeout.ms")
	c.InitialRebalanceDelay = v.Int("group.initial.rebalance.delay.ms")
	consumerConfig(&c, v)
	return c
}

// topics is groupcoord.Topics over the image.
type topics struct{ image func() *image.Image }

// IDOf implements groupcoord.Topics.
func (t topics) IDOf(name string) (ids.TopicID, bool) {
	if x := t.image().Topics.ByName(name); x != nil {
		return x.ID, true
	}
	return ids.TopicID{}, false
}

// NameOf implements groupcoord.Topics.
func (t topics) NameOf(id ids.TopicID) (string, bool) {
	if x := t.image().Topics.ByID(id); x != nil {
		return x.Name, true
	}
	return "", false
}

// Partitions implements groupcoord.Topics.
func (t topics) Partitions(name string) int32 {
	if x := t.image().Topics.ByName(name); x != nil {
		return int32(len(x.Partitions))
	}
	return 0
}

// randomUUID is a random UUID (version 4) in the form member ids have it.
func randomUUID() string {
	var u [16]byte
	if _, err := rand.Read(u[:]); err != nil {
		panic(err) // the system's random source never fails
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
