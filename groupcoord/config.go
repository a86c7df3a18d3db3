package groupcoord

import "github.com/gregorbroker/gregor/groupcoord/consumer"

// Config is the group coordinator's part of the broker configuration. Times
// are in milliseconds.
type Config struct {
	OffsetsPartitions      int32 // offsets.topic.num.partitions
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
	BackgroundThreads      int32 // group.coordinator.background.threads: how many groups' regular expressions are matched at a time

	ConsumerMaxSize            int32    // group.consumer.max.size
	ConsumerAssignors          []string // group.consumer.assignors, by their short names
	ConsumerSessionTimeout     int32    // group.consumer.session.timeout.ms
	ConsumerHeartbeatInterval  int32    // group.consumer.heartbeat.interval.ms
	ConsumerAssignmentInterval int32    // group.consumer.assignment.interval.ms; −1: by the size of the group
	ConsumerRegexRefresh       int64    // group.consumer.regex.refresh.interval.ms
	ConsumerUpgrade            bool     // group.consumer.migration.policy
	ConsumerDowngrade          bool
	// RebalanceInterval is the heartbeat interval told while something is about to
	// come, gregor.group.rebalance.heartbeat.interval.ms; 0: the group's own.
	RebalanceInterval int32
	// HoldMax bounds how long a heartbeat without news is held,
	// gregor.group.heartbeat.hold.max.ms; 0: not at all.
	HoldMax int64
}

// DefaultConfig is Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		OffsetsPartitions:      50,
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
		BackgroundThreads:      2,

		ConsumerMaxSize:            1<<31 - 1,
		ConsumerAssignors:          []string{"uniform", "range"},
		ConsumerSessionTimeout:     45_000,
		ConsumerHeartbeatInterval:  5_000,
		ConsumerAssignmentInterval: -1,
		ConsumerRegexRefresh:       600_000,
		ConsumerUpgrade:            true,
		ConsumerDowngrade:          true,
		RebalanceInterval:          500,
		HoldMax:                    5_000,
	}
}

// consumers is the part of it that the core of consumer groups wants.
func (c *Config) consumers(settings func(string) consumer.Settings) consumer.Config {
	if settings == nil {
		own := consumer.Settings{
			SessionTimeout: c.ConsumerSessionTimeout, HeartbeatInterval: c.ConsumerHeartbeatInterval,
			AssignmentInterval: c.ConsumerAssignmentInterval,
		}
		settings = func(string) consumer.Settings { return own }
	}
	return consumer.Config{
		MaxSize: int(c.ConsumerMaxSize), ClassicMaxSize: int(c.GroupMaxSize), Assignors: c.ConsumerAssignors,
		Upgrade: c.ConsumerUpgrade, Downgrade: c.ConsumerDowngrade, RegexRefresh: c.ConsumerRegexRefresh,
		Soon: c.RebalanceInterval, Settings: settings,
	}
}
