package main

import (
	"fmt"
	"strings"

	"github.com/gregorbroker/gregor/protocol/schema"
)

// message writes a record: its structs from the inside out, then its methods.
func (g *generator) message(m *schema.Message) error {
	s := structure{name: m.Name, doc: m.Doc, fields: m.Fields, versions: m.Versions, flexible: m.Flexible}
	if err := g.structure(&s); err != nil {
		return err
	}
	g.isDefault(&s)
	if m.Key >= 0 {
		g.f("// ApiKey is the number of the record type, %d.", m.Key)
		g.f("func (*%s) ApiKey() int16 { return %d }\n", m.Name, m.Key)
	}
	g.f("// Versions are the lowest and highest version of the record.")
	g.f("func (*%s) Versions() (lowest, highest int16) { return %d, %d }\n", m.Name, m.Versions.Min, m.Versions.Max)
	g.f("// AppendTo appends the record in a version it has. Fields that the version lacks are left out.")
	g.f("func (v *%s) AppendTo(dst []byte, version int16) []byte { return v.appendTo(dst, version) }\n", m.Name)
	g.f("// ReadFrom replaces the record by the one in src, which it must fill to the end.")
	g.f("// Bytes fields alias src.")
	g.f("func (v *%s) ReadFrom(version int16, src []byte) error {", m.Name)
	g.f("if version < %d || version > %d {", m.Versions.Min, m.Versions.Max)
	g.f("return fmt.Errorf(\"%s: %%w %%d\", wire.ErrVersion, version)\n}", m.Name)
	g.f("r := wire.NewReader(src)\nv.read(&r, version)")
	g.f("if err := r.Finish(); err != nil {\nreturn fmt.Errorf(\"%s version %%d: %%w\", version, err)\n}", m.Name)
	g.f("return nil\n}\n")
	return nil
}

// structure is a struct to be written.
type structure struct {
	name               string
	doc                []string
	fields             []schema.Field
	versions, flexible schema.Range
}

func (g *generator) structure(s *structure) error {
	for i := range s.fields {
		f := &s.fields[i]
		if f.Base != "struct" {
			continue
		}
		inner := structure{f.TypeName, []string{f.TypeName + " is an element of " + s.name + "." + f.Name + "."}, f.Fields, f.Versions, s.flexible}
		if err := g.structure(&inner); err != nil {
			return err
		}
	}
	body := s.goFields()
	if have, ok := g.done[s.name]; ok {
		if have != body {
			return fmt.Errorf("two different structs are named %s", s.name)
		}
		return nil
	}
	g.done[s.name] = body
	for _, line := range s.doc {
		g.f("// %s", line)
	}
	g.f("type %s struct {\n%s}\n", s.name, body)
	g.defaults(s)
	g.appendMethod(s)
	g.appendTags(s)
	g.readMethod(s)
	return nil
}

func (s *structure) goFields() string {
	var b strings.Builder
	for i := range s.fields {
		f := &s.fields[i]
		for _, line := range f.Doc {
			fmt.Fprintf(&b, "// %s\n", line)
		}
		fmt.Fprintf(&b, "%s %s", f.Name, goType(f))
		if note := s.note(f); note != "" {
			fmt.Fprintf(&b, " // %s", note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// note is what a field's versions and tag have to say.
func (s *structure) note(f *schema.Field) string {
	var parts []string
	if f.Versions != s.versions {
		parts = append(parts, "versions "+f.Versions.String())
	}
	if f.Tag >= 0 {
		parts = append(parts, fmt.Sprintf("tag %d", f.Tag))
	}
	if f.Default != "" {
		parts = append(parts, "default "+f.Default)
	}
	return strings.Join(parts, ", ")
}

func nullable(f *schema.Field) bool { return !f.Nullable.Empty() }

var goTypes = map[string]string{"uuid": "[16]byte", "bytes": "[]byte"}

func scalarType(f *schema.Field) string {
	if f.TypeName != "" {
		return f.TypeName
	}
	if t, ok := goTypes[f.Base]; ok {
		return t
	}
	return f.Base
}

func goType(f *schema.Field) string {
	t := scalarType(f)
	switch {
	case f.Array:
		return "[]" + t
	case nullable(f) && (f.Base == "string" || f.Base == "struct"):
		return "*" + t
	}
	return t
}

// constant is the Go value of a field's default, "" if that is the zero value.
func constant(f *schema.Field) string {
	switch {
	case f.Default == "null":
		return ""
	case f.Tag >= 0 && nullable(f) && f.Array:
		return goType(f) + "{}"
	case f.Tag >= 0 && nullable(f) && f.Base == "struct":
		return "new(" + f.TypeName + ")"
	}
	return f.Default
}

// hasDefaults tells whether a zero struct differs from a default one.
func hasDefaults(fields []schema.Field) bool {
	for i := range fields {
		f := &fields[i]
		if constant(f) != "" || f.Base == "struct" && !f.Array && !nullable(f) && hasDefaults(f.Fields) {
			return true
		}
	}
	return false
}

// isDefault writes, for the structs whose tag is left out when they have only
// defaults, the method that tells.
func (g *generator) isDefault(s *structure) {
	for i := range s.fields {
		f := &s.fields[i]
		if f.Tag < 0 || f.Base != "struct" || f.Array || !nullable(f) || f.Default == "null" {
			continue
		}
		inner := structure{fields: f.Fields, versions: f.Versions, flexible: s.flexible}
		var set []string
		for j := range f.Fields {
			set = append(set, inner.present(&f.Fields[j]))
		}
		g.f("// isDefault tells whether no field is set: then the tag is left out.")
		g.f("func (v *%s) isDefault() bool { return !(%s) }\n", f.TypeName, strings.Join(set, " || "))
	}
}

func (g *generator) defaults(s *structure) {
	if !hasDefaults(s.fields) {
		return
	}
	g.f("// Default sets the fields to what a version without them means.")
	g.f("func (v *%s) Default() {\n*v = %s{", s.name, s.name)
	for i := range s.fields {
		if c := constant(&s.fields[i]); c != "" {
			g.f("%s: %s,", s.fields[i].Name, c)
		}
	}
	g.f("}")
	for i := range s.fields {
		f := &s.fields[i]
		if f.Base == "struct" && !f.Array && !nullable(f) && hasDefaults(f.Fields) {
			g.f("v.%s.Default()", f.Name)
		}
	}
	g.f("}\n")
}
