package partlog

import (
	"testing"

	"github.com/gregorbroker/gregor/storage/segment"
)

// A power cut ended a deletion of old segments and kept the names of some but not
// of one behind them: what a snapshot covers goes, and no record above it.
func TestHalfDeletedSegmentsCostNothingElse(t *testing.T) {
	mem, o, _ := epochLog(t)
	names, err := mem.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var logs []string
	for _, e := range names {
		if _, suffix, ok := splitName(e.Name); ok && suffix == segment.LogSuffix {
			logs = append(logs, e.Name)
		}
	}
	if len(logs) < 4 {
		t.Fatalf("%d segments", len(logs))
	}
	if err := mem.Remove(o.Dir + "/" + logs[1]); err != nil {
		t.Fatal(err)
	}
	third, _, _ := splitName(logs[2])
	end := o.RecoveryPoint
	o.CleanShutdown, o.RecoveryPoint, o.Covered = false, 0, third+1
	l := mustOpen(t, o)
	if l.StartOffset() != third || l.EndOffset() != end {
		t.Errorf("offsets %d to %d are left, not %d to %d", l.StartOffset(), l.EndOffset(), third, end)
	}
}
