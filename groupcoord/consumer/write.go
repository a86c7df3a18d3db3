package consumer

import (
	"bytes"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
)

// All values are of version 0, the only one there is.

func put(key, value records.Record) runtime.Record {
	return runtime.Record{Key: records.AppendKey(nil, key), Value: records.AppendValue(nil, value, 0)}
}

func tombstone(key records.Record) runtime.Record {
	return runtime.Record{Key: records.AppendKey(nil, key)}
}

func epochRecord(group string, epoch int32, hash int64) runtime.Record {
	return put(&records.ConsumerGroupMetadataKey{GroupID: group}, &records.ConsumerGroupMetadataValue{Epoch: epoch, MetadataHash: hash})
}

func aboutRecord(group, member string, a *About) runtime.Record {
	return put(&records.ConsumerGroupMemberMetadataKey{GroupID: group, MemberID: member}, &records.ConsumerGroupMemberMetadataValue{
		InstanceID: a.Instance, RackID: a.Rack, ClientID: a.ClientID, ClientHost: a.Host,
		SubscribedTopicNames: a.Topics.names, SubscribedTopicRegex: a.Regex,
		RebalanceTimeoutMs: a.RebalanceTimeout, ServerAssignor: a.Assignor, ClassicMemberMetadata: a.Classic,
	})
}

func standingRecord(group, member string, s *Standing) runtime.Record {
	return put(&records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: group, MemberID: member}, &records.ConsumerGroupCurrentMemberAssignmentValue{
		MemberEpoch: s.Epoch, PreviousMemberEpoch: s.Previous, State: int8(s.State),
		AssignedPartitions: ownershipRecord(s.Assigned), PartitionsPendingRevocation: ownershipRecord(s.Revoking),
	})
}

func ownershipRecord(o Ownership) []records.ConsumerGroupCurrentMemberAssignmentTopicPartitions {
	out := make([]records.ConsumerGroupCurrentMemberAssignmentTopicPartitions, len(o))
	for i := range o {
		out[i].TopicID, out[i].Partitions, out[i].AssignmentEpochs = o[i].Topic, o[i].Partitions, o[i].Epochs
	}
	return out
}

func targetRecord(group, member string, a assignor.Assignment) runtime.Record {
	v := &records.ConsumerGroupTargetAssignmentMemberValue{TopicPartitions: make([]records.ConsumerGroupTargetAssignmentMemberTopicPartition, len(a))}
	for i := range a {
		v.TopicPartitions[i].TopicID, v.TopicPartitions[i].Partitions = a[i].Topic, a[i].Partitions
	}
	return put(&records.ConsumerGroupTargetAssignmentMemberKey{GroupID: group, MemberID: member}, v)
}

func assignmentRecord(group string, epoch int32, at int64) runtime.Record {
	return put(&records.ConsumerGroupTargetAssignmentMetadataKey{GroupID: group},
		&records.ConsumerGroupTargetAssignmentMetadataValue{AssignmentEpoch: epoch, AssignmentTimestamp: at})
}

func regexRecord(group, regex string, r Resolved) runtime.Record {
	return put(&records.ConsumerGroupRegularExpressionKey{GroupID: group, RegularExpression: regex},
		&records.ConsumerGroupRegularExpressionValue{Topics: r.topics.names, Version: r.version, Timestamp: r.at})
}

func regexTombstone(group, regex string) runtime.Record {
	return tombstone(&records.ConsumerGroupRegularExpressionKey{GroupID: group, RegularExpression: regex})
}

func legacyTombstone(group string) runtime.Record {
	return tombstone(&records.ConsumerGroupPartitionMetadataKey{GroupID: group})
}

// memberTombstones delete a member. The order is Kafka's: what it has goes first,
// and a member is gone when the last of the three is.
func memberTombstones(out []runtime.Record, group, member string) []runtime.Record {
	return append(out,
		tombstone(&records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: group, MemberID: member}),
		tombstone(&records.ConsumerGroupTargetAssignmentMemberKey{GroupID: group, MemberID: member}),
		tombstone(&records.ConsumerGroupMemberMetadataKey{GroupID: group, MemberID: member}),
	)
}

// Tombstones delete the whole group, its own record last, so that a deletion that
// is cut short leaves a group that can be deleted again.
func (g *Group) Tombstones() []runtime.Record { return g.tombstones(nil, nil) }

// tombstones is Tombstones, with a member under its new id in the place of the old.
func (g *Group) tombstones(old *Member, renamed *string) []runtime.Record {
	id := func(m *Member) string {
		if m == old && renamed != nil {
			return *renamed
		}
		return m.ID
	}
	var out []runtime.Record
	for _, m := range g.list {
		out = append(out, tombstone(&records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: g.ID, MemberID: id(m)}))
	}
	for _, m := range g.list {
		out = append(out, tombstone(&records.ConsumerGroupTargetAssignmentMemberKey{GroupID: g.ID, MemberID: id(m)}))
	}
	out = append(out, tombstone(&records.ConsumerGroupTargetAssignmentMetadataKey{GroupID: g.ID}))
	for _, m := range g.list {
		out = append(out, tombstone(&records.ConsumerGroupMemberMetadataKey{GroupID: g.ID, MemberID: id(m)}))
	}
	for _, re := range g.patterns() {
		out = append(out, regexTombstone(g.ID, re))
	}
	return append(out, legacyTombstone(g.ID), tombstone(&records.ConsumerGroupMetadataKey{GroupID: g.ID}))
}

// detached copies what aliases a log's buffer.
func detached(c *records.ClassicMemberMetadata) *records.ClassicMemberMetadata {
	out := &records.ClassicMemberMetadata{SessionTimeoutMs: c.SessionTimeoutMs}
	for _, p := range c.SupportedProtocols {
		out.SupportedProtocols = append(out.SupportedProtocols, records.ClassicProtocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)})
	}
	return out
}
