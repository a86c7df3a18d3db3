package compact

import (
	"slices"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// transactions follows the transactions while batches are read in order.
type transactions struct {
	byMarker, byFirst []segment.AbortedTxn
	next              int                          // of byFirst: the first one not reached yet
	reached           map[int64]segment.AbortedTxn // by producer, those whose marker was not met yet
	met               map[int64]bool               // producers of which data was met since their last marker
}

// newTransactions takes the aborted ones in the order of their markers.
func newTransactions(aborted []segment.AbortedTxn) transactions {
	t := transactions{byMarker: aborted, byFirst: slices.Clone(aborted)}
	sort.Slice(t.byFirst, func(i, j int) bool { return t.byFirst[i].First < t.byFirst[j].First })
	return t
}

// see takes a batch into account. For data it tells whether the batch belongs
// to an aborted transaction; for a marker, whether nothing of its transaction
// is left.
func (t *transactions) see(h *segment.Header) bool {
	if !h.Transactional() {
		return false
	}
	if h.Control() {
		met := t.met[h.ProducerID]
		delete(t.met, h.ProducerID)
		return !met
	}
	if t.met == nil {
		t.met, t.reached = map[int64]bool{}, map[int64]segment.AbortedTxn{}
	}
	t.met[h.ProducerID] = true
	return t.aborted(h.ProducerID, h.Base)
}

// aborted tells whether a producer's batch at off lies in an aborted transaction.
func (t *transactions) aborted(producer int64, off ids.Offset) bool {
	for t.next < len(t.byFirst) && t.byFirst[t.next].First <= off {
		a := t.byFirst[t.next]
		t.reached[a.ProducerID] = a
		t.next++
	}
	a, ok := t.reached[producer]
	if ok && a.Last < off {
		delete(t.reached, producer)
		return false
	}
	return ok
}

// abortedAt returns the index entry whose marker the batch is.
func (t *transactions) abortedAt(h *segment.Header) (segment.AbortedTxn, bool) {
	if !h.Control() || !h.Transactional() {
		return segment.AbortedTxn{}, false
	}
	i := sort.Search(len(t.byMarker), func(i int) bool { return t.byMarker[i].Last >= h.Base })
	if i < len(t.byMarker) && t.byMarker[i].Last == h.Base && t.byMarker[i].ProducerID == h.ProducerID {
		return t.byMarker[i], true
	}
	return segment.AbortedTxn{}, false
}
