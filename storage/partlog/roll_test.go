package partlog

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestRollByTime: a segment whose records have times rolls when a record comes that
// is segment.ms, less the jitter, younger than the first; one whose records have
// none rolls when it is that old itself, without a record.
func TestRollByTime(t *testing.T) {
	for _, c := range []struct {
		name      string
		times     bool
		atOnce    int64 // ms after which it does not roll yet; a ms later it does
		jitter    int64 // segment.jitter.ms, all of which is drawn
		maxLag    int64 // max.compaction.lag.ms of a compacted log
		byItself  bool
		compacted bool
	}{
		{name: "by the records", times: true, atOnce: 1000},
		{name: "by the clock", atOnce: 1000, byItself: true},
		{name: "with jitter", times: true, jitter: 400, atOnce: 601},
		{name: "with jitter, by the clock", jitter: 400, atOnce: 601, byItself: true},
		{name: "for the cleaner", times: true, compacted: true, maxLag: 300, atOnce: 300},
	} {
		now := int64(testNow)
		env := &Env{Clock: func() int64 { return now }, Random: func(n int64) int64 { return n - 1 }}
		cfg := DefaultConfig()
		cfg.SegmentMs, cfg.SegmentJitterMs, cfg.Compact = 1000, c.jitter, c.compacted
		if c.compacted {
			cfg.MaxCompactionLagMs = c.maxLag
		}
		l := mustOpen(t, testOptions(vfs.NewMem(), env, &cfg))
		step := func(ms int64, send bool, want int) {
			t.Helper()
			now += ms
			if send {
				ts := int64(batch.NoTimestamp)
				if c.times {
					ts = now
				}
				if _, err := l.AppendAsLeader(makeBatch(1, ts, 10, 1, batch.Options{}), 1, Client, now); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Tick(now); err != nil {
				t.Fatal(err)
			}
			if got := l.Segments(); got != want {
				t.Errorf("%s: %d segments after %d ms, want %d", c.name, got, now-testNow, want)
			}
		}
		step(0, true, 1)
		step(c.atOnce, !c.byItself, 1)
		step(1, !c.byItself, 2)
	}
}

// TestRollByOffset: index entries hold offsets relative to the segment's in 32 bits;
// a batch too far from it, behind a gap that compaction left at the leader, begins
// the next segment, also where the active one is empty.
func TestRollByOffset(t *testing.T) {
	const far = 1 << 31
	for _, empty := range []bool{false, true} {
		cfg := DefaultConfig()
		cfg.IndexIntervalBytes = 1
		l := mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), &cfg))
		bases := []ids.Offset{0, far - 1, far, 2*far - 1, 2 * far}
		if empty {
			bases = []ids.Offset{0, far + 1, 2*far + 1}
		}
		for i, base := range bases {
			b := batch.View(makeBatch(1, testNow, 10, int64(i), batch.Options{}))
			b.SetBaseOffset(base)
			b.SetLeaderEpoch(1)
			if _, err := l.AppendAsFollower(b, 1); err != nil {
				t.Fatal(err)
			}
			if empty && base == 0 {
				if err := l.Roll(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, base := range bases {
			if in := l.segs[l.floor(base)].Base; base-in > far-1 {
				t.Errorf("empty %v: offset %d in the segment from %d", empty, base, in)
			}
			s, err := l.Read(base, 1, l.EndOffset(), true)
			if err != nil {
				t.Fatal(base, err)
			}
			b := make(batch.View, s.Len)
			if _, err := s.ReadAt(b, 0); err != nil || b.BaseOffset() != base {
				t.Errorf("empty %v: offset %d is answered with %d, %v", empty, base, b.BaseOffset(), err)
			}
			s.Release()
		}
	}
}
