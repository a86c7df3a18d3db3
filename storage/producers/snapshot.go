package producers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// ErrSnapshot marks a snapshot file that is torn or not one.
var ErrSnapshot = errors.New("invalid producer snapshot")

// Sizes of a snapshot file's header and of an entry, in bytes.
const (
	SnapshotHead  = 2 + 4 + 4
	SnapshotEntry = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info is what is known of one producer.
type Info struct {
	ProducerID       int64
	Epoch            int16
	LastSequence     int32 // -1 without data batches
	LastOffset       ids.Offset
	OffsetDelta      int32
	Timestamp        int64
	CoordinatorEpoch int32
	TxnFirst         ids.Offset // NoOffset without an open transaction
}

// All returns the producers in the order of their ids.
func (s *State) All() []Info {
	out := make([]Info, 0, len(s.producers))
	for id, p := range s.producers {
		i := Info{ProducerID: id, Epoch: p.epoch, LastSequence: noSeq, LastOffset: ids.NoOffset,
			Timestamp: p.lastTimestamp, CoordinatorEpoch: p.coordinatorEpoch, TxnFirst: p.txnFirst}
		if w := p.newest(); w != nil {
			i.LastSequence, i.LastOffset, i.OffsetDelta = w.lastSeq, w.last, w.delta
		}
		out = append(out, i)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ProducerID < out[j].ProducerID })
	return out
}

// Encode renders the snapshot file.
func (s *State) Encode() []byte { return EncodeInfo(s.All()) }

// EncodeInfo renders a snapshot file of infos, which are in the order of their ids.
func EncodeInfo(infos []Info) []byte {
	b := make([]byte, 6, SnapshotHead+len(infos)*SnapshotEntry)
	binary.BigEndian.PutUint16(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(infos)))
	for _, i := range infos {
		b = binary.BigEndian.AppendUint64(b, uint64(i.ProducerID))
		b = binary.BigEndian.AppendUint16(b, uint16(i.Epoch))
		b = binary.BigEndian.AppendUint32(b, uint32(i.LastSequence))
		b = binary.BigEndian.AppendUint64(b, uint64(i.LastOffset))
		b = binary.BigEndian.AppendUint32(b, uint32(i.OffsetDelta))
		b = binary.BigEndian.AppendUint64(b, uint64(i.Timestamp))
		b = binary.BigEndian.AppendUint32(b, uint32(i.CoordinatorEpoch))
		b = binary.BigEndian.AppendUint64(b, uint64(i.TxnFirst))
	}
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[6:], castagnoli))
	return b
}

// ParseInfo reads a snapshot file's entries.
func ParseInfo(b []byte) ([]Info, error) {
	if len(b) < SnapshotHead {
		return nil, fmt.Errorf("%w: %d bytes", ErrSnapshot, len(b))
	}
	if v := binary.BigEndian.Uint16(b); v != 1 {
		return nil, fmt.Errorf("%w: version %d", ErrSnapshot, v)
	}
	if crc := crc32.Checksum(b[6:], castagnoli); crc != binary.BigEndian.Uint32(b[2:]) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrSnapshot)
	}
	n := int64(int32(binary.BigEndian.Uint32(b[6:])))
	if n < 0 || n*SnapshotEntry != int64(len(b)-SnapshotHead) {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrSnapshot, n, len(b))
	}
	out := make([]Info, n)
	for i := range out {
		out[i] = ReadInfo(b[SnapshotHead+i*SnapshotEntry:])
	}
	return out, nil
}

// ReadInfo reads one entry of a snapshot file, which e holds as a whole.
func ReadInfo(e []byte) Info {
	return Info{
		ProducerID:       int64(binary.BigEndian.Uint64(e)),
		Epoch:            int16(binary.BigEndian.Uint16(e[8:])),
		LastSequence:     int32(binary.BigEndian.Uint32(e[10:])),
		LastOffset:       ids.Offset(binary.BigEndian.Uint64(e[14:])),
		OffsetDelta:      int32(binary.BigEndian.Uint32(e[22:])),
		Timestamp:        int64(binary.BigEndian.Uint64(e[26:])),
		CoordinatorEpoch: int32(binary.BigEndian.Uint32(e[34:])),
		TxnFirst:         ids.Offset(binary.BigEndian.Uint64(e[38:])),
	}
}

// Parse reads a snapshot taken in front of offset end.
func Parse(b []byte, end ids.Offset) (*State, error) {
	infos, err := ParseInfo(b)
	if err != nil {
		return nil, err
	}
	s := &State{end: end}
	if len(infos) > 0 {
		s.producers = make(map[int64]*producer, len(infos))
	}
	for _, i := range infos {
		p := &producer{epoch: i.Epoch, coordinatorEpoch: i.CoordinatorEpoch, lastTimestamp: i.Timestamp, txnFirst: ids.NoOffset}
		if i.LastOffset >= 0 {
			p.add(written{lastSeq: i.LastSequence, delta: i.OffsetDelta, last: i.LastOffset, timestamp: i.Timestamp})
		}
		if i.TxnFirst >= 0 {
			p.txnFirst = i.TxnFirst
			s.open = insert(s.open, txn{i.ProducerID, i.TxnFirst, ids.NoOffset})
		}
		s.producers[i.ProducerID] = p
	}
	return s, nil
}
