package arch

import (
	"go/ast"
	"sort"
	"strings"
	"testing"
)

// The limits of docs/STYLE.md. They bind from the first file on, while keeping
// them costs nothing.
const (
	maxFileLines = 800
	maxFuncLines = 70
	p50FileLines = 200
	p50FuncLines = 12
)

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	var files, funcs []int
	for _, s := range load(t) {
		if s.generated || s.test || under(s.room, "tests") {
			continue
		}
		files = append(files, s.lines)
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: two rooms in one? split it by what it is about", s.path, s.lines, maxFileLines)
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
			funcs = append(funcs, n)
			if n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d: name its steps", fset.Position(fn.Pos()), fn.Name.Name, n, maxFuncLines)
			}
		}
	}
	if m := median(files); m > p50FileLines {
		t.Errorf("half of all files have more than %d lines (limit %d)", m, p50FileLines)
	}
	if m := median(funcs); m > p50FuncLines {
		t.Errorf("half of all functions have more than %d lines (limit %d)", m, p50FuncLines)
	}
}

func median(v []int) int {
	sort.Ints(v)
	return v[len(v)/2]
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	doc := map[string]bool{}
	for _, s := range load(t) {
		if s.test && !under(s.room, "tests") {
			continue
		}
		has := s.file.Doc != nil && len(strings.TrimSpace(s.file.Doc.Text())) > 0
		doc[s.room] = doc[s.room] || has
	}
	for room, ok := range doc {
		if !ok {
			t.Errorf("%s: no package doc: say what it is for, its flow and its invariants", room)
		}
	}
}

// Words that mark unfinished work; a commit that needs one isn't done.
var unfinished = []string{"TO" + "DO", "FIX" + "ME", "X" + "XX:", "not implemented " + "yet"}

func TestNothingIsLeftUnfinished(t *testing.T) {
	for _, s := range load(t) {
		for _, g := range s.file.Comments {
			for _, w := range unfinished {
				if strings.Contains(g.Text(), w) {
					t.Errorf("%s: %q in a comment: finish it, or write it into an issue", fset.Position(g.Pos()), w)
				}
			}
		}
	}
}
