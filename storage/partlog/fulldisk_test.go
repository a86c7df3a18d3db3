package partlog

import (
	"errors"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
)

// TestFullDisk fills the disk to the last byte in the middle of random
// operations: the append that does not fit is refused and leaves nothing that
// is served, reads, rolls, flushes, deletion and truncation fail with
// ErrDiskFull at worst and never fail the log, and when there is room again
// everything works, also after a power cut.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	seeds(t, 250, func(t *testing.T, seed uint64) {
		w := newWalk(t, seed)
		w.cfg.Preallocate, w.cfg.FlushMessages = false, 1<<62
		for range 4 {
			for range w.r.IntN(25) {
				w.step()
			}
			w.fillDisk()
			w.fs.SetCapacity(0)
			w.full = false
			if w.r.IntN(3) == 0 {
				w.cutPower()
			}
			w.append()
			w.compare()
			w.flush()
		}
	})
}

func (w *walk) fillDisk() {
	w.t.Helper()
	w.fs.SetCapacity(1 << 40)
	free, total, _ := w.fs.Space("/data")
	w.fs.SetCapacity(total - free + int64(w.r.IntN(4000)))
	w.full = true
	for n := 0; w.appendShort(); n++ {
		if n == 200 {
			w.failf("200 appends to a full disk")
		}
	}
	w.compare()
	for range 6 {
		switch w.r.IntN(6) {
		case 0:
			w.short(w.l.Roll())
		case 1:
			w.short(w.l.Flush())
		case 2:
			w.short(w.l.Tick(testNow + 100000))
		case 3:
			w.advance()
		case 4:
			w.readSome()
		case 5:
			w.appendShort()
		}
		if err := w.l.Err(); err != nil {
			w.failf("the log failed: %v", err)
		}
		w.compare()
	}
}

// appendShort tells whether there was room for a batch.
func (w *walk) appendShort() bool {
	w.t.Helper()
	w.id++
	b := makeBatch(1+w.r.IntN(2), testNow, 100+w.r.IntN(300), w.id, batch.Options{})
	info, err := w.l.AppendAsLeader(b, w.m.epoch, Client, testNow)
	if err != nil {
		w.short(err)
		return false
	}
	w.m.epochs.Assign(w.m.epoch, w.m.end)
	w.m.batches, w.m.end = append(w.m.batches, b), info.LastOffset+1
	return true
}

// short lets nothing pass but want of room.
func (w *walk) short(err error) {
	w.t.Helper()
	if err != nil && (!errors.Is(err, ErrDiskFull) || errors.Is(err, ErrFailed)) {
		w.failf("%v", err)
	}
}
