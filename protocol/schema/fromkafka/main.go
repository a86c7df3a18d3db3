// Command fromkafka turns Apache Kafka's message definitions (the JSON files
// under clients/src/main/resources/common/message and its siblings) into our
// descriptions, without their prose. It made protocol/frame/messages.txt, and
// the raw form of the record descriptions, whose words were added by hand:
//
//	go run ./protocol/schema/fromkafka $KAFKA/clients/src/main/resources/common/message/*{Request,Response}.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"

	"github.com/gregorbroker/gregor/protocol/schema"
)

// definition is the part of a JSON file that has consequences for the bytes.
type definition struct {
	ApiKey           *int16  `json:"apiKey"`
	Type             string  `json:"type"`
	Name             string  `json:"name"`
	ValidVersions    string  `json:"validVersions"`
	FlexibleVersions string  `json:"flexibleVersions"`
	Fields           []field `json:"fields"`
	CommonStructs    []field `json:"commonStructs"`
}

type field struct {
	Name             string  `json:"name"`
	Type             string  `json:"type"`
	Versions         string  `json:"versions"`
	NullableVersions string  `json:"nullableVersions"`
	TaggedVersions   string  `json:"taggedVersions"`
	Tag              *int    `json:"tag"`
	Default          any     `json:"default"`
	Fields           []field `json:"fields"`
}

func main() {
	var defs []definition
	for _, name := range os.Args[1:] {
		d, err := read(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		if d.ValidVersions != "none" {
			defs = append(defs, d)
		}
	}
	sort.SliceStable(defs, func(i, j int) bool { return defs[i].key() < defs[j].key() })
	for i := range defs {
		fmt.Print(defs[i].text())
	}
}

var comment = regexp.MustCompile(`(?m)^\s*//.*$`)

func read(name string) (d definition, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(comment.ReplaceAll(b, nil), &d)
}

func (d *definition) key() int16 {
	if d.ApiKey == nil {
		return -1
	}
	return *d.ApiKey
}

func (d *definition) text() string {
	var b strings.Builder
	kind := strings.TrimPrefix(d.Type, "coordinator-")
	flexible := d.FlexibleVersions
	if flexible == "" {
		flexible = "none"
	}
	fmt.Fprintf(&b, "%s %d %s %s flexible %s\n", kind, d.key(), d.Name, d.ValidVersions, flexible)
	valid, err := schema.ParseRange(d.ValidVersions)
	if err != nil {
		panic(err)
	}
	d.fields(&b, d.Fields, 1, valid)
	return b.String()
}

func (d *definition) fields(b *strings.Builder, fields []field, level int, within schema.Range) {
	for _, f := range fields {
		if f.Versions == "" {
			f.Versions = f.TaggedVersions
		}
		versions := f.versions(f.Versions, within)
		if versions.Empty() {
			continue // removed: no version of today has it
		}
		b.WriteString(strings.Repeat("  ", level))
		base, children := d.baseType(f)
		fmt.Fprintf(b, "%s %s%s\n", f.Name, base, f.attributes(versions, within))
		d.fields(b, children, level+1, versions)
	}
}

func (f *field) versions(s string, within schema.Range) schema.Range {
	if s == "" {
		return schema.None
	}
	r, err := schema.ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r.Intersect(within)
}

// baseType is the type in our words and, for a struct, its fields.
func (d *definition) baseType(f field) (string, []field) {
	array, base := "", f.Type
	if rest, ok := strings.CutPrefix(base, "[]"); ok {
		array, base = "[]", rest
	}
	if base[0] < 'A' || base[0] > 'Z' {
		return array + base, nil
	}
	children := f.Fields
	for _, c := range d.CommonStructs {
		if c.Name == base {
			children = c.Fields
		}
	}
	return array + "struct:" + base, children
}

func (f *field) attributes(versions, within schema.Range) string {
	s := ""
	null := f.versions(f.NullableVersions, versions)
	switch {
	case null == versions:
		s += "?"
	case !null.Empty():
		s += " null=" + null.String()
	}
	if versions != within {
		s += " " + versions.String()
	}
	if tagged := f.versions(f.TaggedVersions, versions); !tagged.Empty() && f.Tag != nil {
		s += fmt.Sprintf(" tag=%d", *f.Tag)
		if tagged != versions {
			s += "@" + tagged.String()
		}
	}
	// A JSON null is no default at all: the field is then empty, not null, where it
	// is absent. The text "null" is the default null.
	if v := fmt.Sprint(f.Default); f.Default != nil && v != "" && v != "0" && v != "false" {
		s += " default=" + v
	}
	return s
}
