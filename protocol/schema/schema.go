// Package schema describes Kafka messages and records in a small language of
// our own and parses it. Two things are built from descriptions: the structural
// check of protocol/frame, at run time from messages that strangers send, and
// the Go code of controller/records and groupcoord/records, by protocol/schema/gen.
//
// A description is lines; the indent (two spaces a level) nests fields:
//
//	# What the record is for.
//	metadata 2 TopicRecord 0 flexible 0+
//	  # The name, unique among the topics that exist.
//	  Name string
//	  TopicID uuid:ids.TopicID
//	  Tasks []struct:Task 1+
//	    Epochs []int32? tag=0 default=null
//
// A head line is: kind, key (-1: none), name, versions, "flexible" and versions.
// A field line is: name, type, and then in any order versions (those of the
// message if absent), null=VERSIONS, tag=N or tag=N@VERSIONS, default=VALUE. A "?" behind
// the type is null in every version. A type is a base, an optional [] before
// and an optional :Name behind, which is the Go type of a scalar and the name
// of a struct. Comment lines document what follows them.
package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is a range of versions, both ends included; Max < Min is none.
type Range struct{ Min, Max int16 }

// None is the empty range.
var None = Range{0, -1}

// Has tells whether v is in the range.
func (r Range) Has(v int16) bool { return v >= r.Min && v <= r.Max }

// Empty tells whether no version is in the range.
func (r Range) Empty() bool { return r.Max < r.Min }

// Intersect is what both ranges have.
func (r Range) Intersect(o Range) Range {
	out := Range{max(r.Min, o.Min), min(r.Max, o.Max)}
	if out.Empty() {
		return None
	}
	return out
}

// Covers tells whether every version of o is in r.
func (r Range) Covers(o Range) bool { return o.Empty() || r.Min <= o.Min && o.Max <= r.Max }

func (r Range) String() string {
	switch {
	case r.Empty():
		return "none"
	case r.Max == math.MaxInt16:
		return fmt.Sprintf("%d+", r.Min)
	case r.Min == r.Max:
		return strconv.Itoa(int(r.Min))
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// ParseRange reads "3", "3-7", "3+" or "none".
func ParseRange(s string) (Range, error) {
	if s == "none" {
		return None, nil
	}
	lo, hi, dash := strings.Cut(s, "-")
	open := strings.HasSuffix(s, "+")
	a, err := strconv.ParseInt(strings.TrimSuffix(lo, "+"), 10, 16)
	if err != nil {
		return None, fmt.Errorf("versions %q: %w", s, err)
	}
	r := Range{int16(a), int16(a)}
	switch {
	case open:
		r.Max = math.MaxInt16
	case dash:
		b, err := strconv.ParseInt(hi, 10, 16)
		if err != nil {
			return None, fmt.Errorf("versions %q: %w", s, err)
		}
		r.Max = int16(b)
	}
	return r, nil
}

// Message is a described message or record.
type Message struct {
	Kind     string // request, response, metadata, key, value, data
	Key      int16
	Name     string
	Doc      []string
	Versions Range
	Flexible Range // the versions with compact lengths and tagged fields
	Fields   []Field
}

// Field is one field of a message or of a struct within it.
type Field struct {
	Name     string
	Doc      []string
	Base     string // bool int8 int16 uint16 int32 uint32 int64 float64 uuid string bytes records struct
	Array    bool
	TypeName string // Go type of a scalar, name of a struct, or ""
	Versions Range
	Nullable Range
	Tag      int   // -1: never tagged
	Tagged   Range // versions in which the field is in the tag section
	Default  string
	Fields   []Field // of a struct
}

// TaggedIn tells whether the field is in the tag section of version v.
func (f *Field) TaggedIn(v int16) bool { return f.Tag >= 0 && f.Tagged.Has(v) }

// bases maps each base type to its size in bytes; 0 is a length-prefixed or
// composed one.
var bases = map[string]int{
	"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8,
	"uuid": 16, "string": 0, "bytes": 0, "records": 0, "struct": 0,
}

// FixedSize is the size in bytes of a value of the field's base type, 0 if it varies.
func (f *Field) FixedSize() int { return bases[f.Base] }
