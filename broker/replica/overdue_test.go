package replica

import (
	"fmt"
	"testing"

	"github.com/gregorbroker/gregor/storage/compact"
)

// max.compaction.lag.ms has a log cleaned that its share of dirty bytes would
// leave alone, once the oldest dirty record is that old, and an altered value acts
// at once.
func TestOverdueLogsAreCleaned(t *testing.T) {
	const now = 1_700_000_000_000 // of the records
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.apply(compactedConfig("t")...)
	w.alter("t", "min.cleanable.dirty.ratio", "1")
	fill := func() {
		for i := range 60 {
			w.m.Append(tp("t", 0), keyed(fmt.Sprint(i%3), string(make([]byte, 100))), all, func(r AppendResult) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
			})
		}
	}
	c := compact.Cleaner{Set: w.logs, Stable: w.m.stable}
	round := func(what string, at int64, want bool) {
		t.Helper()
		if got := c.Round(at, nil); got != want {
			t.Fatalf("%s: cleaned %v", what, got)
		}
	}
	fill()
	round("all of it is dirty", now, true)
	fill()
	round("some of it is clean", now+1000, false)
	w.alter("t", "max.compaction.lag.ms", "1000")
	round("not older than may be", now+1000, false)
	round("a ms older", now+1001, true)
	round("nothing is dirty any more", now+1001, false)
}
