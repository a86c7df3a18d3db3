package partlog

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// errAgain: the index that misled a reading was made anew.
var errAgain = errors.New("read again")

// damage is a place that was reported.
type damage struct {
	base ids.Offset
	pos  int64
}

// vouch makes sure that what a reading found is what was written: every batch
// from where the search began is verified, once a process. err is what the
// search ran into. A slice ends in front of the first damaged batch; when that
// is the batch asked for, or may be, the read fails with ErrCorrupt. Nothing is
// ever cut off the log for it: other replicas may still have the record.
func (l *Log) vouch(r *reading, from ids.Offset, err error) error {
	if misled(errors.Join(err, r.broken)) && l.reindex(r) {
		return errAgain
	}
	if r.broken != nil {
		l.report(r, r.broken)
	}
	if err != nil {
		l.report(r, err)
		return err
	}
	end := r.end
	if r.skip {
		end = r.size
	}
	if err = l.verify(r, end); errors.Is(err, errAgain) {
		return err
	}
	if misled(err) && l.reindex(r) {
		return errAgain
	}
	d := l.report(r, err)
	if d == nil || r.skip {
		return err
	}
	if d.Pos < r.pos && r.found <= from {
		// The damage lies in front of the batch asked for, which holds from and so is no other.
		err = r.extent().VerifyFrom(r.pos, r.end)
		if d = l.report(r, err); d == nil {
			return err
		}
	}
	if d.Pos > r.pos {
		r.end, r.endOffset = min(r.end, d.Pos), -1
		return nil
	}
	return err
}

// misled tells errors that a wrong index may be the cause of.
func misled(err error) bool {
	return errors.Is(err, segment.ErrCorrupt) || errors.Is(err, segment.ErrIndex)
}

// verify checks chunk by chunk what is not known to be good. Where a chunk is
// damaged, only the batches of the reading are judged: the rest of the chunk may
// be none of its business.
func (l *Log) verify(r *reading, end int64) error {
	for pos := r.seek; ; {
		l.mu.Lock()
		from, to, ok := r.seg.Doubtful(pos, end)
		l.mu.Unlock()
		if !ok {
			return nil
		}
		err := r.extent().Verify(r.index, from, to)
		if errors.Is(err, segment.ErrIndex) && !l.reindexed(r) {
			return err
		}
		if misled(err) {
			alone := r.extent().VerifyFrom(r.seek, end)
			if l.newEpochs(err, alone) {
				return errAgain
			}
			return earlier(err, alone, r.seek, end)
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		r.seg.Verified(from)
		l.mu.Unlock()
		pos = to
	}
}

// earlier returns the damage that comes first of what was found in the whole
// chunk, if it lies in [pos, end), and in [pos, end) alone. The former knows the
// batch in front of pos, the latter gets over damage in front of pos.
func earlier(inChunk, alone error, pos, end int64) error {
	c, a := new(segment.CorruptError), new(segment.CorruptError)
	if !errors.As(inChunk, &c) || c.Pos < pos || c.Pos >= end || errors.As(alone, &a) && a.Pos < c.Pos {
		return alone
	}
	return inChunk
}

func (r *reading) extent() segment.Extent {
	return segment.Extent{File: r.file, Base: r.base, Next: r.nextBase, Size: r.size, Epochs: r.epochs}
}

// verifyLocked is verify for those who search under the lock: a stretch of few
// chunks, found by the segment's index. Callers hold mu.
func (l *Log) verifyLocked(s *segment.Segment, pos, end int64) error {
	for {
		from, to, ok := s.Doubtful(pos, end)
		if !ok {
			return nil
		}
		f, err := s.Log()
		if err != nil {
			return err
		}
		x, err := s.Index(l.config.Load().IndexIntervalBytes)
		if err != nil {
			return err
		}
		e := segment.Extent{File: f, Base: s.Base, Next: l.nextBase(s), Size: l.sizeOf(s), Epochs: *l.epochs}
		if err = e.Verify(x, from, to); misled(err) {
			alone := e.VerifyFrom(pos, end)
			if l.newEpochsLocked(err, alone) {
				continue
			}
			err = earlier(err, alone, pos, end)
		}
		if d := new(segment.CorruptError); errors.As(err, &d) {
			l.damaged(s, d)
		}
		if err != nil {
			return err
		}
		s.Verified(from)
		pos = max(pos, to)
	}
}

// nextBase is the base of the segment behind s, the end of the log without one.
func (l *Log) nextBase(s *segment.Segment) ids.Offset {
	if i := l.floor(s.Base); i+1 < len(l.segs) {
		return l.segs[i+1].Base
	}
	return l.end
}

// reindex makes the index of the segment anew if that was not tried yet.
func (l *Log) reindex(r *reading) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reindexLocked(r.seg)
}

// reindexLocked is reindex for those who hold mu.
func (l *Log) reindexLocked(s *segment.Segment) bool {
	changed, err := s.Reindex(l.config.Load().IndexIntervalBytes)
	if err != nil || !changed {
		return false
	}
	l.hints = nil
	l.warn("an index did not fit the log and was made anew", &segment.CorruptError{Path: s.Path(), Reason: "its offset index is wrong"})
	return true
}

// reindexed tells whether the index was made anew already.
func (l *Log) reindexed(r *reading) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.seg.Reindexed()
}

// report tells of damage once a place and returns it, nil for other errors.
func (l *Log) report(r *reading, err error) *segment.CorruptError {
	d := new(segment.CorruptError)
	if !errors.As(err, &d) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damaged(r.seg, d)
	return d
}

// damaged notes and tells of damage. Callers hold mu.
func (l *Log) damaged(s *segment.Segment, d *segment.CorruptError) {
	s.Doubt(d.Pos)
	at := damage{s.Base, d.Pos}
	for _, known := range l.damages {
		if known == at {
			return
		}
	}
	if len(l.damages) < maxDamages {
		l.damages = append(l.damages, at)
		l.warn("the log is damaged; the batch is not served, and nothing is cut off", fmt.Errorf("%w (behind offset %d)", d, l.offsetInFront(s, d.Pos)))
	}
}

// offsetInFront is the offset that the index names in front of a position, the
// segment's base without an index in memory.
func (l *Log) offsetInFront(s *segment.Segment, pos int64) ids.Offset {
	if !s.Hot() {
		return s.Base
	}
	x, err := s.Index(l.config.Load().IndexIntervalBytes)
	if err != nil {
		return s.Base
	}
	e, _ := x.ByPosition(s.Base, pos)
	return e.Offset
}

// maxDamages bounds what is remembered, and told, of one log.
const maxDamages = 64

// Damages counts the damaged places that this process met in the log.
func (l *Log) Damages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.damages)
}

// readFailed wraps the error of a read.
func (l *Log) readFailed(op string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.diskErr(op, err)
}

// diskErr wraps err; one of a disk that cannot be read fails the log. Damage
// becomes ErrCorrupt, for readers to tell. Callers hold mu.
func (l *Log) diskErr(op string, err error) error {
	if misled(err) && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if short := l.shortage(err); short != nil {
		err = short
	} else if brokenDisk(err) && l.failed == nil {
		return l.fail(op, err)
	}
	return l.errf(op, err)
}

// brokenDisk tells errors of a disk from a closed file and want of memory.
func brokenDisk(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && !errors.Is(err, fs.ErrClosed) && !errors.Is(err, syscall.ENOMEM)
}
