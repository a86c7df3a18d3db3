// Package wire has the primitive types of Kafka's protocol: functions that
// append them and a Reader that takes them off again. Generated record code
// and the hand-written control records stand on it.
//
// A Reader never panics and never allocates more than the bytes it holds could
// stand for: a count is compared with what is left before anything is made of
// it. The first fault sticks, later reads return zeros, and the caller asks
// once, at the end, for Err. Byte slices it returns alias the source.
package wire

import (
	"encoding/binary"
	"math"
)

// AppendBool appends one byte, 1 for true.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendInt8 appends one byte.
func AppendInt8(dst []byte, v int8) []byte { return append(dst, byte(v)) }

// AppendInt16 appends v in big-endian order, as all fixed-width numbers are.
func AppendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

// AppendUint16 appends two bytes.
func AppendUint16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }

// AppendInt32 appends four bytes.
func AppendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

// AppendUint32 appends four bytes.
func AppendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// AppendInt64 appends eight bytes.
func AppendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// AppendFloat64 appends the IEEE 754 bits of v.
func AppendFloat64(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

// AppendUvarint appends v with seven bits a byte, lowest first (5 bytes at most).
func AppendUvarint(dst []byte, v uint32) []byte { return binary.AppendUvarint(dst, uint64(v)) }

// AppendVarint appends v zigzag-encoded: 0, -1, 1, -2 become 0, 1, 2, 3. It
// serves 32-bit and 64-bit varints, whose encodings agree.
func AppendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// AppendString appends a 16-bit length and the bytes. The caller keeps s
// shorter than 32 KiB.
func AppendString(dst []byte, s string) []byte {
	return append(AppendInt16(dst, int16(len(s))), s...)
}

// AppendCompactString appends a varint of length+1 and the bytes.
func AppendCompactString(dst []byte, s string) []byte {
	return append(AppendUvarint(dst, uint32(len(s))+1), s...)
}

// AppendNullableString appends s, or length -1 for nil.
func AppendNullableString(dst []byte, s *string) []byte {
	if s == nil {
		return AppendInt16(dst, -1)
	}
	return AppendString(dst, *s)
}

// AppendCompactNullableString appends s, or a zero for nil.
func AppendCompactNullableString(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, 0)
	}
	return AppendCompactString(dst, *s)
}

// AppendBytes appends a 32-bit length and the bytes.
func AppendBytes(dst, b []byte) []byte {
	return append(AppendInt32(dst, int32(len(b))), b...)
}

// AppendCompactBytes appends a varint of length+1 and the bytes.
func AppendCompactBytes(dst, b []byte) []byte {
	return append(AppendUvarint(dst, uint32(len(b))+1), b...)
}

// AppendCount appends the element count of an array that is not null.
func AppendCount(dst []byte, n int, compact bool) []byte {
	if compact {
		return AppendUvarint(dst, uint32(n)+1)
	}
	return AppendInt32(dst, int32(n))
}

// AppendNull appends the count of a null array.
func AppendNull(dst []byte, compact bool) []byte {
	if compact {
		return append(dst, 0)
	}
	return AppendInt32(dst, -1)
}
