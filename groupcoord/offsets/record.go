package offsets

import (
	"encoding/binary"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

// Commits are by far the most frequent records of a coordinator, and loading a
// partition is reading millions of them. So the form in which they are written
// today is read and written here without anything made in between; every other
// one goes through package records. The form:
//
//	key:   int16 1 | int16 length, group | int16 length, topic | int32 partition
//	value: int16 4 | int64 offset | int32 leader epoch | uvarint length+1, metadata |
//	       int64 commit time | uvarint tags: 0, or 1 and uvarint 0, uvarint 16, topic id
const (
	keyType     = 1
	valueLatest = 4
	keyFixed    = 2 + 2 + 2 + 4
	valueFixed  = 2 + 8 + 4 + 5 + 8 + 3 + 16 // at most, without metadata
)

// recordSize bounds the bytes of a commit's record.
func recordSize(group, topic string, metadata *string) int {
	n := keyFixed + len(group) + len(topic) + valueFixed
	if metadata != nil {
		n += len(*metadata)
	}
	return n
}

func appendKey(dst []byte, p place) []byte {
	dst = wire.AppendInt16(dst, keyType)
	dst = wire.AppendString(dst, p.group)
	dst = wire.AppendString(dst, p.topic)
	return wire.AppendInt32(dst, p.partition)
}

// appendValue appends the value in the latest version.
func appendValue(dst []byte, v *records.OffsetCommitValue) []byte {
	dst = wire.AppendInt16(dst, valueLatest)
	dst = wire.AppendInt64(dst, int64(v.Offset))
	dst = wire.AppendInt32(dst, int32(v.LeaderEpoch))
	dst = wire.AppendCompactString(dst, v.Metadata)
	dst = wire.AppendInt64(dst, v.CommitTimestamp)
	if v.TopicID.IsZero() {
		return append(dst, 0)
	}
	return append(append(dst, 1, 0, byte(len(v.TopicID))), v.TopicID[:]...)
}

// rawKey is a key whose names alias the record.
type rawKey struct {
	group, topic []byte
	partition    int32
}

// parseKey takes a key apart; false if it is of another type, or broken.
func parseKey(b []byte) (k rawKey, ok bool) {
	r := wire.NewReader(b)
	if r.Int16() != keyType {
		return k, false
	}
	k.group = r.Take(int(r.Int16()))
	k.topic = r.Take(int(r.Int16()))
	k.partition = r.Int32()
	return k, r.Finish() == nil
}

// parseValue takes a value of the latest version apart; false for all others,
// and for tags that are not known here. Metadata is a copy.
func parseValue(b []byte, c *Committed) bool {
	r := wire.NewReader(b)
	if r.Int16() != valueLatest {
		return false
	}
	c.Offset, c.LeaderEpoch = ids.Offset(r.Int64()), ids.LeaderEpoch(r.Int32())
	c.Metadata = string(r.Take(int(r.Uvarint()) - 1))
	c.CommitTime, c.ExpireTime = r.Int64(), -1
	switch tags := r.Rest(); {
	case r.Err() != nil:
		return false
	case len(tags) == 1 && tags[0] == 0:
		return true
	case len(tags) == 3+len(c.TopicID) && tags[0] == 1 && tags[1] == 0 && int(tags[2]) == len(c.TopicID):
		c.TopicID = ids.TopicID(tags[3:])
		return true
	default:
		return false
	}
}

// ReplayRecord applies a record as it stands in the log. It returns false, and
// does nothing, if that is not an offset in today's form outside of any
// transaction: then Replay has to take what package records makes of it. ensure is
// called with the group of an offset that is there.
func (s *Store) ReplayRecord(e *runtime.Entry, ensure func(group []byte)) bool {
	if e.ProducerID != batch.NoProducerID || e.Value == nil || len(e.Key) < 2 || binary.BigEndian.Uint16(e.Key) != keyType {
		return false
	}
	var c Committed
	k, ok := parseKey(e.Key)
	if !ok || !parseValue(e.Value, &c) {
		return false
	}
	c.Record = e.Offset
	ensure(k.group)
	parts := s.partitionsOf(k.group, k.topic)
	before := len(parts)
	parts[k.partition] = c
	s.count += len(parts) - before
	return true
}

// partitionsOf is the offsets of a group's topic. Records of one group and topic
// follow each other, so the last answer is kept.
func (s *Store) partitionsOf(group, topic []byte) partitions {
	if s.last.parts != nil && s.last.group == string(group) && s.last.topic == string(topic) {
		return s.last.parts
	}
	topics, ok := s.groups[string(group)]
	if !ok {
		topics = map[string]partitions{}
		s.groups[string(group)] = topics
	}
	parts, ok := topics[string(topic)]
	if !ok {
		parts = partitions{}
		topics[string(topic)] = parts
	}
	s.last = lastUsed{string(group), string(topic), parts}
	return parts
}

// lastUsed is the partitions used last. It is forgotten when anything is removed.
type lastUsed struct {
	group, topic string
	parts        partitions
}
