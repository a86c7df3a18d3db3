package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse reads a description.
func Parse(text string) ([]Message, error) {
	p := parser{lines: strings.Split(text, "\n")}
	var out []Message
	for {
		line, indent, ok := p.peek()
		if !ok {
			return out, p.err
		}
		if indent != 0 {
			return nil, p.fail("a field outside of a message")
		}
		m := p.message(line)
		if p.err != nil {
			return nil, p.err
		}
		out = append(out, m)
	}
}

// parser walks the lines. doc collects the comment lines since the last line
// that was none.
type parser struct {
	lines []string
	n     int // the next line
	doc   []string
	err   error
}

func (p *parser) fail(format string, args ...any) error {
	if p.err == nil {
		p.err = fmt.Errorf("line %d: %s", p.n+1, fmt.Sprintf(format, args...))
	}
	return p.err
}

// peek returns the next line that says something and its level.
func (p *parser) peek() (line string, level int, ok bool) {
	for ; p.n < len(p.lines) && p.err == nil; p.n++ {
		text := strings.TrimSpace(p.lines[p.n])
		switch {
		case text == "":
			p.doc = nil
		case strings.HasPrefix(text, "#"):
			p.doc = append(p.doc, strings.TrimSpace(text[1:]))
		default:
			spaces := len(p.lines[p.n]) - len(strings.TrimLeft(p.lines[p.n], " "))
			return text, spaces / 2, true
		}
	}
	return "", 0, false
}

// take goes on to the next line and returns the comment of this one.
func (p *parser) take() []string {
	doc := p.doc
	p.doc = nil
	p.n++
	return doc
}

func (p *parser) message(line string) Message {
	w := strings.Fields(line)
	if len(w) != 6 || w[4] != "flexible" {
		p.fail("want KIND KEY NAME VERSIONS flexible VERSIONS, have %q", line)
		return Message{}
	}
	m := Message{Kind: w[0], Name: w[2], Versions: p.versions(w[3]), Flexible: p.versions(w[5])}
	key, err := strconv.ParseInt(w[1], 10, 16)
	if err != nil {
		p.fail("key: %v", err)
	}
	m.Key = int16(key)
	m.Doc = p.take()
	m.Fields = p.fields(1, m.Versions, m.Flexible)
	return m
}

func (p *parser) versions(s string) Range {
	r, err := ParseRange(s)
	if err != nil {
		p.fail("%v", err)
	}
	return r
}

// fields reads the fields of one level, which exist at most in versions.
func (p *parser) fields(level int, versions, flexible Range) []Field {
	var out []Field
	for {
		line, l, ok := p.peek()
		if !ok || l < level {
			return out
		}
		if l > level {
			p.fail("indented too far")
			return out
		}
		f := p.field(line, versions)
		f.Doc = p.take()
		f.Tagged = f.Tagged.Intersect(flexible)
		if f.Base == "struct" {
			f.Fields = p.fields(level+1, f.Versions, flexible)
		}
		out = append(out, f)
	}
}

func (p *parser) field(line string, versions Range) Field {
	w := strings.Fields(line)
	if len(w) < 2 {
		p.fail("want NAME TYPE, have %q", line)
		return Field{}
	}
	f := Field{Name: w[0], Versions: versions, Nullable: None, Tag: -1, Tagged: None}
	p.fieldType(&f, w[1])
	for _, word := range w[2:] {
		p.attribute(&f, word)
	}
	f.Versions = f.Versions.Intersect(versions)
	f.Nullable = f.Nullable.Intersect(f.Versions)
	f.Tagged = f.Tagged.Intersect(f.Versions)
	return f
}

func (p *parser) fieldType(f *Field, s string) {
	if rest, ok := strings.CutSuffix(s, "?"); ok {
		s, f.Nullable = rest, Range{0, math.MaxInt16}
	}
	if rest, ok := strings.CutPrefix(s, "[]"); ok {
		s, f.Array = rest, true
	}
	f.Base, f.TypeName, _ = strings.Cut(s, ":")
	if _, ok := bases[f.Base]; !ok {
		p.fail("unknown type %q", s)
	}
}

func (p *parser) attribute(f *Field, word string) {
	name, value, ok := strings.Cut(word, "=")
	switch {
	case !ok:
		f.Versions = p.versions(word)
	case name == "null":
		f.Nullable = p.versions(value)
	case name == "default":
		f.Default = value
	case name == "tag":
		tag, versions, at := strings.Cut(value, "@")
		n, err := strconv.ParseUint(tag, 10, 31)
		if err != nil {
			p.fail("tag: %v", err)
		}
		f.Tag, f.Tagged = int(n), Range{0, math.MaxInt16}
		if at {
			f.Tagged = p.versions(versions)
		}
	default:
		p.fail("unknown attribute %q", word)
	}
}
