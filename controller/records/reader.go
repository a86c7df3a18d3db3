package records

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

// Reader parses records one after another. Partition records, of which a
// snapshot may hold millions, are all read into one struct and the memory of its
// slices; other records are made anew.
type Reader struct{ partition PartitionRecord }

// Parse is the function Parse, but a *PartitionRecord that it returns, with its
// slices, is valid until the next call only.
func (s *Reader) Parse(b []byte) (rec Record, version int16, err error) {
	const key = 3 // of PartitionRecord
	if len(b) < 3 || b[0] != frameVersion || b[1] != key || b[2] > 2 {
		return Parse(b)
	}
	version = int16(b[2])
	if err := s.read(version, b[3:]); err != nil {
		return nil, 0, fmt.Errorf("PartitionRecord version %d: %w", version, err)
	}
	return &s.partition, version, nil
}

// read is PartitionRecord.ReadFrom into the memory that is there.
func (s *Reader) read(version int16, src []byte) error {
	v, r := &s.partition, wire.NewReader(src)
	v.LeaderRecoveryState, v.EligibleLeaderReplicas, v.LastKnownELR = 0, nil, nil
	v.PartitionID = r.Int32()
	v.TopicID = ids.TopicID(r.UUID())
	v.Replicas = wire.ReadInt32sInto(&r, v.Replicas, true, false)
	v.ISR = wire.ReadInt32sInto(&r, v.ISR, true, false)
	v.RemovingReplicas = wire.ReadInt32sInto(&r, v.RemovingReplicas, true, false)
	v.AddingReplicas = wire.ReadInt32sInto(&r, v.AddingReplicas, true, false)
	v.Leader = ids.NodeID(r.Int32())
	v.LeaderEpoch = ids.LeaderEpoch(r.Int32())
	v.PartitionEpoch = r.Int32()
	v.Directories = v.Directories[:0]
	if version >= 1 {
		v.Directories = wire.ReadUUIDsInto(&r, v.Directories, true, false)
	}
	if rest := r.Rest(); len(rest) == 1 && rest[0] == 0 {
		return nil // no tagged fields, as nearly always
	}
	r.Tags(func(tag uint32, r *wire.Reader) bool {
		switch {
		case tag == 0:
			v.LeaderRecoveryState = r.Int8()
		case tag == 1 && version >= 2:
			v.EligibleLeaderReplicas = wire.ReadInt32s[ids.NodeID](r, true, true)
		case tag == 2 && version >= 2:
			v.LastKnownELR = wire.ReadInt32s[ids.NodeID](r, true, true)
		default:
			return false
		}
		return true
	})
	return r.Finish()
}
