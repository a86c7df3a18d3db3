// Package assignor divides the partitions of topics among the members of a
// consumer group (KIP-848). It is pure: the same group gives the same assignment.
//
//	range    each topic for itself, in ranges, so that topics with the same number
//	         of partitions are divided alike (co-partitioned)
//	uniform  all topics together, as even as subscriptions allow, and of the even
//	         ones one that moves little
//
// # Invariants
//
//   - Every partition of a topic with a subscriber has exactly one owner, and that
//     owner is subscribed to the topic.
//   - Uniform: no other assignment has a smaller sum of squared loads (see maxSteps
//     for the exception); with equal subscriptions loads differ by one at most, no
//     partition moves that need not, and partitions that nobody has go to members in
//     the rack of a replica as far as those have room.
//   - Assigning again what was assigned changes nothing.
//   - Assignments are never changed once made: members that keep theirs get the
//     very same, so that who changed is seen at a glance.
//
// Kafka 4.3.1 hands its assignors the racks of replicas and uses them in neither;
// range does without them here too, because its ranges leave no choice. Range
// answers as Kafka's does; what uniform may do otherwise is said, and checked on what
// Kafka's made of many groups, in assignortest.
package assignor

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// TopicPartitions is some partitions of a topic, in order.
type TopicPartitions struct {
	Topic      ids.TopicID
	Partitions []int32
}

// Assignment is what one member owns: topics in order, none without partitions.
type Assignment []TopicPartitions

// Count is the number of partitions.
func (a Assignment) Count() int {
	n := 0
	for i := range a {
		n += len(a[i].Partitions)
	}
	return n
}

// Member is one member of the group.
type Member struct {
	ID       string
	Instance *string       // static members
	Topics   []ids.TopicID // subscribed, in order, each once
	Owned    Assignment    // what it was assigned before
	Rack     *string       // where it runs
}

// Group is what there is to assign. Members come in any order; that of their ids
// costs least, as do members of equal subscriptions that share one Topics.
type Group struct {
	Members []Member
	// Partitions is how many partitions a topic has; 0 when there is no such topic.
	Partitions func(ids.TopicID) int32
	// Racks are those of a partition's replicas; nil when racks don't matter.
	Racks func(topic ids.TopicID, partition int32) []string
}

// Assign divides the group's partitions: the result is one assignment for each
// member, in the order of Group.Members.
type Assign func(Group) []Assignment

// ByName is the assignor of a name, nil for one that does not exist.
func ByName(name string) Assign {
	switch name {
	case "uniform":
		return Uniform
	case "range":
		return Range
	default:
		return nil
	}
}

func compareTopics(a, b ids.TopicID) int { return bytes.Compare(a[:], b[:]) }

// comparePartitions orders by topic, then partition.
func comparePartitions(a, b ids.TopicIDPartition) int {
	return cmp.Or(compareTopics(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// pack makes an assignment of partitions in any order.
func pack(parts []ids.TopicIDPartition) Assignment {
	slices.SortFunc(parts, comparePartitions)
	var out Assignment
	numbers := make([]int32, 0, len(parts))
	for i, p := range parts {
		if i == 0 || parts[i-1].Topic != p.Topic {
			out = append(out, TopicPartitions{Topic: p.Topic})
		}
		from := len(numbers)
		numbers = append(numbers, p.Partition)
		last := &out[len(out)-1]
		last.Partitions = numbers[from-len(last.Partitions) : from+1 : from+1]
	}
	return out
}
