package wire

import (
	"encoding/binary"
	"slices"
)

// Arrays of numbers, ids and strings of any Go type with the right core. The
// compact form counts with a varint of length+1, the other with an int32.

// AppendInt16s appends an array that is not null.
func AppendInt16s[T ~int16](dst []byte, a []T, compact bool) []byte {
	dst = AppendCount(dst, len(a), compact)
	for _, v := range a {
		dst = AppendInt16(dst, int16(v))
	}
	return dst
}

// AppendInt32s appends an array that is not null.
func AppendInt32s[T ~int32](dst []byte, a []T, compact bool) []byte {
	dst = AppendCount(dst, len(a), compact)
	for _, v := range a {
		dst = AppendInt32(dst, int32(v))
	}
	return dst
}

// AppendUUIDs appends an array that is not null.
func AppendUUIDs[T ~[16]byte](dst []byte, a []T, compact bool) []byte {
	dst = AppendCount(dst, len(a), compact)
	for _, v := range a {
		dst = append(dst, v[:]...)
	}
	return dst
}

// AppendStrings appends an array that is not null.
func AppendStrings(dst []byte, a []string, compact bool) []byte {
	dst = AppendCount(dst, len(a), compact)
	for _, v := range a {
		if compact {
			dst = AppendCompactString(dst, v)
		} else {
			dst = AppendString(dst, v)
		}
	}
	return dst
}

// ReadArray takes an array of elements of at least min bytes each, which read
// takes one by one. A null array is nil and a fault unless nullable; an empty
// one is not nil.
func ReadArray[T any](r *Reader, compact, nullable bool, min int, read func(*T)) []T {
	n := r.NullableCount(compact, min)
	if n < 0 {
		if !nullable {
			r.Fail(ErrNull)
		}
		return nil
	}
	a := make([]T, n)
	for i := range a {
		read(&a[i])
		if r.err != nil {
			return nil
		}
	}
	return a
}

// ReadInt32sInto is ReadInt32s with the memory of a, whose content is lost.
func ReadInt32sInto[T ~int32](r *Reader, a []T, compact, nullable bool) []T {
	n := r.NullableCount(compact, 4)
	if n < 0 {
		if !nullable {
			r.Fail(ErrNull)
		}
		return nil
	}
	src := r.Take(4 * n)
	a = slices.Grow(a[:0], n)[:0]
	for ; len(src) >= 4; src = src[4:] {
		a = append(a, T(binary.BigEndian.Uint32(src)))
	}
	return a
}

// ReadUUIDsInto is ReadUUIDs with the memory of a, whose content is lost.
func ReadUUIDsInto[T ~[16]byte](r *Reader, a []T, compact, nullable bool) []T {
	n := r.NullableCount(compact, 16)
	if n < 0 {
		if !nullable {
			r.Fail(ErrNull)
		}
		return nil
	}
	src := r.Take(16 * n)
	a = slices.Grow(a[:0], n)[:0]
	for ; len(src) >= 16; src = src[16:] {
		a = append(a, T(src[:16]))
	}
	return a
}

// ReadInt16s takes an array of two-byte numbers; see ReadArray.
func ReadInt16s[T ~int16](r *Reader, compact, nullable bool) []T {
	return ReadArray(r, compact, nullable, 2, func(v *T) { *v = T(r.Int16()) })
}

// ReadInt32s takes an array of four-byte numbers; see ReadArray.
func ReadInt32s[T ~int32](r *Reader, compact, nullable bool) []T {
	return ReadArray(r, compact, nullable, 4, func(v *T) { *v = T(r.Int32()) })
}

// ReadUUIDs takes an array of ids; see ReadArray.
func ReadUUIDs[T ~[16]byte](r *Reader, compact, nullable bool) []T {
	return ReadArray(r, compact, nullable, 16, func(v *T) { *v = T(r.UUID()) })
}

// ReadStrings takes an array of strings that are not null; see ReadArray.
func ReadStrings(r *Reader, compact, nullable bool) []string {
	return ReadArray(r, compact, nullable, 1, func(v *string) { *v = r.String(compact) })
}

// AppendTag appends a tagged field: its number, its size and what value
// appends. The size is known only afterwards; it takes one byte nearly always,
// and a longer one pushes the value on.
func AppendTag(dst []byte, tag uint32, value func([]byte) []byte) []byte {
	dst = AppendUvarint(dst, tag)
	at := len(dst)
	dst = value(append(dst, 0))
	size := len(dst) - at - 1
	if size < 0x80 {
		dst[at] = byte(size)
		return dst
	}
	prefix := AppendUvarint(make([]byte, 0, 5), uint32(size))
	dst = append(dst, prefix[1:]...) // make room; the bytes are overwritten
	copy(dst[at+len(prefix):], dst[at+1:at+1+size])
	copy(dst[at:], prefix)
	return dst
}
