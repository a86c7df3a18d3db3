package segment

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
)

// A disk may give back other bytes than it was given. What this process wrote
// itself, or has read once and found whole, it serves as it lies; everything
// else is checked against its checksums before its first reader gets it, a
// chunk at a time, and never again.

// chunk is the stretch of a log file that is verified at once: large enough
// for one read to be cheap, small enough for a consumer not to notice.
const chunk = 1 << 20

// ErrIndex says that an index entry does not point to the batch that it names.
// The log is as it was: Reindex makes the index anew.
var ErrIndex = errors.New("the offset index does not fit the log")

// ErrEpochs says that the leader-epoch history does not fit the log: several
// batches in a row contradict it. It is joined to the CorruptError of the first.
var ErrEpochs = errors.New("the leader-epoch history does not fit the log")

// trust says which batches of a segment are known to be good.
type trust struct {
	// from: all at and behind this position. unknown until the size is.
	from int64
	// good has a bit for every chunk in front of from: all batches that begin in it.
	good []uint64
}

func (t *trust) has(c int64) bool { return int(c/64) < len(t.good) && t.good[c/64]&(1<<(c%64)) != 0 }

func (t *trust) add(c int64) {
	for int(c/64) >= len(t.good) {
		t.good = append(t.good, 0)
	}
	t.good[c/64] |= 1 << (c % 64)
}

// Trusted is the position from which on everything was written or verified by
// this process. It is 0 for most segments in use: nothing is to be verified.
func (s *Segment) Trusted() int64 {
	if s.trust.from == unknown {
		return s.size
	}
	return s.trust.from
}

// Doubtful returns the first stretch of [pos, end), extended to whole chunks,
// whose batches were not verified yet.
func (s *Segment) Doubtful(pos, end int64) (from, to int64, ok bool) {
	trusted := s.Trusted()
	for c := pos / chunk; c*chunk < min(end, trusted); c++ {
		if !s.trust.has(c) {
			return c * chunk, min((c+1)*chunk, trusted), true
		}
	}
	return 0, 0, false
}

// Verified notes that the batches beginning in the stretch from Doubtful are good.
func (s *Segment) Verified(from int64) {
	s.trust.from = s.Trusted()
	if from < s.trust.from {
		s.trust.add(from / chunk)
	}
}

// Doubt takes the trust in the batch at pos back: its bytes are not what they were.
func (s *Segment) Doubt(pos int64) {
	if from := s.Trusted(); pos >= from {
		for c := (from + chunk - 1) / chunk; c*chunk < s.size; c++ {
			s.trust.add(c)
		}
		s.trust.from = s.size
	}
	if c := pos / chunk; s.trust.has(c) {
		s.trust.good[c/64] &^= 1 << (c % 64)
	}
}

// Extent is the part of a log file that holds batches: up to Size, of offsets in [Base, Next).
type Extent struct {
	File       *File
	Base, Next ids.Offset
	Size       int64
	// Epochs is what the log knows of the leader epoch of an offset. No checksum covers a batch's.
	Epochs epochs.History
}

// Verify checks the batches that begin in [from, to): checksum, size, and
// offsets and leader epochs that never fall, from the batch in front of the
// stretch to the one behind it, for a checksum does not cover them. Index
// entries that point into the stretch must point to batches; if one does not,
// the error is ErrIndex. Any other error names the first batch that is damaged,
// or is one of reading. A leader epoch that is not the one of the history is the
// batch's damage, unless a batch beside it says the same: then it is ErrEpochs.
func (x Extent) Verify(index OffsetIndex, from, to int64) error {
	v := verifying{Extent: x, index: index, next: x.Base, epoch: ids.NoEpoch, before: ids.NoEpoch}
	e, _ := index.ByPosition(x.Base, from)
	at, err := v.hop(e.Position, from)
	if err != nil || at >= to {
		return err
	}
	_, err = v.read(at, to)
	return err
}

// VerifyFrom is Verify for a stretch that begins with a batch, whatever lies in front of it.
func (x Extent) VerifyFrom(from, to int64) error {
	_, err := x.VerifyUpTo(from, to)
	return err
}

// VerifyUpTo is VerifyFrom that also tells where the last good batch ends.
func (x Extent) VerifyUpTo(from, to int64) (end int64, err error) {
	v := verifying{Extent: x, next: x.Base, epoch: ids.NoEpoch, before: ids.NoEpoch}
	return v.read(from, to)
}

// Extent opens the log file once more, for a reading that the segment does not
// notice; next is where the following segment begins. The file must be released.
func (s *Segment) Extent(next ids.Offset) (Extent, error) {
	size, err := s.Size()
	if err != nil {
		return Extent{}, err
	}
	f, err := s.dir.FS.OpenFile(s.Path(), os.O_RDONLY)
	if err != nil {
		return Extent{}, err
	}
	return Extent{File: newFile(f), Base: s.Base, Next: next, Size: size}, nil
}

type verifying struct {
	Extent
	index OffsetIndex // nil: is not compared
	entry int         // of index, the next to be met
	next  ids.Offset
	last  int64 // position of the batch in front
	gap   bool  // that batch does not begin where the one in front of it ends
	// epoch is the largest so far, before the one without the batch in front.
	epoch, before ids.LeaderEpoch
	strange       bool // the batch in front contradicts the history
}

// hop finds the first batch at or behind from, by the headers in front of it.
func (v *verifying) hop(pos, from int64) (int64, error) {
	if pos >= from {
		v.entry = v.index.after(v.Base, from)
		return pos, nil
	}
	sc := NewScanner(v.File, pos, v.Size)
	defer sc.Close()
	for {
		h, at, err := sc.Next()
		if err == io.EOF {
			return v.Size, nil
		}
		if err == nil && at >= from {
			v.entry = v.index.after(v.Base, at)
			return at, nil
		}
		if err == nil {
			err = v.order(&h, at)
		}
		if err != nil {
			return at, err
		}
		_, v.strange = v.contradicts(&h)
	}
}

func (v *verifying) read(from, to int64) (end int64, err error) {
	buf := readBufs.Get().(*[]byte)
	defer readBufs.Put(buf)
	r := NewReader(v.File, from, v.Size, *buf)
	r.stop = to
	for r.pos < to {
		h, _, at, err := r.Next()
		if err == nil {
			err = v.epochOf(r, &h, at) // first: what only the order says may be the neighbour's fault
		}
		if err == nil {
			err = v.order(&h, at)
		}
		if err == nil {
			err = v.compare(&h, at)
		}
		if err != nil {
			return at, err
		}
	}
	if r.pos >= v.Size {
		return r.pos, nil
	}
	h, err := r.Peek()
	if errors.Is(err, ErrCorrupt) {
		return r.pos, nil // of a stretch of its own
	}
	_, strange := v.contradicts(&h)
	if err == nil && (h.Base < v.next && v.gap || h.Epoch >= v.before && !strange) {
		err = v.order(&h, r.pos)
	}
	return r.pos, err
}

// order judges what no checksum covers. An offset or epoch that falls is the
// fault of the batch in front where without that one it would not.
func (v *verifying) order(h *Header, at int64) error {
	fault, reason := at, ""
	switch {
	case h.Next() > v.Next:
		reason = fmt.Sprintf("offset %d in a segment that ends at %d", h.Last, v.Next)
	case h.Base < v.next:
		reason = fmt.Sprintf("offset %d after %d", h.Base, v.next-1)
		if v.gap {
			fault = v.last
		}
	case h.Epoch >= 0 && h.Epoch < v.epoch:
		reason = fmt.Sprintf("leader epoch %d after %d", h.Epoch, v.epoch)
		if h.Epoch >= v.before {
			fault = v.last
		}
	default:
		v.gap, v.last, v.before = h.Base > v.next, at, v.epoch
		v.next, v.epoch = h.Next(), max(v.epoch, h.Epoch)
		return nil
	}
	return &CorruptError{v.File.Name(), fault, fmt.Sprintf("batch of offsets %d to %d: %s", h.Base, h.Last, reason)}
}

// compare judges the index entries up to the batch at.
func (v *verifying) compare(h *Header, at int64) error {
	for v.entry < v.index.Len() {
		e := v.index.At(v.Base, v.entry)
		if e.Position > at {
			return nil
		}
		if e.Position < at || e.Offset < h.Base {
			return ErrIndex
		}
		v.entry++
	}
	return nil
}

// contradicts tells the epoch that the history has for a batch, and whether it is another one.
func (x *Extent) contradicts(h *Header) (ids.LeaderEpoch, bool) {
	e, ok := x.Epochs.ForOffset(h.Last)
	return e, ok && e != h.Epoch
}

// epochOf holds the batch that was read last against the history. Of the two the
// one is wrong that the batches on both sides disagree with: a disk loses one
// batch's bits, or those of the checkpoint, which then contradicts many.
func (v *verifying) epochOf(r *Reader, h *Header, at int64) error {
	said, strange := v.contradicts(h)
	before := v.strange
	if v.strange = strange; !strange {
		return nil
	}
	err := error(&CorruptError{v.File.Name(), at, fmt.Sprintf("batch of offsets %d to %d: leader epoch %d, the history says %d", h.Base, h.Last, h.Epoch, said)})
	if !before && r.pos < v.Size {
		if next, reason := r.Peek(); reason == nil && next.Epoch == h.Epoch {
			_, before = v.contradicts(&next)
		}
	}
	if before {
		return fmt.Errorf("%w: %w", ErrEpochs, err)
	}
	return err
}
