package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A work that failed is told of in its row, once in full, and takes nothing from
// the others.
func TestFailedWorksAreTold(t *testing.T) {
	rs := map[string]*result{}
	b := &bench{root: t.TempDir()}
	b.note(rs, "commits", "apache", figures{"kcommits_per_core_s": 17, "krate": 15}, nil)
	b.note(rs, "commits", "gregor", nil, errors.New("kbench | commits: exit status 1\nmore of it"))
	b.note(rs, "offsets", "apache", nil, fmt.Errorf("lost %s", strings.Repeat("x", 500)))
	b.note(rs, "offsets", "gregor", figures{"load_s": .3}, nil)
	b.note(rs, "topics", "gregor", figures{"ready_s": .05, "cpu_s": .02}, nil)
	text := report(b, rs)
	for _, want := range []string{
		"(k) | 17.0 | failed: kbench / commits: exit status 1 |",
		"… in the run (k/s) | 15.0 | failed |",
		"| 1 M committed offsets are loaded (s) | failed: lost xxx",
		"… | 0.30 |  |  | ≤ 1 | reached |",
		"| 500 topics × 10 partitions with leaders (s) |  | 0.05 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if got := fmt.Sprint(failures(rs)); got != "[commits on gregor offsets on apache]" {
		t.Errorf("failed: %s", got)
	}
}

// Whatever is measured has a line in the report, and every line a work.
func TestEveryWorkHasALine(t *testing.T) {
	lines := map[string]bool{}
	for _, r := range rows() {
		lines[r.work] = true
	}
	names := map[string]bool{"start": true} // it is no work on a running server
	for _, w := range works() {
		if names[w.name] {
			t.Errorf("two works are named %s", w.name)
		}
		if names[w.name] = true; !lines[w.name] {
			t.Errorf("%s has no line", w.name)
		}
	}
	for name := range lines {
		if !names[name] {
			t.Errorf("a line is of %s, which is no work", name)
		}
	}
}

func TestFiguresOfAGoBenchmark(t *testing.T) {
	f := benchmarkFigures("goos: linux\ncpu: x\nBenchmarkCrowd-2   \t       1\t60500000000 ns/op\t        17.90 %-core-steady\t 19990 heartbeats/s\nPASS\nok  \tx\t61.1s\n")
	if len(f) != 3 || f["%-core-steady"] != 17.9 || f["heartbeats/s"] != 19990 {
		t.Errorf("%v", f)
	}
}
