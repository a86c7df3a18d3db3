package segment

import (
	"bytes"
	"errors"
	"io"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
)

// RecoverOptions say what recovery may take for granted.
type RecoverOptions struct {
	Interval int32
	// Flushed: what lies below was made durable, with its index entries.
	Flushed ids.Offset
	// Epoch is the leader epoch of the last batch in front of this segment, NoEpoch if unknown.
	Epoch ids.LeaderEpoch
	// Epochs is the leader-epoch history. A flushed batch that contradicts it stays,
	// is not trusted, and is no measure for those behind it: a reader will judge.
	Epochs epochs.History
	// Seen gets every batch that was read and found good, and those that are passed
	// over without their bytes; the bytes are valid during the call.
	Seen func(h *Header, v batch.View) error
}

// Recovered says what recovery found.
type Recovered struct {
	Next      ids.Offset // offset after the last good batch
	Epoch     ids.LeaderEpoch
	Truncated int64 // bytes cut off
	Cause     error // why the log ends where it ends; nil at the end of the file
	// Damaged are batches below the flushed offset with records that are not what
	// was written. They stay, and are not trusted.
	Damaged []*CorruptError
}

// Recover finds the end of the log and rebuilds the indexes above the flushed
// offset. It starts at the last index entry below that offset, reads on with
// full checks (size, magic, CRC, offsets and leader epochs that never fall)
// and cuts the file at the first batch that fails: stale bytes that survived
// an older, longer life of the file fail on offset or epoch.
//
// A batch below the flushed offset that fails is damage, not a torn write:
// nothing is cut. Where its header still leads to the next batch it is passed
// over and reported; else a CorruptError is returned.
func (s *Segment) Recover(o RecoverOptions) (Recovered, error) {
	f, err := s.Log()
	if err != nil {
		return Recovered{}, err
	}
	end, err := f.Size()
	if err != nil {
		return Recovered{}, err
	}
	s.size = end
	start, err := s.keepFlushedIndex(end, o.Flushed)
	if err != nil {
		return Recovered{}, err
	}
	// The process before may have died of a sync that failed: what it left in the
	// cache is no proof of what the disk has, and a sync of ours would not write it.
	page := start &^ 4095
	if err := f.Forget(page, end-page); err != nil {
		return Recovered{}, err
	}
	buf := readBufs.Get().(*[]byte)
	defer readBufs.Put(buf)
	r := &recovery{s: s, o: o, f: f, buf: *buf, out: Recovered{Next: s.Base, Epoch: o.Epoch}, strange: -1}
	if err := r.run(start, end); err != nil {
		if start == 0 {
			return r.out, err
		}
		// The index pointed into the middle of something: trust only the log itself.
		s.resetIndexes()
		r.out, start = Recovered{Next: s.Base, Epoch: o.Epoch}, 0
		if err := r.run(0, end); err != nil {
			return r.out, err
		}
	}
	s.trust = trust{from: max(start, r.strange)}
	if err := s.finishRecovery(r.pos, end, r.out.Next); err != nil {
		return r.out, err
	}
	for _, d := range r.out.Damaged {
		s.Doubt(d.Pos)
	}
	return r.out, nil
}

type recovery struct {
	s   *Segment
	o   RecoverOptions
	f   *File
	buf []byte
	out Recovered
	pos int64 // end of the good batches
	// strange is the end of the last batch that contradicts the epoch history, odd its epoch.
	strange int64
	odd     ids.LeaderEpoch
}

// run reads from start on. It returns an error when the damage lies below the flushed offset.
func (r *recovery) run(start, end int64) error {
	rd := NewReader(r.f, start, end, r.buf)
	r.pos = start
	for {
		h, v, pos, err := rd.Next()
		if err == nil {
			err = r.check(&h, pos)
		}
		if err == io.EOF {
			if r.out.Next < r.o.Flushed && start > 0 && pos == start {
				return &CorruptError{r.f.Name(), pos, "the index points to the end of the log"}
			}
			return nil
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				return err
			}
			if over, err := r.passOver(rd, pos, err, end); over || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			r.out.Cause, r.out.Truncated = err, end-r.pos
			if r.out.Next < r.o.Flushed {
				return err
			}
			return nil
		}
		r.s.note(&h, pos, r.o.Interval)
		// Read from its beginning, for its index is lost or has nothing to say.
		r.s.markers = r.s.markers || start == 0 && h.Control() && h.Transactional()
		if r.o.Seen != nil {
			if err := r.o.Seen(&h, v); err != nil {
				return err
			}
		}
		r.passed(&h, pos)
	}
}

// passed goes on behind a batch.
func (r *recovery) passed(h *Header, pos int64) {
	r.out.Next, r.pos = h.Next(), pos+int64(h.Size)
	switch {
	case !r.contradicts(h):
		r.out.Epoch = max(h.Epoch, r.out.Epoch)
	case r.strange == pos && r.odd == h.Epoch:
		r.strange, r.out.Epoch = r.pos, h.Epoch // two in a row: it is the history that is wrong
	default:
		r.strange, r.odd = r.pos, h.Epoch
	}
}

// contradicts tells whether the history has another epoch for a batch that was flushed.
func (r *recovery) contradicts(h *Header) bool {
	e, ok := r.o.Epochs.ForOffset(h.Last)
	return ok && e != h.Epoch && h.Next() <= r.o.Flushed
}

// passOver gets over a batch that was flushed and whose records are damaged, if
// its header fits in between the batches around it.
func (r *recovery) passOver(rd *Reader, pos int64, cause error, end int64) (bool, error) {
	if rd.pos != pos {
		return false, nil // the batch is whole, and not in order
	}
	h, err := rd.Peek()
	if err != nil || pos+int64(h.Size) > end || h.Next() > r.o.Flushed || r.check(&h, pos) != nil {
		return false, nil
	}
	sc := NewScanner(r.f, pos+int64(h.Size), end)
	defer sc.Close()
	next, _, err := sc.Next()
	if err != nil && err != io.EOF || err == nil && next.Base < h.Next() {
		return false, nil
	}
	d := new(CorruptError)
	if !errors.As(cause, &d) {
		return false, nil
	}
	r.out.Damaged = append(r.out.Damaged, d)
	return true, r.take(rd, &h, pos)
}

// take enters a batch that is passed over.
func (r *recovery) take(rd *Reader, h *Header, pos int64) error {
	r.s.note(h, pos, r.o.Interval)
	r.passed(h, pos)
	rd.skip(h.Size)
	if r.o.Seen == nil {
		return nil
	}
	return r.o.Seen(h, nil)
}

func (r *recovery) check(h *Header, pos int64) error {
	switch {
	case h.Base < r.out.Next:
		return &CorruptError{r.f.Name(), pos, "offsets go back"}
	case h.Last-r.s.Base > 1<<31-1:
		return &CorruptError{r.f.Name(), pos, "offset too far from the segment's base"}
	case h.Epoch >= 0 && h.Epoch < r.out.Epoch && !r.contradicts(h):
		return &CorruptError{r.f.Name(), pos, "leader epochs go back"}
	}
	return nil
}

func (s *Segment) resetIndexes() {
	h := s.heat()
	h.index.reset()
	h.times.reset()
	h.last, s.max, s.first = 0, TimeAt{-1, s.Base}, unknown
}

// keepFlushedIndex loads the index entries below the flushed offset and
// returns the position of the last of them.
func (s *Segment) keepFlushedIndex(size int64, flushed ids.Offset) (int64, error) {
	s.resetIndexes()
	if flushed <= s.Base {
		return 0, nil
	}
	b, err := readIndexFile(s.dir.FS, s.name(IndexSuffix))
	if err != nil {
		return 0, err
	}
	n := OffsetIndex(b).valid(s.Base, size, flushed)
	if n == 0 {
		return 0, nil
	}
	h := s.hot
	h.index = entries{buf: b[:n:n], saved: n, loaded: true, made: n == len(b)}
	last := OffsetIndex(h.index.buf).At(s.Base, n/offsetEntry-1)
	t, err := readIndexFile(s.dir.FS, s.name(TimeSuffix))
	if err != nil {
		return 0, err
	}
	tn := TimeIndex(t).valid(s.Base, last.Offset+1)
	h.times = entries{buf: t[:tn:tn], saved: tn, loaded: true, made: tn == len(t)}
	h.last = last.Position
	s.max, _ = TimeIndex(h.times.buf).Last(s.Base)
	return last.Position, nil
}

// finishRecovery cuts log and transaction index and saves the indexes.
func (s *Segment) finishRecovery(good, end int64, next ids.Offset) error {
	if good < end {
		if err := s.hot.log.Truncate(good); err != nil {
			return err
		}
	}
	s.size = good
	if err := s.cutTxns(next); err != nil {
		return err
	}
	s.seal()
	indexFits, err1 := s.begins(s.hot.index.buf, IndexSuffix)
	timesFit, err2 := s.begins(s.hot.times.buf, TimeSuffix)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if good == end && indexFits && timesFit {
		// What the files hold is true, if not all. Writing the rest now is most of
		// what opening many small logs would cost.
		s.Behind = true
		return nil
	}
	return s.Save(true, false)
}

// begins tells whether entries begin with what the index file holds.
func (s *Segment) begins(entries []byte, suffix string) (bool, error) {
	b, err := readIndexFile(s.dir.FS, s.name(suffix))
	return bytes.HasPrefix(entries, b), err
}
