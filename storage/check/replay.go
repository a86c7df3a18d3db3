package check

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
)

// replay is the producer state made anew from the batches, which snapshots and
// transaction indexes are held against.
//
// It is exact from a log's first offset on, or from the snapshot that the first
// segment begins with. Compaction removes batches whose producers or
// transactions later ones still tell of; from the first gap on only what must
// hold all the same is asked for. Producers that expired are in no snapshot
// although their batches are there: one that is missing is no fault, unless its
// transaction is open, because those never expire.
type replay struct {
	*partition
	state producers.State
	exact bool
	lost  bool // batches could not be read: the state tells nothing any more
	snaps []ids.Offset

	txnName string
	txns    []segment.AbortedTxn // of the segment that is read, not yet met
	txnAt   int64                // byte of the first of them
}

func newReplay(p *partition) *replay {
	r := &replay{partition: p, snaps: p.snapshots}
	if p.raft || len(p.bases) == 0 {
		r.lost = true
		return r
	}
	first := p.bases[0]
	r.state.Clear(first)
	r.exact = first == 0
	for len(r.snaps) > 0 && r.snaps[0] <= first {
		infos, ok := r.load(r.snaps[0])
		if ok && r.snaps[0] == first {
			if st, err := producers.Parse(producers.EncodeInfo(infos), first); err == nil {
				r.state, r.exact = *st, true
			}
		}
		r.snaps = r.snaps[1:]
	}
	return r
}

func (r *replay) name(off ids.Offset) string {
	return r.dir + "/" + segment.FileName(off, segment.SnapshotSuffix)
}

// load reads a snapshot. A damaged one is replaced by a replay at the next start.
func (r *replay) load(off ids.Offset) ([]producers.Info, bool) {
	b, ok := r.read(r.name(off))
	if !ok {
		return nil, false
	}
	infos, err := producers.ParseInfo(b)
	if err != nil {
		r.repairable(r.name(off), 0, "%v", err)
	}
	return infos, err == nil
}

// segment begins a segment.
func (r *replay) segment(base ids.Offset) {
	r.txnName, r.txns, r.txnAt = r.dir+"/"+segment.FileName(base, segment.TxnSuffix), nil, 0
	b, ok := r.read(r.txnName)
	if !ok {
		return
	}
	var err error
	r.txns, err = segment.ParseAbortedTxns(r.txnName, b)
	var bad *segment.CorruptError
	if errors.As(err, &bad) {
		r.find(r.txnName, bad.Pos, "%s", bad.Reason)
	}
}

// endSegment tells of entries whose markers were not met.
func (r *replay) endSegment() {
	if !r.lost {
		r.stray(1<<63 - 1)
	}
}

// stray tells of entries for markers in front of off, which there are none of.
func (r *replay) stray(off ids.Offset) {
	for len(r.txns) > 0 && r.txns[0].Last < off {
		a := r.txns[0]
		r.find(r.txnName, r.txnAt, "producer %d's transaction aborted at offset %d: there is no such marker", a.ProducerID, a.Last)
		r.drop()
	}
}

func (r *replay) drop() { r.txns, r.txnAt = r.txns[1:], r.txnAt+34 }

// batch takes the next batch of the log.
func (r *replay) batch(h *segment.Header, v batch.View, pos int64) {
	if r.lost {
		return
	}
	for len(r.snaps) > 0 && r.snaps[0] <= h.Base {
		r.compare(r.snaps[0])
		r.snaps = r.snaps[1:]
	}
	r.stray(h.Base)
	if h.ProducerID < 0 {
		r.state.SetEnd(h.Next())
		return
	}
	b := producerBatch(h, v)
	done, ended := r.state.Apply(&b)
	if b.Marker && !b.EmptyMarker && b.Abort {
		r.aborted(h, pos, done, ended)
	}
}

// producerBatch is what the state needs of a batch.
func producerBatch(h *segment.Header, v batch.View) producers.Batch {
	b := producers.Batch{ProducerID: h.ProducerID, Epoch: h.ProducerEpoch, FirstSeq: h.BaseSequence, LastSeq: h.LastSequence(),
		First: h.Base, Last: h.Last, Timestamp: h.MaxTimestamp, Transactional: h.Transactional(), Marker: h.Control()}
	if !b.Marker {
		return b
	}
	b.EmptyMarker = true
	it, err := v.Iterate(unpacked)
	if err != nil {
		return b
	}
	defer it.Release()
	var rec batch.Record
	if !it.Next(&rec) {
		return b
	}
	t, err := batch.ControlTypeOf(rec.Key)
	if err != nil {
		return b
	}
	if m, err := batch.ParseEndTxnMarker(t, rec.Value); err == nil {
		b.EmptyMarker, b.Abort, b.CoordinatorEpoch, b.Timestamp = false, !m.Commit, m.CoordinatorEpoch, rec.Timestamp
	}
	return b
}

// aborted holds an abort marker against the transaction index.
func (r *replay) aborted(h *segment.Header, pos int64, done producers.Completed, ended bool) {
	strict := r.exact && !r.holes
	if len(r.txns) == 0 || r.txns[0].Last != h.Base || r.txns[0].ProducerID != h.ProducerID {
		if ended && (strict || r.exact) {
			report := r.repairable
			if r.flushed(h.Base) {
				report = r.find
			}
			report(r.txnName, r.txnAt, "no entry for producer %d's transaction that offset %d aborts, the batch at byte %d: its records would be served", h.ProducerID, h.Base, pos)
		}
		return
	}
	got, at := r.txns[0], r.txnAt
	r.drop()
	want := segment.AbortedTxn{ProducerID: done.ProducerID, First: done.First, Last: done.Last, LastStable: done.LastStable}
	switch {
	case strict && !ended:
		r.find(r.txnName, at, "producer %d has no transaction open that offset %d could abort", h.ProducerID, h.Base)
	case strict && got != want:
		r.find(r.txnName, at, "%s, the batches say %s", describe(got), describe(want))
	case ended && got.First > want.First:
		r.find(r.txnName, at, "the transaction begins at offset %d, but there is an older batch of it at %d", got.First, want.First)
	}
}

func describe(a segment.AbortedTxn) string {
	return fmt.Sprintf("first offset %d, last %d, last stable %d", a.First, a.Last, a.LastStable)
}

// end compares the snapshots behind the last batch.
func (r *replay) end() {
	for _, off := range r.snaps {
		switch {
		case off > r.next && len(r.bases) > 0:
			r.repairable(r.name(off), -1, "a snapshot at offset %d of a log that ends at %d", off, r.next)
		case !r.lost:
			r.compare(off)
		default:
			r.load(off)
		}
	}
	r.snaps = nil
}

// compare holds a snapshot against the state in front of its offset.
func (r *replay) compare(off ids.Offset) {
	got, ok := r.load(off)
	if !ok || !r.exact {
		return
	}
	there := map[int64]bool{}
	want := map[int64]producers.Info{}
	for _, i := range r.state.All() {
		want[i.ProducerID] = i
	}
	for n, g := range got {
		there[g.ProducerID] = true
		if problem := r.differs(g, want); problem != "" {
			r.find(r.name(off), int64(producers.SnapshotHead+n*producers.SnapshotEntry), "producer %d: %s", g.ProducerID, problem)
			return
		}
	}
	for _, w := range r.state.All() {
		if w.TxnFirst != ids.NoOffset && !there[w.ProducerID] {
			r.find(r.name(off), producers.SnapshotHead, "producer %d has a transaction open since offset %d, but no entry", w.ProducerID, w.TxnFirst)
			return
		}
	}
}

func (r *replay) differs(got producers.Info, all map[int64]producers.Info) string {
	want, ok := all[got.ProducerID]
	switch {
	case !ok && !r.holes:
		return "no batch of it is in front of the snapshot"
	case !ok || r.holes && got.LastOffset != want.LastOffset:
		if ok && got.LastOffset < want.LastOffset {
			return fmt.Sprintf("last offset %d, but a batch of it ends at %d", got.LastOffset, want.LastOffset)
		}
		return "" // its last batch of then is gone, because it wrote later ones
	case r.holes:
		got.TxnFirst, got.Timestamp, got.CoordinatorEpoch, got.Epoch = want.TxnFirst, want.Timestamp, want.CoordinatorEpoch, want.Epoch
	}
	if got != want {
		return fmt.Sprintf("%+v, the batches say %+v", got, want)
	}
	return ""
}
