package segment

import (
	"errors"
	"io"
	"io/fs"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Position finds the first batch whose last offset is at least off, from the
// nearest index entry on. ok is false when the segment ends before.
func (s *Segment) Position(off ids.Offset, interval int32) (h Header, pos int64, ok bool, err error) {
	x, err := s.Index(interval)
	if err != nil {
		return h, 0, false, err
	}
	f, err := s.Log()
	if err != nil {
		return h, 0, false, err
	}
	e, _ := x.ByOffset(s.Base, off)
	return Seek(f, e.Position, s.size, off)
}

// Seek scans from pos for the first batch whose last offset is at least off.
func Seek(f *File, pos, end int64, off ids.Offset) (h Header, at int64, ok bool, err error) {
	sc := NewScanner(f, pos, end)
	defer sc.Close()
	for {
		h, at, err = sc.Next()
		if err == io.EOF {
			return h, end, false, nil
		}
		if err != nil || h.Last >= off {
			return h, at, err == nil, err
		}
	}
}

// TruncateTo removes the batches whose last offset is at least off, durably,
// and returns the offset after the last batch kept.
func (s *Segment) TruncateTo(off ids.Offset, interval int32) (ids.Offset, error) {
	if err := s.Activate(interval); err != nil {
		return 0, err
	}
	_, pos, _, err := s.Position(off, interval)
	if err != nil {
		return 0, err
	}
	h := s.hot
	n := OffsetIndex(h.index.buf).valid(s.Base, pos, off)
	h.index.truncate(n)
	h.last = 0
	below := s.Base
	if n > 0 {
		e := OffsetIndex(h.index.buf).At(s.Base, n/offsetEntry-1)
		h.last, below = e.Position, e.Offset+1
	}
	h.times.truncate(TimeIndex(h.times.buf).valid(s.Base, below))
	s.max, _ = TimeIndex(h.times.buf).Last(s.Base)
	next, err := s.rescan(h.last, pos)
	if err != nil {
		return 0, err
	}
	if err := h.log.Truncate(pos); err != nil {
		return 0, err
	}
	s.trust.from = min(s.Trusted(), pos)
	s.size = pos
	if pos == 0 {
		s.first = -1
	}
	if err := s.cutTxns(off); err != nil {
		return 0, err
	}
	return next, s.Save(true, false)
}

// rescan finds the largest timestamp and the end of the batches in [from, to).
func (s *Segment) rescan(from, to int64) (ids.Offset, error) {
	sc := NewScanner(s.hot.log, from, to)
	defer sc.Close()
	next := s.Base
	for {
		h, _, err := sc.Next()
		if err == io.EOF {
			return next, nil
		}
		if err != nil {
			return 0, err
		}
		next = h.Next()
		if h.MaxTimestamp > s.max.Timestamp {
			s.max = TimeAt{h.MaxTimestamp, h.Last}
		}
	}
}

// End finds the offset after the last batch from the last index entry on, and
// the largest timestamp behind it.
func (s *Segment) End(interval int32) (ids.Offset, error) {
	if err := s.Activate(interval); err != nil {
		return 0, err
	}
	return s.rescan(s.hot.last, s.size)
}

// MarkDeleted renames the segment's files to *.deleted and cools it; readers
// that hold the file go on reading.
func (s *Segment) MarkDeleted() error {
	s.Cool()
	for _, suf := range Suffixes {
		err := s.dir.FS.Rename(s.name(suf), s.name(suf)+DeletedSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove deletes the segment's files, or with suffix those that carry it
// (".deleted"). Missing files are no error.
func Remove(dir *Dir, base ids.Offset, suffix string) error {
	for _, suf := range append(Suffixes[:], SnapshotSuffix) {
		if suffix == "" && suf == SnapshotSuffix {
			continue
		}
		if err := dir.FS.Remove(dir.name(base, suf) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
