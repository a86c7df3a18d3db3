package compact

import (
	"crypto/md5"
	"encoding/binary"
	"hash/crc32"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// transactions follows the transactions while batches are read in order.
type transactions struct {
	aborted []segment.AbortedTxn // by marker
	next    int
	open    map[int64]openTxn
}

type openTxn struct {
	aborted bool
	batches bool // batches of it were met
}

// see takes a batch into account. For data it tells whether the batch belongs
// to an aborted transaction; for a marker, whether nothing of its transaction
// is left.
func (t *transactions) see(h *segment.Header, v batch.View) bool {
	if !h.Transactional() {
		return false
	}
	if t.open == nil {
		t.open = map[int64]openTxn{}
	}
	if h.Control() {
		met := t.open[h.ProducerID].batches
		delete(t.open, h.ProducerID)
		return !met
	}
	o, ok := t.open[h.ProducerID]
	if !ok {
		o.aborted = t.isAborted(h)
	}
	o.batches = true
	t.open[h.ProducerID] = o
	return o.aborted
}

// isAborted looks for the aborted transaction that the batch lies in. Those
// whose marker is behind it are not needed again.
func (t *transactions) isAborted(h *segment.Header) bool {
	for t.next < len(t.aborted) && t.aborted[t.next].Last < h.Base {
		t.next++
	}
	for _, a := range t.aborted[t.next:] {
		if a.ProducerID == h.ProducerID && a.First <= h.Base && h.Base < a.Last {
			return true
		}
	}
	return false
}

// abortedAt returns the index entry whose marker the batch is.
func (t *transactions) abortedAt(h *segment.Header) (segment.AbortedTxn, bool) {
	if !h.Control() || !h.Transactional() {
		return segment.AbortedTxn{}, false
	}
	for i := range t.aborted {
		if a := t.aborted[i]; a.Last == h.Base && a.ProducerID == h.ProducerID {
			return a, true
		}
	}
	return segment.AbortedTxn{}, false
}

// filter returns what is to be kept of a batch: the batch itself, a smaller
// one, one without records, or nil.
func (c *cleaner) filter(h *segment.Header, v batch.View) ([]byte, error) {
	discard := c.txns.see(h, v)
	horizon := int64(-1)
	if v.HasDeleteHorizon() {
		horizon = v.BaseTimestamp()
	}
	emptyTxn := discard && h.Control()
	if h.Control() {
		discard = discard && horizon >= 0 && horizon <= c.o.Now
	}
	must := h.ProducerID >= 0 && c.last[h.ProducerID] == h.Last || h.Next() == c.end
	if h.Count == 0 || discard {
		if must {
			return c.encode(h, v, nil, 0, h.MaxTimestamp, horizon), nil
		}
		return nil, nil
	}
	if h.Base >= c.end {
		return v, nil
	}
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

// sifted is the records that stay.
type sifted struct {
	records    []batch.Record
	count      int32
	tombstones bool
	newest     int64
}

func (c *cleaner) sift(h *segment.Header, v batch.View, horizon int64) (sifted, error) {
	f := sifted{newest: batch.NoTimestamp}
	recs, err := v.Records(nil, budget)
	if err != nil {
		return f, err
	}
	for i := range recs {
		r := &recs[i]
		if !h.Control() && !c.keeps(r, horizon) {
			continue
		}
		f.records = append(f.records, *r)
		f.tombstones = f.tombstones || r.Value == nil && !h.Control()
		f.newest = max(f.newest, r.Timestamp)
	}
	f.count = int32(len(f.records))
	return f, nil
}

func (c *cleaner) keeps(r *batch.Record, horizon int64) bool {
	if r.Offset >= c.end {
		return true
	}
	if r.Key == nil {
		return false // written before the topic was compacted
	}
	if newest, ok := c.keys[md5.Sum(r.Key)]; ok && newest > r.Offset {
		return false
	}
	return r.Value != nil || horizon < 0 || c.o.Now < horizon
}

// pack encodes the records that stay.
func (c *cleaner) pack(h *segment.Header, v batch.View, f sifted, horizon int64) ([]byte, error) {
	base := v.BaseTimestamp()
	if horizon >= 0 {
		base = horizon
	}
	var body, one []byte
	for i := range f.records {
		one = encodeRecord(one[:0], &f.records[i], base, h.Base)
		body = append(binary.AppendVarint(body, int64(len(one))), one...)
	}
	newest := f.newest
	if f.count == 0 || v.TimestampType() == batch.LogAppendTime {
		newest = h.MaxTimestamp
	}
	if f.count > 0 && v.Codec() != batch.None {
		packed, err := batch.Compress(nil, v.Codec(), batch.DefaultLevel, body)
		if err != nil {
			return nil, err
		}
		body = packed
	}
	return c.encode(h, v, body, f.count, newest, horizon), nil
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
// producer and epoch stay, so that neither offsets nor sequences run back.
// A batch without records has no codec.
func (c *cleaner) encode(h *segment.Header, v batch.View, body []byte, count int32, newest, horizon int64) []byte {
	out := append(append(make([]byte, 0, batch.HeaderSize+len(body)), v[:batch.HeaderSize]...), body...)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-batch.LogOverhead))
	attributes := uint16(h.Attributes)
	if count == 0 {
		attributes &^= 7
	}
	if horizon >= 0 {
		attributes |= 1 << 6
		binary.BigEndian.PutUint64(out[27:], uint64(horizon))
	}
	binary.BigEndian.PutUint16(out[21:], attributes)
	binary.BigEndian.PutUint64(out[35:], uint64(newest))
	binary.BigEndian.PutUint32(out[57:], uint32(count))
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], castagnoli))
	return out
}
