package epochs

import (
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

func history(t *testing.T, text string) *History {
	t.Helper()
	h, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEndOffset(t *testing.T) {
	h := history(t, "0\n3\n2 10\n4 20\n7 35\n")
	for _, c := range []struct {
		ask   ids.LeaderEpoch
		epoch ids.LeaderEpoch
		off   ids.Offset
	}{{7, 7, 50}, {8, -1, -1}, {-1, -1, -1}, {1, 1, 10}, {2, 2, 20}, {3, 2, 20}, {4, 4, 35}, {6, 4, 35}} {
		if got := h.EndOffset(c.ask, 50); got != (ids.OffsetAndEpoch{Offset: c.off, Epoch: c.epoch}) {
			t.Errorf("epoch %d ends at %v, want (%d, %d)", c.ask, got, c.off, c.epoch)
		}
	}
}

func TestAssignDropsWhatContradicts(t *testing.T) {
	h := history(t, "0\n2\n1 0\n2 10\n")
	if h.Assign(2, 15) || h.Assign(-1, 3) {
		t.Fatal("the same epoch later in the log is no news, an unknown epoch none at all")
	}
	if !h.Assign(3, 10) || string(h.Encode()) != "0\n2\n1 0\n3 10\n" {
		t.Fatalf("an epoch without records is replaced: %q", h.Encode())
	}
	if !h.Assign(2, 5) || string(h.Encode()) != "0\n2\n1 0\n2 5\n" {
		t.Fatalf("what the log proves wins: %q", h.Encode())
	}
}

func TestTruncate(t *testing.T) {
	h := history(t, "0\n3\n1 0\n2 10\n3 20\n")
	if h.TruncateEnd(21) || !h.TruncateEnd(20) || !h.TruncateStart(12) || h.TruncateStart(12) {
		t.Fatalf("%q", h.Encode())
	}
	if string(h.Encode()) != "0\n1\n2 12\n" {
		t.Fatalf("%q", h.Encode())
	}
}

// TestAgainstNaive compares with a map from offset to epoch.
func TestAgainstNaive(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		h, naive := &History{}, []ids.LeaderEpoch{}
		epoch := ids.LeaderEpoch(0)
		for range 100 {
			switch r.IntN(8) {
			case 0:
				epoch += ids.LeaderEpoch(r.IntN(3))
			case 1:
				n := len(naive) - r.IntN(len(naive)+1)
				naive = naive[:n]
				h.TruncateEnd(ids.Offset(n))
				epoch++
			default:
				h.Assign(epoch, ids.Offset(len(naive)))
				naive = append(naive, epoch)
			}
		}
		for off, want := range naive {
			if got, ok := h.ForOffset(ids.Offset(off)); !ok || got != want {
				t.Fatalf("seed %d: offset %d has epoch %d, want %d", seed, off, got, want)
			}
		}
		again := history(t, string(h.Encode()))
		if string(again.Encode()) != string(h.Encode()) {
			t.Fatalf("seed %d: round trip", seed)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0\n0\n", "0\n1\n0 0\n", "0\n2\n0 0\n3 1500\n", "", "0\n1\n", "1\n0\n", "0\n1\n-1 0\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err != nil {
			return
		}
		last := Entry{-1, -1}
		for _, e := range h.Entries() {
			if e.Epoch <= last.Epoch || e.Start <= last.Start {
				t.Fatalf("not ascending: %v", h.Entries())
			}
			last = e
		}
		if again, err := Parse(h.Encode()); err != nil || string(again.Encode()) != string(h.Encode()) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
