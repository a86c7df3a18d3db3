package partlog

import "github.com/gregorbroker/gregor/protocol/batch"

// Config is what a topic asks of its logs, typed; names follow the topic keys.
// A Config is immutable once handed over and is meant to be shared by all
// partitions of a topic. -1 means "no limit" where Kafka says so.
type Config struct {
	SegmentBytes         int32 // segment.bytes
	SegmentMs            int64 // segment.ms
	SegmentJitterMs      int64 // segment.jitter.ms
	SegmentIndexBytes    int32 // segment.index.bytes
	IndexIntervalBytes   int32 // index.interval.bytes
	MaxMessageBytes      int32 // max.message.bytes, of one batch as stored
	FlushMessages        int64 // flush.messages
	FlushMs              int64 // flush.ms
	RetentionBytes       int64 // retention.bytes, -1 = unlimited
	RetentionMs          int64 // retention.ms, -1 = unlimited
	FileDeleteDelayMs    int64 // file.delete.delay.ms
	DeleteRetentionMs    int64 // delete.retention.ms
	MinCompactionLagMs   int64 // min.compaction.lag.ms
	MaxCompactionLagMs   int64 // max.compaction.lag.ms
	MinCleanableRatio    float64
	Delete, Compact      bool // cleanup.policy; both may be false
	Preallocate          bool
	LogAppendTime        bool        // message.timestamp.type
	TimestampBeforeMaxMs int64       // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64       // message.timestamp.after.max.ms
	Recompress           bool        // compression.type is not "producer"
	Codec                batch.Codec // the codec of compression.type when Recompress
	CompressionLevel     int         // level of Codec; 0 = the codec's default
}

// rollMs is the age at which a segment ends: what is to be compacted within
// max.compaction.lag.ms must not lie in the active segment for longer.
func (c *Config) rollMs() int64 {
	if c.Compact && c.MaxCompactionLagMs > 0 {
		return min(c.SegmentMs, c.MaxCompactionLagMs)
	}
	return c.SegmentMs
}

// DefaultConfig returns Kafka 4.3's defaults.
func DefaultConfig() Config {
	return Config{
		SegmentBytes: 1 << 30, SegmentMs: 7 * 24 * 3600 * 1000, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 4096,
		MaxMessageBytes: 1048588, FlushMessages: 1<<63 - 1, FlushMs: 1<<63 - 1,
		RetentionBytes: -1, RetentionMs: 7 * 24 * 3600 * 1000, FileDeleteDelayMs: 60000, DeleteRetentionMs: 86400000,
		MaxCompactionLagMs: 1<<63 - 1, MinCleanableRatio: 0.5, Delete: true,
		TimestampBeforeMaxMs: 1<<63 - 1, TimestampAfterMaxMs: 3600000,
	}
}
