package partlog

import (
	"errors"
	"fmt"
	"io"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// txnsOf is a segment's transaction index, made anew if it is lost. Callers hold mu.
func (l *Log) txnsOf(s *segment.Segment) ([]segment.AbortedTxn, error) {
	txns, err := s.Txns()
	if err == nil && !s.TxnsVouched {
		err = l.vouchTxns(txns)
		s.TxnsVouched = err == nil
	}
	if !errors.Is(err, segment.ErrTxnIndex) {
		return txns, err
	}
	if err := l.rebuildTxns(s, err); err != nil {
		return nil, err
	}
	return s.Txns()
}

// vouchTxns compares the entries of a file, which has no checksum, with the log:
// an end of the producer's transaction at the last offset, and at the first, if
// it is still there, a batch of that producer. That none lacks, and what the last
// stable offsets are, takes a reading of the segment: proveTxns.
func (l *Log) vouchTxns(txns []segment.AbortedTxn) error {
	for _, a := range txns {
		end, ok, err := l.batchAt(a.Last)
		if err == nil && !(ok && end.Base == a.Last && end.Control() && end.ProducerID == a.ProducerID) {
			return fmt.Errorf("%w: no transaction of producer %d ends at offset %d", segment.ErrTxnIndex, a.ProducerID, a.Last)
		}
		var first segment.Header
		if err == nil {
			first, ok, err = l.batchAt(a.First)
		}
		if err == nil && ok && first.Base <= a.First && first.ProducerID != a.ProducerID {
			return fmt.Errorf("%w: offset %d is not of producer %d", segment.ErrTxnIndex, a.First, a.ProducerID)
		}
		if err != nil && !misled(err) {
			return err
		}
	}
	return nil
}

// batchAt is the batch that holds off, or the next one in its segment; false
// where the log has no such segment or batch. Callers hold mu.
func (l *Log) batchAt(off ids.Offset) (segment.Header, bool, error) {
	i := l.floor(off)
	if i < 0 || off >= l.end {
		return segment.Header{}, false, nil
	}
	h, _, ok, err := l.segs[i].Position(off, l.config.Load().IndexIntervalBytes)
	return h, ok, err
}

// rebuildTxns makes the transaction index of a segment from the batches: those
// behind the newest producer snapshot that is not behind the segment's base, for
// a transaction that ends in the segment may have begun long before. Callers hold mu.
func (l *Log) rebuildTxns(s *segment.Segment, why error) error {
	l.warn("a transaction index is rebuilt from the log", why)
	st, err := l.stateBefore(s.Base)
	if err != nil {
		return err
	}
	var found []segment.AbortedTxn
	for i, from := range l.segs {
		if from.Base > s.Base {
			break
		}
		if i+1 < len(l.segs) && l.segs[i+1].Base <= st.End() {
			continue
		}
		err := l.eachProducerBatch(from, st.End(), func(b *producers.Batch) error {
			done, ok := st.Apply(b)
			if ok && done.Aborted && from == s {
				found = append(found, segment.AbortedTxn{ProducerID: done.ProducerID, First: done.First, Last: done.Last, LastStable: done.LastStable})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.SetTxns(found)
}

// stateBefore is the producer state of the newest snapshot at or before off that
// can be read, or an empty one. Callers hold mu.
func (l *Log) stateBefore(off ids.Offset) (*producers.State, error) {
	for i := len(l.snapshots) - 1; i >= 0; i-- {
		if l.snapshots[i] > off {
			continue
		}
		b, err := vfs.ReadFile(l.dir.FS, l.snapshotName(l.snapshots[i]), 1<<30)
		if err == nil {
			var st *producers.State
			if st, err = producers.Parse(b, l.snapshots[i]); err == nil {
				return st, nil
			}
		}
		if !unusable(err) {
			return nil, err
		}
	}
	st := &producers.State{}
	st.Clear(l.start)
	return st, nil
}

// eachProducerBatch calls f for the batches with a producer id that begin at or
// behind from. Callers hold mu.
func (l *Log) eachProducerBatch(s *segment.Segment, from ids.Offset, f func(*producers.Batch) error) error {
	_, pos, ok, err := s.Position(from, l.config.Load().IndexIntervalBytes)
	if err != nil || !ok {
		return err
	}
	file, err := s.Log()
	if err != nil {
		return err
	}
	if err := l.verifyLocked(s, pos, l.sizeOf(s)); err != nil && !misled(err) {
		return err // damage was told of; the state needs headers, and of markers the record
	}
	return scanProducers(segment.NewScanner(file, pos, l.sizeOf(s)), file, func(h *segment.Header, b *producers.Batch) error {
		if b == nil || h.Base < from {
			return nil
		}
		return f(b)
	})
}

// scanProducers calls f for all batches; b is nil for those without a producer id.
func scanProducers(sc segment.Scanner, file *segment.File, f func(h *segment.Header, b *producers.Batch) error) error {
	defer sc.Close()
	for {
		h, at, err := sc.Next()
		if err == io.EOF {
			return nil
		}
		var v batch.View
		if err == nil && h.Control() {
			v = make(batch.View, h.Size)
			_, err = file.ReadAt(v, at)
		}
		if err != nil {
			return err
		}
		if h.ProducerID < 0 {
			err = f(&h, nil)
		} else {
			b := producerBatch(&h, v, h.Base)
			err = f(&h, &b)
		}
		if err != nil {
			return err
		}
	}
}
