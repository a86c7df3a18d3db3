package partlog

import (
	"errors"
	"os"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// rollDue tells whether a batch must go to a new segment: segment.bytes,
// segment.ms counted by the batches' own timestamps, a full index or an offset
// too far from the base. Callers hold wmu and mu.
func (l *Log) rollDue(s *segment.Segment, size int, maxTimestamp int64, last ids.Offset, cfg *Config, now int64) bool {
	have := l.sizeOf(s)
	if have == 0 {
		return last-s.Base > 1<<31-1
	}
	return have > int64(cfg.SegmentBytes)-int64(size) ||
		l.waited(s, maxTimestamp, now) > cfg.rollMs()-l.jitter ||
		s.Full(last, cfg.SegmentIndexBytes)
}

// waited is the age of the segment: by timestamps, as they tell the truth also
// for a replica that copies old data; by the clock where there are none.
func (l *Log) waited(s *segment.Segment, timestamp, now int64) int64 {
	if first, err := s.FirstTimestamp(); err == nil && first >= 0 {
		return timestamp - first
	}
	return now - s.Created
}

func (l *Log) drawJitter() {
	l.jitter = 0
	cfg := l.config.Load()
	if n := min(cfg.SegmentJitterMs, cfg.SegmentMs); n > 0 && l.env.Random != nil {
		l.jitter = l.env.Random(n)
	}
}

// rollTo closes the active segment and makes one that begins at base. Callers hold wmu and mu.
func (l *Log) rollTo(base ids.Offset, cfg *Config, now int64) (*segment.Segment, error) {
	if err := l.materialise(); err != nil {
		return nil, l.stall("roll", err)
	}
	old := l.active()
	if old != nil {
		if err := l.sealActive(old, base); err != nil {
			return nil, err
		}
	}
	var room int64
	if cfg.Preallocate {
		room = int64(cfg.SegmentBytes)
	}
	s, err := segment.Create(&l.dir, base, now, room)
	if err != nil {
		return nil, l.stall("roll", err)
	}
	s.Active = true
	l.segs = append(l.segs[:len(l.segs):len(l.segs)], s)
	l.named++
	l.drawJitter()
	if old == nil {
		l.recovered = max(l.recovered, min(base, l.end))
	}
	return s, nil
}

// sealActive ends the active segment: closing time entry, preallocated space
// and the producer snapshot at the new base. An empty one, which would have the
// name of the new one or none to carry on, goes.
//
// The entry of a segment's file must be durable before the next segment's is
// made: a crash that kept the later file and lost the earlier would leave a gap.
func (l *Log) sealActive(old *segment.Segment, base ids.Offset) error {
	if l.sizeOf(old) == 0 {
		old.Cool()
		l.segs = l.segs[: len(l.segs)-1 : len(l.segs)-1]
		l.hints = nil
		if err := segment.Remove(&l.dir, old.Base, ""); err != nil {
			return l.stall("roll", err)
		}
		return nil
	}
	if l.namesDirty() {
		if err := l.syncNames(); err != nil {
			return l.stall("roll", err)
		}
		l.namesKept = l.named
	}
	if l.config.Load().Compact {
		// Compaction leaves gaps between segments, so recovery cannot tell a lost
		// tail by one: the tail must not get lost. Tick keeps it short (flushAhead).
		if err := old.Save(true, true); err != nil {
			return l.stall("roll", err)
		}
	}
	if err := errors.Join(old.Trim(), old.Save(false, true)); err != nil {
		return l.stall("roll", err)
	}
	old.Active = false
	return l.takeSnapshot(base, false)
}

// Roll closes the active segment unless it is empty.
func (l *Log) Roll() error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roll(l.env.Clock())
}

func (l *Log) roll(now int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	cfg := l.config.Load()
	s, err := l.ready(cfg)
	if err != nil || s == nil || l.sizeOf(s) == 0 {
		return err
	}
	_, err = l.rollTo(l.end, cfg, now)
	return err
}

// deletion is a file set on its way out: renamed to .deleted, removed later so
// that readers who know the name may finish (file.delete.delay.ms).
type deletion struct {
	base ids.Offset
	at   int64
}

// discard takes segments out of the log. Callers hold wmu and mu, and have
// taken them out of segs.
func (l *Log) discard(segs []*segment.Segment, now int64) error {
	for _, s := range segs {
		if err := s.MarkDeleted(); err != nil {
			return l.fail("delete a segment", err)
		}
		l.wake()
		l.trash = append(l.trash, deletion{s.Base, now + l.config.Load().FileDeleteDelayMs})
	}
	l.hints = nil
	if len(segs) == 0 {
		return nil
	}
	if err := l.dir.FS.SyncDir(l.dir.Path); err != nil {
		return l.fail("delete a segment", err)
	}
	return nil
}

// emptyTrash removes the .deleted files that are due. Callers hold wmu and mu.
func (l *Log) emptyTrash(now int64) error {
	keep := l.trash[:0]
	var errs []error
	for _, d := range l.trash {
		if d.at > now {
			keep = append(keep, d)
			continue
		}
		if err := segment.Remove(&l.dir, d.base, segment.DeletedSuffix); err != nil {
			errs = append(errs, err)
		}
	}
	if l.trash = keep; len(keep) == 0 {
		l.trash = nil
	}
	return errors.Join(errs...)
}

// removeAllFiles deletes the directory's contents, metadata last, and then the directory.
func removeAllFiles(d *segment.Dir) error {
	names, err := d.FS.ReadDir(d.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range names {
		if strings.HasPrefix(e.Name, MetadataFile) {
			continue
		}
		if err := d.FS.Remove(d.Path + "/" + e.Name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return d.FS.RemoveAll(d.Path)
}
