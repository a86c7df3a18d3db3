package offsets

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch answers for one group, as version 8 and later have it. Topics of the
// request have their names; nil topics ask for all that the group has. exists
// is false when there is no such group: it has committed nothing then. With
// stable, places that a transaction is committing to are UNSTABLE_OFFSET_COMMIT.
func (s *Store) Fetch(req *kmsg.OffsetFetchRequestGroup, exists, stable bool) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = req.Group
	if req.Topics == nil {
		if exists {
			out.Topics = s.fetchAll(req.Group, stable)
		}
		return out
	}
	out.Topics = make([]kmsg.OffsetFetchResponseGroupTopic, len(req.Topics))
	for i := range req.Topics {
		t, r := &req.Topics[i], &out.Topics[i]
		*r = kmsg.NewOffsetFetchResponseGroupTopic()
		r.Topic, r.TopicID = t.Topic, t.TopicID
		r.Partitions = make([]kmsg.OffsetFetchResponseGroupTopicPartition, 0, len(t.Partitions))
		for _, n := range t.Partitions {
			c, ok := s.Get(req.Group, t.Topic, n)
			ok = ok && exists && sameTopic(c.TopicID, ids.TopicID(t.TopicID))
			unstable := stable && s.unstable(place{req.Group, t.Topic, n})
			r.Partitions = append(r.Partitions, fetched(n, c, ok, unstable))
		}
	}
	return out
}

func (s *Store) fetchAll(group string, stable bool) []kmsg.OffsetFetchResponseGroupTopic {
	out := make([]kmsg.OffsetFetchResponseGroupTopic, 0, len(s.groups[group]))
	for _, topic := range s.topicsOf(group) {
		parts := s.groups[group][topic]
		r := kmsg.NewOffsetFetchResponseGroupTopic()
		r.Topic = topic
		r.Partitions = make([]kmsg.OffsetFetchResponseGroupTopicPartition, 0, len(parts))
		for _, n := range parts.numbers() {
			r.Partitions = append(r.Partitions, fetched(n, parts[n], true, stable && s.unstable(place{group, topic, n})))
		}
		out = append(out, r)
	}
	return out
}

// fetched is the answer for one partition.
func fetched(partition int32, c Committed, ok, unstable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	empty := ""
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, -1, -1, &empty
	switch {
	case unstable:
		p.ErrorCode = kerr.UnstableOffsetCommit.Code
	case ok:
		p.Offset, p.LeaderEpoch, p.Metadata = int64(c.Offset), int32(c.LeaderEpoch), &c.Metadata
	}
	return p
}

// sameTopic tells whether an offset committed for one topic id counts for
// another. A topic that was deleted and made anew begins without offsets.
func sameTopic(committed, asked ids.TopicID) bool {
	return committed.IsZero() || asked.IsZero() || committed == asked
}
