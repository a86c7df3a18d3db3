package compact

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// written is a batch as the model remembers it; what readers may see is worked
// out from the list of them, from the beginning, every time.
type written struct {
	first, last     ids.Offset
	pid             int64 // -1 none
	epoch           int16
	seq             int32
	txn, end, abort bool // end: a marker
	keys, values    []string
}

type txnWalk struct {
	t     *testing.T
	seed  uint64
	r     *rand.Rand
	fs    *vfs.Mem
	cfg   partlog.Config
	l     *partlog.Log
	all   []written
	start ids.Offset
	point ids.Offset // recovery point as checkpointed
	dirty ids.Offset // cleaned up to
	// decided is the high watermark at the last cleaning: no truncation goes below
	// a high watermark, and what was cleaned was decided by what lay in front of it.
	decided ids.Offset
	now     int64
	tv2     [4]bool // the producer's markers raise its epoch (KIP-890)
}

func (w *txnWalk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
}

func (w *txnWalk) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

func (w *txnWalk) end() ids.Offset {
	if n := len(w.all); n > 0 {
		return w.all[n-1].last + 1
	}
	return 0
}

// producer is the naive state of one producer.
func (w *txnWalk) producer(pid int64) (epoch int16, next int32, open ids.Offset, known bool) {
	open = ids.NoOffset
	for _, b := range w.all {
		if b.pid != pid {
			continue
		}
		if known = true; b.epoch != epoch {
			epoch, next = b.epoch, 0
		}
		switch {
		case b.end:
			open = ids.NoOffset
		default:
			next = batch.AddSequence(b.seq, int32(len(b.keys)))
			if b.txn && open == ids.NoOffset {
				open = b.first
			}
		}
	}
	return epoch, next, open, known
}

// stable is the naive last stable offset with everything committed.
func (w *txnWalk) stable() ids.Offset {
	lso := w.end()
	for pid := range int64(4) {
		if _, _, open, _ := w.producer(pid); open != ids.NoOffset {
			lso = min(lso, open)
		}
	}
	return lso
}

// aborted tells how the transaction of the batch at i ended; decided is false while it is open.
func (w *txnWalk) aborted(i int) (aborted, decided bool) {
	for _, b := range w.all[i:] {
		if b.end && b.pid == w.all[i].pid {
			return b.abort, true
		}
	}
	return false, false
}

func (w *txnWalk) open(clean bool) {
	w.t.Helper()
	l, err := partlog.Open(partlog.Options{FS: w.fs, Dir: "/d/t-0", TP: ids.TopicPartition{Topic: "t"}, TopicID: ids.TopicID{1}, Config: &w.cfg,
		Env:           &partlog.Env{Clock: func() int64 { return w.now }, ProducerExpirationMs: 1 << 50},
		RecoveryPoint: w.point, CleanShutdown: clean, LogStartOffset: w.start, Lowered: func() error { w.point = w.l.RecoveryPoint(); return nil }})
	w.must(err)
	w.l = l
}

func (w *txnWalk) send(pid int64, txn bool) {
	b := written{first: w.end(), pid: pid, txn: txn}
	o := batch.Options{Codec: batch.Codec(w.r.IntN(5)), Transactional: txn}
	if pid >= 0 {
		b.epoch, b.seq, _, _ = w.producer(pid)
		o.Producer = &batch.Producer{ID: pid, Epoch: b.epoch, Sequence: b.seq}
	}
	bl := batch.NewBuilder(o)
	for i := range 1 + w.r.IntN(4) {
		key, value := fmt.Sprintf("key-%d", w.r.IntN(30)), fmt.Sprintf("value of %d", int(b.first)+i)
		b.keys, b.values = append(b.keys, key), append(b.values, value)
		bl.Append(w.now, []byte(key), []byte(value), nil)
	}
	v, err := bl.Bytes()
	w.must(err)
	dup := slices.Clone(v)
	_, err = w.l.AppendAsLeader(v, 1, partlog.Client, w.now)
	w.must(err)
	b.last = b.first + ids.Offset(len(b.keys)) - 1
	w.all = append(w.all, b)
	if pid >= 0 && w.r.IntN(4) == 0 {
		info, err := w.l.AppendAsLeader(dup, 1, partlog.Client, w.now)
		if w.must(err); !info.Duplicate || info.FirstOffset != b.first {
			w.failf("a batch sent twice: %+v, first at %d", info, b.first)
		}
	}
}

func (w *txnWalk) mark(pid int64) {
	epoch, _, open, known := w.producer(pid)
	if !known {
		return
	}
	origin := partlog.Coordinator
	if w.tv2[pid] {
		if epoch++; open == ids.NoOffset && w.r.IntN(2) == 0 {
			return
		}
		origin = partlog.MarkerTV2
	}
	b := written{first: w.end(), last: w.end(), pid: pid, epoch: epoch, end: true, abort: w.r.IntN(2) == 0}
	bl := batch.NewBuilder(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: pid, Epoch: epoch, Sequence: -1}})
	kind := batch.ControlCommit
	if b.abort {
		kind = batch.ControlAbort
	}
	bl.AppendControl(w.now, kind, batch.EndTxnMarker{CoordinatorEpoch: 1}.AppendTo(nil))
	v, err := bl.Bytes()
	w.must(err)
	_, err = w.l.AppendAsLeader(v, 1, origin, w.now)
	w.must(err)
	w.all = append(w.all, b)
}

func (w *txnWalk) step() {
	pid := w.r.Int64N(4)
	switch n := w.r.IntN(100); {
	case n < 20:
		w.send(-1, false)
	case n < 60:
		w.send(pid, true)
	case n < 80:
		w.mark(pid)
	case n < 84:
		w.must(w.l.Roll())
	case n < 87:
		w.refused(pid)
	case n < 90:
		to := max(w.decided, w.end()-ids.Offset(w.r.IntN(15)))
		w.must(w.l.TruncateTo(to))
		w.forget(w.l.EndOffset())
	case n < 93:
		w.clean()
	case n < 95:
		w.must(w.l.Flush())
		w.must(w.l.Tick(w.now))
		_, err := w.l.Rest(w.now+100000, 1)
		w.must(err)
	default:
		w.restart()
	}
}

// forget cuts the model at end.
func (w *txnWalk) forget(end ids.Offset) {
	w.all = slices.DeleteFunc(w.all, func(b written) bool { return b.last >= end })
}

func (w *txnWalk) restart() {
	before, err := w.l.ActiveProducers()
	w.must(err)
	switch w.r.IntN(3) {
	case 0:
		w.must(w.l.Close(true))
		w.point = w.l.RecoveryPoint()
		w.open(true)
	case 1:
		w.must(w.l.Close(false))
		w.open(false)
	case 2:
		flushed := w.l.RecoveryPoint()
		w.fs = w.fs.CrashClone([]float64{0, 0.5, 1}[w.r.IntN(3)], w.r)
		w.open(false)
		if w.l.EndOffset() < flushed {
			w.failf("the log ends at %d, %d was flushed", w.l.EndOffset(), flushed)
		}
		w.forget(w.l.EndOffset())
		return
	}
	after, err := w.l.ActiveProducers()
	w.must(err)
	same := func(a, b partlog.ProducerState) bool {
		return a.ProducerID == b.ProducerID && a.ProducerEpoch == b.ProducerEpoch && a.LastSequence == b.LastSequence && a.CurrentTxnStartOffset == b.CurrentTxnStartOffset
	}
	if !slices.EqualFunc(before, after, same) {
		w.failf("producers before the restart %+v, after %+v", before, after)
	}
}

// refused sends what must not be taken, and looks at why not.
func (w *txnWalk) refused(pid int64) {
	curEpoch, next, open, known := w.producer(pid)
	if !known {
		return
	}
	epoch := curEpoch
	try := func(epoch int16, seq int32, txn bool, want error) {
		w.t.Helper()
		bl := batch.NewBuilder(batch.Options{Transactional: txn, Producer: &batch.Producer{ID: pid, Epoch: epoch, Sequence: seq}})
		bl.Append(w.now, []byte("k"), []byte("v"), nil)
		v, err := bl.Bytes()
		w.must(err)
		if _, err = w.l.AppendAsLeader(v, 1, partlog.Client, w.now); !errors.Is(err, want) {
			w.failf("producer %d epoch %d sequence %d, is at %d/%d: %v, want %v", pid, epoch, seq, curEpoch, next, err, want)
		}
	}
	if epoch > 0 {
		try(epoch-1, next, true, producers.ErrInvalidEpoch)
	}
	if next > 0 {
		try(epoch, batch.AddSequence(next, 5), true, producers.ErrOutOfOrderSequence)
	}
	try(epoch+1, 3, true, producers.ErrOutOfOrderSequence)
	if open != ids.NoOffset {
		try(epoch, next, false, producers.ErrInvalidTxnState)
	}
}

func (w *txnWalk) clean() {
	w.now += w.r.Int64N(w.cfg.DeleteRetentionMs)
	st, err := Clean(w.l, Options{FirstDirty: w.dirty, Stable: w.stable(), Now: w.now})
	w.must(err)
	w.dirty, w.decided = st.FirstDirty, w.end()
}

// check reads as a read-committed consumer does, from somewhere on.
func (w *txnWalk) check() {
	w.t.Helper()
	w.l.SetHighWatermark(w.end())
	lso := w.end()
	if first, open := w.l.FirstUnstableOffset(); open {
		lso = min(lso, first)
	}
	if want := w.stable(); lso != want || w.l.EndOffset() != w.end() {
		w.failf("last stable offset %d, want %d; end %d, want %d", lso, want, w.l.EndOffset(), w.end())
	}
	if lso == 0 {
		return
	}
	from := ids.Offset(w.r.Int64N(int64(lso)))
	seen := w.consume(from, lso)
	newest := map[string]ids.Offset{}
	for i := len(w.all) - 1; i >= 0; i-- {
		b := &w.all[i]
		if b.end {
			continue
		}
		if b.txn {
			if aborted, decided := w.aborted(i); aborted || !decided {
				continue
			}
		}
		for j := len(b.keys) - 1; j >= 0; j-- {
			key, off := b.keys[j], b.first+ids.Offset(j)
			got, there := seen[off]
			delete(seen, off)
			newer, superseded := newest[key]
			newest[key] = max(newest[key], off)
			if off < from || off >= lso {
				continue
			}
			if there && got != b.values[j] || !there && !(superseded && newer > off && off < w.dirty) {
				w.failf("read from %d to %d: offset %d (%s) is %q, there %v; cleaned up to %d", from, lso, off, key, got, there, w.dirty)
			}
		}
	}
	for off, v := range seen {
		if off >= from {
			w.failf("read from %d to %d: %q at %d was not committed", from, lso, v, off)
		}
	}
}

// consume is what Kafka's consumer makes of batches and the list of aborted transactions.
func (w *txnWalk) consume(from, lso ids.Offset) map[ids.Offset]string {
	w.t.Helper()
	out := map[ids.Offset]string{}
	for from < lso {
		s, err := w.l.Read(from, 1+w.r.IntN(3000), lso, true)
		w.must(err)
		if s.Len == 0 {
			break // nothing but what compaction took
		}
		b := make([]byte, s.Len)
		_, err = s.ReadAt(b, 0)
		w.must(err)
		s.Release()
		aborted, err := w.l.AbortedTxns(nil, from, lso)
		w.must(err)
		slices.SortFunc(aborted, func(a, b partlog.AbortedTxn) int { return int(a.FirstOffset - b.FirstOffset) })
		inAborted := map[int64]bool{}
		for rest := b; len(rest) > 0; {
			v, tail, err := batch.Next(rest)
			w.must(err)
			rest, from = tail, v.NextOffset()
			for len(aborted) > 0 && aborted[0].FirstOffset <= v.LastOffset() {
				inAborted[aborted[0].ProducerID] = true
				aborted = aborted[1:]
			}
			recs, err := v.Records(nil, 1<<20)
			w.must(err)
			if v.IsControl() {
				if len(recs) > 0 && recs[0].Key[3] == byte(batch.ControlAbort) {
					delete(inAborted, v.ProducerID())
				}
				continue
			}
			if v.IsTransactional() && inAborted[v.ProducerID()] {
				continue
			}
			for _, r := range recs {
				out[r.Offset] = string(r.Value)
			}
		}
	}
	return out
}

// TestTransactions interleaves transactions of four producers with other
// records, old and new markers, rolls, truncations, compaction, restarts and
// power cuts. What a read-committed consumer makes of the log and its aborted
// transactions, the last stable offset, duplicates, refusals and the producers'
// state are those of a naive model.
func TestTransactions(t *testing.T) {
	n := uint64(240)
	if testing.Short() {
		n = 20
	}
	shards := uint64(runtime.GOMAXPROCS(0))
	for shard := range shards {
		t.Run(strconv.FormatUint(shard, 10), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < n; seed += shards {
				walkTxns(t, seed, rand.New(rand.NewPCG(seed, 5)), 120)
			}
		})
	}
}

func walkTxns(t *testing.T, seed uint64, r *rand.Rand, steps int) {
	w := &txnWalk{t: t, seed: seed, r: r, fs: vfs.NewMem(), cfg: partlog.DefaultConfig(), now: start}
	w.cfg.Compact, w.cfg.Delete = true, false
	w.cfg.SegmentBytes, w.cfg.IndexIntervalBytes = []int32{700, 4000, 1 << 20}[w.r.IntN(3)], []int32{1, 300}[w.r.IntN(2)]
	for i := range w.tv2 {
		w.tv2[i] = w.r.IntN(2) == 0
	}
	w.must(w.fs.MkdirAll("/d"))
	w.must(w.fs.SyncDir("/"))
	w.open(false)
	for i := range steps {
		w.step()
		if i%4 == 0 {
			w.check()
		}
	}
	w.check()
}
