package partlog

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// TestTruncateBesideDamage: a batch whose base offset lost bits must not make a
// truncation cut records in front of the offset asked for. It is refused, told of,
// and nothing is cut; where the index alone is wrong it is made anew.
func TestTruncateBesideDamage(t *testing.T) {
	t.Parallel()
	mem, o, _ := epochLog(t)
	r := rand.New(rand.NewPCG(6, 6))
	l := mustOpen(t, o)
	begins := []int64{0} // of each batch, were the log one file
	for n := range 60 {
		h, _, _, err := l.segs[l.floor(ids.Offset(2*n))].Position(ids.Offset(2*n), 500)
		if err != nil {
			t.Fatal(err)
		}
		begins = append(begins, begins[n]+int64(h.Size))
	}
	refused, cut := 0, 0
	for range 600 {
		o := o
		o.FS, o.Env = mem.CrashClone(0, r), quietEnv()
		n := r.IntN(60)
		off := ids.Offset(2 * n)
		s := l.segs[l.floor(off)]
		_, pos, _, err := s.Position(off, 500)
		if err != nil {
			t.Fatal(err)
		}
		again := mustOpen(t, o)
		if r.IntN(2) == 0 { // what was verified once is verified again
			refusedBatches(t, again)
		}
		if r.IntN(4) == 0 {
			x, err := s.Index(500)
			if err != nil {
				t.Fatal(err)
			}
			if x.Len() == 0 {
				continue
			}
			again.coolAll()
			flip(t, o.FS, o.Dir+"/"+segment.FileName(s.Base, segment.IndexSuffix), int64(r.IntN(x.Len()*8)), 1<<r.IntN(8))
		} else {
			flip(t, o.FS, s.Path(), pos+int64(r.IntN(8)), 1<<r.IntN(8))
		}
		to := ids.Offset(r.IntN(120))
		err = again.TruncateTo(to)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || again.EndOffset() != 120 {
				t.Fatalf("truncate to %d beside the batch at %d: %v, ends at %d", to, off, err, again.EndOffset())
			}
			refused++
			if err = again.Err(); err != nil { // nothing was written
				t.Fatal(err)
			}
			to = 120
		} else {
			to = to / 2 * 2
			cut++
		}
		if got := again.EndOffset(); got != to {
			t.Fatalf("truncated to %d beside the batch at %d: ends at %d", to, off, got)
		}
		if got, want := again.Size(), begins[to/2]; got != want {
			t.Fatalf("truncated to %d beside the batch at %d: %d bytes are left, want %d", to, off, got, want)
		}
	}
	if refused < 10 || cut < 100 {
		t.Fatalf("%d refused, %d cut: nothing was tried", refused, cut)
	}
}
