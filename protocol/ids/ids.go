// Package ids holds the identifiers that travel through every room, each as a
// type of its own so that an offset can never be passed where an epoch belongs.
// It has no logic beyond text and comparison, and imports nothing of the project.
package ids

import "fmt"

// Offset is the position of a record in a partition's log. Offsets start at 0
// and grow by one a record; they are never reused within a leader epoch.
type Offset int64

// NoOffset is the wire's "unknown offset".
const NoOffset Offset = -1

// LeaderEpoch counts the leaders of one partition (or of the metadata quorum).
// It only grows. A record's identity is its offset together with its epoch.
type LeaderEpoch int32

// NoEpoch is the wire's "unknown leader epoch".
const NoEpoch LeaderEpoch = -1

// NodeID names a broker or controller process within a cluster (node.id).
type NodeID int32

// NoNode is the wire's "no leader" or "no broker".
const NoNode NodeID = -1

// OffsetAndEpoch is a log position that can be compared across replicas.
type OffsetAndEpoch struct {
	Offset Offset
	Epoch  LeaderEpoch
}

// Less orders positions as logs do: by epoch, then by offset.
func (a OffsetAndEpoch) Less(b OffsetAndEpoch) bool {
	if a.Epoch != b.Epoch {
		return a.Epoch < b.Epoch
	}
	return a.Offset < b.Offset
}

func (a OffsetAndEpoch) String() string {
	return fmt.Sprintf("(offset=%d, epoch=%d)", a.Offset, a.Epoch)
}

// LeaderAndEpoch says who leads in which epoch; Leader may be NoNode.
type LeaderAndEpoch struct {
	Leader NodeID
	Epoch  LeaderEpoch
}

// TopicPartition names a partition by its topic's name.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the directory name Kafka gives the partition: topic-partition.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }

// TopicIDPartition names a partition by its topic's id, which a topic that is
// deleted and created again does not keep.
type TopicIDPartition struct {
	Topic     TopicID
	Partition int32
}
