package partlog

import (
	"errors"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// known are the ids of the producers that a log knows.
func known(t *testing.T, l *Log) (out []int64) {
	t.Helper()
	all, err := l.ActiveProducers()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		out = append(out, p.ProducerID)
	}
	return out
}

// TestSilentProducersAreForgotten: after producer.id.expiration.ms without a
// batch a producer is unknown, in an open log and in one that is opened later,
// and may begin with any sequence; one with an open transaction stays. An altered
// value acts at once.
func TestSilentProducersAreForgotten(t *testing.T) {
	now := int64(testNow)
	env := &Env{Clock: func() int64 { return now }, ProducerExpirationMs: 1000}
	cfg := DefaultConfig()
	o := testOptions(vfs.NewMem(), env, &cfg)
	l := mustOpen(t, o)
	send := func(pid int64, seq int32, txn bool) error {
		b := makeBatch(1, now, 10, 1, batch.Options{Producer: &batch.Producer{ID: pid, Sequence: seq}, Transactional: txn})
		_, err := l.AppendAsLeader(b, 1, Client, now)
		return err
	}
	expect := func(when string, n int) {
		t.Helper()
		if got := known(t, l); len(got) != n {
			t.Fatalf("%s: producers %v are known, want %d", when, got, n)
		}
	}
	tick := func(ms int64) {
		t.Helper()
		now += ms
		if err := l.Tick(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(send(1, 0, false), send(2, 0, true)); err != nil {
		t.Fatal(err)
	}
	tick(999)
	expect("in time", 2)
	if err := send(1, 7, false); !errors.Is(err, producers.ErrOutOfOrderSequence) {
		t.Fatal("a gap:", err)
	}
	tick(1)
	expect("one is silent, the other in a transaction", 1)
	if err := send(1, 7, false); err != nil {
		t.Fatal("nothing is known of it, so any sequence may come:", err)
	}

	env.ExpireProducersAfter(5000)
	tick(4999)
	expect("with more time", 2)
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
	o.CleanShutdown, o.RecoveryPoint = true, l.RecoveryPoint()
	l = mustOpen(t, o)
	expect("read from the snapshot in time", 2)
	now++
	l = mustOpen(t, o)
	expect("read from the snapshot too late", 1)
	if off, open := l.FirstUnstableOffset(); !open || off != ids.Offset(1) {
		t.Fatal("the open transaction is lost", off, open)
	}
}
