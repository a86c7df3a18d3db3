package forward

import (
	"maps"
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/protocol/configs"
)

// The internal topics, which only the brokers' coordinators write.
const (
	OffsetsTopic     = "__consumer_offsets"
	TransactionTopic = "__transaction_state"
	ShareStateTopic  = "__share_group_state"
)

// IsInternal tells whether clients may not write a topic.
func IsInternal(topic string) bool {
	return topic == OffsetsTopic || topic == TransactionTopic || topic == ShareStateTopic
}

// SpecOf says how Kafka's brokers make a topic automatically.
func SpecOf(broker *configs.Values, topic string) TopicSpec {
	switch topic {
	case OffsetsTopic:
		return TopicSpec{
			Partitions:        broker.Int("offsets.topic.num.partitions"),
			ReplicationFactor: int16(broker.Int("offsets.topic.replication.factor")),
			ReplicationKey:    "offsets.topic.replication.factor",
			Configs: map[string]string{"cleanup.policy": "compact", "compression.type": "producer",
				"segment.bytes": number(broker.Int("offsets.topic.segment.bytes"))},
		}
	case TransactionTopic:
		return TopicSpec{
			Partitions:        broker.Int("transaction.state.log.num.partitions"),
			ReplicationFactor: int16(broker.Int("transaction.state.log.replication.factor")),
			ReplicationKey:    "transaction.state.log.replication.factor",
			Configs: map[string]string{"cleanup.policy": "compact", "compression.type": "uncompressed",
				"unclean.leader.election.enable": "false",
				"min.insync.replicas":            number(broker.Int("transaction.state.log.min.isr")),
				"segment.bytes":                  number(broker.Int("transaction.state.log.segment.bytes"))},
		}
	case ShareStateTopic:
		return TopicSpec{
			Partitions:        broker.Int("share.coordinator.state.topic.num.partitions"),
			ReplicationFactor: int16(broker.Int("share.coordinator.state.topic.replication.factor")),
			ReplicationKey:    "share.coordinator.state.topic.replication.factor",
			Configs: map[string]string{"cleanup.policy": "delete", "compression.type": "producer", "retention.ms": "-1",
				"min.insync.replicas": number(broker.Int("share.coordinator.state.topic.min.isr")),
				"segment.bytes":       number(broker.Int("share.coordinator.state.topic.segment.bytes"))},
		}
	}
	// -1 leaves the number to the controller, whose defaults count since KIP-464.
	s := TopicSpec{Partitions: -1, ReplicationFactor: -1, ReplicationKey: "default.replication.factor"}
	if broker.IsSet("num.partitions") {
		s.Partitions = broker.Int("num.partitions")
	}
	if broker.IsSet("default.replication.factor") {
		s.ReplicationFactor = int16(broker.Int("default.replication.factor"))
	}
	return s
}

func number(n int32) string { return strconv.FormatInt(int64(n), 10) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
