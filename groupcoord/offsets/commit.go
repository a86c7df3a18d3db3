package offsets

import (
	"unicode/utf8"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of OffsetCommitValue: 4 keeps the topic id (KIP-848); 1 is the only
// one with a time of expiry, for clients that ask for one (OffsetCommit ≤ 4).
const (
	valueVersion       = 4
	valueVersionExpiry = 1
)

// Commit decides an OffsetCommit that the group has accepted. Topics have their
// names and ids; maxMetadata bounds the metadata, in UTF-16 units as Kafka counts.
func Commit(req *kmsg.OffsetCommitRequest, maxMetadata int, now int64) ([]runtime.Record, []kmsg.OffsetCommitResponseTopic) {
	expire := int64(-1)
	if req.RetentionTimeMillis != -1 {
		expire = now + req.RetentionTimeMillis
	}
	var out []runtime.Record
	topics := make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		topics[i] = kmsg.NewOffsetCommitResponseTopic()
		topics[i].Topic, topics[i].TopicID = t.Topic, t.TopicID
		topics[i].Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			p, r := &t.Partitions[j], &topics[i].Partitions[j]
			*r = kmsg.NewOffsetCommitResponseTopicPartition()
			r.Partition = p.Partition
			if p.Metadata != nil && utf16Len(*p.Metadata) > maxMetadata {
				r.ErrorCode = kerr.OffsetMetadataTooLarge.Code
				continue
			}
			out = append(out, commitRecord(req.Group, t, p, expire, now))
		}
	}
	return out, topics
}

func commitRecord(group string, t *kmsg.OffsetCommitRequestTopic, p *kmsg.OffsetCommitRequestTopicPartition, expire, now int64) runtime.Record {
	v := records.OffsetCommitValue{
		Offset: ids.Offset(p.Offset), LeaderEpoch: ids.LeaderEpoch(max(p.LeaderEpoch, -1)),
		CommitTimestamp: now, ExpireTimestamp: expire, TopicID: ids.TopicID(t.TopicID),
	}
	if p.Metadata != nil {
		v.Metadata = *p.Metadata
	}
	version := int16(valueVersion)
	if expire != -1 {
		version = valueVersionExpiry
	}
	return runtime.Record{Key: key(place{group, t.Topic, p.Partition}), Value: records.AppendValue(nil, &v, version)}
}

func key(p place) []byte {
	return records.AppendKey(nil, &records.OffsetCommitKey{Group: p.group, Topic: p.topic, Partition: p.partition})
}

func tombstone(p place) runtime.Record { return runtime.Record{Key: key(p)} }

// utf16Len is the length of s in UTF-16 units.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff && r != utf8.RuneError {
			n++
		}
	}
	return n
}
