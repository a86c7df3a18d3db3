package batch

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Producer is the identity of an idempotent producer's batch.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the first record
}

// Options say what a Builder builds. The zero value is an uncompressed batch
// at offset 0 and epoch 0, of create times and of no producer.
type Options struct {
	Codec         Codec
	Level         int // of the codec; 0 is its default, as no codec of Kafka's has a level 0 of its own
	BaseOffset    ids.Offset
	LeaderEpoch   ids.LeaderEpoch
	TimestampType TimestampType
	// LogAppendTime is the timestamp of the whole batch, for that type.
	LogAppendTime int64
	Producer      *Producer
	Transactional bool
	Control       bool
}

// Builder builds one batch after another; it belongs to one goroutine.
type Builder struct {
	opts    Options
	buf     []byte // HeaderSize bytes and then records
	count   int32
	base    int64 // timestamp of the first record
	max     int64
	scratch []byte // a record being measured, before its length is known
}

// NewBuilder returns a builder for a batch of opts.
func NewBuilder(opts Options) *Builder {
	b := &Builder{}
	b.Reset(opts)
	return b
}

// Reset begins another batch, in the memory of the last one, unless Bytes was
// called: what it returned belongs to its caller.
func (b *Builder) Reset(opts Options) {
	b.opts, b.count, b.base, b.max = opts, 0, NoTimestamp, NoTimestamp
	if cap(b.buf) < HeaderSize {
		b.buf = make([]byte, HeaderSize, 1024)
	}
	b.buf = b.buf[:HeaderSize]
}

// Recycle takes the memory of a batch back that Bytes handed over, for the next
// one. Nobody may look at it any more.
func (b *Builder) Recycle(v View) {
	if b.buf == nil && cap(v) <= maxRecycled {
		b.buf = v[:0]
	}
}

// maxRecycled bounds what a builder holds on to between batches.
const maxRecycled = 1 << 20

// Append adds a record; nil key or value is null. The timestamp is in ms,
// NoTimestamp for none.
func (b *Builder) Append(timestamp int64, key, value []byte, headers []Header) {
	if b.count == 0 {
		b.base = timestamp
	}
	b.max = max(b.max, timestamp)
	s := append(b.scratch[:0], 0) // attributes
	s = binary.AppendVarint(s, timestamp-b.base)
	s = binary.AppendVarint(s, int64(b.count))
	s = appendSpan(s, key)
	s = appendSpan(s, value)
	s = binary.AppendVarint(s, int64(len(headers)))
	for i := range headers {
		s = appendSpan(s, headers[i].Key)
		s = appendSpan(s, headers[i].Value)
	}
	b.scratch = s
	b.buf = append(binary.AppendVarint(b.buf, int64(len(s))), s...)
	b.count++
}

func appendSpan(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// Count is the number of records so far.
func (b *Builder) Count() int { return int(b.count) }

// Len is the size of the batch so far, without compression.
func (b *Builder) Len() int { return len(b.buf) }

// Bytes finishes the batch and hands it over; the builder needs a Reset then.
// It is nil if there is no record. It fails for a level the codec has not, and
// for a batch of more than 2 GiB.
func (b *Builder) Bytes() (View, error) {
	if b.count == 0 {
		return nil, nil
	}
	v := View(b.buf)
	b.buf = nil
	if b.opts.Codec != None {
		level := b.opts.Level
		if level == 0 {
			level = DefaultLevel
		}
		out, err := Compress(make([]byte, HeaderSize, HeaderSize+len(v)/2), b.opts.Codec, level, v.Payload())
		if err != nil {
			return nil, err
		}
		v = out
	}
	if len(v) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d bytes", ErrInvalid, len(v))
	}
	b.header(v)
	return v, nil
}

// header fills the header of a batch whose records are in place.
func (b *Builder) header(v View) {
	o := &b.opts
	p := Producer{NoProducerID, NoProducerEpoch, NoSequence}
	if o.Producer != nil {
		p = *o.Producer
	}
	maxTimestamp := b.max
	if o.TimestampType == LogAppendTime {
		maxTimestamp = o.LogAppendTime
	}
	v.SetBaseOffset(o.BaseOffset)
	binary.BigEndian.PutUint32(v[atLength:], uint32(len(v)-LogOverhead))
	v.SetLeaderEpoch(o.LeaderEpoch)
	v[atMagic] = Magic
	binary.BigEndian.PutUint16(v[atAttributes:], o.attributes())
	binary.BigEndian.PutUint32(v[atLastOffsetDelta:], uint32(b.count-1))
	binary.BigEndian.PutUint64(v[atBaseTimestamp:], uint64(b.base))
	binary.BigEndian.PutUint64(v[atMaxTimestamp:], uint64(maxTimestamp))
	binary.BigEndian.PutUint64(v[atProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(v[atProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(v[atBaseSequence:], uint32(p.Sequence))
	binary.BigEndian.PutUint32(v[atCount:], uint32(b.count))
	v.setCRC()
}

func (o *Options) attributes() uint16 {
	a := uint16(o.Codec)
	if o.TimestampType == LogAppendTime {
		a |= appendTimeBit
	}
	if o.Transactional {
		a |= txnBit
	}
	if o.Control {
		a |= controlBit
	}
	return a
}
