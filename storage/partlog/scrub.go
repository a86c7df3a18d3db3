package partlog

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// ScrubPoint is how far a scrubbing has come; the zero value is its beginning.
type ScrubPoint struct {
	base ids.Offset
	pos  int64
}

// Scrub reads on from a point, about budget bytes of one sealed segment, and
// verifies them, whether or not they were verified before: disks forget slowly.
// Damage is told of like that which readers meet, and from then on readers are
// refused it. read is how many bytes were looked at; more is false at the end of
// the sealed segments. The error is one of a disk that cannot be read, and has
// failed the log.
//
// No index, file or memory of the log is kept in use for it. The pages it reads
// are read once, and are the first that a kernel short of memory gives up.
func (l *Log) Scrub(at ScrubPoint, budget int64) (next ScrubPoint, read int64, more bool, err error) {
	s, x, err := l.scrubbing(&at)
	if s == nil || err != nil {
		return at, 0, false, err
	}
	defer x.File.Release()
	end, err := x.VerifyUpTo(at.pos, min(at.pos+budget, x.Size))
	read = end - at.pos
	if l.newEpochs(err) {
		return at, read, true, nil
	}
	if err != nil {
		if end, err = l.scrubbed(s, err); err != nil {
			return at, read, false, err
		}
	}
	if end >= x.Size {
		n, err := l.scrubTxns(s)
		if read += n; err != nil {
			return at, read, false, err
		}
		return ScrubPoint{x.Next, 0}, read, true, nil
	}
	return ScrubPoint{at.base, end}, read, true, nil
}

// scrubbing finds the sealed segment at or behind the point, nil without one.
func (l *Log) scrubbing(at *ScrubPoint) (*segment.Segment, segment.Extent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.failed != nil {
		return nil, segment.Extent{}, nil
	}
	for i := 0; i+1 < len(l.segs); i++ {
		s := l.segs[i]
		if s.Base < at.base {
			continue
		}
		if s.Base > at.base {
			*at = ScrubPoint{base: s.Base}
		}
		x, err := s.Extent(l.segs[i+1].Base)
		if err != nil {
			err = l.diskErr("scrub", err)
		}
		x.Epochs = *l.epochs
		return s, x, err
	}
	return nil, segment.Extent{}, nil
}

// scrubbed tells of damage and returns where to go on: at the next batch that
// the index knows, for the damaged one may lie about its size.
func (l *Log) scrubbed(s *segment.Segment, err error) (pos int64, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := new(segment.CorruptError)
	if !errors.As(err, &d) {
		return 0, l.diskErr("scrub", err)
	}
	if l.closed || l.failed != nil {
		return 0, l.failed
	}
	l.damaged(s, d)
	cold := !s.Hot()
	x, err := s.Index(l.config.Load().IndexIntervalBytes)
	if cold {
		defer s.Cool()
	}
	if err != nil {
		return 0, l.diskErr("scrub", err)
	}
	return x.Behind(s.Base, d.Pos, l.sizeOf(s)), nil
}

// scrubTxns looks whether the transaction index of a segment is what its batches
// say, if there can be transactions in it.
func (l *Log) scrubTxns(s *segment.Segment) (read int64, err error) {
	l.mu.Lock()
	cold := !s.Hot()
	st, err := l.stateBefore(l.nextBase(s))
	l.mu.Unlock()
	if err != nil || st.Empty() {
		return 0, err
	}
	if read, err = l.proveTxns(s); err != nil {
		err = l.readFailed("scrub", err)
	}
	if cold {
		l.mu.Lock()
		defer l.mu.Unlock()
		s.Cool()
	}
	return read, err
}
