package compact

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// filter returns what is to be kept of a batch: the batch itself, a smaller
// one, one without records, or nil. It is valid until the next call.
func (c *cleaner) filter(h *segment.Header, v batch.View) ([]byte, error) {
	discard := c.txns.see(h)
	horizon := int64(-1)
	if v.HasDeleteHorizon() {
		horizon = v.BaseTimestamp()
	}
	emptyTxn := discard && h.Control()
	if h.Control() {
		discard = discard && horizon >= 0 && horizon <= c.o.Now
	}
	must := h.Next() == c.end || h.ProducerID >= 0 && c.last[h.ProducerID].Is(h)
	if h.Count == 0 || discard {
		if must {
			return c.encode(h, v, nil, 0, batch.NoTimestamp, h.MaxTimestamp), nil
		}
		return nil, nil
	}
	if h.Base >= c.end {
		return v, nil
	}
	defer c.it.Release()
	f, err := c.sift(h, v, horizon)
	if err != nil {
		return nil, err
	}
	setHorizon := horizon < 0 && (f.tombstones || emptyTxn)
	switch {
	case f.count == 0 && !must:
		return nil, nil
	case f.count == h.Count && !setHorizon:
		return v, nil
	case setHorizon:
		horizon = c.o.Now + c.cfg.DeleteRetentionMs
	}
	return c.pack(h, v, f, horizon)
}

// sifted says which records stay; the bits are in cleaner.stays.
type sifted struct {
	count         int32
	tombstones    bool
	first, newest int64 // timestamps of the first one and the largest
}

// sift walks the records and leaves the iterator, for pack, in front of them.
func (c *cleaner) sift(h *segment.Header, v batch.View, horizon int64) (sifted, error) {
	f := sifted{newest: batch.NoTimestamp}
	if err := c.it.Reset(v, budget); err != nil {
		return f, err
	}
	c.stays = c.stays[:0]
	r := &c.record
	for i := 0; c.it.Next(r); i++ {
		if i%64 == 0 {
			c.stays = append(c.stays, 0)
		}
		if !h.Control() && !c.keeps(r, horizon) {
			continue
		}
		c.stays[i/64] |= 1 << (i % 64)
		if f.count++; f.count == 1 {
			f.first = r.Timestamp
		}
		f.tombstones = f.tombstones || r.Value == nil && !h.Control()
		f.newest = max(f.newest, r.Timestamp)
	}
	err := c.it.Err()
	c.it.Rewind()
	return f, err
}

func (c *cleaner) keeps(r *batch.Record, horizon int64) bool {
	if r.Offset >= c.end {
		return true
	}
	if r.Key == nil {
		return false // written before the topic was compacted
	}
	if c.keys.get(r.Key) > r.Offset {
		return false
	}
	return r.Value != nil || horizon < 0 || c.o.Now < horizon
}

// pack encodes the records that stay. The base timestamp becomes that of the
// first of them, or the time of the tombstones' end.
func (c *cleaner) pack(h *segment.Header, v batch.View, f sifted, horizon int64) ([]byte, error) {
	if f.count == 0 {
		return c.encode(h, v, nil, 0, batch.NoTimestamp, h.MaxTimestamp), nil
	}
	base := f.first
	if horizon >= 0 {
		base = horizon
	}
	body := c.body[:0]
	r := &c.record
	for i := 0; c.it.Next(r); i++ {
		if c.stays[i/64]&(1<<(i%64)) == 0 {
			continue
		}
		c.one = encodeRecord(c.one[:0], r, base, h.Base)
		body = append(binary.AppendVarint(body, int64(len(c.one))), c.one...)
	}
	if c.body = body; c.it.Err() != nil {
		return nil, c.it.Err()
	}
	if v.TimestampType() == batch.LogAppendTime {
		f.newest = h.MaxTimestamp
	}
	if v.Codec() != batch.None {
		packed, err := batch.Compress(c.packed[:0], v.Codec(), batch.DefaultLevel, body)
		if err != nil {
			return nil, err
		}
		c.packed, body = packed, packed
	}
	out := c.encode(h, v, body, f.count, base, f.newest)
	if horizon >= 0 {
		setHorizonBit(out)
	}
	return out, nil
}

func encodeRecord(dst []byte, r *batch.Record, baseTimestamp int64, base ids.Offset) []byte {
	dst = append(dst, byte(r.Attributes))
	dst = binary.AppendVarint(dst, r.Timestamp-baseTimestamp)
	dst = binary.AppendVarint(dst, int64(r.Offset-base))
	dst = appendSpan(dst, r.Key)
	dst = appendSpan(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendSpan(dst, h.Value)
	}
	return dst
}

func appendSpan(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode makes a batch with the old one's header: base and last offset,
// producer and epoch stay, so that neither offsets nor sequences run back. A
// batch without records has no codec and no time of its tombstones' end.
func (c *cleaner) encode(h *segment.Header, v batch.View, body []byte, count int32, base, newest int64) []byte {
	out := append(append(c.batch[:0], v[:batch.HeaderSize]...), body...)
	c.batch = out
	attributes := uint16(h.Attributes)
	if count == 0 {
		attributes &^= 7 | horizonBit
	}
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-batch.LogOverhead))
	binary.BigEndian.PutUint16(out[21:], attributes)
	binary.BigEndian.PutUint64(out[27:], uint64(base))
	binary.BigEndian.PutUint64(out[35:], uint64(newest))
	binary.BigEndian.PutUint32(out[57:], uint32(count))
	setCRC(out)
	return out
}

// horizonBit says that the base timestamp is the time at which the batch's
// tombstones, or the marker in it, may go (KIP-534).
const horizonBit = 1 << 6

func setHorizonBit(out []byte) {
	out[22] |= horizonBit
	setCRC(out)
}

func setCRC(out []byte) { binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], castagnoli)) }
