package producers

import (
	"errors"
	"fmt"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// What Check answers. They are wrapped with the numbers in question.
var (
	// ErrOutOfOrderSequence: the batch does not follow the producer's last one.
	ErrOutOfOrderSequence = errors.New("out of order sequence number")
	// ErrInvalidEpoch: a newer incarnation of the producer has written.
	ErrInvalidEpoch = errors.New("producer epoch is older than the last seen")
	// ErrInvalidTxnState: a batch outside of a transaction while one is open.
	ErrInvalidTxnState = errors.New("batch does not belong to the open transaction")
	// ErrCoordinatorFenced: the marker comes from a former transaction coordinator.
	ErrCoordinatorFenced = errors.New("transaction coordinator epoch is older than the last seen")
)

const (
	window  = 5 // batches remembered per producer
	noEpoch = -1
	noSeq   = -1
)

// Batch is what the state needs of a batch.
type Batch struct {
	ProducerID    int64
	Epoch         int16
	FirstSeq      int32
	LastSeq       int32
	First, Last   ids.Offset
	Timestamp     int64 // largest of the batch; of a marker: its record's
	Transactional bool
	// Marker batches end a transaction and carry the coordinator's epoch. An
	// EmptyMarker, all of whose records the cleaner removed, changes nothing.
	Marker, EmptyMarker bool
	Abort               bool
	CoordinatorEpoch    int32
}

// Rules say how strictly Check looks.
type Rules struct {
	Sequences bool // the batch comes from a client: sequences count
	// StrictMarker: a marker's epoch must exceed the producer's (transaction version 2).
	StrictMarker bool
}

type written struct {
	lastSeq   int32
	delta     int32
	last      ids.Offset
	timestamp int64
}

func (w *written) firstSeq() int32 {
	if s := int64(w.lastSeq) - int64(w.delta); s >= 0 {
		return int32(s)
	} else {
		return int32(s + 1<<31)
	}
}

type producer struct {
	epoch            int16
	n                int8 // batches in ring
	head             int8 // oldest
	coordinatorEpoch int32
	lastTimestamp    int64
	txnFirst         ids.Offset // NoOffset without an open transaction
	ring             [window]written
}

func (p *producer) newest() *written {
	if p.n == 0 {
		return nil
	}
	return &p.ring[(p.head+p.n-1)%window]
}

func (p *producer) lastSeq() int32 {
	if w := p.newest(); w != nil {
		return w.lastSeq
	}
	return noSeq
}

func (p *producer) setEpoch(e int16) {
	if p.epoch != e {
		p.epoch, p.n, p.head = e, 0, 0
	}
}

func (p *producer) add(w written) {
	if p.n == window {
		p.head = (p.head + 1) % window
		p.n--
	}
	p.ring[(p.head+p.n)%window] = w
	p.n++
}

type txn struct {
	producer    int64
	first, last ids.Offset // last is NoOffset while open
}

// State is the producer state of one partition. The zero value is empty.
type State struct {
	producers map[int64]*producer
	// open and done are ordered by first offset; done transactions have their
	// marker at or above the high watermark.
	open, done []txn
	end        ids.Offset
}

// End is the offset up to which batches were applied.
func (s *State) End() ids.Offset { return s.end }

// SetEnd notes that everything below off was seen, also batches without producer.
func (s *State) SetEnd(off ids.Offset) { s.end = off }

// Len is the number of producers known.
func (s *State) Len() int { return len(s.producers) }

// Empty tells whether there is nothing to remember.
func (s *State) Empty() bool { return len(s.producers) == 0 && len(s.done) == 0 }

// Duplicate finds the batch with exactly b's sequences among the last five.
func (s *State) Duplicate(b *Batch) (first, last ids.Offset, timestamp int64, ok bool) {
	p := s.producers[b.ProducerID]
	if p == nil || p.epoch != b.Epoch {
		return 0, 0, 0, false
	}
	for i := range p.n {
		w := &p.ring[(p.head+i)%window]
		if w.lastSeq == b.LastSeq && w.firstSeq() == b.FirstSeq {
			return w.last - ids.Offset(w.delta), w.last, w.timestamp, true
		}
	}
	return 0, 0, 0, false
}

// Check judges a batch that is about to be appended. It changes nothing.
func (s *State) Check(b *Batch, r Rules) error {
	p := s.producers[b.ProducerID]
	if p == nil {
		return nil // state lost to retention or expiry: any sequence may come
	}
	if b.Marker {
		return p.checkMarker(b, r)
	}
	if b.Epoch < p.epoch {
		return fmt.Errorf("%w: producer %d, epoch %d, last seen %d", ErrInvalidEpoch, b.ProducerID, b.Epoch, p.epoch)
	}
	if r.Sequences {
		if err := p.checkSequence(b); err != nil {
			return err
		}
	}
	if p.txnFirst != ids.NoOffset && !b.Transactional {
		return fmt.Errorf("%w: producer %d began one at offset %d", ErrInvalidTxnState, b.ProducerID, p.txnFirst)
	}
	return nil
}

func (p *producer) checkSequence(b *Batch) error {
	last := p.lastSeq()
	switch {
	case p.epoch == noEpoch:
		return nil
	case b.Epoch != p.epoch:
		if b.FirstSeq == 0 {
			return nil
		}
		return fmt.Errorf("%w: producer %d begins epoch %d with %d instead of 0", ErrOutOfOrderSequence, b.ProducerID, b.Epoch, b.FirstSeq)
	case int64(b.FirstSeq) == int64(last)+1 || b.FirstSeq == 0 && last == 1<<31-1:
		return nil
	}
	return fmt.Errorf("%w: producer %d, epoch %d: %d after %d", ErrOutOfOrderSequence, b.ProducerID, b.Epoch, b.FirstSeq, last)
}

func (p *producer) checkMarker(b *Batch, r Rules) error {
	stale := b.Epoch < p.epoch
	if r.StrictMarker && b.Epoch == p.epoch {
		// The marker of a transaction that has ended already is a retry and harmless;
		// at the largest epoch there is no larger one to come.
		stale = p.txnFirst != ids.NoOffset && b.Epoch != 1<<15-1
	}
	if stale {
		return fmt.Errorf("%w: marker of producer %d, epoch %d, last seen %d", ErrInvalidEpoch, b.ProducerID, b.Epoch, p.epoch)
	}
	if b.CoordinatorEpoch < p.coordinatorEpoch {
		return fmt.Errorf("%w: producer %d, coordinator epoch %d, last seen %d", ErrCoordinatorFenced, b.ProducerID, b.CoordinatorEpoch, p.coordinatorEpoch)
	}
	return nil
}

// Completed is a transaction that a marker ended.
type Completed struct {
	ProducerID              int64
	First, Last, LastStable ids.Offset
	Aborted                 bool
}

// Apply enters a batch that is in the log. It returns the transaction that
// the batch ended, if it did.
func (s *State) Apply(b *Batch) (Completed, bool) {
	s.end = b.Last + 1
	if b.EmptyMarker {
		return Completed{}, false
	}
	p := s.producers[b.ProducerID]
	if p == nil {
		p = &producer{epoch: noEpoch, coordinatorEpoch: -1, lastTimestamp: -1, txnFirst: ids.NoOffset}
		if s.producers == nil {
			s.producers = map[int64]*producer{}
		}
		s.producers[b.ProducerID] = p
	}
	p.setEpoch(b.Epoch)
	p.lastTimestamp = b.Timestamp
	if b.Marker {
		p.coordinatorEpoch = b.CoordinatorEpoch
		return s.complete(p, b)
	}
	p.add(written{lastSeq: b.LastSeq, delta: int32(b.Last - b.First), last: b.Last, timestamp: b.Timestamp})
	if b.Transactional && p.txnFirst == ids.NoOffset {
		p.txnFirst = b.First
		s.open = insert(s.open, txn{b.ProducerID, b.First, ids.NoOffset})
	}
	return Completed{}, false
}

func (s *State) complete(p *producer, b *Batch) (Completed, bool) {
	if p.txnFirst == ids.NoOffset {
		return Completed{}, false // a transaction without records here
	}
	c := Completed{ProducerID: b.ProducerID, First: p.txnFirst, Last: b.First, LastStable: b.First + 1, Aborted: b.Abort}
	p.txnFirst = ids.NoOffset
	for i := range s.open {
		if s.open[i].first == c.First {
			t := s.open[i]
			s.open = append(s.open[:i], s.open[i+1:]...)
			t.last = c.Last
			s.done = insert(s.done, t)
			break
		}
	}
	if len(s.open) > 0 {
		c.LastStable = s.open[0].first
	}
	return c, true
}

func insert(list []txn, t txn) []txn {
	i := sort.Search(len(list), func(i int) bool { return list[i].first >= t.first })
	list = append(list, txn{})
	copy(list[i+1:], list[i:])
	list[i] = t
	return list
}

// FirstUnstable is the offset from which read-committed readers must wait.
func (s *State) FirstUnstable() (ids.Offset, bool) {
	switch {
	case len(s.open) > 0 && (len(s.done) == 0 || s.open[0].first < s.done[0].first):
		return s.open[0].first, true
	case len(s.done) > 0:
		return s.done[0].first, true
	}
	return 0, false
}

// Committed forgets ended transactions whose marker lies below hw and tells
// whether there were any.
func (s *State) Committed(hw ids.Offset) bool {
	keep := s.done[:0]
	for _, t := range s.done {
		if t.last >= hw {
			keep = append(keep, t)
		}
	}
	changed := len(keep) < len(s.done)
	s.done = keep
	return changed
}

// OpenTxn returns the first offset of the producer's open transaction.
func (s *State) OpenTxn(producerID int64) (epoch int16, first ids.Offset, ok bool) {
	p := s.producers[producerID]
	if p == nil || p.txnFirst == ids.NoOffset {
		return 0, 0, false
	}
	return p.epoch, p.txnFirst, true
}

// Expire forgets producers without an open transaction that wrote nothing for
// expiration ms and returns how many.
func (s *State) Expire(now, expiration int64) int {
	n := 0
	for id, p := range s.producers { // order does not matter: every producer is judged by itself
		if p.txnFirst == ids.NoOffset && now-p.lastTimestamp >= expiration {
			delete(s.producers, id)
			n++
		}
	}
	return n
}

// Clear forgets everything; batches are expected from off on.
func (s *State) Clear(off ids.Offset) { *s = State{end: off} }
