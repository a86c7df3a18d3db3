package partlog

import (
	"io"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// OffsetForTimestamp finds the first record, by offset, whose timestamp is at
// least ts. ok is false when there is none.
func (l *Log) OffsetForTimestamp(ts int64) (found TimestampOffset, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	interval := l.config.Load().IndexIntervalBytes
	for i, s := range l.segs {
		if i+1 < len(l.segs) && l.segs[i+1].Base <= l.start {
			continue
		}
		m, err := l.maxTimestamp(s, interval)
		if err != nil {
			return found, false, l.diskErr("search by time", err)
		}
		if m.Timestamp < ts {
			continue
		}
		found, ok, err = l.searchSegment(s, ts, interval)
		if err != nil {
			return found, false, l.diskErr("search by time", err)
		}
		if ok {
			return found, true, nil
		}
	}
	return found, false, nil
}

// maxTimestamp of a segment; that of a cold active one needs its tail.
func (l *Log) maxTimestamp(s *segment.Segment, interval int32) (segment.TimeAt, error) {
	s.Used = true
	l.use()
	if s == l.active() {
		if _, err := s.MaxTimestamp(interval); err != nil {
			return segment.TimeAt{}, err
		}
	}
	return s.MaxTimestamp(interval)
}

func (l *Log) searchSegment(s *segment.Segment, ts int64, interval int32) (found TimestampOffset, ok bool, err error) {
	times, err := s.Times(interval)
	if err != nil {
		return found, false, err
	}
	// The entry below ts names a batch that is too old, as is everything in front of it.
	t, some := times.ByTime(s.Base, ts-1)
	if some {
		if ok, err := s.HoldsTime(t, interval); err != nil {
			return found, false, err
		} else if !ok {
			l.warn("a time index did not fit the log and was made anew", &segment.CorruptError{Path: s.Path(), Reason: "its time index is wrong"})
			if err := s.RebuildIndexes(interval); err != nil {
				return found, false, err
			}
			t, _ = segment.TimeIndex(nil).Last(s.Base) // from the beginning
		}
	}
	_, pos, ok, err := s.Position(max(t.Offset, l.start), interval)
	if err != nil || !ok {
		return found, false, err
	}
	f, err := s.Log()
	if err != nil {
		return found, false, err
	}
	sc := segment.NewScanner(f, pos, l.sizeOf(s))
	defer sc.Close()
	for {
		h, at, err := sc.Next()
		if err == io.EOF {
			return found, false, nil
		}
		if err != nil {
			return found, false, err
		}
		if h.MaxTimestamp < ts {
			continue
		}
		if err := l.verifyLocked(s, pos, at+int64(h.Size)); err != nil {
			return found, false, err
		}
		if found, ok, err = searchBatch(f, &h, at, func(r *batch.Record) bool { return r.Timestamp >= ts && r.Offset >= l.start }); ok || err != nil {
			return found, ok, err
		}
	}
}

// searchBatch finds the first record of a batch that matches.
func searchBatch(f *segment.File, h *segment.Header, at int64, match func(*batch.Record) bool) (TimestampOffset, bool, error) {
	v := make(batch.View, h.Size)
	if _, err := f.ReadAt(v, at); err != nil {
		return TimestampOffset{}, false, err
	}
	err := v.VerifyCRC()
	var it *batch.Iterator
	if err == nil {
		it, err = v.Iterate(decompressBudget)
	}
	if err != nil {
		return TimestampOffset{}, false, &segment.CorruptError{Path: f.Name(), Pos: at, Reason: err.Error()}
	}
	defer it.Release()
	var r batch.Record
	for it.Next(&r) {
		if match(&r) {
			return TimestampOffset{Timestamp: r.Timestamp, Offset: r.Offset, LeaderEpoch: h.Epoch}, true, nil
		}
	}
	if err := it.Err(); err != nil {
		return TimestampOffset{}, false, &segment.CorruptError{Path: f.Name(), Pos: at, Reason: err.Error()}
	}
	return TimestampOffset{}, false, nil
}

// MaxTimestampOffset finds the record with the largest timestamp, the first of several.
func (l *Log) MaxTimestampOffset() (found TimestampOffset, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	interval := l.config.Load().IndexIntervalBytes
	var best *segment.Segment
	top := segment.TimeAt{Timestamp: -1}
	for _, s := range l.segs {
		m, err := l.maxTimestamp(s, interval)
		if err != nil {
			return found, false, l.diskErr("largest timestamp", err)
		}
		if m.Timestamp > top.Timestamp && m.Offset >= l.start {
			best, top = s, m
		}
	}
	if best == nil {
		return found, false, nil
	}
	h, at, ok, err := best.Position(top.Offset, interval)
	if err == nil && ok {
		var f *segment.File
		if f, err = best.Log(); err == nil {
			found, ok, err = searchBatch(f, &h, at, func(r *batch.Record) bool { return r.Timestamp >= top.Timestamp })
		}
	}
	if err != nil {
		return found, false, l.diskErr("largest timestamp", err)
	}
	return found, ok, nil
}

// AssignEpochStart notes that a new leader epoch begins at start, the log end
// of the new leader. It is on disk with the next flush.
func (l *Log) AssignEpochStart(epoch ids.LeaderEpoch, start ids.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if l.epochs.Assign(epoch, start) {
		l.epochsDirty = true
	}
	return nil
}

// EndOffsetForEpoch answers OffsetsForLeaderEpoch: the largest epoch up to the
// one asked for and its end; NoEpoch and NoOffset when undefined.
func (l *Log) EndOffsetForEpoch(epoch ids.LeaderEpoch) ids.OffsetAndEpoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.EndOffset(epoch, l.end)
}

// EpochForOffset is the leader epoch of the record at off.
func (l *Log) EpochForOffset(off ids.Offset) (ids.LeaderEpoch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.ForOffset(off)
}

// LatestEpoch is the newest leader epoch known.
func (l *Log) LatestEpoch() (ids.LeaderEpoch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.epochs.Latest()
	return e.Epoch, ok
}
