package frame

import (
	"github.com/gregorbroker/gregor/protocol/schema"
)

// A shape is what the fields of a message or struct look like in one version:
// operations in the order of the bytes, then a tag section if flexible.
type shape struct {
	ops  []op
	tags *tagSection // nil: the version is not flexible
	// min is the fewest bytes the fields can take, so that a count can be
	// judged before its elements are looked at. fixed: they always take min.
	min   int
	fixed bool
	// cost bounds the bytes of memory that the decoded Go struct takes,
	// without what its fields point to.
	cost int64
}

// op is one step over the bytes.
type op struct {
	kind     opKind
	nullable bool
	compact  bool
	size     int    // opFixed: bytes
	elem     *shape // opArray, opStruct: what is inside
	elemCost int64  // opArray: memory of one element
}

type opKind uint8

const (
	opFixed  opKind = iota // neighbours are joined
	opString               // length of 16 bits, or varint of length+1
	opBytes                // length of 32 bits, or varint of length+1; aliases the frame
	opArray                // count of 32 bits, or varint of count+1
	opStruct               // in place; if nullable behind a byte, -1 null
)

// tagSection has the tagged fields that are known, by position, and the tags
// that only other versions have. kmsg reads those too, whatever the version, so
// they must not pass for unknown bytes that cost little.
type tagSection struct {
	known []tagged
	other []uint32
}

type tagged struct {
	tag uint32
	// A struct that may be null has a varint before it among the tags, not a byte.
	nullableStruct bool
	value          shape // one operation, no tags of its own
}

// Bounds of Go's memory for a field, on a 64-bit machine. A string may be behind
// a pointer; then its header is allocated, rounded up.
const (
	costWord   = 8
	costString = 8 + 16
	costSlice  = 24
	costTags   = 8 // the map pointer
)

// compile makes the shape of fields in a version. The cost counts the fields
// of every version, as a Go struct has them all.
func compile(fields []schema.Field, version int16, flexible bool) *shape {
	s := &shape{fixed: true}
	if flexible {
		s.tags = &tagSection{}
		s.min, s.fixed = 1, false
	}
	s.cost = costTags
	for i := range fields {
		f := &fields[i]
		o := compileField(f, version, flexible)
		s.cost += fieldCost(f, o.elem)
		switch {
		case s.tags != nil && f.Tag >= 0 && !f.TaggedIn(version):
			s.tags.other = append(s.tags.other, uint32(f.Tag))
			if f.Versions.Has(version) {
				s.add(o)
			}
		case !f.Versions.Has(version):
		case f.TaggedIn(version):
			s.tags.known = append(s.tags.known, tagged{uint32(f.Tag), o.kind == opStruct && o.nullable, valueShape(o)})
		default:
			s.add(o)
		}
	}
	return s
}

// valueShape is the shape of a tag's value; the byte before a nullable struct
// is left out of it.
func valueShape(o op) shape {
	if o.kind == opStruct {
		o.nullable = false
	}
	s := shape{fixed: true}
	s.add(o)
	return s
}

func (s *shape) add(o op) {
	if last := len(s.ops) - 1; o.kind == opFixed && last >= 0 && s.ops[last].kind == opFixed {
		s.ops[last].size += o.size
	} else {
		s.ops = append(s.ops, o)
	}
	switch {
	case o.kind == opFixed:
		s.min += o.size
	case o.kind == opStruct && !o.nullable:
		s.min += o.elem.min
		s.fixed = s.fixed && o.elem.fixed
	default:
		s.min += o.lengthSize()
		s.fixed = false
	}
}

// lengthSize is the fewest bytes of what stands before the value.
func (o *op) lengthSize() int {
	switch {
	case o.compact || o.kind == opStruct:
		return 1
	case o.kind == opString:
		return 2
	}
	return 4
}

func compileField(f *schema.Field, version int16, flexible bool) op {
	o := op{compact: flexible, nullable: f.Nullable.Has(version)}
	switch {
	case f.Base == "struct":
		o.kind, o.elem = opStruct, compile(f.Fields, version, flexible)
	case f.Base == "string":
		o.kind = opString
	case f.Base == "bytes" || f.Base == "records":
		o.kind = opBytes
	default:
		o.kind, o.size = opFixed, f.FixedSize()
	}
	if f.Array {
		o = op{kind: opArray, nullable: o.nullable, compact: flexible, elem: elementShape(o)}
		o.elemCost = o.elem.cost
	}
	return o
}

// elementShape is the shape of an array's element. Elements are never null.
func elementShape(o op) *shape {
	if o.kind == opStruct {
		return o.elem
	}
	o.nullable = false
	s := &shape{fixed: true}
	s.add(o)
	s.cost = scalarCost(o.kind, o.size)
	return s
}

func scalarCost(kind opKind, size int) int64 {
	switch kind {
	case opString:
		return 16
	case opBytes:
		return costSlice
	}
	return int64(size)
}

// fieldCost is the memory of a field within its struct.
func fieldCost(f *schema.Field, elem *shape) int64 {
	switch {
	case f.Array || f.Base == "bytes" || f.Base == "records":
		return costSlice
	case f.Base == "struct":
		return elem.cost + costWord
	case f.Base == "string":
		return costString
	}
	return max(costWord, int64(f.FixedSize()))
}
