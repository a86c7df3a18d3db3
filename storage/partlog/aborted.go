package partlog

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// AbortedTxns appends the aborted transactions that touch [from, to) to dst,
// in the order of their markers.
func (l *Log) AbortedTxns(dst []AbortedTxn, from, to ids.Offset) ([]AbortedTxn, error) {
	for {
		out, doubtful, err := l.abortedTxns(dst, from, to)
		if doubtful == nil || err != nil {
			return out, err
		}
		if _, err := l.proveTxns(doubtful); err != nil {
			return dst, l.readFailed("aborted transactions", err)
		}
	}
}

// abortedTxns is AbortedTxns up to a segment whose transaction index contradicts
// later ones, or may have lost entries in a crash.
func (l *Log) abortedTxns(dst []AbortedTxn, from, to ids.Offset) (_ []AbortedTxn, doubtful *segment.Segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return dst, nil, l.errf("producer state", err)
	}
	first := max(0, l.floor(from))
	for i, s := range l.segs[first:] {
		txns, err := l.txnsOf(s)
		if err != nil {
			return dst, nil, l.errf("aborted transactions", err)
		}
		if s.Unclean && !s.TxnsProved && (len(txns) > 0 || !l.prods.Empty()) {
			return dst, s, nil
		}
		for _, t := range txns {
			if t.Last >= from && t.First < to {
				dst = append(dst, AbortedTxn{t.ProducerID, t.First})
			}
			if t.LastStable < to {
				continue
			}
			ok, err := l.inOrder(s, l.segs[first+i+1:])
			if err != nil {
				return dst, nil, l.errf("aborted transactions", err)
			}
			if !ok {
				return dst, s, nil
			}
			return dst, nil, nil // later markers belong to transactions that began later than to
		}
	}
	return dst, nil, nil
}

// inOrder tells whether a segment's last stable offsets may end a search: no
// transaction whose marker comes later began below one. After a clean stop the
// index is not held against all batches before it is used, which would be a
// reading of a gibibyte before the first answer; that none lacks is the
// scrubber's to find. Callers hold mu.
func (l *Log) inOrder(s *segment.Segment, later []*segment.Segment) (bool, error) {
	if s.TxnsProved || s.TxnsInOrder {
		return true, nil
	}
	earliest := ids.Offset(math.MaxInt64)
	for _, s := range later {
		txns, err := s.Txns()
		if err != nil && !errors.Is(err, segment.ErrTxnIndex) {
			return false, err
		}
		for _, t := range txns {
			earliest = min(earliest, t.First)
		}
	}
	txns, err := s.Txns()
	for _, t := range slices.Backward(txns) {
		if t.LastStable > earliest {
			return false, err
		}
		earliest = min(earliest, t.First)
	}
	s.TxnsInOrder = err == nil
	return s.TxnsInOrder, err
}

// AbortedIndex is the transaction indexes of all segments, in the order of their
// markers, each proved: a cleaner removes records by it.
func (l *Log) AbortedIndex() ([]segment.AbortedTxn, error) {
	for {
		out, doubtful, err := l.abortedIndex()
		if doubtful == nil || err != nil {
			return out, err
		}
		if _, err := l.proveTxns(doubtful); err != nil {
			return nil, l.readFailed("aborted transactions", err)
		}
	}
}

func (l *Log) abortedIndex() (out []segment.AbortedTxn, doubtful *segment.Segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.loadProducers(); err != nil {
		return nil, nil, l.errf("aborted transactions", err)
	}
	for _, s := range l.segs {
		txns, err := l.txnsOf(s)
		if err != nil {
			return nil, nil, l.errf("aborted transactions", err)
		}
		if !s.TxnsProved {
			return nil, s, nil
		}
		out = append(out, txns...)
	}
	return out, nil, nil
}

// proof is the comparison of a segment's transaction index with its batches. It
// reads without the lock: a segment is a gibibyte, and an append must not wait for it.
type proof struct {
	reading
	state       *producers.State // in front of the segment
	truncations int64
	found       []segment.AbortedTxn
}

// errThin: records were compacted away, and with them beginnings of transactions.
var errThin = errors.New("batches were compacted")

// proveTxns holds the transaction index of a segment against its batches, and makes
// it anew if it is not what they say: it has no checksum, and one that was cut
// between two entries, or has another last stable offset, looks like any. Where the
// batches cannot tell (records were compacted, the producer state in front is not
// known, a batch is damaged) the index stays as it is. read is the bytes read. The
// error is one of reading.
func (l *Log) proveTxns(s *segment.Segment) (read int64, err error) {
	p, err := l.beginProof(s)
	if p == nil || err != nil {
		return 0, err
	}
	defer p.file.Release()
	switch err = p.replay(); {
	case err == nil:
		err = l.verify(&p.reading, p.size)
		read = p.size
	case !misled(err) && !errors.Is(err, errThin):
		return 0, err
	}
	if errors.Is(err, errAgain) {
		return read, nil // a history was mended on the way
	}
	if err != nil && !misled(err) && !errors.Is(err, errThin) {
		return read, err
	}
	return read, l.endProof(p, err == nil)
}

// beginProof is nil for a segment of which nothing can be proved.
func (l *Log) beginProof(s *segment.Segment) (*proof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if !slices.Contains(l.segs, s) {
		return nil, nil
	}
	st := &producers.State{}
	if s.Base > 0 {
		b, err := vfs.ReadFile(l.dir.FS, l.snapshotName(s.Base), 1<<30)
		if err == nil {
			st, err = producers.Parse(b, s.Base)
		}
		if unusable(err) {
			s.TxnsProved = true // as far as can be
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	l.use()
	f, err := s.Log()
	if err != nil {
		return nil, err
	}
	x, err := s.Index(l.config.Load().IndexIntervalBytes)
	if err != nil {
		return nil, err
	}
	p := &proof{state: st, truncations: l.truncations}
	p.reading = reading{seg: s, file: f.Acquire(), index: x, epochs: *l.epochs, base: s.Base, size: l.sizeOf(s), nextBase: l.nextBase(s)}
	return p, nil
}

// replay finds the transactions that the segment's markers abort.
func (p *proof) replay() error {
	next := p.base
	return scanProducers(segment.NewScanner(p.file, 0, p.size), p.file, func(h *segment.Header, b *producers.Batch) error {
		if h.Base != next || int64(h.Count) != int64(h.Last-h.Base)+1 {
			return errThin
		}
		if next = h.Next(); b == nil {
			return nil
		}
		if done, ok := p.state.Apply(b); ok && done.Aborted {
			p.found = append(p.found, segment.AbortedTxn{ProducerID: done.ProducerID, First: done.First, Last: done.Last, LastStable: done.LastStable})
		}
		return nil
	})
}

// endProof compares; known: the batches could be read and tell all.
func (l *Log) endProof(p *proof, known bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.truncations != p.truncations || !slices.Contains(l.segs, p.seg) {
		return nil // what was read is gone: who asks will ask again
	}
	p.seg.TxnsProved = true
	if !known || l.failed != nil {
		return nil
	}
	txns, err := l.txnsOf(p.seg)
	if err != nil {
		return err
	}
	was, newer := txns, txns[len(txns):]
	for i, a := range txns {
		if a.Last >= p.nextBase { // appended meanwhile
			was, newer = txns[:i], txns[i:]
			break
		}
	}
	if slices.Equal(was, p.found) {
		return nil
	}
	l.use()
	l.warn("a transaction index is rebuilt from the log", fmt.Errorf("%w: %d entries, the batches say %d", segment.ErrTxnIndex, len(was), len(p.found)))
	return p.seg.SetTxns(append(p.found, newer...))
}
