package batch

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// scratch keeps buffers for decompressed records that nobody keeps. Larger
// ones than keptScratch are left to the collector, so that one huge batch does
// not stay in memory for ever.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const keptScratch = 4 << 20

// Iterator goes through the records of a batch. It belongs to one goroutine.
type Iterator struct {
	view View
	w    walker
	next int32 // index of the record that Next reads
	err  error
	buf  *[]byte // pooled, nil if the batch is not compressed
}

// Iterate returns an iterator over the records. Compressed ones are
// decompressed into a pooled buffer of at most budget bytes. Release must be
// called, and no record used after it.
func (v View) Iterate(budget int64) (*Iterator, error) {
	it := &Iterator{}
	if err := it.Reset(v, budget); err != nil {
		return nil, err
	}
	return it, nil
}

// Reset makes the iterator begin with v, releasing what it held.
func (it *Iterator) Reset(v View, budget int64) error {
	it.Release()
	if err := v.Check(); err != nil {
		return err
	}
	it.view = v
	if v.Codec() == None {
		it.w.buf = v.Payload()
		return nil
	}
	it.buf = scratch.Get().(*[]byte)
	out, err := Decompress((*it.buf)[:0], v.Codec(), v.Payload(), budget)
	if err != nil {
		it.Release()
		return err
	}
	*it.buf, it.w.buf = out, out
	return nil
}

// Rewind goes back to the first record, without decompressing anything again.
func (it *Iterator) Rewind() {
	it.next, it.err, it.w = 0, nil, walker{buf: it.w.buf}
}

// Next reads the next record into r, whose Headers slice it uses again. It
// returns false at the end or at a fault, which Err tells apart.
func (it *Iterator) Next(r *Record) bool {
	headers, ok := it.read(r)
	if !ok {
		return false
	}
	r.Headers = r.Headers[:0]
	for ; headers.count > 0 && it.w.err == nil; headers.count-- {
		r.Headers = append(r.Headers, it.w.header())
	}
	return it.finish(headers.end)
}

// pending is the header section a record ends with.
type pending struct {
	count int32
	end   int
}

func (it *Iterator) read(r *Record) (h pending, ok bool) {
	switch {
	case it.err != nil:
		return h, false
	case it.next == it.view.Count():
		if it.w.at != len(it.w.buf) {
			it.err = fmt.Errorf("%w: %d bytes behind the last record", ErrInvalid, len(it.w.buf)-it.w.at)
		}
		return h, false
	}
	h.count, h.end = it.w.record(r)
	if it.w.err != nil {
		return h, it.finish(h.end)
	}
	r.Offset = it.view.BaseOffset() + ids.Offset(r.OffsetDelta)
	r.Timestamp = it.view.BaseTimestamp() + r.TimestampDelta
	if it.view.TimestampType() == LogAppendTime {
		r.Timestamp = it.view.MaxTimestamp()
	}
	return h, true
}

func (it *Iterator) finish(end int) bool {
	it.err = it.w.finish(end, it.next)
	it.next++
	return it.err == nil
}

// Err is the fault that ended the iteration, nil at the true end.
func (it *Iterator) Err() error { return it.err }

// Release gives the decompressed bytes back; every record read dies with it.
func (it *Iterator) Release() {
	if it.buf != nil {
		if cap(*it.buf) > keptScratch {
			*it.buf = nil
		}
		scratch.Put(it.buf)
	}
	*it = Iterator{}
}

// Records appends the records to dst. What they take, the decompressed bytes
// and the slices of records and headers, stays within budget bytes; otherwise
// ErrTooLarge. The records alias the batch or a buffer of their own, never a
// pooled one.
func (v View) Records(dst []Record, budget int64) ([]Record, error) {
	it, err := v.Iterate(budget)
	if err != nil {
		return dst, err
	}
	budget -= int64(v.Count()) * int64(unsafe.Sizeof(Record{}))
	if it.buf != nil {
		budget -= int64(len(*it.buf))
		it.buf = nil // the records own it now
	}
	for {
		if budget < 0 {
			return dst, fmt.Errorf("%w: records and headers", ErrTooLarge)
		}
		var r Record
		if !it.Next(&r) {
			return dst, it.Err()
		}
		dst = append(dst, r)
		budget -= int64(len(r.Headers)) * int64(unsafe.Sizeof(Header{}))
	}
}
