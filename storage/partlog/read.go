package partlog

import (
	"errors"
	"fmt"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Slice is a run of whole batches in one file. Release must be called exactly
// once, also when Len is 0; until then the bytes stay readable even if the
// segment is deleted meanwhile.
type Slice struct {
	File        vfs.File // nil when Len is 0
	Off         int64
	Len         int
	FirstOffset ids.Offset // the offset asked for; the first batch may begin below it
	End         ids.Offset // no batch of the slice reaches it
	release     func()
}

// Release gives the file back.
func (s Slice) Release() {
	if s.release != nil {
		s.release()
	}
}

// ReleaseFunc is Release for those who store it; nil when there is nothing to release.
func (s Slice) ReleaseFunc() func() { return s.release }

// ReadAt reads within the slice.
func (s Slice) ReadAt(p []byte, off int64) (int, error) { return s.File.ReadAt(p, s.Off+off) }

// hint says that the batch with base offset off begins at pos of seg.
type hint struct {
	off ids.Offset
	seg *segment.Segment
	pos int64
}

// hints remembers where batches begin: the last ones appended, which is where
// high watermarks and followers are, and where reads stopped, which is where
// consumers go on.
type hints struct {
	ring [16]hint
	next uint8
}

// remember adds a hint. Callers hold mu.
func (l *Log) remember(off ids.Offset, s *segment.Segment, pos int64) {
	if l.hints == nil {
		l.hints = &hints{}
	}
	h := l.hints
	h.ring[h.next%uint8(len(h.ring))] = hint{off, s, pos}
	h.next++
}

func (l *Log) hint(off ids.Offset, s *segment.Segment) (int64, bool) {
	if l.hints == nil {
		return 0, false
	}
	for i := range l.hints.ring {
		if h := &l.hints.ring[i]; h.off == off && h.seg == s {
			return h.pos, true
		}
	}
	return 0, false
}

// floor is the index of the segment that may hold off, -1 when all begin later.
func (l *Log) floor(off ids.Offset) int {
	return sort.Search(len(l.segs), func(i int) bool { return l.segs[i].Base > off }) - 1
}

// Read returns whole batches from the one that holds from on, at most maxBytes
// and only such as end below limit. They come from one segment. With
// minOneBatch a first batch larger than maxBytes is returned alone. Nothing to
// read is an empty slice. ErrOffsetOutOfRange when from is below the start or
// beyond the end of the log. ErrCorrupt when the batch asked for is damaged:
// what is returned was written by this process or has been verified by it.
func (l *Log) Read(from ids.Offset, maxBytes int, limit ids.Offset, minOneBatch bool) (Slice, error) {
	for {
		r, err := l.locate(from, limit)
		if err != nil || r.file == nil {
			return Slice{FirstOffset: from}, err
		}
		err = r.find(from, int64(maxBytes), minOneBatch)
		if err != nil || r.broken != nil || r.seek < r.trusted {
			err = l.vouch(&r, from, err)
		}
		switch {
		case errors.Is(err, errAgain):
			r.file.Release()
			continue
		case err != nil:
			r.file.Release()
			return Slice{FirstOffset: from}, l.readFailed("read", err)
		case r.skip:
			// The segment ends below from (its last records were compacted away): go on in the next.
			r.file.Release()
			from = r.nextBase
			continue
		case r.end == r.pos:
			r.file.Release()
			return Slice{FirstOffset: from}, nil
		}
		if r.endOffset >= 0 {
			l.mu.Lock()
			l.remember(r.endOffset, r.seg, r.end)
			l.mu.Unlock()
		}
		return Slice{File: r.file.File, Off: r.pos, Len: int(r.end - r.pos), FirstOffset: from, End: r.upTo(), release: r.file.Release}, nil
	}
}

// reading is a read on its way: what was found under the lock, then narrowed without it.
type reading struct {
	seg      *segment.Segment
	file     *segment.File
	index    segment.OffsetIndex
	epochs   epochs.History
	base     ids.Offset
	size     int64
	trusted  int64      // from here on nothing has to be verified
	seek     int64      // where the search for the first batch begins
	pos      int64      // where the first batch begins, or where to look for it
	exact    bool       // pos is the first batch
	found    ids.Offset // base offset of the first batch, if it was searched for
	first    int        // size of the first batch, 0 if not looked at
	end      int64      // where the slice ends
	limit    ids.Offset
	limited  bool       // end must be found by limit
	nextBase ids.Offset // of the following segment
	skip     bool
	broken   error // the damage in front of which the slice ends
	// endOffset is the offset of the batch at end, -1 if not known.
	endOffset ids.Offset
}

// locate finds segment and position, as far as that needs no reading. A nil
// file means there is nothing to read.
func (l *Log) locate(from, limit ids.Offset) (reading, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return reading{}, l.errf("read", ErrClosed)
	}
	if l.failed != nil && !errors.Is(l.failed, segment.ErrCorrupt) {
		return reading{}, l.failed // what a failed disk holds is not what readers were promised
	}
	if from < l.start || from > l.end {
		return reading{}, l.errf("read", fmt.Errorf("%w: %d not in [%d, %d]", ErrOffsetOutOfRange, from, l.start, l.end))
	}
	limit = min(limit, l.end)
	i := l.floor(from)
	if from >= limit || i < 0 {
		return reading{}, nil
	}
	s := l.segs[i]
	r := reading{seg: s, base: s.Base, epochs: *l.epochs, limit: limit, nextBase: l.end, endOffset: -1}
	if i+1 < len(l.segs) {
		r.nextBase = l.segs[i+1].Base
	}
	if !s.Hot() && l.room.Starved() {
		return reading{}, l.errf("read", ErrTooManyFiles)
	}
	s.Used = true
	l.use()
	f, err := s.Log()
	if err == nil {
		r.size, err = s.Size()
	}
	if err == nil {
		r.pos, r.exact = l.hint(from, s)
		r.index, err = s.Index(l.config.Load().IndexIntervalBytes)
	}
	if err != nil {
		return r, l.diskErr("read", err)
	}
	if !r.exact {
		e, _ := r.index.ByOffset(s.Base, from)
		r.pos, r.exact = e.Position, from == s.Base
	}
	r.seek, r.end, r.trusted, r.found = r.pos, r.size, s.Trusted(), from
	switch {
	case limit >= r.nextBase:
		r.endOffset = r.nextBase
	default:
		r.endOffset = limit
		pos, ok := l.hint(limit, s)
		if r.end, r.limited = pos, !ok; !ok {
			r.end, r.endOffset = r.size, -1
		}
	}
	r.file = f.Acquire()
	return r, nil
}

// upTo is the offset below which all of the slice lies.
func (r *reading) upTo() ids.Offset {
	if r.endOffset >= 0 {
		return r.endOffset
	}
	return min(r.limit, r.nextBase)
}

// find narrows the reading down to the slice.
func (r *reading) find(from ids.Offset, maxBytes int64, minOne bool) error {
	if err := r.resolve(from); err != nil || r.skip {
		return err
	}
	err := r.cut(maxBytes, minOne)
	if err == nil {
		return nil
	}
	if d := new(segment.CorruptError); errors.As(err, &d) && d.Pos > r.pos {
		r.end, r.endOffset, r.broken = d.Pos, -1, err // what lies in front can be read
		return nil
	}
	return err
}

// resolve finds the first batch whose last offset is at least from.
func (r *reading) resolve(from ids.Offset) error {
	if r.exact {
		r.skip = r.pos >= r.size && r.nextBase > from
		return nil
	}
	h, pos, ok, err := segment.Seek(r.file, r.pos, r.size, from)
	if err != nil {
		return err
	}
	if ok && h.Base > from && pos == r.seek && pos > 0 {
		return segment.ErrIndex // it named a batch in front of from
	}
	r.pos, r.first, r.exact, r.found = pos, h.Size, true, h.Base
	r.skip = !ok
	return nil
}

// cut finds the end of the slice: the last batch boundary within maxBytes and below limit.
func (r *reading) cut(maxBytes int64, minOne bool) error {
	if r.limited {
		if err := r.findLimit(); err != nil {
			return err
		}
	}
	if r.end-r.pos <= maxBytes {
		return nil
	}
	e, _ := r.index.ByPosition(r.base, r.pos+maxBytes)
	sc := segment.NewScanner(r.file, max(e.Position, r.pos), r.end)
	defer sc.Close()
	stop := r.pos + maxBytes
	for {
		h, at, err := sc.Next()
		if err != nil {
			return err // the end of the log is beyond stop, so io.EOF would be damage too
		}
		if at == r.pos {
			r.first = h.Size
		}
		if at+int64(h.Size) <= stop {
			continue
		}
		r.end, r.endOffset = at, h.Base
		if at == r.pos && minOne {
			r.end, r.endOffset = at+int64(h.Size), h.Next()
		}
		return nil
	}
}

// findLimit finds the first batch that does not end below limit.
func (r *reading) findLimit() error {
	e, _ := r.index.ByOffset(r.base, r.limit)
	_, pos, _, err := segment.Seek(r.file, e.Position, r.size, r.limit)
	r.end = max(pos, r.pos)
	return err
}
