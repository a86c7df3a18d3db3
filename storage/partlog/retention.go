package partlog

import (
	"errors"
	"path"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// ApplyRetention removes whole segments from the front: those below the start
// offset always; with cleanup.policy delete also those whose newest record is
// older than retention.ms, and as many as retention.bytes asks for. Nothing at
// or above the high watermark goes. An active segment that is due is rolled
// first. It returns the number of segments removed.
func (l *Log) ApplyRetention(now int64, hw ids.Offset) (int, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	n, err := l.expired(now, hw)
	if err != nil || n == 0 {
		return 0, err
	}
	if n == len(l.segs) {
		// The active segment can go when there is another one. On a full disk those
		// in front of it go first, and it goes next time.
		if err := l.roll(now); errors.Is(err, ErrDiskFull) && n > 1 {
			n--
		} else if err != nil {
			return 0, err
		}
	}
	return n, l.removeFront(n, now)
}

// expired counts the segments that must go. Callers hold wmu and mu.
func (l *Log) expired(now int64, hw ids.Offset) (int, error) {
	cfg := l.config.Load()
	var total int64
	if cfg.Delete && cfg.RetentionBytes >= 0 {
		for _, s := range l.segs {
			size, err := s.Size()
			if err != nil {
				return 0, l.errf("retention", err)
			}
			total += size
		}
	}
	n := 0
	for i, s := range l.segs {
		next := l.end
		if i+1 < len(l.segs) {
			next = l.segs[i+1].Base
		}
		size, err := s.Size()
		if err != nil {
			return n, l.errf("retention", err)
		}
		if next > hw || i+1 == len(l.segs) && size == 0 {
			return n, nil
		}
		go1 := next <= l.start
		if !go1 && cfg.Delete && cfg.RetentionBytes >= 0 && total-cfg.RetentionBytes >= size {
			go1 = true
		}
		if !go1 && cfg.Delete && cfg.RetentionMs >= 0 {
			newest, err := l.newest(s, cfg)
			if err != nil {
				return n, l.errf("retention", err)
			}
			go1 = now-newest > cfg.RetentionMs
		}
		if !go1 {
			return n, nil
		}
		total -= size
		n++
	}
	return n, nil
}

// newest is the largest timestamp of a segment, or when it was last written if
// its records have none or damage hides some of them. A segment that rests is put back to rest: nobody else
// would close its files again.
func (l *Log) newest(s *segment.Segment, cfg *Config) (int64, error) {
	if !s.Hot() {
		defer s.Cool()
	}
	m, err := s.MaxTimestamp(cfg.IndexIntervalBytes)
	if err != nil || m.Timestamp >= 0 && !s.Partial {
		return m.Timestamp, err
	}
	written, err := s.ModTime()
	return max(m.Timestamp, written), err
}

// removeFront takes the first n segments out of the log.
func (l *Log) removeFront(n int, now int64) error {
	gone := l.segs[:n]
	l.segs = append([]*segment.Segment(nil), l.segs[n:]...)
	first := l.end
	if len(l.segs) > 0 {
		first = l.segs[0].Base
	}
	if first > l.start {
		l.moveStart(first)
	}
	// The newest snapshot stays: without one the state could only be had from a log that begins too late.
	keepFrom := first
	for _, off := range l.snapshots {
		if off <= first {
			keepFrom = off
		}
	}
	err := l.dropSnapshots(func(off ids.Offset) bool { return off < keepFrom })
	return errors.Join(l.discard(gone, now), err)
}

// Delete closes the log and removes its directory.
func (l *Log) Delete() error {
	if err := l.Close(false); err != nil {
		return err
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs, l.prods, l.trash = nil, nil, nil
	if !l.made {
		return nil
	}
	l.made = false
	if err := removeAllFiles(&l.dir); err != nil {
		return l.errf("delete", err)
	}
	return nil
}

// MoveTo renames the directory and makes that durable; a log without a
// directory only takes the name. Open readers go on.
func (l *Log) MoveTo(dir string) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		if err := l.dir.FS.Rename(l.dir.Path, dir); err != nil {
			return l.errf("rename", err)
		}
		if err := l.dir.FS.SyncDir(path.Dir(dir)); err != nil {
			return l.fail("rename", err)
		}
	}
	l.dir.Path = dir
	return nil
}

// Made tells whether the log has a directory.
func (l *Log) Made() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made
}
