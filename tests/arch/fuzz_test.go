package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// TestFilesAndBatchesAreFuzzed: every room that reads what lies on a disk has a fuzz
// target, and there are twelve over files and batches.
func TestFilesAndBatchesAreFuzzed(t *testing.T) {
	rooms := []string{"protocol/batch", "storage/segment", "storage/partlog", "storage/epochs", "storage/producers", "storage/logdir", "storage/compact", "storage/check", "cmd/gregor/dump"}
	count := map[string]int{}
	total := 0
	for _, s := range load(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				count[s.room]++
			}
		}
	}
	for _, room := range rooms {
		if total += count[room]; count[room] == 0 {
			t.Errorf("%s has no fuzz target", room)
		}
	}
	if total < 12 {
		t.Errorf("%d fuzz targets over files and batches, want 12", total)
	}
}
