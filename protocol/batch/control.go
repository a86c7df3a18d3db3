package batch

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

//go:generate go run ../schema/gen -in control.txt -package batch -single control_generated.go

// ControlType is the kind of a control record, the second number of its key:
//
//	key: int16 version (0) | int16 type        value: int16 version | fields
type ControlType int16

// The control records. The first two end transactions, the others belong to
// Raft logs and their snapshots.
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

const (
	controlKeyVersion   = 0
	endTxnMarkerVersion = 0
)

// ControlTypeOf reads the key of a control record. A type that is not known
// is returned as it is: readers skip such records.
func ControlTypeOf(key []byte) (ControlType, error) {
	r := wire.NewReader(key)
	version, t := r.Int16(), r.Int16()
	if err := r.Err(); err != nil {
		return 0, fmt.Errorf("%w: control record key: %w", ErrInvalid, err)
	}
	if version < 0 {
		return 0, fmt.Errorf("%w: control record key version %d", ErrInvalid, version)
	}
	return ControlType(t), nil
}

// AppendControl adds a control record; the batch must be one of control
// records. The value begins with its own version.
func (b *Builder) AppendControl(timestamp int64, t ControlType, value []byte) {
	key := wire.AppendInt16(wire.AppendInt16(make([]byte, 0, 4), controlKeyVersion), int16(t))
	b.Append(timestamp, key, value, nil)
}

// EndTxnMarker is the record that ends a producer's transaction in a partition.
type EndTxnMarker struct {
	Commit           bool
	CoordinatorEpoch int32 // of the transaction coordinator that wrote it
}

// Type is the control type of the marker.
func (m EndTxnMarker) Type() ControlType {
	if m.Commit {
		return ControlCommit
	}
	return ControlAbort
}

// AppendTo appends the marker's value.
func (m EndTxnMarker) AppendTo(dst []byte) []byte {
	return wire.AppendInt32(wire.AppendInt16(dst, endTxnMarkerVersion), m.CoordinatorEpoch)
}

// ParseEndTxnMarker reads a marker's record. Versions above ours have at least
// our fields.
func ParseEndTxnMarker(t ControlType, value []byte) (EndTxnMarker, error) {
	if t != ControlAbort && t != ControlCommit {
		return EndTxnMarker{}, fmt.Errorf("%w: control type %d ends no transaction", ErrInvalid, t)
	}
	r := wire.NewReader(value)
	version, epoch := r.Int16(), r.Int32()
	if r.Err() != nil || version < endTxnMarkerVersion {
		return EndTxnMarker{}, fmt.Errorf("%w: end transaction marker of %d bytes, version %d", ErrInvalid, len(value), version)
	}
	return EndTxnMarker{t == ControlCommit, epoch}, nil
}

// ControlMessage is the value of a control record of a Raft log: *LeaderChange,
// *SnapshotHeader, *SnapshotFooter, *KRaftVersion or *Voters.
type ControlMessage interface {
	AppendTo(dst []byte, version int16) []byte
	ReadFrom(version int16, src []byte) error
	Versions() (lowest, highest int16)
}

// NewControlMessage is an empty message of type t, nil if it has none.
func NewControlMessage(t ControlType) ControlMessage {
	switch t {
	case ControlLeaderChange:
		return new(LeaderChange)
	case ControlSnapshotHeader:
		return new(SnapshotHeader)
	case ControlSnapshotFooter:
		return new(SnapshotFooter)
	case ControlKRaftVersion:
		return new(KRaftVersion)
	case ControlKRaftVoters:
		return new(Voters)
	}
	return nil
}

// ParseControlMessage reads the value of a control record of a Raft log. Its
// first field, an int16, is the version it is written in.
func ParseControlMessage(t ControlType, value []byte) (ControlMessage, error) {
	m := NewControlMessage(t)
	if m == nil {
		return nil, fmt.Errorf("%w: control type %d has no message", ErrInvalid, t)
	}
	r := wire.NewReader(value)
	version := r.Int16()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%w: control record: %w", ErrInvalid, err)
	}
	if err := m.ReadFrom(version, value); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return m, nil
}
