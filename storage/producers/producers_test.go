package producers

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

const far = 1 << 60

// log drives a state as a leader does.
type log struct {
	s   State
	end ids.Offset
}

func (l *log) send(pid int64, epoch int16, seq, n int32, txn bool) (ids.Offset, error) {
	b := Batch{ProducerID: pid, Epoch: epoch, FirstSeq: seq, LastSeq: int32((int64(seq) + int64(n) - 1) & 0x7fffffff),
		First: l.end, Last: l.end + ids.Offset(n) - 1, Timestamp: int64(l.end), Transactional: txn}
	if first, _, _, ok := l.s.Duplicate(&b); ok {
		return first, nil
	}
	if err := l.s.Check(&b, Rules{Sequences: true}); err != nil {
		return -1, err
	}
	l.s.Apply(&b)
	l.end = b.Last + 1
	return b.First, nil
}

func (l *log) mark(pid int64, epoch int16, coordinator int32, abort, strict bool) (Completed, bool, error) {
	b := Batch{ProducerID: pid, Epoch: epoch, FirstSeq: -1, LastSeq: -1, First: l.end, Last: l.end, Transactional: true, Marker: true, Abort: abort, CoordinatorEpoch: coordinator}
	if err := l.s.Check(&b, Rules{StrictMarker: strict}); err != nil {
		return Completed{}, false, err
	}
	c, ok := l.s.Apply(&b)
	l.end++
	return c, ok, nil
}

func TestSequences(t *testing.T) {
	l := &log{}
	steps := []struct {
		name  string
		epoch int16
		seq   int32
		n     int32
		want  ids.Offset
		err   error
	}{
		{"an unknown producer may begin anywhere", 0, 5, 2, 0, nil},
		{"next", 0, 7, 3, 2, nil},
		{"duplicate of the first", 0, 5, 2, 0, nil},
		{"overlap is no duplicate", 0, 6, 2, -1, ErrOutOfOrderSequence},
		{"gap", 0, 11, 1, -1, ErrOutOfOrderSequence},
		{"new epoch begins with 0", 1, 10, 1, -1, ErrOutOfOrderSequence},
		{"new epoch", 1, 0, 1, 5, nil},
		{"old epoch", 0, 10, 1, -1, ErrInvalidEpoch},
		{"duplicate of an older epoch is fenced", 0, 7, 3, -1, ErrInvalidEpoch},
	}
	for _, c := range steps {
		got, err := l.send(1, c.epoch, c.seq, c.n, false)
		if got != c.want || !errors.Is(err, c.err) {
			t.Fatalf("%s: %d %v", c.name, got, err)
		}
	}
}

func TestSequenceWraps(t *testing.T) {
	l := &log{}
	const top = 1<<31 - 1
	mustAt(t, l, top-1, 2, 0) // 2^31−2, 2^31−1
	mustAt(t, l, 0, 1, 2)
	mustAt(t, l, top-1, 2, 0) // duplicate
	mustAt(t, l, 1, 3, 3)
	l2 := &log{}
	mustAt(t, l2, top, 3, 0) // wraps within the batch: 2^31−1, 0, 1
	mustAt(t, l2, 2, 1, 3)
	mustAt(t, l2, top, 3, 0)
}

func mustAt(t *testing.T, l *log, seq, n int32, want ids.Offset) {
	t.Helper()
	if got, err := l.send(1, 0, seq, n, false); got != want || err != nil {
		t.Fatalf("sequence %d: at %d, %v; want %d", seq, got, err, want)
	}
}

func TestFiveBatchWindow(t *testing.T) {
	l := &log{}
	for i := range int32(6) {
		mustAt(t, l, i, 1, ids.Offset(i))
	}
	for i := range int32(5) {
		mustAt(t, l, i+1, 1, ids.Offset(i+1))
	}
	if _, err := l.send(1, 0, 0, 1, false); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("the sixth newest is forgotten: %v", err)
	}
}

func TestTransactions(t *testing.T) {
	l := &log{}
	l.send(1, 0, 0, 2, true) // 0-1
	l.send(2, 0, 0, 1, true) // 2
	if off, ok := l.s.FirstUnstable(); !ok || off != 0 {
		t.Fatal(off, ok)
	}
	if _, err := l.send(1, 0, 2, 1, false); !errors.Is(err, ErrInvalidTxnState) {
		t.Fatalf("outside of the open transaction: %v", err)
	}
	c, ok, err := l.mark(1, 0, 3, true, false) // 3
	if err != nil || !ok || c != (Completed{1, 0, 3, 2, true}) {
		t.Fatal(c, ok, err)
	}
	if off, _ := l.s.FirstUnstable(); off != 0 {
		t.Fatalf("the marker at 3 is not committed yet: %d", off)
	}
	l.s.Committed(4)
	if off, _ := l.s.FirstUnstable(); off != 2 {
		t.Fatal(off)
	}
	if _, _, err := l.mark(2, 0, 2, false, false); err != nil {
		t.Fatal("coordinator epochs are a producer's own", err)
	}
	if _, _, err := l.mark(1, 0, 2, false, false); !errors.Is(err, ErrCoordinatorFenced) {
		t.Fatal(err)
	}
	if _, ok, err := l.mark(1, 0, 3, false, false); ok || err != nil {
		t.Fatal("a marker without a transaction completes nothing", ok, err)
	}
	l.s.Committed(far)
	if _, ok := l.s.FirstUnstable(); ok {
		t.Fatal("all is decided")
	}
}

func TestStrictMarkers(t *testing.T) {
	l := &log{}
	l.send(1, 4, 0, 1, true)
	if _, _, err := l.mark(1, 4, 1, false, true); !errors.Is(err, ErrInvalidEpoch) {
		t.Fatal("the epoch must be above the producer's", err)
	}
	if c, ok, err := l.mark(1, 5, 1, false, true); err != nil || !ok || c.First != 0 {
		t.Fatal(c, ok, err)
	}
	if _, ok, err := l.mark(1, 5, 1, false, true); err != nil || ok {
		t.Fatal("a retry is harmless", ok, err)
	}
	if _, err := l.send(1, 5, 0, 1, true); err != nil {
		t.Fatal(err)
	}
}

func TestExpiry(t *testing.T) {
	l := &log{}
	l.send(1, 0, 0, 1, false)
	l.send(2, 0, 0, 1, true)
	if n := l.s.Expire(1000, 1000); n != 1 || l.s.Len() != 1 {
		t.Fatalf("%d expired; one with an open transaction stays", n)
	}
}

// TestSnapshotFromKafka reads and writes a file that Apache Kafka 4.3.1 wrote.
func TestSnapshotFromKafka(t *testing.T) {
	want, err := os.ReadFile("testdata/kafka-txn.snapshot")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(want, 2225)
	if err != nil {
		t.Fatal(err)
	}
	all := s.All()
	if len(all) != 2 || all[1] != (Info{1000, 20, -1, -1, 0, 1795331454534, 2, -1}) {
		t.Fatalf("%+v", all)
	}
	if !bytes.Equal(s.Encode(), want) {
		t.Fatal("written differently")
	}
}

// TestReplayEqualsSnapshot: the state from a snapshot and the batches behind
// it answers as the state from all batches, for what a snapshot keeps.
func TestReplayEqualsSnapshot(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		l, at := &log{}, r.IntN(60)
		var copyOf *State
		next := map[int64]int32{}
		for i := range 80 {
			if i == at {
				c, err := Parse(l.s.Encode(), l.end)
				if err != nil {
					t.Fatal(err)
				}
				copyOf = c
			}
			pid := int64(r.IntN(4))
			var b Batch
			if r.IntN(4) == 0 {
				b = Batch{ProducerID: pid, First: l.end, Last: l.end, FirstSeq: -1, LastSeq: -1, Marker: true, Abort: r.IntN(2) == 0, Transactional: true}
			} else {
				n := int32(1 + r.IntN(3))
				b = Batch{ProducerID: pid, First: l.end, Last: l.end + ids.Offset(n) - 1, FirstSeq: next[pid], LastSeq: next[pid] + n - 1, Transactional: pid%2 == 0}
				next[pid] += n
			}
			l.end = b.Last + 1
			l.s.Apply(&b)
			if copyOf != nil {
				copyOf.Apply(&b)
			}
		}
		l.s.Committed(far)
		copyOf.Committed(far)
		if !bytes.Equal(l.s.Encode(), copyOf.Encode()) {
			t.Fatalf("seed %d: states differ", seed)
		}
		a, aok := l.s.FirstUnstable()
		b, bok := copyOf.FirstUnstable()
		if a != b || aok != bok {
			t.Fatalf("seed %d: first unstable %d %v, %d %v", seed, a, aok, b, bok)
		}
	}
}

func FuzzSnapshot(f *testing.F) {
	b, err := os.ReadFile("testdata/kafka-txn.snapshot")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add((&State{}).Encode())
	f.Add(b[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b, 10)
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatal(err)
			}
			return
		}
		if _, err := Parse(s.Encode(), 10); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLargestEpoch: behind it comes another producer id, so nothing follows; the
// strict marker, whose epoch must be above the producer's, may be equal to it then.
func TestLargestEpoch(t *testing.T) {
	const top = 1<<15 - 1
	l := &log{}
	if _, err := l.send(1, top, 0, 1, true); err != nil {
		t.Fatal(err)
	}
	for _, old := range []int16{top - 1, 0, -1 << 15} {
		if _, err := l.send(1, old, 0, 1, true); !errors.Is(err, ErrInvalidEpoch) {
			t.Fatalf("epoch %d after the largest: %v", old, err)
		}
	}
	if c, ok, err := l.mark(1, top, 1, true, true); err != nil || !ok || !c.Aborted {
		t.Fatal(c, ok, err)
	}
	if _, err := l.send(1, top, 1, 1, true); err != nil {
		t.Fatal(err)
	}
}
