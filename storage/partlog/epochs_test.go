package partlog

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// epochLog is a log of 60 batches of 2 records under the leaders 1, 2, 4 and 9,
// in several segments, closed cleanly.
func epochLog(t *testing.T) (*vfs.Mem, Options, []epochs.Entry) {
	t.Helper()
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data"), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 4000, 500
	o := testOptions(mem, quietEnv(), &cfg)
	l := mustOpen(t, o)
	for i := range 60 {
		epoch := []ids.LeaderEpoch{1, 2, 4, 9}[i/15]
		if _, err := l.AppendAsLeader(makeBatch(2, testNow, 100, int64(i), batch.Options{}), epoch, Client, testNow); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
	o.RecoveryPoint, o.CleanShutdown = l.EndOffset(), true
	return mem, o, l.epochs.Entries()
}

// refusedBatches reads every batch and lists those that are refused.
func refusedBatches(t *testing.T, l *Log) (refused []ids.Offset) {
	t.Helper()
	for off := ids.Offset(0); off < l.EndOffset(); off += 2 {
		s, err := l.Read(off, 1, l.EndOffset(), true)
		switch {
		case errors.Is(err, ErrCorrupt):
			refused = append(refused, off)
		case err != nil:
			t.Fatal(err)
		default:
			s.Release()
		}
	}
	return refused
}

// TestLeaderEpochOfABatch changes the leader epoch of one batch, which no checksum
// covers, to one that leaves the epochs in order, or not: the batch alone is
// refused and told of, by readers and by scrubbing, after a clean stop and after a kill,
// which cuts nothing off.
func TestLeaderEpochOfABatch(t *testing.T) {
	t.Parallel()
	mem, o, history := epochLog(t)
	r := rand.New(rand.NewPCG(4, 4))
	l := mustOpen(t, o)
	for n := range 60 {
		off := ids.Offset(2 * n)
		s := l.segs[l.floor(off)]
		_, pos, _, err := s.Position(off, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, bit := range []byte{1, 2, 8, 128} {
			for _, clean := range []bool{true, false} {
				o := o
				fsys := mem.CrashClone(0, r)
				flip(t, fsys, s.Path(), pos+12+3*int64(1-bit>>7), bit)
				told := 0
				o.FS, o.CleanShutdown, o.Env = fsys, clean, quietEnv()
				o.Env.Warn = func(ids.TopicPartition, string, error) { told++ }
				again := mustOpen(t, o)
				if bit == 8 && s != l.active() { // scrubbed before it is read
					for at, more := (ScrubPoint{}), true; more; {
						if at, _, more, err = again.Scrub(at, 1000); err != nil {
							t.Fatal(err)
						}
					}
					if again.Damages() != 1 {
						t.Fatalf("batch %d bit %d: scrubbing tells of %d places", n, bit, again.Damages())
					}
				}
				if got := refusedBatches(t, again); !reflect.DeepEqual(got, []ids.Offset{off}) || told != 1 || again.Damages() != 1 {
					t.Fatalf("batch at %d bit %d clean %v: refused %v, told %d times", off, bit, clean, got, told)
				}
				if again.EndOffset() != l.EndOffset() || !reflect.DeepEqual(again.epochs.Entries(), history) {
					t.Fatalf("batch at %d bit %d clean %v: the log ends at %d, epochs %v", off, bit, clean, again.EndOffset(), again.epochs.Entries())
				}
			}
		}
	}
}

// TestEpochHistoryIsWrong: where the checkpoint is what lost bits, all batches are
// served, the history is made anew from them, and is right on disk too after that.
func TestEpochHistoryIsWrong(t *testing.T) {
	t.Parallel()
	mem, o, history := epochLog(t)
	r := rand.New(rand.NewPCG(5, 5))
	for name, text := range map[string]string{
		"an epoch higher":     "0\n4\n1 0\n3 30\n4 60\n9 90\n",
		"the first":           "0\n4\n0 0\n2 30\n4 60\n9 90\n",
		"the last":            "0\n4\n1 0\n2 30\n4 60\n25 90\n",
		"begins later":        "0\n4\n1 0\n2 38\n4 60\n9 90\n",
		"begins earlier":      "0\n4\n1 0\n2 10\n4 60\n9 90\n",
		"an entry is missing": "0\n3\n1 0\n4 60\n9 90\n",
	} {
		for _, clean := range []bool{true, false} {
			o := o
			o.FS, o.CleanShutdown = mem.CrashClone(0, r), clean
			if err := ReplaceFile(o.FS, o.Dir+"/"+epochs.FileName, []byte(text)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				l := mustOpen(t, o)
				if got := refusedBatches(t, l); len(got) > 0 || l.Damages() > 0 {
					t.Fatalf("%s, clean %v: %v refused", name, clean, got)
				}
				if got := l.epochs.Entries(); !reflect.DeepEqual(got, history) {
					t.Fatalf("%s, clean %v: %v, want %v", name, clean, got, history)
				}
				if err := l.Close(true); err != nil {
					t.Fatal(err)
				}
				o.CleanShutdown = true
			}
		}
	}
}

// TestEpochsWithoutALog: a checkpoint that cannot be read, in a folder without a segment.
func TestEpochsWithoutALog(t *testing.T) {
	mem := vfs.NewMem()
	cfg := DefaultConfig()
	o := testOptions(mem, quietEnv(), &cfg)
	if err := errors.Join(mem.MkdirAll(o.Dir), ReplaceFile(mem, o.Dir+"/"+epochs.FileName, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, o)
	if _, err := l.AppendAsLeader(makeBatch(1, testNow, 1, 1, batch.Options{}), 3, Client, testNow); err != nil {
		t.Fatal(err)
	}
	if e, ok := l.LatestEpoch(); !ok || e != 3 {
		t.Fatal(e, ok)
	}
}
