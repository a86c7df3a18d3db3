package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse(`
# A record
# of two lines.
metadata 5 Thing 0-3 flexible 2+

  # The name.
  Name string? default=null
  Nodes []int32:ids.NodeID 1+ tag=4@3+
  Parts []struct:Part 2-9
    ID uuid
    Deep struct:Deep 3
      X int8 default=-1
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Message{{
		Kind: "metadata", Key: 5, Name: "Thing", Doc: []string{"A record", "of two lines."},
		Versions: Range{0, 3}, Flexible: Range{2, 32767},
		Fields: []Field{
			{Name: "Name", Doc: []string{"The name."}, Base: "string", Versions: Range{0, 3}, Nullable: Range{0, 3}, Tag: -1, Tagged: None, Default: "null"},
			{Name: "Nodes", Base: "int32", Array: true, TypeName: "ids.NodeID", Versions: Range{1, 3}, Nullable: None, Tag: 4, Tagged: Range{3, 3}},
			{Name: "Parts", Base: "struct", Array: true, TypeName: "Part", Versions: Range{2, 3}, Nullable: None, Tag: -1, Tagged: None, Fields: []Field{
				{Name: "ID", Base: "uuid", Versions: Range{2, 3}, Nullable: None, Tag: -1, Tagged: None},
				{Name: "Deep", Base: "struct", TypeName: "Deep", Versions: Range{3, 3}, Nullable: None, Tag: -1, Tagged: None, Fields: []Field{
					{Name: "X", Base: "int8", Versions: Range{3, 3}, Nullable: None, Tag: -1, Tagged: None, Default: "-1"},
				}},
			}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"  Name string":                                       "outside of a message",
		"metadata 1 Thing 0":                                  "want KIND",
		"metadata x Thing 0 flexible 0+":                      "key",
		"metadata 1 Thing a flexible 0+":                      "versions",
		"metadata 1 Thing 0-x flexible 0+":                    "versions",
		"metadata 1 Thing 0 flexible 0+\n  Name":              "want NAME TYPE",
		"metadata 1 Thing 0 flexible 0+\n  Name text":         "unknown type",
		"metadata 1 Thing 0 flexible 0+\n    Name string":     "indented too far",
		"metadata 1 Thing 0 flexible 0+\n  Name string tag=x": "tag",
		"metadata 1 Thing 0 flexible 0+\n  Name string a=b":   "unknown attribute",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRange(t *testing.T) {
	for _, s := range []string{"none", "3", "3+", "3-7", "0+"} {
		r, err := ParseRange(s)
		if err != nil || r.String() != s {
			t.Errorf("%q: %v %v", s, r, err)
		}
	}
	a, _ := ParseRange("2-5")
	b, _ := ParseRange("4+")
	if got := a.Intersect(b); got != (Range{4, 5}) || a.Intersect(Range{6, 9}) != None || !b.Covers(Range{4, 9}) || a.Covers(b) {
		t.Error(got)
	}
}
