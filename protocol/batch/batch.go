// Package batch is Kafka's record batch, format version 2: views of batches
// without a copy, the records in them, a builder, the control records and the
// four codecs.
//
//	offset size field                          what changes it
//	     0    8 base offset                    the leader, in place
//	     8    4 length of all that follows
//	    12    4 partition leader epoch         the leader, in place
//	    16    1 magic (2)
//	    17    4 CRC-32C of bytes 21…           covers nothing above
//	    21    2 attributes
//	    23    4 last offset delta
//	    27    8 base timestamp (ms), or the delete horizon (attribute bit 6)
//	    35    8 max timestamp (ms)
//	    43    8 producer id, -1 none
//	    51    2 producer epoch, -1 none
//	    53    4 base sequence, -1 none
//	    57    4 record count
//	    61      records, compressed as a whole by the codec of the attributes
//
//	attributes: bits 0-2 codec, 3 timestamp type (1: log append time),
//	            4 transactional, 5 control, 6 delete horizon, the rest 0
//
// The flow of a produced batch: Next cuts it off the request, Check and
// VerifyCRC judge the header and the bytes, Validate walks the records without
// keeping them, SetBaseOffset and SetLeaderEpoch patch it, and the same bytes
// go to the log. Base offset and epoch lie outside of the CRC so that the
// broker need not touch the rest.
//
// Invariants: a View holds exactly one batch, at least HeaderSize bytes; keys,
// values and header values alias the buffer they are read from; no input makes
// anything here panic or allocate beyond the budget it was given.
package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/gregorbroker/gregor/protocol/ids"
)

const (
	// HeaderSize is the size of a batch without records, in bytes.
	HeaderSize = 61
	// LogOverhead is the size of base offset and length, which the length
	// field does not count.
	LogOverhead = 12
	// Magic is the format version this package knows.
	Magic = 2
	// NoTimestamp is the timestamp of a record that has none.
	NoTimestamp = -1
	// NoProducerID, NoProducerEpoch and NoSequence mark a batch of no producer.
	NoProducerID    = -1
	NoProducerEpoch = -1
	NoSequence      = -1
)

// Positions of the header's fields.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57
)

// Errors of this package; they come wrapped with their context.
var (
	// ErrIncomplete: the buffer ends within a batch.
	ErrIncomplete = errors.New("incomplete record batch")
	// ErrCorrupt: the sizes cannot be those of a batch, or the CRC does not match.
	ErrCorrupt = errors.New("corrupt record batch")
	// ErrDecompress: the records do not decompress, or there is no such codec.
	// (Kafka has no code of its own for that: it answers UNKNOWN_SERVER_ERROR.)
	ErrDecompress = errors.New("record batch does not decompress")
	// ErrMagic: the message format is not version 2.
	ErrMagic = errors.New("unsupported message format")
	// ErrInvalid: whole, but with contents that contradict each other.
	ErrInvalid = errors.New("invalid record batch")
	// ErrTooLarge: the records take more memory than the caller allows.
	ErrTooLarge = errors.New("record batch exceeds the decompression budget")
)

// View is one whole batch; it aliases the buffer it was cut from.
type View []byte

// TimestampType says what a record's timestamp means.
type TimestampType uint8

// The timestamp types of message.timestamp.type.
const (
	CreateTime TimestampType = iota
	LogAppendTime
)

// Attributes of a batch.
const (
	codecMask     = 0x07
	appendTimeBit = 0x08
	txnBit        = 0x10
	controlBit    = 0x20
	horizonBit    = 0x40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Next cuts the first batch off buf. It judges only what it needs for that:
// the magic and the length. An empty buf gives ErrIncomplete.
func Next(buf []byte) (v View, rest []byte, err error) {
	size, err := Size(buf)
	if err != nil {
		return nil, buf, err
	}
	if size > len(buf) {
		return nil, buf, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, len(buf), size)
	}
	return View(buf[:size:size]), buf[size:], nil
}

// Size is the size in bytes, LogOverhead included, of the batch that buf
// begins with; it needs the first 17 bytes only.
func Size(buf []byte) (int, error) {
	if len(buf) <= atMagic {
		return 0, fmt.Errorf("%w: %d bytes", ErrIncomplete, len(buf))
	}
	if m := int8(buf[atMagic]); m != Magic {
		return 0, magicError(m)
	}
	length := int32(binary.BigEndian.Uint32(buf[atLength:]))
	if length < HeaderSize-LogOverhead {
		return 0, fmt.Errorf("%w: length %d is below that of a header", ErrCorrupt, length)
	}
	return int(length) + LogOverhead, nil
}

// magicError tells an old format from one that never was.
func magicError(m int8) error {
	if m < 0 || m > Magic {
		return fmt.Errorf("%w: magic %d", ErrCorrupt, m)
	}
	return fmt.Errorf("%w: magic %d", ErrMagic, m)
}

// Len is the size of the batch in bytes.
func (v View) Len() int { return len(v) }

// BaseOffset is the offset of the first record the producer wrote; after
// compaction that record may be gone.
func (v View) BaseOffset() ids.Offset { return ids.Offset(v.int64(atBaseOffset)) }

// LastOffset is the offset of the last record the producer wrote. Compaction
// keeps it, so that offsets never run back.
func (v View) LastOffset() ids.Offset { return v.BaseOffset() + ids.Offset(v.LastOffsetDelta()) }

// NextOffset is the offset behind the batch.
func (v View) NextOffset() ids.Offset { return v.LastOffset() + 1 }

// LastOffsetDelta is LastOffset less BaseOffset.
func (v View) LastOffsetDelta() int32 { return v.int32(atLastOffsetDelta) }

// LeaderEpoch is the epoch of the leader that appended the batch.
func (v View) LeaderEpoch() ids.LeaderEpoch { return ids.LeaderEpoch(v.int32(atLeaderEpoch)) }

// CRC is the checksum the header claims.
func (v View) CRC() uint32 { return binary.BigEndian.Uint32(v[atCRC:]) }

// Attributes are the raw attribute bits.
func (v View) Attributes() uint16 { return binary.BigEndian.Uint16(v[atAttributes:]) }

// Codec is the compression of the records; it may be one that does not exist.
func (v View) Codec() Codec { return Codec(v.Attributes() & codecMask) }

// TimestampType says what the timestamps mean.
func (v View) TimestampType() TimestampType {
	if v.Attributes()&appendTimeBit != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// IsTransactional tells whether the batch is part of a transaction.
func (v View) IsTransactional() bool { return v.Attributes()&txnBit != 0 }

// IsControl tells whether the batch holds a control record, which only brokers write.
func (v View) IsControl() bool { return v.Attributes()&controlBit != 0 }

// HasDeleteHorizon tells whether BaseTimestamp is the time after which the
// cleaner may drop the batch's tombstones or markers (KIP-534).
func (v View) HasDeleteHorizon() bool { return v.Attributes()&horizonBit != 0 }

// BaseTimestamp is what the records' timestamp deltas count from, in ms.
func (v View) BaseTimestamp() int64 { return v.int64(atBaseTimestamp) }

// MaxTimestamp is the largest timestamp of the batch, in ms; for LogAppendTime
// that of every record.
func (v View) MaxTimestamp() int64 { return v.int64(atMaxTimestamp) }

// ProducerID is the id of an idempotent producer, or NoProducerID.
func (v View) ProducerID() int64 { return v.int64(atProducerID) }

// HasProducerID tells whether the batch comes from an idempotent producer.
func (v View) HasProducerID() bool { return v.ProducerID() > NoProducerID }

// ProducerEpoch is the epoch of the producer id.
func (v View) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(v[atProducerEpoch:])) }

// BaseSequence is the sequence number of the first record, or NoSequence.
func (v View) BaseSequence() int32 { return v.int32(atBaseSequence) }

// LastSequence is the sequence number of the last record, or NoSequence.
// Sequence numbers count from 0 to 2^31-1 and then from 0 again.
func (v View) LastSequence() int32 {
	if v.BaseSequence() == NoSequence {
		return NoSequence
	}
	return AddSequence(v.BaseSequence(), v.LastOffsetDelta())
}

// AddSequence is the sequence number delta records after seq; both are not negative.
func AddSequence(seq, delta int32) int32 { return int32((int64(seq) + int64(delta)) & 0x7fffffff) }

// Count is the number of records.
func (v View) Count() int32 { return v.int32(atCount) }

// Payload is what follows the header: the records, compressed or not.
func (v View) Payload() []byte { return v[HeaderSize:] }

func (v View) int32(at int) int32 { return int32(binary.BigEndian.Uint32(v[at:])) }
func (v View) int64(at int) int64 { return int64(binary.BigEndian.Uint64(v[at:])) }

// SetBaseOffset moves the batch to its place in the log.
func (v View) SetBaseOffset(o ids.Offset) {
	binary.BigEndian.PutUint64(v[atBaseOffset:], uint64(o))
}

// SetLeaderEpoch sets the epoch of the leader that appends the batch.
func (v View) SetLeaderEpoch(e ids.LeaderEpoch) {
	binary.BigEndian.PutUint32(v[atLeaderEpoch:], uint32(e))
}

// SetTimestamps sets the timestamp type and the max timestamp, which for
// LogAppendTime is the timestamp of every record, and makes the CRC anew if
// that changed anything.
func (v View) SetTimestamps(t TimestampType, maxTimestamp int64) {
	if v.TimestampType() == t && v.MaxTimestamp() == maxTimestamp {
		return
	}
	attributes := v.Attributes() &^ appendTimeBit
	if t == LogAppendTime {
		attributes |= appendTimeBit
	}
	binary.BigEndian.PutUint16(v[atAttributes:], attributes)
	binary.BigEndian.PutUint64(v[atMaxTimestamp:], uint64(maxTimestamp))
	v.setCRC()
}

func (v View) setCRC() { binary.BigEndian.PutUint32(v[atCRC:], v.checksum()) }

func (v View) checksum() uint32 { return crc32.Checksum(v[atAttributes:], castagnoli) }

// VerifyCRC compares the checksum with the bytes; it reads all of them.
func (v View) VerifyCRC() error {
	if got := v.checksum(); got != v.CRC() {
		return fmt.Errorf("%w: CRC is %08x, header says %08x", ErrCorrupt, got, v.CRC())
	}
	return nil
}

// Check judges the header: a codec that exists, a count and a last offset
// delta that are possible, and no offset beyond the end of numbers. It does
// not compare count and delta, because compaction leaves gaps; see CheckProduced.
func (v View) Check() error {
	count, delta := v.Count(), v.LastOffsetDelta()
	switch {
	case !v.Codec().Valid():
		return fmt.Errorf("%w: codec %d", ErrDecompress, v.Codec())
	case count < 0 || delta < 0:
		return fmt.Errorf("%w: count %d, last offset delta %d", ErrInvalid, count, delta)
	case int64(count) > int64(delta)+1:
		return fmt.Errorf("%w: %d records within %d offsets", ErrInvalid, count, int64(delta)+1)
	case v.Codec() == None && int64(count) > int64(len(v.Payload())/minRecordSize):
		return fmt.Errorf("%w: %d records in %d bytes", ErrInvalid, count, len(v.Payload()))
	case v.BaseOffset() < 0 || v.NextOffset() <= v.BaseOffset():
		return fmt.Errorf("%w: base offset %d, last offset delta %d", ErrInvalid, v.BaseOffset(), delta)
	}
	return nil
}

// CheckProduced is Check and what holds for a batch no cleaner has touched: it
// has records, their number is that of its offsets, and it begins where the
// producer counts from.
func (v View) CheckProduced() error {
	if err := v.Check(); err != nil {
		return err
	}
	switch {
	case v.Count() == 0:
		return fmt.Errorf("%w: no records", ErrInvalid)
	case v.Count() != v.LastOffsetDelta()+1:
		return fmt.Errorf("%w: %d records, last offset delta %d", ErrInvalid, v.Count(), v.LastOffsetDelta())
	case v.HasProducerID() && v.BaseSequence() < 0:
		return fmt.Errorf("%w: producer %d with base sequence %d", ErrInvalid, v.ProducerID(), v.BaseSequence())
	}
	return nil
}
