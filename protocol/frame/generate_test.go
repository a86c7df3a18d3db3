package frame

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/gregorbroker/gregor/protocol/schema"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

// writer makes random messages by their descriptions: a second reading of
// messages.txt, independent of compile and of kmsg.
type writer struct {
	rnd      *rand.Rand
	version  int16
	flexible bool
	depth    int
	unknown  bool // add unknown tags
}

func randomBody(rnd *rand.Rand, m *schema.Message, version int16, unknown bool) []byte {
	w := writer{rnd: rnd, version: version, flexible: m.Flexible.Has(version), unknown: unknown}
	return w.fields(nil, m.Fields)
}

func (w *writer) fields(dst []byte, fields []schema.Field) []byte {
	tags := map[uint32][]byte{}
	for i := range fields {
		f := &fields[i]
		switch {
		case !f.Versions.Has(w.version):
		case f.TaggedIn(w.version):
			if w.rnd.IntN(2) == 0 {
				tags[uint32(f.Tag)] = w.tagValue(f)
			}
		default:
			dst = w.value(dst, f)
		}
	}
	if !w.flexible {
		return dst
	}
	if w.unknown && w.rnd.IntN(4) == 0 {
		if tag := uint32(w.rnd.IntN(30)); w.rnd.IntN(2) == 0 && !has(fields, tag) {
			tags[tag] = nil // a tag that kmsg would read for one of its own fails on this
		} else {
			tags[100+tag] = []byte("unknown")
		}
	}
	dst = wire.AppendUvarint(dst, uint32(len(tags)))
	for tag := uint32(0); tag < 200; tag++ {
		if v, ok := tags[tag]; ok {
			dst = append(wire.AppendUvarint(wire.AppendUvarint(dst, tag), uint32(len(v))), v...)
		}
	}
	return dst
}

// has tells whether a version of the fields has the tag.
func has(fields []schema.Field, tag uint32) bool {
	for i := range fields {
		if fields[i].Tag == int(tag) {
			return true
		}
	}
	return false
}

func (w *writer) tagValue(f *schema.Field) []byte {
	if f.Base == "struct" && !f.Array && f.Nullable.Has(w.version) {
		return w.fields([]byte{1}, f.Fields)
	}
	return w.value(nil, f)
}

func (w *writer) value(dst []byte, f *schema.Field) []byte {
	null := f.Nullable.Has(w.version) && w.rnd.IntN(3) == 0
	switch {
	case f.Array && null:
		return wire.AppendNull(dst, w.flexible)
	case f.Array:
		return w.array(dst, f)
	case f.Base == "struct" && null:
		return append(dst, 0xff)
	case f.Base == "struct" && f.Nullable.Has(w.version):
		return w.fields(append(dst, 1), f.Fields)
	case null && f.Base == "string" && !w.flexible:
		return wire.AppendInt16(dst, -1)
	case null:
		return wire.AppendNull(dst, w.flexible)
	}
	return w.scalar(dst, f)
}

func (w *writer) array(dst []byte, f *schema.Field) []byte {
	n := w.rnd.IntN(4)
	if w.depth > 3 {
		n = w.rnd.IntN(2)
	}
	w.depth++
	defer func() { w.depth-- }()
	dst = wire.AppendCount(dst, n, w.flexible)
	for ; n > 0; n-- {
		if f.Base == "struct" {
			dst = w.fields(dst, f.Fields)
		} else {
			dst = w.scalar(dst, f)
		}
	}
	return dst
}

func (w *writer) scalar(dst []byte, f *schema.Field) []byte {
	b := make([]byte, w.rnd.IntN(40))
	for i := range b {
		b[i] = 'a' + byte(w.rnd.IntN(26))
	}
	switch f.Base {
	case "struct":
		return w.fields(dst, f.Fields)
	case "string":
		if w.flexible {
			return wire.AppendCompactString(dst, string(b))
		}
		return wire.AppendString(dst, string(b))
	case "bytes", "records":
		if w.flexible {
			return wire.AppendCompactBytes(dst, b)
		}
		return wire.AppendBytes(dst, b)
	case "bool":
		return append(dst, byte(w.rnd.IntN(2)))
	}
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], w.rnd.Uint64()>>w.rnd.IntN(64))
	binary.BigEndian.PutUint64(raw[8:], w.rnd.Uint64()>>w.rnd.IntN(64))
	return append(dst, raw[16-f.FixedSize():]...)
}
