package replica

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// TopicConfig is a topic's configuration as this room needs it, immutable.
type TopicConfig struct {
	Log    *partlog.Config
	MinISR int // min.insync.replicas
}

// topicDefaults are the broker's values for topics. Topics that override
// nothing, which are most, share one TopicConfig.
type topicDefaults struct {
	values *configs.Values
	shared *TopicConfig
}

func newTopicDefaults(broker *configs.Values) *topicDefaults {
	v := configs.ResolveDefaults(configs.Topic, broker)
	return &topicDefaults{v, typedConfig(v)}
}

func (d *topicDefaults) config(overrides map[string]string) *TopicConfig {
	if len(overrides) == 0 {
		return d.shared
	}
	return typedConfig(d.values.Overlay(overrides))
}

func typedConfig(v *configs.Values) *TopicConfig {
	c := &partlog.Config{
		SegmentBytes:         v.Int("segment.bytes"),
		SegmentMs:            v.Long("segment.ms"),
		SegmentJitterMs:      v.Long("segment.jitter.ms"),
		SegmentIndexBytes:    v.Int("segment.index.bytes"),
		IndexIntervalBytes:   v.Int("index.interval.bytes"),
		MaxMessageBytes:      v.Int("max.message.bytes"),
		FlushMessages:        v.Long("flush.messages"),
		FlushMs:              v.Long("flush.ms"),
		RetentionBytes:       v.Long("retention.bytes"),
		RetentionMs:          v.Long("retention.ms"),
		FileDeleteDelayMs:    v.Long("file.delete.delay.ms"),
		DeleteRetentionMs:    v.Long("delete.retention.ms"),
		MinCompactionLagMs:   v.Long("min.compaction.lag.ms"),
		MaxCompactionLagMs:   v.Long("max.compaction.lag.ms"),
		MinCleanableRatio:    v.Double("min.cleanable.dirty.ratio"),
		Delete:               slices.Contains(v.List("cleanup.policy"), "delete"),
		Compact:              slices.Contains(v.List("cleanup.policy"), "compact"),
		Preallocate:          v.Bool("preallocate"),
		LogAppendTime:        v.String("message.timestamp.type") == "LogAppendTime",
		TimestampBeforeMaxMs: v.Long("message.timestamp.before.max.ms"),
		TimestampAfterMaxMs:  v.Long("message.timestamp.after.max.ms"),
	}
	if v.IsSet("internal.segment.bytes") {
		c.SegmentBytes = v.Int("internal.segment.bytes")
	}
	c.Recompress, c.Codec, c.CompressionLevel = compression(v)
	return &TopicConfig{Log: c, MinISR: int(v.Int("min.insync.replicas"))}
}

// compression reads compression.type: "producer" keeps batches as they come.
func compression(v *configs.Values) (recompress bool, c batch.Codec, level int) {
	level = batch.DefaultLevel
	name := v.String("compression.type")
	if name == "producer" {
		return false, batch.None, level
	}
	c, _ = batch.ParseCodec(name) // "uncompressed" is none
	switch c {
	case batch.Gzip:
		level = int(v.Int("compression.gzip.level"))
	case batch.Lz4:
		level = int(v.Int("compression.lz4.level"))
	case batch.Zstd:
		level = int(v.Int("compression.zstd.level"))
	}
	return true, c, level
}
