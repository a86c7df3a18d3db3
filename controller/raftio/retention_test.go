package raftio

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Old snapshots go when what there is exceeds metadata.max.retention.bytes, or when the records they end
// with are older than metadata.max.retention.ms. The log in front of the oldest that stays goes
// too, and the latest never goes.
func TestOldSnapshotsGoBySizeAndByAge(t *testing.T) {
	const unbounded, hour = -1, 3_600_000
	for _, c := range []struct {
		name      string
		bytes, ms int64
		left      []int // of three snapshots, which end with records of 0, 1 and 2 hours
	}{
		{"nothing is too much or too old", 1 << 20, 10 * hour, []int{0, 1, 2}},
		{"no bounds", unbounded, unbounded, []int{0, 1, 2}},
		{"by size", 1, unbounded, []int{2}},
		{"by age, the first", unbounded, 3*hour/2 + hour/4, []int{1, 2}},
		{"by age, all but the latest", unbounded, 1, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, rec := newDisk(t), newRecorder()
			var now atomic.Int64
			o := testOptions(fs, rec)
			o.Clock = func() time.Time { return time.UnixMilli(now.Load()) }
			o.Config.SegmentBytes, o.Config.RetentionBytes, o.Config.RetentionMs = 2048, c.bytes, c.ms
			n := startNode(t, o)
			rec.wait(t, "leadership", leads(rec))
			var wrote []ids.OffsetAndEpoch
			for i := range 3 {
				now.Store(int64(i)*hour + 1)
				for r := range 50 {
					if _, err := n.Append(1, [][]byte{fmt.Appendf(nil, "a record %d of some length", r)}, now.Load()); err != nil {
						t.Fatal(err)
					}
				}
				rec.wait(t, "commit", func() bool { return len(rec.records) == 50*(i+1) })
				if err := n.WriteSnapshot(rec.at, rec.time, func(func([]byte) bool) {}); err != nil {
					t.Fatal(err)
				}
				wrote = append(wrote, rec.at)
			}
			var want []ids.OffsetAndEpoch
			for _, i := range c.left {
				want = append(want, wrote[i])
			}
			if got, err := n.driver.store.listSnapshots(); err != nil || !slices.Equal(got, want) {
				t.Errorf("left are %v, not %v: %v", got, want, err)
			}
			start := ids.Offset(0)
			if c.left[0] > 0 {
				start = want[0].Offset
			}
			if got := n.driver.store.log.StartOffset(); got != start {
				t.Errorf("the log begins at %d, not %d", got, start)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Somebody removes a snapshot's file. The next snapshot is written all the same, the log begins at one
// that is there.
func TestASnapshotThatSomebodyRemoved(t *testing.T) {
	fs, rec := newDisk(t), newRecorder()
	o := testOptions(fs, rec)
	o.Config.SegmentBytes, o.Config.RetentionBytes, o.Config.RetentionMs = 2048, -1, -1
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	var wrote []ids.OffsetAndEpoch
	for i := range 3 {
		for r := range 50 {
			if _, err := n.Append(1, [][]byte{fmt.Appendf(nil, "a record %d of some length", r)}, 0); err != nil {
				t.Fatal(err)
			}
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == 50*(i+1) })
		if i == 2 {
			if err := fs.Remove(n.driver.store.snapshotPath(wrote[0])); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.WriteSnapshot(rec.at, rec.time, func(func([]byte) bool) {}); err != nil {
			t.Fatal(err)
		}
		wrote = append(wrote, rec.at)
	}
	if got, err := n.driver.store.listSnapshots(); err != nil || !slices.Equal(got, wrote[1:]) {
		t.Errorf("left are %v of %v: %v", got, wrote, err)
	}
	if got := n.driver.store.log.StartOffset(); got != wrote[1].Offset {
		t.Errorf("the log begins at %d, not at %v", got, wrote[1])
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
