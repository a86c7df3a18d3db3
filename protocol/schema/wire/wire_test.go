package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestScalarsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, i8, i16, u16 := rapid.Bool().Draw(t, "b"), rapid.Int8().Draw(t, "i8"), rapid.Int16().Draw(t, "i16"), rapid.Uint16().Draw(t, "u16")
		i32, u32, i64 := rapid.Int32().Draw(t, "i32"), rapid.Uint32().Draw(t, "u32"), rapid.Int64().Draw(t, "i64")
		f, s := rapid.Float64().Draw(t, "f"), rapid.String().Draw(t, "s")
		dst := AppendInt16(AppendInt8(AppendBool(nil, b), i8), i16)
		dst = AppendInt64(AppendUint32(AppendInt32(AppendUint16(dst, u16), i32), u32), i64)
		dst = AppendVarint(AppendVarint(AppendUvarint(AppendFloat64(dst, f), u32), int64(i32)), i64)
		dst = AppendCompactNullableString(AppendNullableString(AppendCompactString(AppendString(dst, s), s), &s), nil)
		dst = AppendNullableString(AppendCompactBytes(AppendBytes(dst, []byte(s)), []byte(s)), nil)
		r := NewReader(dst)
		ok := r.Bool() == b && r.Int8() == i8 && r.Int16() == i16 && r.Uint16() == u16 && r.Int32() == i32 && r.Uint32() == u32 && r.Int64() == i64
		ok = ok && math.Float64bits(r.Float64()) == math.Float64bits(f) && r.Uvarint() == u32 && r.Varint() == i32 && r.Varlong() == i64
		ok = ok && r.String(false) == s && r.String(true) == s && *r.NullableString(false) == s && r.NullableString(true) == nil
		ok = ok && string(r.Bytes(false)) == s && string(r.Bytes(true)) == s && r.NullableString(false) == nil
		if !ok || r.Finish() != nil {
			t.Fatalf("%v, %d bytes left", r.Err(), r.Len())
		}
		for n := range dst {
			readAll(dst[:n]) // must not panic
		}
	})
}

// readAll reads with every function.
func readAll(b []byte) {
	for i := range 8 {
		r := NewReader(b[min(i, len(b)):])
		_, _, _, _ = r.Bool(), r.NullableBytes(true), r.NullableBytes(false), r.UUID()
		_ = ReadStrings(&r, true, true)
		_ = ReadInt32s[int32](&r, false, true)
		_ = ReadInt16s[int16](&r, true, false)
		_ = ReadUUIDs[[16]byte](&r, true, true)
		r.Tags(nil)
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		read func(*Reader)
		want error
	}{
		"short":             {"\x01", func(r *Reader) { r.Int32() }, ErrShort},
		"varint ends":       {"\x80", func(r *Reader) { r.Uvarint() }, ErrShort},
		"varint of 6":       {"\x80\x80\x80\x80\x80\x01", func(r *Reader) { r.Uvarint() }, ErrVarint},
		"varint of 33 bits": {"\xff\xff\xff\xff\x1f", func(r *Reader) { r.Uvarint() }, ErrVarint},
		"varlong of 11":     {strings.Repeat("\x80", 10) + "\x01", func(r *Reader) { r.Varlong() }, ErrVarint},
		"null string":       {"\xff\xff", func(r *Reader) { _ = r.String(false) }, ErrNull},
		"length -2":         {"\xff\xfe", func(r *Reader) { r.NullableString(false) }, ErrLength},
		"length beyond":     {"\x00\x05abcd", func(r *Reader) { _ = r.String(false) }, ErrLength},
		"null bytes":        {"\x00", func(r *Reader) { r.Bytes(true) }, ErrNull},
		"count":             {"\x00\x00\x00\x03\x00\x00\x00\x00", func(r *Reader) { ReadInt32s[int32](r, false, false) }, ErrLength},
		"null array":        {"\x00", func(r *Reader) { ReadInt32s[int32](r, true, false) }, ErrNull},
		"trailing":          {"\x01\x02", func(r *Reader) { r.Int8() }, ErrTrailing},
		"tags":              {"\x05\x00\x00", func(r *Reader) { r.Tags(nil) }, ErrLength},
		"tag size":          {"\x01\x00\x05", func(r *Reader) { r.Tags(nil) }, ErrShort},
		"tag not read":      {"\x01\x00\x01\x00", func(r *Reader) { r.Tags(func(uint32, *Reader) bool { return true }) }, ErrTrailing},
	} {
		r := NewReader([]byte(c.in))
		if c.read(&r); !errors.Is(r.Finish(), c.want) {
			t.Errorf("%s: %v, want %v", name, r.Finish(), c.want)
		}
		if r.Err() != nil && (r.Int64() != 0 || r.Len() != 0) {
			t.Errorf("%s: a reader with a fault goes on", name)
		}
	}
}

// A tag's size is written before its value is known: one byte is kept for it.
func TestAppendTag(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 20000, 1 << 21} {
		value := bytes.Repeat([]byte{7}, n)
		dst := AppendTag([]byte("head"), 300, func(d []byte) []byte { return append(d, value...) })
		r := NewReader(append([]byte{1}, dst[4:]...))
		var got []byte
		r.Tags(func(tag uint32, r *Reader) bool {
			got = r.Take(r.Len())
			return tag == 300
		})
		if r.Finish() != nil || !bytes.Equal(got, value) || string(dst[:4]) != "head" {
			t.Errorf("%d bytes: %v, read %d", n, r.Finish(), len(got))
		}
	}
}
