package groupcoord

import "strconv"

// Config is the group coordinator's part of the broker configuration. Times
// are in milliseconds.
type Config struct {
	OffsetsPartitions      int32 // offsets.topic.num.partitions
	OffsetsReplication     int32 // offsets.topic.replication.factor
	OffsetsSegmentBytes    int32 // offsets.topic.segment.bytes
	OffsetsCompression     int32 // offsets.topic.compression.codec: 0 none … 4 zstd
	OffsetMetadataMaxBytes int32 // offset.metadata.max.bytes
	OffsetsRetention       int64 // offsets.retention.minutes
	OffsetsRetentionCheck  int64 // offsets.retention.check.interval.ms
	OffsetsLoadBufferBytes int32 // offsets.load.buffer.size
	GroupMaxSize           int32 // group.max.size
	GroupMinSessionTimeout int32 // group.min.session.timeout.ms
	GroupMaxSessionTimeout int32 // group.max.session.timeout.ms
	InitialRebalanceDelay  int32 // group.initial.rebalance.delay.ms
	NewMemberJoinTimeout   int32 // how long a new member may wait for its first JoinGroup answer; Kafka's constant
	OffsetsCommitTimeout   int32 // offsets.commit.timeout.ms
}

// DefaultConfig is Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		OffsetsPartitions:      50,
		OffsetsReplication:     3,
		OffsetsSegmentBytes:    100 << 20,
		OffsetMetadataMaxBytes: 4096,
		OffsetsRetention:       10080 * 60_000,
		OffsetsRetentionCheck:  600_000,
		OffsetsLoadBufferBytes: 5 << 20,
		GroupMaxSize:           1<<31 - 1,
		GroupMinSessionTimeout: 6_000,
		GroupMaxSessionTimeout: 1_800_000,
		InitialRebalanceDelay:  3_000,
		NewMemberJoinTimeout:   5 * 60_000,
		OffsetsCommitTimeout:   5_000,
	}
}

// TopicConfigs are the topic configurations __consumer_offsets is created with.
func (c Config) TopicConfigs() map[string]string {
	return map[string]string{
		"cleanup.policy":   "compact",
		"compression.type": "producer",
		"segment.bytes":    strconv.Itoa(int(c.OffsetsSegmentBytes)),
	}
}
