package partlog

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// producerBatch makes what the producer state needs of a batch that will lie
// at first.
func producerBatch(h *segment.Header, v batch.View, first ids.Offset) producers.Batch {
	b := producers.Batch{
		ProducerID: h.ProducerID, Epoch: h.ProducerEpoch, FirstSeq: h.BaseSequence, LastSeq: h.LastSequence(),
		First: first, Last: first + h.Last - h.Base, Timestamp: h.MaxTimestamp, Transactional: h.Transactional(),
	}
	if h.Control() {
		b.Marker = true
		b.EmptyMarker = !readMarker(v, &b)
	}
	return b
}

// readMarker reads the end-of-transaction record:
//
//	key:   version: int16 | type: int16, 0 abort, 1 commit
//	value: version: int16 | coordinator epoch: int32
//
// It is false for a batch without records and for other control records.
func readMarker(v batch.View, b *producers.Batch) bool {
	it, err := v.Iterate(decompressBudget)
	if err != nil {
		return false
	}
	defer it.Release()
	var r batch.Record
	if !it.Next(&r) || len(r.Key) < 4 || len(r.Value) < 6 {
		return false
	}
	kind := int16(binary.BigEndian.Uint16(r.Key[2:]))
	b.Abort, b.CoordinatorEpoch, b.Timestamp = kind == 0, int32(binary.BigEndian.Uint32(r.Value[2:])), r.Timestamp
	return kind == 0 || kind == 1
}

// judge checks a batch against the producer state. Callers hold wmu.
func (l *Log) judge(b *producers.Batch, origin Origin, info *AppendInfo) (duplicate bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return false, l.stall("load the producer state", err)
	}
	if origin == Client {
		if first, last, ts, ok := l.prods.Duplicate(b); ok {
			info.FirstOffset, info.LastOffset, info.MaxTimestamp, info.Duplicate = first, last, ts, true
			info.LogStartOffset = l.start
			return true, nil
		}
	}
	err = l.prods.Check(b, producers.Rules{Sequences: origin == Client, StrictMarker: origin == MarkerTV2})
	if err != nil {
		return false, l.errf("append", err)
	}
	return false, nil
}

// applyProducer enters an appended batch into the producer state, if that is
// loaded or needed, and an aborted transaction into the index. Callers hold wmu and mu.
func (l *Log) applyProducer(s *segment.Segment, h *segment.Header, v batch.View, pb *producers.Batch) error {
	if h.ProducerID < 0 {
		if l.prods != nil {
			l.prods.SetEnd(h.Next())
		}
		return nil
	}
	if l.prods == nil {
		// A follower's first batch of a producer. What was just entered is in the
		// log already, so loading replays it too.
		return l.loadProducers()
	}
	var b producers.Batch
	if pb != nil {
		b = *pb
	} else {
		b = producerBatch(h, v, h.Base)
	}
	return l.applyBatch(s, &b)
}

func (l *Log) applyBatch(s *segment.Segment, b *producers.Batch) error {
	done, ok := l.prods.Apply(b)
	if !ok || !done.Aborted {
		return nil
	}
	l.txnsDirty = true
	a := segment.AbortedTxn{ProducerID: done.ProducerID, First: done.First, Last: done.Last, LastStable: done.LastStable}
	err := s.AddTxn(a)
	if errors.Is(err, segment.ErrTxnIndex) {
		if err = l.rebuildTxns(s, err); err == nil {
			err = s.AddTxn(a)
		}
	}
	return err
}

// unstableOffset is FirstUnstableOffset of the state as loaded. Callers hold mu.
func (l *Log) unstableOffset() (ids.Offset, bool) {
	if l.prods == nil {
		return ids.NoOffset, false
	}
	return l.prods.FirstUnstable()
}

// loadProducers makes the producer state: from the newest snapshot, then from
// the batches behind it. Callers hold mu.
func (l *Log) loadProducers() error {
	if l.prods != nil {
		return nil
	}
	l.use()
	st := &producers.State{}
	st.Clear(l.start)
	for len(l.snapshots) > 0 {
		off := l.snapshots[len(l.snapshots)-1]
		b, err := vfs.ReadFile(l.dir.FS, l.snapshotName(off), 1<<30)
		if err == nil {
			var loaded *producers.State
			if loaded, err = producers.Parse(b, off); err == nil {
				st = loaded
				break
			}
		}
		if !unusable(err) {
			return err
		}
		l.warn("a producer snapshot is rebuilt from the log", err)
		if err := l.dropSnapshots(func(o ids.Offset) bool { return o == off }); err != nil {
			return err
		}
	}
	st.Expire(l.env.Clock(), l.env.producerExpirationMs())
	l.prods = st
	if err := l.replayProducers(st.End()); err != nil {
		l.prods = nil
		return err
	}
	l.prods.Committed(l.committed)
	return nil
}

// unusable tells a snapshot that is torn, damaged or gone from a disk that fails.
func unusable(err error) bool {
	return errors.Is(err, producers.ErrSnapshot) || errors.Is(err, fs.ErrNotExist)
}

// replayProducers applies the batches from an offset to the end.
func (l *Log) replayProducers(from ids.Offset) error {
	for i, s := range l.segs {
		if i+1 < len(l.segs) && l.segs[i+1].Base <= from {
			continue
		}
		if err := l.replaySegment(s, from); err != nil {
			return err
		}
	}
	l.prods.SetEnd(l.end)
	return nil
}

func (l *Log) replaySegment(s *segment.Segment, from ids.Offset) error {
	return l.eachProducerBatch(s, from, func(b *producers.Batch) error { return l.applyBatch(s, b) })
}

func (l *Log) snapshotName(off ids.Offset) string {
	return l.dir.Path + "/" + segment.FileName(off, segment.SnapshotSuffix)
}

// takeSnapshot writes the producer state in front of off, which is the end of
// the log. Callers hold wmu and mu.
func (l *Log) takeSnapshot(off ids.Offset, sync bool) error {
	if n := len(l.snapshots); !l.made || off == 0 || n > 0 && l.snapshots[n-1] >= off {
		return nil
	}
	if err := l.loadProducers(); err != nil {
		return l.stall("load the producer state", err)
	}
	if err := writeFile(l.dir.FS, l.snapshotName(off), l.prods.Encode(), sync); err != nil {
		return l.stall("write a producer snapshot", err)
	}
	l.snapshots = append(l.snapshots, off)
	return nil
}

// dropSnapshots removes the snapshot files that match.
func (l *Log) dropSnapshots(match func(ids.Offset) bool) error {
	var errs []error
	n := len(l.snapshots)
	l.snapshots = slices.DeleteFunc(l.snapshots, func(off ids.Offset) bool {
		if !match(off) {
			return false
		}
		err := l.dir.FS.Remove(l.snapshotName(off))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return true
	})
	if len(l.snapshots) < n {
		errs = append(errs, l.dir.FS.SyncDir(l.dir.Path))
	}
	return errors.Join(errs...)
}

// FirstUnstableOffset is the first offset of the oldest transaction that is
// open or whose end is not below the high watermark. Read-committed readers
// stop there.
func (l *Log) FirstUnstableOffset() (ids.Offset, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segs) == 0 {
		return 0, false
	}
	if err := l.loadProducers(); err != nil {
		l.warn("cannot load the producer state", err)
		return l.start, true // the safe answer: nothing is known to be stable
	}
	return l.prods.FirstUnstable()
}

// SetHighWatermark forgets ended transactions whose marker lies below hw.
func (l *Log) SetHighWatermark(hw ids.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = min(hw, l.end)
	if l.prods != nil {
		l.prods.Committed(hw)
	}
}

// OpenTransaction tells whether the producer has a transaction open here, and its epoch.
func (l *Log) OpenTransaction(producerID int64) (epoch int16, first ids.Offset, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return 0, 0, false, l.errf("producer state", err)
	}
	epoch, first, ok = l.prods.OpenTxn(producerID)
	return epoch, first, ok, nil
}

// ActiveProducers describes the producers known, by id.
func (l *Log) ActiveProducers() ([]ProducerState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return nil, l.errf("producer state", err)
	}
	all := l.prods.All()
	out := make([]ProducerState, len(all))
	for i, p := range all {
		out[i] = ProducerState{ProducerID: p.ProducerID, ProducerEpoch: int32(p.Epoch), LastSequence: p.LastSequence,
			LastTimestamp: p.Timestamp, CoordinatorEpoch: p.CoordinatorEpoch, CurrentTxnStartOffset: p.TxnFirst}
	}
	return out, nil
}

// dropStraySnapshots removes snapshots that no segment begins with, but for the
// newest: those that rests left behind.
func (l *Log) dropStraySnapshots() error {
	if len(l.snapshots) == 0 {
		return nil
	}
	newest := l.snapshots[len(l.snapshots)-1]
	return l.dropSnapshots(func(off ids.Offset) bool {
		i := l.floor(off)
		return off != newest && (i < 0 || l.segs[i].Base != off)
	})
}

// LastOfProducer is what a cleaner must keep of a producer, for its sequence
// and epoch: the newest data batch, or its marker where there is no data left.
type LastOfProducer struct {
	Offset ids.Offset // last offset of the batch; NoOffset without one
	Epoch  int16
	known  bool
}

// Is tells whether the batch is that one.
func (p LastOfProducer) Is(h *segment.Header) bool {
	if !p.known || p.Offset >= 0 {
		return p.known && h.Last == p.Offset
	}
	return h.Control() && h.ProducerEpoch == p.Epoch
}

// LastOfProducers lists the producers that are known.
func (l *Log) LastOfProducers() (map[int64]LastOfProducer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return nil, l.errf("producer state", err)
	}
	out := map[int64]LastOfProducer{}
	for _, p := range l.prods.All() {
		out[p.ProducerID] = LastOfProducer{Offset: p.LastOffset, Epoch: p.Epoch, known: true}
	}
	return out, nil
}
