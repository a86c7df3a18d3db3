package segment

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// ErrCorrupt marks bytes that are not what was written.
var ErrCorrupt = errors.New("corrupt log data")

// CorruptError says where.
type CorruptError struct {
	Path   string
	Pos    int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: corrupt at byte %d: %s", e.Path, e.Pos, e.Reason)
}

// Unwrap lets errors.Is find ErrCorrupt.
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// Header is what the log needs of a batch's first 61 bytes.
type Header struct {
	Base, Last    ids.Offset
	Size          int // whole batch
	Epoch         ids.LeaderEpoch
	Attributes    int16
	BaseTimestamp int64
	MaxTimestamp  int64
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Count         int32
}

const (
	attrTransactional = 0x10
	attrControl       = 0x20
)

// Next is the offset after the batch.
func (h *Header) Next() ids.Offset { return h.Last + 1 }

// Transactional tells whether the batch belongs to a transaction.
func (h *Header) Transactional() bool { return h.Attributes&attrTransactional != 0 }

// Control tells whether the batch holds a control record.
func (h *Header) Control() bool { return h.Attributes&attrControl != 0 }

// ParseHeader reads b's first 61 bytes and checks what can be checked without
// the rest: size, magic and offsets. The reason of a failure is returned as text.
func ParseHeader(b []byte) (h Header, reason string) {
	_ = b[batch.HeaderSize-1]
	h.Base = ids.Offset(binary.BigEndian.Uint64(b))
	size := int32(binary.BigEndian.Uint32(b[8:]))
	if size < batch.HeaderSize-batch.LogOverhead {
		return h, fmt.Sprintf("batch length %d is less than a header", size)
	}
	h.Size = int(size) + batch.LogOverhead
	h.Epoch = ids.LeaderEpoch(binary.BigEndian.Uint32(b[12:]))
	if b[16] != 2 {
		return h, fmt.Sprintf("magic %d", b[16])
	}
	h.Attributes = int16(binary.BigEndian.Uint16(b[21:]))
	delta := int32(binary.BigEndian.Uint32(b[23:]))
	if h.Base < 0 || delta < 0 {
		return h, fmt.Sprintf("base offset %d with last offset delta %d", h.Base, delta)
	}
	h.Last = h.Base + ids.Offset(delta)
	h.BaseTimestamp = int64(binary.BigEndian.Uint64(b[27:]))
	h.MaxTimestamp = int64(binary.BigEndian.Uint64(b[35:]))
	h.ProducerID = int64(binary.BigEndian.Uint64(b[43:]))
	h.ProducerEpoch = int16(binary.BigEndian.Uint16(b[51:]))
	h.BaseSequence = int32(binary.BigEndian.Uint32(b[53:]))
	h.Count = int32(binary.BigEndian.Uint32(b[57:]))
	return h, ""
}

// LastSequence is the sequence number of the batch's last record; sequences wrap to 0 after 2^31−1.
func (h *Header) LastSequence() int32 {
	if h.BaseSequence < 0 {
		return h.BaseSequence
	}
	return int32((int64(h.BaseSequence) + int64(h.Last-h.Base)) & 0x7fffffff)
}
