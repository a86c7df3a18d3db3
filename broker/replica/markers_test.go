package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/broker/wait"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/compact"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// inTxn is one record of a transaction of producer 1, or with no key its end.
func inTxn(t *testing.T, key string, seq int32, commit bool) []byte {
	t.Helper()
	o := batch.Options{Transactional: true, Control: key == "", Producer: &batch.Producer{ID: 1, Sequence: seq}}
	b := batch.NewBuilder(o)
	if m := (batch.EndTxnMarker{Commit: commit}); key == "" {
		b.AppendControl(1_700_000_000_000, m.Type(), m.AppendTo(nil))
	} else {
		b.Append(1_700_000_000_000, []byte(key), []byte("v"), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hasMarker tells whether the control batch at an offset is there.
func hasMarker(t *testing.T, log *partlog.Log, at ids.Offset) bool {
	t.Helper()
	s, err := log.Read(log.StartOffset(), 1<<20, log.EndOffset(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	b := make([]byte, s.Len)
	if _, err := s.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	for rest := b; len(rest) > 0; {
		v, tail, err := batch.Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		if rest = tail; v.BaseOffset() == at {
			return v.IsControl()
		}
	}
	return false
}

// A transaction's marker goes delete.retention.ms after the first cleaning that
// found none of its records left, not with them and not never: until then a reader
// on its way needs it.
func TestMarkersGoWhenTheirTimeIsOver(t *testing.T) {
	const now = 1_700_000_000_000
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.apply(compactedConfig("t")...)
	w.alter("t", "delete.retention.ms", "1000")
	w.m.Append(tp("t", 0), keyed("a", "first"), all, func(AppendResult) {})
	log, _, ok := w.logs.Partition(tp("t", 0))
	if !ok {
		t.Fatal("no log")
	}
	put := func(b []byte, o partlog.Origin) ids.Offset {
		t.Helper()
		info, err := log.AppendAsLeader(b, 1, o, now)
		if err != nil {
			t.Fatal(err)
		}
		return info.FirstOffset
	}
	put(inTxn(t, "k", 0, false), partlog.Client)
	marker := put(inTxn(t, "", -1, false), partlog.Coordinator)
	put(inTxn(t, "l", 1, false), partlog.Client) // a producer's last batch stays, so that its sequence does
	put(inTxn(t, "", -1, true), partlog.Coordinator)
	put(keyed("z", "last"), partlog.Client)
	if err := log.Roll(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		at   int64
		want bool
	}{{"its record goes", now, true}, {"nothing of it is left", now + 10, true}, {"not yet", now + 1009, true}, {"its time is over", now + 1010, false}} {
		if _, err := compact.Clean(log, compact.Options{Stable: log.EndOffset(), Now: c.at}); err != nil {
			t.Fatal(err)
		}
		if got := hasMarker(t, log, marker); got != c.want {
			t.Errorf("%s: the marker is there: %v", c.what, got)
		}
	}
}

// The end of a transaction makes more readable than its marker has bytes: who
// waits for what is committed looks again, however much it waits for.
func TestTheEndOfATransactionWakes(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.m.Append(tp("t", 0), inTxn(t, "k", 0, false), all, func(AppendResult) {})
	w.mustAppend(tp("t", 0), 5)
	p := mustGet(t, w.m)
	if p.LastStable() != 0 || p.HighWatermark() != 6 {
		t.Fatalf("last stable offset %d, high watermark %d", p.LastStable(), p.HighWatermark())
	}
	fired := make(chan wait.Reason, 1)
	waiter := wait.New(1<<30, func(r wait.Reason) { fired <- r })
	p.Waiters.Add(waiter, true, func() bool { return false })
	waiter.Start(20 * time.Second)
	if _, err := p.AppendLocal(inTxn(t, "", -1, true), AppendOptions{Acks: -1, Origin: partlog.Coordinator, Epoch: ids.NoEpoch}); err != nil {
		t.Fatal(err)
	}
	if r := <-fired; r != wait.Enough || p.LastStable() != 7 {
		t.Fatalf("woken by %v, last stable offset %d", r, p.LastStable())
	}
}

// A read tells of the aborted transactions in what it returns, whatever comes behind it.
func TestAbortedTransactionsOfARead(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	p := mustGet(t, w.m)
	var size int
	for i := range int32(20) { // of two offsets each
		data := inTxn(t, "k", i, false)
		size = len(data)
		w.m.Append(tp("t", 0), data, all, func(AppendResult) {})
		if _, err := p.AppendLocal(inTxn(t, "", -1, i%2 == 1), AppendOptions{Acks: -1, Origin: partlog.Coordinator, Epoch: ids.NoEpoch}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		from  ids.Offset
		bytes int
		first []ids.Offset
	}{{0, size, []ids.Offset{0}}, {1, size, []ids.Offset{0}}, {2, size, nil}, {4, 4 * size, []ids.Offset{4}}, {20, 1 << 20, []ids.Offset{20, 24, 28, 32, 36}}} {
		r, err := p.Read(ReadOptions{From: c.from, MaxBytes: c.bytes, MinOneBatch: true, Isolation: Committed, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
		if err != nil {
			t.Fatal(err)
		}
		r.Slice.Release()
		var got []ids.Offset
		for _, a := range r.Aborted {
			got = append(got, a.FirstOffset)
		}
		if !slices.Equal(got, c.first) {
			t.Errorf("%d bytes from %d on: aborted %v, want %v", c.bytes, c.from, got, c.first)
		}
	}
}
