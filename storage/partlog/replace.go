package partlog

import (
	"errors"
	"io/fs"
	"math"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// ErrChanged says that the log was truncated or its segments were removed
// while a cleaner worked on them: its work is void.
var ErrChanged = errors.New("the log changed meanwhile")

// SealedSegment is a segment that a cleaner may read and replace.
type SealedSegment struct {
	Base, Next   ids.Offset // Next is the base of the following segment
	Size         int64
	MaxTimestamp int64 // ms; time of the last write if no record has one
	// Oldest is the time of the first batch in ms where max.compaction.lag.ms
	// asks for it, else MaxTimestamp.
	Oldest int64
}

// Sealed is the sealed segments at one moment.
type Sealed struct {
	Segments   []SealedSegment
	generation int64
}

// Sealed lists the segments but the active one.
func (l *Log) Sealed() (Sealed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Sealed{generation: l.truncations}
	cfg := l.config.Load()
	for i := 0; i+1 < len(l.segs); i++ {
		s := l.segs[i]
		size, err := s.Size()
		if err != nil {
			return out, l.errf("list segments", err)
		}
		newest, err := l.newest(s, cfg)
		if err != nil {
			return out, l.errf("list segments", err)
		}
		oldest := newest
		if cfg.MaxCompactionLagMs != math.MaxInt64 {
			if oldest, err = l.oldest(s, newest); err != nil {
				return out, l.errf("list segments", err)
			}
		}
		out.Segments = append(out.Segments, SealedSegment{s.Base, l.segs[i+1].Base, size, newest, oldest})
	}
	return out, nil
}

// oldest is the timestamp of a segment's first batch, or newest without one.
func (l *Log) oldest(s *segment.Segment, newest int64) (int64, error) {
	if !s.Hot() {
		defer s.Cool()
	}
	first, err := s.FirstTimestamp()
	if first < 0 {
		first = newest
	}
	return first, err
}

// ActiveBase is the offset at which the active segment begins, the end offset
// without any: below it a cleaner may find work.
func (l *Log) ActiveBase() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.active(); s != nil {
		return s.Base
	}
	return l.end
}

// Truncations counts them: what was learned of a log before one is void.
func (l *Log) Truncations() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.truncations
}

// Segment opens the segment's log for reading; the file must be released.
func (l *Log) Segment(base ids.Offset) (*segment.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		if s.Base == base {
			l.use()
			f, err := s.Log()
			if err != nil {
				return nil, l.errf("open a segment", err)
			}
			return f.Acquire(), nil
		}
	}
	return nil, l.errf("open a segment", ErrChanged)
}

// CleanedDir is where a cleaner writes: the log's directory, with names that do not count yet.
func (l *Log) CleanedDir() *segment.Dir {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &segment.Dir{FS: l.dir.FS, Path: l.dir.Path, Tail: segment.CleanedSuffix}
}

// Replace puts the cleaned segment, saved and synced, in the place of the old
// ones, durably and so that a crash at any point leaves one or the other. The
// steps are described with finishSwaps. ErrChanged when the old ones are not
// there any more as Sealed listed them; the cleaned files are then removed.
func (l *Log) Replace(was Sealed, base ids.Offset, old []ids.Offset) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	first := slices.IndexFunc(l.segs, func(s *segment.Segment) bool { return s.Base == old[0] })
	if first < 0 || l.truncations != was.generation || first+len(old) >= len(l.segs) || l.segs[first+len(old)-1].Base != old[len(old)-1] {
		return errors.Join(l.errf("replace segments", ErrChanged), l.removeSuffixed(base, segment.CleanedSuffix))
	}
	if err := l.swap(first, base, len(old)); err != nil {
		return l.fail("replace segments", err)
	}
	return nil
}

func (l *Log) swap(first int, base ids.Offset, n int) error {
	for i := len(segment.Suffixes) - 1; i >= 0; i-- {
		name := l.dir.Path + "/" + segment.FileName(base, segment.Suffixes[i])
		if err := l.dir.FS.Rename(name+segment.CleanedSuffix, name+segment.SwapSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := l.dir.FS.SyncDir(l.dir.Path); err != nil {
		return err
	}
	now := l.env.Clock()
	if err := l.discard(l.segs[first:first+n], now); err != nil {
		return err
	}
	if err := InstallSwap(&l.dir, base); err != nil {
		return err
	}
	fresh := segment.Replacing(&l.dir, base, now)
	segs := append([]*segment.Segment(nil), l.segs[:first]...)
	l.segs = append(append(segs, fresh), l.segs[first+n:]...)
	next := l.segs[first+1].Base // the snapshots of segments that were merged into this one go
	return l.dropSnapshots(func(off ids.Offset) bool { return off > base && off < next })
}
