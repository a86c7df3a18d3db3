package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// Faults of a Reader.
var (
	// ErrShort: the bytes end before the value does.
	ErrShort = errors.New("not enough bytes")
	// ErrVarint: a varint is longer than its type allows.
	ErrVarint = errors.New("varint too long")
	// ErrNull: null where the format does not allow it.
	ErrNull = errors.New("unexpected null")
	// ErrLength: a length or count that is negative or cannot fit in the bytes left.
	ErrLength = errors.New("impossible length")
	// ErrTrailing: bytes are left after the value.
	ErrTrailing = errors.New("trailing bytes")
)

// Reader takes values off a byte slice. The zero Reader is empty.
type Reader struct {
	src []byte
	err error
}

// NewReader reads src; the values alias it.
func NewReader(src []byte) Reader { return Reader{src: src} }

// Len is the number of bytes left; 0 after a fault.
func (r *Reader) Len() int { return len(r.src) }

// Rest returns the bytes left without taking them.
func (r *Reader) Rest() []byte { return r.src }

// Err is the first fault.
func (r *Reader) Err() error { return r.err }

// Finish is the first fault, or ErrTrailing if bytes are left.
func (r *Reader) Finish() error {
	if r.err == nil && len(r.src) > 0 {
		return ErrTrailing
	}
	return r.err
}

// Fail sets the fault unless there is one, and empties the reader.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.src = nil
}

// Take returns the next n bytes, capped so that an append cannot reach the
// bytes behind them.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.src) {
		if n < 0 {
			r.Fail(ErrLength)
		}
		r.Fail(ErrShort)
		return nil
	}
	b := r.src[:n:n]
	r.src = r.src[n:]
	return b
}

// Bool takes one byte; anything but 0 is true.
func (r *Reader) Bool() bool { return r.Int8() != 0 }

// Int8 takes one byte.
func (r *Reader) Int8() int8 {
	if b := r.Take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

// Int16 takes two bytes.
func (r *Reader) Int16() int16 { return int16(r.Uint16()) }

// Uint16 takes two bytes.
func (r *Reader) Uint16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Int32 takes four bytes.
func (r *Reader) Int32() int32 { return int32(r.Uint32()) }

// Uint32 takes four bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Int64 takes eight bytes.
func (r *Reader) Int64() int64 {
	if b := r.Take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Float64 takes eight bytes.
func (r *Reader) Float64() float64 { return math.Float64frombits(uint64(r.Int64())) }

// UUID takes sixteen bytes.
func (r *Reader) UUID() (u [16]byte) {
	copy(u[:], r.Take(16))
	return u
}

// Uvarint takes an unsigned varint of at most five bytes; bits above the 32nd
// are a fault.
func (r *Reader) Uvarint() uint32 {
	v, n := binary.Uvarint(r.src)
	switch {
	case n == 0:
		r.Fail(ErrShort)
		return 0
	case n < 0 || n > 5 || v > math.MaxUint32:
		r.Fail(ErrVarint)
		return 0
	}
	r.src = r.src[n:]
	return uint32(v)
}

// Varint takes a zigzag varint of at most five bytes.
func (r *Reader) Varint() int32 {
	u := r.Uvarint()
	return int32(u>>1) ^ -int32(u&1)
}

// Varlong takes a zigzag varint of at most ten bytes.
func (r *Reader) Varlong() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.Fail(varintFault(n))
		return 0
	}
	r.src = r.src[n:]
	return v
}

func varintFault(n int) error {
	if n == 0 {
		return ErrShort
	}
	return ErrVarint
}

// length takes a length: -1 for null, else at most the bytes left.
func (r *Reader) length(wide, compact bool) int {
	var n int64
	switch {
	case compact:
		n = int64(r.Uvarint()) - 1
	case wide:
		n = int64(r.Int32())
	default:
		n = int64(r.Int16())
	}
	if r.err != nil {
		return -1
	}
	if n < -1 || n > int64(len(r.src)) {
		r.Fail(ErrLength)
		return -1
	}
	return int(n)
}

// String takes a string that is not null; it is a copy.
func (r *Reader) String(compact bool) string {
	n := r.length(false, compact)
	if n < 0 {
		r.Fail(ErrNull)
		return ""
	}
	return string(r.Take(n))
}

// NullableString takes a string, nil for null.
func (r *Reader) NullableString(compact bool) *string {
	n := r.length(false, compact)
	if n < 0 {
		return nil
	}
	s := string(r.Take(n))
	return &s
}

// Bytes takes bytes that are not null; they alias the source.
func (r *Reader) Bytes(compact bool) []byte {
	n := r.length(true, compact)
	if n < 0 {
		r.Fail(ErrNull)
		return nil
	}
	return r.Take(n)
}

// NullableBytes takes bytes, nil for null; they alias the source.
func (r *Reader) NullableBytes(compact bool) []byte {
	n := r.length(true, compact)
	if n < 0 {
		return nil
	}
	return r.Take(n)
}

// Count takes the count of an array that is not null, whose elements take at
// least min bytes each.
func (r *Reader) Count(compact bool, min int) int {
	n := r.NullableCount(compact, min)
	if n < 0 {
		r.Fail(ErrNull)
		return 0
	}
	return n
}

// NullableCount is Count for an array that may be null, which it says by -1.
func (r *Reader) NullableCount(compact bool, min int) int {
	n := r.length(true, compact)
	if n > 0 && n > len(r.src)/max(min, 1) {
		r.Fail(ErrLength)
		return -1
	}
	return n
}

// Tags takes a section of tagged fields: known reads the ones the format has
// from a reader of their own bytes and returns true; the others are skipped.
// known may be nil. A tag that known does not read to its end is a fault.
func (r *Reader) Tags(known func(tag uint32, r *Reader) bool) {
	n := int(r.Uvarint())
	if n > len(r.src)/2 {
		r.Fail(ErrLength)
		return
	}
	for ; n > 0 && r.err == nil; n-- {
		tag, size := r.Uvarint(), r.Uvarint()
		value := NewReader(r.Take(int(size)))
		if known == nil || r.err != nil || !known(tag, &value) {
			continue
		}
		if err := value.Finish(); err != nil {
			r.Fail(err)
		}
	}
}

// ErrVersion: the record has no such version.
var ErrVersion = errors.New("unknown version")
