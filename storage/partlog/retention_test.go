package partlog

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// fiveSegments is a log of five segments of one record each, of the same size;
// that of offset i is 500-100i ms old.
func fiveSegments(t *testing.T, cfg *Config) (l *Log, each int64) {
	t.Helper()
	l = mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), cfg))
	for i := range int64(5) {
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
		b := makeBatch(1, testNow-500+100*i, 50, 1, batch.Options{})
		if _, err := l.AppendAsLeader(b, 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
		each = int64(len(b))
	}
	if l.Segments() != 5 {
		t.Fatal(l.Segments())
	}
	return l, each
}

// TestRetention: which segments go is Kafka's rule, to the byte, the millisecond
// and the offset. By size as many as still leave retention.bytes; by time those
// whose newest record is older than retention.ms, up to the first that is not; none
// that reaches the high watermark; below the start offset always.
func TestRetention(t *testing.T) {
	const unlimited = -1
	for _, c := range []struct {
		name       string
		bytes, ms  int64 // bytes: in segments
		more       int64 // bytes
		policy     string
		start, hw  ids.Offset
		want       ids.Offset // the log begins there afterwards
		activeGoes bool
	}{
		{name: "no limit", bytes: unlimited, ms: unlimited, policy: "delete", hw: 5, want: 0},
		{name: "three fit", bytes: 3, ms: unlimited, policy: "delete", hw: 5, want: 2},
		{name: "three fit and a byte is left", bytes: 3, more: 1, ms: unlimited, policy: "delete", hw: 5, want: 1},
		{name: "a byte is missing for three", bytes: 3, more: -1, ms: unlimited, policy: "delete", hw: 5, want: 2},
		{name: "no byte", bytes: 0, ms: unlimited, policy: "delete", hw: 5, want: 5, activeGoes: true},
		{name: "exactly as old", bytes: unlimited, ms: 400, policy: "delete", hw: 5, want: 1},
		{name: "a ms older", bytes: unlimited, ms: 399, policy: "delete", hw: 5, want: 2},
		{name: "all are older", bytes: unlimited, ms: 10, policy: "delete", hw: 5, want: 5, activeGoes: true},
		{name: "up to the high watermark", bytes: 0, ms: 10, policy: "delete", hw: 3, want: 3},
		{name: "nothing is committed", bytes: 0, ms: 10, policy: "delete", hw: 0, want: 0},
		{name: "another policy", bytes: 0, ms: 10, policy: "compact", hw: 5, want: 0},
		{name: "no policy", bytes: 0, ms: 10, hw: 5, want: 0},
		{name: "below the start, whatever the policy", bytes: unlimited, ms: unlimited, policy: "compact", start: 3, hw: 5, want: 3},
	} {
		cfg := DefaultConfig()
		l, each := fiveSegments(t, &cfg)
		altered := cfg
		altered.Delete, altered.Compact = c.policy == "delete", c.policy == "compact"
		altered.RetentionMs, altered.RetentionBytes = c.ms, c.bytes
		if c.bytes > 0 {
			altered.RetentionBytes = c.bytes*each + c.more
		}
		l.SetConfig(&altered)
		if _, err := l.AdvanceStartOffset(c.start); err != nil {
			t.Fatal(err)
		}
		if _, err := l.ApplyRetention(testNow, c.hw); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := l.FirstSegmentBase(); got != c.want || l.StartOffset() != c.want || l.EndOffset() != 5 {
			t.Errorf("%s: the log is [%d, %d), its first segment begins at %d, want %d", c.name, l.StartOffset(), l.EndOffset(), got, c.want)
		}
		if rolled := l.ActiveBase() == 5; rolled != c.activeGoes {
			t.Errorf("%s: the active segment begins at %d", c.name, l.ActiveBase())
		}
	}
}

// TestRetentionWithoutTimestamps: records that say nothing of their time are as
// old as their file.
func TestRetentionWithoutTimestamps(t *testing.T) {
	cfg := DefaultConfig()
	fs := vfs.NewMem()
	l := mustOpen(t, testOptions(fs, testEnv(t), &cfg))
	for range 2 {
		if _, err := l.AppendAsLeader(makeBatch(1, batch.NoTimestamp, 50, 1, batch.Options{}), 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
	}
	written, err := l.segs[0].ModTime()
	if err != nil {
		t.Fatal(err)
	}
	altered := cfg
	altered.RetentionMs = 1000
	l.SetConfig(&altered)
	for _, c := range []struct {
		now  int64
		want ids.Offset
	}{{written + 1000, 0}, {written + 100_000, 2}} {
		if _, err := l.ApplyRetention(c.now, 2); err != nil || l.StartOffset() != c.want {
			t.Errorf("%d ms later: start %d, %v; want %d", c.now-written, l.StartOffset(), err, c.want)
		}
	}
}
