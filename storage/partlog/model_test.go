package partlog

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/vfs"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only")
	seedsFlag = flag.Int("seeds", 0, "run so many seeds")
)

// model is a log as a plain list of batches.
type model struct {
	start, end ids.Offset
	batches    []batch.View
	epochs     epochs.History
	epoch      ids.LeaderEpoch
}

func (m *model) bytesFrom(off ids.Offset) []byte {
	var out []byte
	for _, b := range m.batches {
		if b.LastOffset() >= off {
			out = append(out, b...)
		}
	}
	return out
}

func (m *model) truncate(off ids.Offset) {
	i := slices.IndexFunc(m.batches, func(b batch.View) bool { return b.LastOffset() >= off })
	if i >= 0 {
		off = max(m.start, min(off, m.batches[i].BaseOffset()))
		m.batches = m.batches[:i]
	}
	m.end = min(m.end, off)
	m.epochs.TruncateEnd(m.end)
}

func (m *model) forTimestamp(ts int64) (ids.Offset, bool) {
	for _, b := range m.batches {
		recs, err := b.Records(nil, 1<<30)
		if err != nil {
			panic(err)
		}
		for _, r := range recs {
			if r.Timestamp >= ts && r.Offset >= m.start {
				return r.Offset, true
			}
		}
	}
	return 0, false
}

// walk drives a log and its model with the same random operations.
type walk struct {
	t    *testing.T
	r    *rand.Rand
	fs   *vfs.Mem
	l    *Log
	m    model
	cfg  Config
	id   int64
	name string
	// durable is what the log promised to keep: the batches below the recovery point.
	point, startPoint ids.Offset
	full              bool // the disk is
}

func newWalk(t *testing.T, seed uint64) *walk {
	r := rand.New(rand.NewPCG(seed, 2))
	cfg := DefaultConfig()
	cfg.SegmentBytes = []int32{1000, 5000, 40000, 1 << 20}[r.IntN(4)]
	cfg.IndexIntervalBytes = []int32{1, 300, 4096}[r.IntN(3)]
	cfg.SegmentIndexBytes = []int32{48, 800, 10 << 20}[r.IntN(3)]
	cfg.Preallocate = r.IntN(5) == 0
	cfg.FlushMessages = []int64{1, 20, 1 << 62}[r.IntN(3)]
	w := &walk{t: t, r: r, fs: vfs.NewMem(), cfg: cfg, name: fmt.Sprintf("seed %d", seed)}
	w.m.epoch = 1
	w.must(w.fs.MkdirAll("/data"))
	w.must(w.fs.SyncDir("/"))
	w.open(false)
	return w
}

func (w *walk) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s: %s", w.name, fmt.Sprintf(format, args...))
}

func (w *walk) trace(format string, args ...any) {
	if *seedFlag != 0 {
		w.t.Logf(format, args...)
	}
}

func (w *walk) open(clean bool) {
	w.t.Helper()
	o := testOptions(w.fs, quietEnv(), &w.cfg)
	o.CleanShutdown, o.RecoveryPoint, o.LogStartOffset = clean, w.point, w.startPoint
	o.Lowered = func() error { w.checkpoint(); return nil }
	o.Env.Warn = func(_ ids.TopicPartition, msg string, err error) { w.trace("warn: %s: %v", msg, err) }
	l, err := Open(o)
	if err != nil {
		w.failf("open (clean %v, recovery point %d): %v", clean, w.point, err)
	}
	w.l = l
}

func (w *walk) checkpoint() { w.point, w.startPoint = w.l.RecoveryPoint(), w.l.StartOffset() }

func (w *walk) step() {
	n := w.r.IntN(100)
	w.trace("step %d: log [%d, %d) flushed %d", n, w.m.start, w.m.end, w.l.RecoveryPoint())
	switch {
	case n < 55:
		w.append()
	case n < 65:
		w.flush()
	case n < 70:
		w.truncate()
	case n < 72:
		w.restart(w.r.IntN(2) == 0)
	case n < 75:
		w.advance()
	case n < 78:
		w.must(w.l.Roll())
	case n < 81:
		w.must(w.l.Tick(testNow + 100000))
		if _, err := w.l.Rest(testNow+200000, 1); err != nil {
			w.failf("rest: %v", err)
		}
	case n < 83:
		w.m.epoch++
		w.must(w.l.AssignEpochStart(w.m.epoch, w.m.end))
		w.m.epochs.Assign(w.m.epoch, w.m.end)
	case n < 84:
		off := w.m.end + ids.Offset(w.r.IntN(1000))
		w.must(w.l.TruncateFullyAndStartAt(off))
		w.checkpoint()
		w.m = model{start: off, end: off, epoch: w.m.epoch}
	case n < 92:
		w.readSome()
	default:
		w.searchTime()
	}
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.failf("%v", err)
	}
}

func (w *walk) append() {
	w.id++
	was := w.m.end
	ts := testNow + int64(w.r.IntN(1000))
	b := makeBatch(1+w.r.IntN(4), ts, 1+w.r.IntN(120), w.id, batch.Options{Codec: batch.Codec(w.r.IntN(3) * 2)})
	if w.r.IntN(4) == 0 {
		n := w.r.IntN(3) + 1
		var all []byte
		next := w.m.end
		for range n {
			w.id++
			v := batch.View(makeBatch(1+w.r.IntN(3), ts, 1+w.r.IntN(60), w.id, batch.Options{}))
			v.SetBaseOffset(next)
			v.SetLeaderEpoch(w.m.epoch)
			next = v.NextOffset()
			all = append(all, v...)
			if len(all) > 500 {
				break
			}
		}
		info, err := w.l.AppendAsFollower(all, w.m.epoch)
		w.must(err)
		if info.FirstOffset != w.m.end || info.LastOffset != next-1 {
			w.failf("follower append: %+v, want %d-%d", info, w.m.end, next-1)
		}
		for rest := all; len(rest) > 0; {
			v, tail, _ := batch.Next(rest)
			w.m.batches = append(w.m.batches, v)
			rest = tail
		}
		w.m.end = next
	} else {
		info, err := w.l.AppendAsLeader(b, w.m.epoch, Client, testNow)
		w.must(err)
		if info.FirstOffset != w.m.end {
			w.failf("append at %d, want %d", info.FirstOffset, w.m.end)
		}
		w.m.batches = append(w.m.batches, b)
		w.m.end = info.LastOffset + 1
	}
	w.m.epochs.Assign(w.m.epoch, was)
	if w.l.EndOffset() != w.m.end {
		w.failf("end %d, want %d", w.l.EndOffset(), w.m.end)
	}
}

func (w *walk) flush() {
	w.must(w.l.Flush())
	if w.l.RecoveryPoint() != w.m.end {
		w.failf("recovery point %d after flush, want %d", w.l.RecoveryPoint(), w.m.end)
	}
	if w.r.IntN(2) == 0 {
		w.checkpoint()
	}
}

func (w *walk) truncate() {
	if w.m.end == w.m.start {
		return
	}
	off := w.m.start + ids.Offset(w.r.IntN(int(w.m.end-w.m.start)))
	if w.r.IntN(3) > 0 {
		off = max(w.m.start, w.m.end-ids.Offset(w.r.IntN(10)))
	}
	w.must(w.l.TruncateTo(off))
	w.m.truncate(off)
	if w.l.EndOffset() != w.m.end && off > w.m.start {
		w.failf("end %d after truncation to %d, want %d", w.l.EndOffset(), off, w.m.end)
	}
	w.m.end = w.l.EndOffset()
	w.m.start = min(w.m.start, w.m.end)
	w.m.epoch++
}

func (w *walk) restart(clean bool) {
	w.must(w.l.Close(clean))
	if clean {
		w.checkpoint()
	}
	w.open(clean)
	w.m.epochs.TruncateEnd(w.m.end) // an epoch without records does not outlive its process, as with Kafka
	w.compare()
}

func (w *walk) advance() {
	off := w.m.start + ids.Offset(w.r.IntN(int(w.m.end-w.m.start)+1))
	if _, err := w.l.AdvanceStartOffset(off); err != nil {
		w.failf("advance: %v", err)
	}
	w.startPoint = w.l.StartOffset()
	if _, err := w.l.ApplyRetention(testNow, w.m.end); err != nil && !(w.full && errors.Is(err, ErrDiskFull)) {
		w.failf("retention: %v", err)
	}
	w.m.start = off
	w.m.epochs.TruncateStart(off)
	w.dropBelowStart()
}

func (w *walk) dropBelowStart() {
	w.m.batches = slices.DeleteFunc(w.m.batches, func(b batch.View) bool { return b.LastOffset() < w.m.start })
}

func (w *walk) readSome() {
	if w.m.end == w.m.start {
		return
	}
	from := w.m.start + ids.Offset(w.r.IntN(int(w.m.end-w.m.start)))
	limit := from + ids.Offset(w.r.IntN(int(w.m.end-from)+1))
	size := w.r.IntN(3000)
	s, err := w.l.Read(from, size, limit, w.r.IntN(2) == 0)
	w.must(err)
	defer s.Release()
	if s.Len == 0 {
		return
	}
	b := make([]byte, s.Len)
	if _, err := s.ReadAt(b, 0); err != nil {
		w.failf("read: %v", err)
	}
	want := w.m.bytesFrom(from)
	if !bytes.HasPrefix(want, b) {
		w.failf("read %d, limit %d, %d bytes: not the model's", from, limit, size)
	}
	if next, _, err := batch.Next(want[len(b):]); err == nil && next.LastOffset() < s.End || s.End > limit {
		w.failf("read %d, limit %d, %d bytes: it ends at %d at most, and another batch would", from, limit, size, s.End)
	}
	first := batch.View(b).Len()
	for rest := b; len(rest) > 0; {
		v, tail, err := batch.Next(rest)
		w.must(err)
		if v.LastOffset() >= limit && len(tail) != len(b)-v.Len() {
			w.failf("read %d: batch %d-%d beyond limit %d", from, v.BaseOffset(), v.LastOffset(), limit)
		}
		if v.LastOffset() >= s.End {
			w.failf("read %d: batch %d-%d beyond its end %d", from, v.BaseOffset(), v.LastOffset(), s.End)
		}
		first, rest = min(first, v.Len()), tail
	}
	v, _, _ := batch.Next(b)
	if len(b) > max(size, v.Len()) {
		w.failf("read %d: %d bytes, asked for %d", from, len(b), size)
	}
	if v.LastOffset() >= limit {
		w.failf("read %d: first batch %d-%d beyond limit %d", from, v.BaseOffset(), v.LastOffset(), limit)
	}
}

func (w *walk) searchTime() {
	ts := testNow + int64(w.r.IntN(1100))
	got, ok, err := w.l.OffsetForTimestamp(ts)
	w.must(err)
	want, wantOK := w.m.forTimestamp(ts)
	if ok != wantOK && *seedFlag != 0 {
		for _, s := range w.l.segs {
			m, _ := s.MaxTimestamp(1)
			x, _ := s.Times(1)
			o, _ := s.Index(1)
			w.trace("%d: max %v", s.Base, m)
			for i := range x.Len() {
				w.trace("  %v", x.At(s.Base, i))
			}
			for i := range o.Len() {
				w.trace("  %v", o.At(s.Base, i))
			}
		}
	}
	if ok != wantOK || ok && got.Offset != want {
		w.failf("offset for timestamp %d: %v %v, want %d %v", ts, got, ok, want, wantOK)
	}
}

// compare checks everything that can be read.
func (w *walk) compare() {
	w.t.Helper()
	if w.l.StartOffset() != w.m.start || w.l.EndOffset() != w.m.end {
		w.failf("log [%d, %d), want [%d, %d)", w.l.StartOffset(), w.l.EndOffset(), w.m.start, w.m.end)
	}
	for _, size := range []int{1, 700, 1 << 20} {
		if got := readAll(w.t, w.l, w.m.start, size); !bytes.Equal(got, w.m.bytesFrom(w.m.start)) {
			w.failf("contents differ when read %d bytes at a time", size)
		}
	}
}

// seeds runs f for n seeds, on as many goroutines as there are processors.
func seeds(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	if *seedFlag != 0 {
		f(t, *seedFlag)
		return
	}
	if *seedsFlag != 0 {
		n = *seedsFlag
	}
	if testing.Short() {
		n = n/10 + 1
	}
	shards := runtime.GOMAXPROCS(0)
	for shard := range shards {
		t.Run(strconv.Itoa(shard), func(t *testing.T) {
			t.Parallel()
			for s := shard; s < n; s += shards {
				f(t, uint64(s)+1)
			}
		})
	}
}

// TestModel runs random operation lists under random configurations, with
// restarts after clean closes and after kills (which lose nothing that was
// written), and compares with a plain list of batches.
func TestModel(t *testing.T) {
	t.Parallel()
	seeds(t, 150, func(t *testing.T, seed uint64) {
		w := newWalk(t, seed)
		for range 150 {
			w.step()
		}
		w.compare()
		w.compareEpochs()
		w.restart(true)
		w.restart(false)
	})
}

func (w *walk) compareEpochs() {
	for e := ids.LeaderEpoch(0); e <= w.m.epoch; e++ {
		if got, want := w.l.EndOffsetForEpoch(e), w.m.epochs.EndOffset(e, w.m.end); got != want && len(w.m.epochs.Entries()) > 0 {
			w.failf("end of epoch %d: %v, want %v (%v, log %v)", e, got, want, w.m.epochs.Entries(), w.l.epochs.Entries())
		}
	}
}

// TestCrash cuts the power in the middle of random operation lists and checks
// that the log opens and holds a prefix of what was written, at least everything
// that was flushed. Each walk goes on from what a cut left to the next one, so
// that recovery also meets what recovery left: 1,300 walks are more than 5,000
// recoveries. All of them in one soak: go test ./storage/partlog -run TestCrash -seeds 10000.
func TestCrash(t *testing.T) {
	t.Parallel()
	seeds(t, crashWalks, func(t *testing.T, seed uint64) {
		w := newWalk(t, seed)
		for range cutsInWalk {
			for range 5 + w.r.IntN(30) {
				w.step()
			}
			w.cutPower()
		}
		for range 5 {
			w.append()
		}
		w.compare()
		w.flush()
		w.checkpoint()
		w.restart(w.r.IntN(2) == 0)
	})
}

const crashWalks, cutsInWalk = 1300, 4

// A smaller product does not compile.
const _ = uint(crashWalks*cutsInWalk - 5000)

func (w *walk) cutPower() {
	w.t.Helper()
	flushed, start := w.l.RecoveryPoint(), w.m.start
	if p := w.point; p > flushed {
		w.failf("checkpointed recovery point %d above the true one %d", p, flushed)
	}
	w.fs = w.fs.CrashClone([]float64{0, 0.2, 0.5, 0.8, 1}[w.r.IntN(5)], w.r)
	w.open(false)
	w.checkPrefix(flushed, start)
}

func (w *walk) checkPrefix(flushed, start ids.Offset) {
	end := w.l.EndOffset()
	if end < flushed {
		w.failf("log ends at %d, but %d was flushed", end, flushed)
	}
	if end > max(w.m.end, w.startPoint) {
		w.failf("log ends at %d, only %d was written", end, w.m.end)
	}
	if s := w.l.StartOffset(); s > start && s > end {
		w.failf("log starts at %d, was %d", s, start)
	}
	w.m.start, w.m.end = w.l.StartOffset(), end
	w.m.batches = slices.DeleteFunc(w.m.batches, func(b batch.View) bool { return b.LastOffset() >= end })
	w.m.epochs.TruncateEnd(end)
	w.m.epoch++
	// Below the start the model may have forgotten what the log still has: compare from the model's first batch.
	from := w.m.start
	if len(w.m.batches) > 0 {
		from = max(from, w.m.batches[0].BaseOffset())
	} else {
		from = end
	}
	if got := readAll(w.t, w.l, from, 1<<20); !bytes.Equal(got, w.m.bytesFrom(from)) {
		w.failf("contents from %d differ after the crash", from)
	}
	if from > w.m.start {
		if _, err := w.l.AdvanceStartOffset(from); err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
			w.failf("advance: %v", err)
		}
		w.m.start, w.startPoint = from, from
	}
	w.dropBelowStart()
}
