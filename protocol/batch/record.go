package batch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Record is one record of a batch. Key, Value and Headers alias the bytes it
// was read from, nil being null. On the wire:
//
//	varint length of all that follows | int8 attributes (0)
//	varlong timestamp delta | varint offset delta
//	varint key length, -1 null | key | varint value length, -1 null | value
//	varint header count | { varint key length | key | varint value length, -1 null | value }…
type Record struct {
	Attributes     int8
	TimestampDelta int64
	Timestamp      int64 // ms; for LogAppendTime that of the batch
	OffsetDelta    int32
	Offset         ids.Offset
	Key, Value     []byte
	Headers        []Header
}

// Header is a header of a record; a nil Value is null.
type Header struct{ Key, Value []byte }

const (
	// minRecordSize is a record with null key, null value and no headers:
	// each of its seven fields takes a byte.
	minRecordSize = 7
	// minHeaderSize is an empty key and a null value.
	minHeaderSize = 2
)

var (
	errShort  = errors.New("ends within a field")
	errVarint = errors.New("varint too long")
	errLength = errors.New("impossible length")
	errRest   = errors.New("bytes left behind its last field")
)

// walker takes a record's fields off a buffer. The first fault sticks; at is
// then the end of the buffer, so that every later read ends there too.
type walker struct {
	buf []byte
	at  int
	err error
}

func (w *walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.at = len(w.buf)
}

// varint takes a zigzag varint of 32 bits. Almost all are one byte.
func (w *walker) varint() int32 {
	if w.at < len(w.buf) && w.buf[w.at] < 0x80 {
		u := uint32(w.buf[w.at])
		w.at++
		return int32(u>>1) ^ -int32(u&1)
	}
	v, n := binary.Uvarint(w.buf[w.at:])
	if n <= 0 || n > 5 || v > 1<<32-1 {
		w.fail(varintError(n))
		return 0
	}
	w.at += n
	return int32(uint32(v)>>1) ^ -int32(v&1)
}

func (w *walker) varlong() int64 {
	if w.at < len(w.buf) && w.buf[w.at] < 0x80 {
		u := int64(w.buf[w.at])
		w.at++
		return u>>1 ^ -(u & 1)
	}
	v, n := binary.Varint(w.buf[w.at:])
	if n <= 0 {
		w.fail(varintError(n))
		return 0
	}
	w.at += n
	return v
}

func varintError(n int) error {
	if n == 0 {
		return errShort
	}
	return errVarint
}

// span takes n bytes; n < 0 is null.
func (w *walker) span(n int32) []byte {
	if n < 0 {
		return nil
	}
	if int(n) > len(w.buf)-w.at {
		w.fail(errLength)
		return nil
	}
	b := w.buf[w.at : w.at+int(n) : w.at+int(n)]
	w.at += int(n)
	return b
}

// record takes a record except for its headers, of which it returns the count.
// The walker then stands at the headers, and end is where they must end.
func (w *walker) record(r *Record) (headers int32, end int) {
	size := w.varint()
	if size < minRecordSize-1 || int(size) > len(w.buf)-w.at {
		w.fail(errLength)
		return 0, w.at
	}
	end = w.at + int(size)
	r.Attributes = int8(w.buf[w.at])
	w.at++
	r.TimestampDelta = w.varlong()
	r.OffsetDelta = w.varint()
	r.Key = w.span(w.varint())
	r.Value = w.span(w.varint())
	headers = w.varint()
	if headers < 0 || w.at > end || int(headers) > (end-w.at)/minHeaderSize {
		w.fail(errLength)
	}
	return headers, end
}

// header takes one header.
func (w *walker) header() Header {
	n := w.varint()
	if n < 0 {
		w.fail(errLength)
	}
	key := w.span(n)
	return Header{key, w.span(w.varint())}
}

// finish ends a record: its fields must have taken exactly its bytes.
func (w *walker) finish(end int, index int32) error {
	if w.err == nil && w.at != end {
		w.err = errRest
	}
	if w.err != nil {
		return fmt.Errorf("%w: record %d: %w", ErrInvalid, index, w.err)
	}
	return nil
}
