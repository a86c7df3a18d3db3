package partlog

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// txnLog fills a log with the transactions of four producers.
func txnLog(t *testing.T, l *Log, r *rand.Rand) {
	t.Helper()
	seq := map[int64]int32{}
	for i := range 150 {
		pid := int64(r.IntN(4))
		b, origin := makeBatch(2, testNow+int64(r.IntN(1000)), 100, int64(i), batch.Options{Producer: &batch.Producer{ID: pid, Sequence: seq[pid]}, Transactional: true}), Client
		if r.IntN(3) == 0 {
			b, origin = txnEnd(pid, 0, r.IntN(3) > 0, 1), Coordinator
		} else {
			seq[pid] += 2
		}
		if _, err := l.AppendAsLeader(b, ids.LeaderEpoch(1+i/50), origin, testNow); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCopyAnswersTheSame: a log that was copied by reads of any size, as a move to
// another directory does it, answers every question as the original: records,
// times, aborted transactions, producers, epochs; also when the copy is restarted
// on the way, and when it is killed and recovered.
func TestCopyAnswersTheSame(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 21))
		mem := vfs.NewMem()
		if err := errors.Join(mem.MkdirAll("/data"), mem.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		cfg.SegmentBytes, cfg.IndexIntervalBytes = 6000, 200
		l := mustOpen(t, testOptions(mem, quietEnv(), &cfg))
		txnLog(t, l, r)
		o := testOptions(mem, quietEnv(), &cfg)
		o.Dir = "/data/copy"
		c := mustOpen(t, o)
		for c.EndOffset() < l.EndOffset() {
			if r.IntN(10) == 0 {
				o.CleanShutdown = r.IntN(2) == 0
				err := c.Close(o.CleanShutdown)
				if o.RecoveryPoint = c.RecoveryPoint(); err != nil {
					t.Fatal(err)
				}
				c = mustOpen(t, o)
			}
			copySome(t, c, l, 1+r.IntN(3000))
		}
		if got, want := askAll(t, c), askAll(t, l); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the copy answers\n%v\n%v\n%v\nthe log\n%v\n%v\n%v", seed, got.Times, got.Aborted, got.State, want.Times, want.Aborted, want.State)
		}
		for e := range ids.LeaderEpoch(5) {
			if got, want := c.EndOffsetForEpoch(e), l.EndOffsetForEpoch(e); got != want {
				t.Fatalf("seed %d: epoch %d ends at %v, in the log at %v", seed, e, got, want)
			}
		}
	}
}

// copySome copies what one read of so many bytes gives.
func copySome(t *testing.T, to, from *Log, size int) {
	t.Helper()
	s, err := from.Read(to.EndOffset(), size, from.EndOffset(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	b := make([]byte, s.Len)
	if _, err := s.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := to.AppendAsFollower(b, 3); err != nil {
		t.Fatal(err)
	}
}
