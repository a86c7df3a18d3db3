package partlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// script is a random operation list that knows nothing of configurations.
type script struct {
	ops []scripted
}

type scripted struct {
	kind    int // 0 append, 1 truncate, 2 new leader epoch, 3 restart here, if the configuration restarts
	n, size int
	back    int // offsets to truncate by
	codec   batch.Codec
}

func newScript(r *rand.Rand) (s script) {
	for range 80 {
		op := scripted{n: 1 + r.IntN(5), size: 1 + r.IntN(400), back: 1 + r.IntN(30), codec: []batch.Codec{batch.None, batch.Lz4, batch.Zstd}[r.IntN(3)]}
		switch x := r.IntN(100); {
		case x < 78:
		case x < 83:
			op.kind = 1
		case x < 88:
			op.kind = 2
		default:
			op.kind = 3
		}
		s.ops = append(s.ops, op)
	}
	return s
}

// restarting says how a run treats the restarts of its script.
type restarting int

const (
	never restarting = iota
	cleanly
	killed
	powerCut
)

// TestConfigurations runs the same random operation list under many
// configurations: segments small, of 1 MiB and of 1 GiB, index entries for every
// batch and every 4 KiB, a flush after each operation and none, restarts never,
// clean, after a kill and after a power cut. What a power cut took is appended
// again, as a follower fetches again what it lost. All must read back the same.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	seeds(t, 3, func(t *testing.T, seed uint64) {
		ops := newScript(rand.New(rand.NewPCG(seed, 11)))
		var want []byte
		for _, size := range []int32{3000, 1 << 20, 1 << 30} {
			for _, interval := range []int32{1, 4096} {
				for _, flush := range []int64{1, 1 << 62} {
					for _, how := range []restarting{never, cleanly, killed, powerCut} {
						cfg := DefaultConfig()
						cfg.SegmentBytes, cfg.IndexIntervalBytes, cfg.FlushMessages = size, interval, flush
						name := fmt.Sprintf("seed %d, segment %d, interval %d, flush %d, restarts %d", seed, size, interval, flush, how)
						got := runScript(t, name, seed, cfg, ops, how)
						if want == nil {
							want = got
						}
						if !bytes.Equal(got, want) {
							t.Fatalf("%s: %d bytes that are not those of the first configuration, %d", name, len(got), len(want))
						}
					}
				}
			}
		}
	})
}

func runScript(t *testing.T, name string, seed uint64, cfg Config, s script, how restarting) []byte {
	w := newWalk(t, seed)
	w.must(w.l.Close(false))
	w.must(w.fs.RemoveAll("/data/orders-3"))
	w.cfg, w.name = cfg, name
	w.r = rand.New(rand.NewPCG(seed, uint64(how)))
	w.open(false)
	for i, op := range s.ops {
		switch op.kind {
		case 0:
			w.appendScripted(op, int64(i))
		case 1:
			off := max(0, w.m.end-ids.Offset(op.back))
			w.must(w.l.TruncateTo(off))
			w.m.truncate(off)
			w.m.epoch++
		case 2:
			w.m.epoch++
		case 3:
			w.restartScripted(how)
		}
		if cfg.FlushMessages == 1 {
			w.must(w.l.Tick(testNow))
		}
	}
	w.compare()
	got := slices.Clone(w.m.bytesFrom(0))
	w.must(w.l.Close(true))
	return got
}

func (w *walk) appendScripted(op scripted, id int64) {
	b := makeBatch(op.n, testNow+id, op.size, id, batch.Options{Codec: op.codec})
	info, err := w.l.AppendAsLeader(b, w.m.epoch, Client, testNow)
	w.must(err)
	w.m.epochs.Assign(w.m.epoch, w.m.end)
	w.m.batches, w.m.end = append(w.m.batches, b), info.LastOffset+1
}

func (w *walk) restartScripted(how restarting) {
	switch how {
	case cleanly, killed:
		w.restart(how == cleanly)
	case powerCut:
		if w.r.IntN(3) == 0 {
			w.must(w.l.Flush())
			w.checkpoint()
		}
		flushed := w.l.RecoveryPoint()
		w.fs = w.fs.CrashClone([]float64{0, 0.5, 1}[w.r.IntN(3)], w.r)
		w.open(false)
		if w.l.EndOffset() < flushed {
			w.failf("log ends at %d, %d was flushed", w.l.EndOffset(), flushed)
		}
		for _, b := range w.m.batches {
			if b.BaseOffset() < w.l.EndOffset() {
				continue
			}
			if _, err := w.l.AppendAsFollower(b, w.m.epoch); err != nil {
				w.failf("append again what was lost: %v", err)
			}
		}
	}
}
