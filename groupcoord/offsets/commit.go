package offsets

import (
	"unicode/utf8"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// valueVersionExpiry is the only version of OffsetCommitValue with a time of
// expiry, for clients that ask for one (OffsetCommit ≤ 4).
const valueVersionExpiry = 1

// Commit decides an OffsetCommit that the group has accepted. Topics have their
// names and ids; maxMetadata bounds the metadata, in UTF-16 units as Kafka counts.
func Commit(req *kmsg.OffsetCommitRequest, maxMetadata int, now int64) ([]runtime.Record, []kmsg.OffsetCommitResponseTopic) {
	expire := int64(-1)
	if req.RetentionTimeMillis != -1 {
		expire = now + req.RetentionTimeMillis
	}
	count, size := 0, 0
	for i := range req.Topics {
		t := &req.Topics[i]
		count += len(t.Partitions)
		for j := range t.Partitions {
			size += recordSize(req.Group, t.Topic, t.Partitions[j].Metadata)
		}
	}
	out, buf := make([]runtime.Record, 0, count), make([]byte, 0, size) // one piece of memory for all records
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
			if TooLarge(p.Metadata, maxMetadata) {
				r.ErrorCode = kerr.OffsetMetadataTooLarge.Code
				continue
			}
			out = append(out, runtime.Record{})
			out[len(out)-1], buf = commitRecord(buf, req.Group, t, p, expire, now)
		}
	}
	return out, topics
}

// commitRecord makes a record in the memory behind dst, and returns dst with it.
func commitRecord(dst []byte, group string, t *kmsg.OffsetCommitRequestTopic, p *kmsg.OffsetCommitRequestTopicPartition, expire, now int64) (runtime.Record, []byte) {
	v := records.OffsetCommitValue{
		Offset: ids.Offset(p.Offset), LeaderEpoch: ids.LeaderEpoch(max(p.LeaderEpoch, -1)),
		CommitTimestamp: now, ExpireTimestamp: expire, TopicID: ids.TopicID(t.TopicID),
	}
	if p.Metadata != nil {
		v.Metadata = *p.Metadata
	}
	from := len(dst)
	dst = appendKey(dst, place{group, t.Topic, p.Partition})
	to := len(dst)
	if expire != -1 {
		dst = records.AppendValue(dst, &v, valueVersionExpiry)
	} else {
		dst = appendValue(dst, &v)
	}
	return runtime.Record{Key: dst[from:to:to], Value: dst[to:len(dst):len(dst)]}, dst
}

func key(p place) []byte { return appendKey(nil, p) }

func tombstone(p place) runtime.Record { return runtime.Record{Key: key(p)} }

// TooLarge tells whether metadata is longer than it may be, in UTF-16 units.
func TooLarge(metadata *string, most int) bool { return metadata != nil && utf16Len(*metadata) > most }

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
