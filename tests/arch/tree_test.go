// Package arch keeps the house as docs/ARCHITECTURE.md draws it: which room may
// import which, which rooms are pure, how large files and functions may grow.
// Each failure names the rule and the way out.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/gregorbroker/gregor"

// source is one Go file of the tree, parsed with its comments.
type source struct {
	path      string // from the repository's root, with slashes
	room      string // its folder
	test      bool
	generated bool
	file      *ast.File
	lines     int
}

var fset = token.NewFileSet()

// load parses every Go file of the repository once for all tests.
func load(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if n := d.Name(); rel != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "bin" || n == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{
			path: rel, room: filepath.ToSlash(filepath.Dir(rel)),
			test:      strings.HasSuffix(rel, "_test.go"),
			generated: ast.IsGenerated(f),
			file:      f,
			lines:     fset.File(f.Pos()).LineCount(),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 5 {
		t.Fatalf("found only %d Go files below %s: the checks would be empty", len(out), root)
	}
	return out
}

// under tells whether room is dir or lies below it.
func under(room, dir string) bool { return room == dir || strings.HasPrefix(room, dir+"/") }
