package arch

import (
	"go/ast"
	"strconv"
	"testing"
)

// pure lists the rooms that take time and randomness as arguments and return
// effects, so that the simulation can drive them. A path ending in .go names
// one file.
var pure = []string{
	"controller/raft", "controller/image", "controller/decide", "controller/authz",
	"groupcoord/classic", "groupcoord/consumer", "groupcoord/offsets", "groupcoord/assignor",
	"sharegroup/window",
	"storage/epochs", "storage/producers",
	"broker/replica/partition.go",
}

// forbidden are the imports a pure room must do without, with the way out.
var forbidden = map[string]string{
	"os":              "return an effect that the shell carries out",
	"net":             "return an effect that the shell carries out",
	"sync":            "a pure core is driven by one goroutine at a time; the lock belongs to the shell",
	"sync/atomic":     "a pure core is driven by one goroutine at a time",
	"math/rand":       "take the random source as an argument (math/rand/v2's *rand.Rand)",
	"context":         "a pure core never waits",
	"go.uber.org/zap": "return what is worth telling; the shell logs it",
}

var clockCalls = map[string]bool{"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true, "Sleep": true, "Tick": true, "NewTimer": true, "NewTicker": true}

func isPure(s source) bool {
	for _, p := range pure {
		if s.path == p || under(s.room, p) {
			return !s.test
		}
	}
	return false
}

func TestPureRoomsHaveNoClockNoGoroutineNoIO(t *testing.T) {
	seen := 0
	for _, s := range load(t) {
		if !isPure(s) {
			continue
		}
		seen++
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if cure, bad := forbidden[path]; bad {
				t.Errorf("%s is pure but imports %q: %s", s.path, path, cure)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			pos := func() string { return fset.Position(n.Pos()).String() }
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a pure room starts no goroutine; return an effect", pos())
			case *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
				t.Errorf("%s: a pure room has no channels; return an effect", pos())
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && clockCalls[n.Sel.Name] {
					t.Errorf("%s: time.%s in a pure room; take now as an argument", pos(), n.Sel.Name)
				}
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "rand" && x.Obj == nil && randGlobals[n.Sel.Name] {
					t.Errorf("%s: global rand.%s in a pure room; take a *rand.Rand", pos(), n.Sel.Name)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Fatal("no pure room found: the list is out of date")
	}
}

var randGlobals = map[string]bool{"Int": true, "IntN": true, "Int32": true, "Int32N": true, "Int64": true, "Int64N": true, "N": true, "Float64": true, "Perm": true, "Shuffle": true, "Uint64": true, "Uint32": true}
