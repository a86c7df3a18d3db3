package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/gregorbroker/gregor/protocol/schema"
)

// compact is the Go expression for "lengths are compact in this version".
func (s *structure) compact() string { return condition(s.flexible, s.versions) }

// condition is the Go expression for "version is in r", given that it is in all.
func condition(r, all schema.Range) string {
	r = r.Intersect(all)
	switch {
	case r == all:
		return "true"
	case r.Empty():
		return "false"
	case r.Max == all.Max:
		return fmt.Sprintf("version >= %d", r.Min)
	case r.Min == all.Min:
		return fmt.Sprintf("version <= %d", r.Max)
	case r.Min == r.Max:
		return fmt.Sprintf("version == %d", r.Min)
	}
	return fmt.Sprintf("version >= %d && version <= %d", r.Min, r.Max)
}

// guarded writes body, under the condition cond if that is one.
func (g *generator) guarded(cond string, body func()) {
	if cond == "true" {
		body()
		return
	}
	g.f("if %s {", cond)
	body()
	g.f("}")
}

// plain and tagged part the fields; tagged ones go in the order of their tags,
// as Kafka demands. A field of our records is tagged wherever it exists.
func (s *structure) plain() (out []*schema.Field) {
	for i := range s.fields {
		if s.fields[i].Tag < 0 {
			out = append(out, &s.fields[i])
		}
	}
	return out
}

func (s *structure) tagged() (out []*schema.Field) {
	for i := range s.fields {
		if s.fields[i].Tag >= 0 {
			out = append(out, &s.fields[i])
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Tag < out[j].Tag })
	return out
}

func (g *generator) appendMethod(s *structure) {
	version, receiver := "version", "v"
	start := g.Len()
	for _, f := range s.plain() {
		g.guarded(condition(f.Versions, s.versions), func() { g.appendField(s, f) })
	}
	if cond := s.compact(); cond != "false" {
		call := "dst = append(dst, 0) // no tagged fields"
		if len(s.tagged()) > 0 {
			call = "dst = v.appendTags(dst, version)"
		}
		g.guarded(cond, func() { g.f("%s", call) })
	}
	body := string(g.Bytes()[start:])
	g.Truncate(start)
	if !strings.Contains(body, "version") {
		version = "_"
	}
	if !strings.Contains(body, "v.") {
		receiver = "_"
	}
	g.f("func (%s *%s) appendTo(dst []byte, %s int16) []byte {\n%sreturn dst\n}\n", receiver, s.name, version, body)
}

// appendTags writes the method for the tag section, if there are tagged fields.
func (g *generator) appendTags(s *structure) {
	tagged := s.tagged()
	if len(tagged) == 0 {
		return
	}
	start := g.Len()
	g.f("count := len(dst) // of its byte: there are fewer than 128 tags")
	g.f("dst = append(dst, 0)")
	for _, f := range tagged {
		g.f("if %s {\ndst[count]++\ndst = wire.AppendTag(dst, %d, func(dst []byte) []byte {", s.present(f), f.Tag)
		at := g.Len()
		g.appendField(s, f)
		value := string(g.Bytes()[at:])
		g.Truncate(at)
		if one, ok := strings.CutPrefix(value, "dst = "); ok && strings.Count(value, "\n") == 1 {
			value = "return " + one
		} else {
			value += "return dst\n"
		}
		g.f("%s})\n}", value)
	}
	body, version := string(g.Bytes()[start:]), "version"
	g.Truncate(start)
	if !strings.Contains(body, "version") {
		version = "_"
	}
	g.f("func (v *%s) appendTags(dst []byte, %s int16) []byte {\n%sreturn dst\n}\n", s.name, version, body)
}

// present is the Go expression for "the tagged field is not its default".
func (s *structure) present(f *schema.Field) string {
	cond := ""
	if c := condition(f.Versions, s.versions); c != "true" {
		cond = c + " && "
	}
	switch {
	case f.Array && nullable(f) && f.Default != "null": // null is not the default: it is said
		return cond + "(v." + f.Name + " == nil || len(v." + f.Name + ") > 0)"
	case f.Array && f.Default != "null" || f.Base == "bytes":
		return cond + "len(v." + f.Name + ") > 0"
	case nullable(f) && f.Default == "null":
		return cond + "v." + f.Name + " != nil"
	case nullable(f) && f.Base == "struct": // null is not the default: it is said
		return cond + "(v." + f.Name + " == nil || !v." + f.Name + ".isDefault())"
	case f.Base == "uuid":
		return cond + "v." + f.Name + " != (" + scalarType(f) + "{})"
	case f.Base == "string" && !nullable(f):
		return cond + "v." + f.Name + ` != ""`
	case f.Default != "":
		return cond + "v." + f.Name + " != " + f.Default
	}
	return cond + "v." + f.Name + " != 0"
}

// title names the wire functions of a base type.
var title = map[string]string{
	"bool": "Bool", "int8": "Int8", "int16": "Int16", "uint16": "Uint16", "int32": "Int32", "uint32": "Uint32",
	"int64": "Int64", "float64": "Float64", "uuid": "UUID", "string": "String", "bytes": "Bytes",
}

func (g *generator) appendField(s *structure, f *schema.Field) {
	x, compact := "v."+f.Name, s.compact()
	switch {
	case f.Array && nullable(f) && (f.Tag < 0 || f.Default != "null"): // otherwise a tag that is present is not null
		g.f("if %s == nil {\ndst = wire.AppendNull(dst, %s)\n} else {", x, compact)
		g.appendArray(f, x, compact)
		g.f("}")
	case f.Array:
		g.appendArray(f, x, compact)
	case f.Base == "struct" && nullable(f):
		// A struct that may be null has a byte before it: 1 not null, null -1 or, among the tags, 0.
		g.f("if %s == nil {\ndst = wire.AppendInt8(dst, %d)\n} else {", x, map[bool]int{true: -1}[f.Tag < 0])
		g.f("dst = %s.appendTo(wire.AppendInt8(dst, 1), version)\n}", x)
	case f.Base == "struct":
		g.f("dst = %s.appendTo(dst, version)", x)
	case f.Base == "uuid":
		g.f("dst = append(dst, %s[:]...)", x)
	case f.Base == "string" || f.Base == "bytes":
		g.appendSized(f, x, compact)
	case f.TypeName != "":
		g.f("dst = wire.Append%s(dst, %s(%s))", title[f.Base], f.Base, x)
	default:
		g.f("dst = wire.Append%s(dst, %s)", title[f.Base], x)
	}
}

func (g *generator) appendArray(f *schema.Field, x, compact string) {
	if f.Base != "struct" {
		g.f("dst = wire.Append%ss(dst, %s, %s)", title[f.Base], x, compact)
		return
	}
	g.f("dst = wire.AppendCount(dst, len(%s), %s)", x, compact)
	g.f("for i := range %s {\ndst = %s[i].appendTo(dst, version)\n}", x, x)
}

func (g *generator) appendSized(f *schema.Field, x, compact string) {
	kind := title[f.Base]
	if nullable(f) {
		kind = "Nullable" + kind
	}
	switch compact {
	case "true":
		g.f("dst = wire.AppendCompact%s(dst, %s)", kind, x)
	case "false":
		g.f("dst = wire.Append%s(dst, %s)", kind, x)
	default:
		g.f("if %s {\ndst = wire.AppendCompact%s(dst, %s)\n} else {\ndst = wire.Append%s(dst, %s)\n}", compact, kind, x, kind, x)
	}
}

func (g *generator) readMethod(s *structure) {
	start := g.Len()
	if hasDefaults(s.fields) {
		g.f("v.Default()")
	} else {
		g.f("*v = %s{}", s.name)
	}
	for _, f := range s.plain() {
		g.guarded(condition(f.Versions, s.versions), func() { g.readField(s, f) })
	}
	if cond := s.compact(); cond != "false" {
		g.guarded(cond, func() { g.readTags(s) })
	}
	body := string(g.Bytes()[start:])
	g.Truncate(start)
	version, reader := "version", "r"
	if !strings.Contains(body, "version") {
		version = "_"
	}
	g.f("func (v *%s) read(%s *wire.Reader, %s int16) {\n%s}\n", s.name, reader, version, body)
}

func (g *generator) readTags(s *structure) {
	tagged := s.tagged()
	if len(tagged) == 0 {
		g.f("r.Tags(nil)")
		return
	}
	g.f("r.Tags(func(tag uint32, r *wire.Reader) bool {\nswitch {")
	for _, f := range tagged {
		cond := ""
		if c := condition(f.Versions, s.versions); c != "true" {
			cond = " && " + c
		}
		g.f("case tag == %d%s:", f.Tag, cond)
		g.readField(s, f)
	}
	g.f("default:\nreturn false\n}\nreturn true\n})")
}

func (g *generator) readField(s *structure, f *schema.Field) {
	x, compact, null := "v."+f.Name, s.compact(), nullable(f)
	kind := title[f.Base]
	switch {
	case f.Array && f.Base == "struct":
		g.f("%s = wire.ReadArray(r, %s, %v, %d, func(e *%s) { e.read(r, version) })", x, compact, null, minSize(f.Fields, s.flexible), f.TypeName)
	case f.Array && f.Base == "string":
		g.f("%s = wire.ReadStrings(r, %s, %v)", x, compact, null)
	case f.Array:
		g.f("%s = wire.Read%ss[%s](r, %s, %v)", x, kind, scalarType(f), compact, null)
	case f.Base == "struct" && null && f.Tag >= 0:
		// Among the tags the byte before a struct that may be null is a varint: 0 null, 1 not.
		g.f("%s = nil\nif r.Uvarint() > 0 {\n%s = new(%s)\n%s.read(r, version)\n}", x, x, f.TypeName, x)
	case f.Base == "struct" && null:
		g.f("%s = nil\nif r.Int8() >= 0 && r.Err() == nil {\n%s = new(%s)\n%s.read(r, version)\n}", x, x, f.TypeName, x)
	case f.Base == "struct":
		g.f("%s.read(r, version)", x)
	case f.Base == "string" || f.Base == "bytes":
		if null {
			kind = "Nullable" + kind
		}
		g.f("%s = r.%s(%s)", x, kind, compact)
	case f.TypeName != "":
		g.f("%s = %s(r.%s())", x, f.TypeName, kind)
	default:
		g.f("%s = r.%s()", x, kind)
	}
}

// minSize is a lower bound of an element's bytes over all versions.
func minSize(fields []schema.Field, flexible schema.Range) int {
	n := 0
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Tag >= 0 || f.Versions.Min > 0:
		case f.FixedSize() > 0 && !f.Array:
			n += f.FixedSize()
		default:
			n++
		}
	}
	return max(n, 1)
}
