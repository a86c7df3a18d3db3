package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// Every soak takes seeds that no earlier one had, and says what it did in one line.
func TestLedgerIsContinued(t *testing.T) {
	ledger := filepath.Join(t.TempDir(), "LEDGER.md")
	for round := range uint64(3) {
		*path, *seeds = ledger, 4
		first, err := firstSeed()
		if err != nil || first != testSeeds+1+4*round {
			t.Fatalf("round %d begins at seed %d, %v", round, first, err)
		}
		r := &run{first: first, next: first}
		r.all(context.Background())
		line := r.line("abc")
		if len(r.failures) > 0 || !strings.Contains(line, "| quorum |") || strings.Count(line, "|") != 8 {
			t.Fatal(line)
		}
		if err := add(ledger, line); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSoakEndsWhenTold(t *testing.T) {
	*seeds = 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := &run{first: 1, next: 1}
	r.all(ctx)
	if r.done.Load() > 0 {
		t.Errorf("%d seeds ran", r.done.Load())
	}
}
