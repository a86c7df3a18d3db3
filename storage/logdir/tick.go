package logdir

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
)

const (
	tickMs = 1000
	// restAfterMs without use, a log is flushed and its files are closed.
	restAfterMs = 30000
	// restsPerTick bounds the syncs that one Tick spends on idle logs.
	restsPerTick = 20
)

// ioFailure tells a failing disk from damage to one partition and from misuse.
func ioFailure(err error) bool {
	return !errors.Is(err, segment.ErrCorrupt) && !errors.Is(err, partlog.ErrClosed) && !errors.Is(err, partlog.ErrDiskFull)
}

// Tick does the periodic work that is due (delayed deletes, rolls and flushes by
// time, retention, closing what is idle, watching free space) and returns the
// time in ms when it wants to be called again. It is called by one goroutine at a time.
func (s *Set) Tick(now int64, hw HighWatermarks) (next int64) {
	for _, d := range s.Dirs() {
		s.watchSpace(d)
	}
	s.mu.Lock()
	retain := now-s.ticked >= s.o.RetentionIntervalMs
	if retain {
		s.ticked = now
	}
	s.mu.Unlock()
	rests := 0
	for tp, e := range s.snapshot() {
		if e.dir.Err() != nil {
			continue
		}
		err := e.log.Tick(now)
		if err == nil && retain {
			err = applyRetention(tp, e.log, now, hw)
		}
		if err == nil && rests < restsPerTick {
			var rested bool
			if rested, err = e.log.Rest(now, restAfterMs); rested {
				rests++
			}
		}
		s.report(tp, e.dir, err)
	}
	s.emptyTrash(now)
	return now + tickMs
}

func applyRetention(tp ids.TopicPartition, log *partlog.Log, now int64, hw HighWatermarks) error {
	if off, ok := hw(tp); ok {
		_, err := log.ApplyRetention(now, off)
		return err
	}
	return nil
}

func (s *Set) report(tp ids.TopicPartition, d *Dir, err error) {
	if err == nil || errors.Is(err, partlog.ErrClosed) {
		return
	}
	if ioFailure(err) {
		s.FailDir(d, err)
	} else if s.o.Env.Warn != nil {
		s.o.Env.Warn(tp, "upkeep of the log", err)
	}
}

// emptyTrash removes directories that were set aside long enough ago.
func (s *Set) emptyTrash(now int64) {
	s.mu.Lock()
	var due []trash
	keep := s.trash[:0]
	for _, t := range s.trash {
		if t.at <= now {
			due = append(due, t)
		} else {
			keep = append(keep, t)
		}
	}
	s.trash = keep
	s.mu.Unlock()
	for _, t := range due {
		if t.dir.Err() != nil {
			continue
		}
		if err := t.dir.fs.RemoveAll(t.path); err != nil {
			s.FailDir(t.dir, err)
		}
	}
}

// Reserve is the free space below which a directory takes no more records: 1 %
// of the disk, at least 32 MiB and at most 1 GiB. It leaves room for what must
// go on when clients fill the disk: indexes, checkpoints, compaction, the
// metadata log.
func Reserve(total int64) int64 { return min(max(total/100, 32<<20), 1<<30) }

func (s *Set) watchSpace(d *Dir) {
	free, total, err := d.Space()
	if err != nil {
		s.FailDir(d, err)
		return
	}
	reserve := Reserve(total)
	switch {
	case free < reserve:
		if !d.full.Swap(true) && s.o.Env.Warn != nil {
			s.o.Env.Warn(ids.TopicPartition{}, "a log directory is full and takes no more records",
				fmt.Errorf("%s: %w: %d of %d bytes are free", d.Path, partlog.ErrDiskFull, free, total))
		}
	case free > reserve+reserve/4:
		d.full.Store(false)
	}
}

// Checkpoint writes the recovery-point, log-start and replication checkpoints
// of all directories. Partitions that were not opened keep what the files said.
func (s *Set) Checkpoint(hw HighWatermarks) error {
	var errs []error
	entries := s.snapshot()
	for _, d := range s.Dirs() {
		err := s.checkpointRecovery(d)
		if err == nil {
			err = s.checkpointWatermarks(d, entries, hw)
		}
		if err != nil {
			s.FailDir(d, err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkpointRecovery writes recovery points and log starts.
func (s *Set) checkpointRecovery(d *Dir) error {
	d.checkpointMu.Lock()
	defer d.checkpointMu.Unlock()
	recovery, starts := Offsets{}, Offsets{}
	s.mu.Lock()
	logs := make([]*partlog.Log, 0, len(s.logs))
	for _, e := range s.logs {
		if e.dir == d {
			logs = append(logs, e.log)
		}
	}
	for tp, in := range s.found {
		if off, ok := d.recovery[tp]; ok && in == d {
			recovery[tp] = off
		}
		if off, ok := d.starts[tp]; ok && in == d {
			starts[tp] = off
		}
	}
	s.mu.Unlock()
	for _, l := range logs {
		if !l.Made() {
			continue
		}
		recovery[l.TP()] = l.RecoveryPoint()
		if start := l.StartOffset(); start > l.FirstSegmentBase() {
			starts[l.TP()] = start
		}
	}
	if err := WriteOffsets(d.fs, d.Path, RecoveryFile, recovery); err != nil {
		return err
	}
	d.recovery, d.starts = recovery, starts
	return WriteOffsets(d.fs, d.Path, StartFile, starts)
}

func (s *Set) checkpointWatermarks(d *Dir, entries map[ids.TopicPartition]*entry, hw HighWatermarks) error {
	out := Offsets{}
	s.mu.Lock()
	for tp, in := range s.found {
		if off, ok := s.watermark[tp]; ok && in == d {
			out[tp] = off
		}
	}
	s.mu.Unlock()
	for tp, e := range entries {
		if e.dir != d || !e.log.Made() {
			continue
		}
		off, ok := ids.Offset(0), false
		if hw != nil {
			off, ok = hw(tp)
		}
		if !ok {
			off = s.HighWatermark(tp)
		}
		out[tp] = off
	}
	if err := WriteOffsets(d.fs, d.Path, ReplicationFile, out); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for tp, off := range out {
		s.watermark[tp] = off
	}
	return nil
}

// parallel calls f(0) … f(n-1), Options.Parallel at a time.
func (s *Set) parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(s.o.Parallel, n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

// Close flushes and closes all logs, writes the checkpoints and, where all went
// well, the clean-shutdown mark with the broker's epoch, and unlocks. Partitions
// that were never opened since an unclean start are recovered now: the mark must
// be true for every one.
func (s *Set) Close(brokerEpoch int64, hw HighWatermarks) error {
	s.recoverRest()
	entries := s.snapshot()
	list := make([]*entry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	errs := make([]error, len(list), len(list)+2*len(s.dirs))
	s.parallel(len(list), func(i int) {
		if e := list[i]; e.dir.Err() == nil {
			failed := e.log.Err()
			if errs[i] = e.log.Close(true); errs[i] != nil || failed != nil {
				e.dir.dirty.Store(true)
			}
		}
	})
	errs = append(errs, s.Checkpoint(hw))
	for _, d := range s.Dirs() {
		if d.dirty.Load() {
			continue
		}
		if err := writeClean(d.fs, d.Path, brokerEpoch); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Path, err))
		}
	}
	s.unlock()
	return errors.Join(errs...)
}

// recoverRest opens what an unclean start left unopened.
func (s *Set) recoverRest() {
	s.mu.Lock()
	var rest []ids.TopicPartition
	for tp, d := range s.found {
		if !d.clean && d.Err() == nil {
			rest = append(rest, tp)
		}
	}
	s.mu.Unlock()
	cfg := partlog.DefaultConfig()
	cfg.Compact = true // the policy is unknown: do not take a gap that the cleaner left for a lost segment
	s.parallel(len(rest), func(i int) {
		_, _, err := s.OpenPartition(rest[i], ids.TopicID{}, nil, &cfg)
		if err == nil {
			return
		}
		if d := s.foundIn(rest[i]); d != nil {
			d.dirty.Store(true)
		}
		if s.o.Env.Warn != nil {
			s.o.Env.Warn(rest[i], "cannot recover the partition", err)
		}
	})
}

func (s *Set) foundIn(tp ids.TopicPartition) *Dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[tp]
}

// Abandon unlocks the directories without writing anything, as a killed
// process would; for tests and for a node that must die at once.
func (s *Set) Abandon() {
	for _, e := range s.snapshot() {
		_ = e.log.Close(false)
	}
	s.unlock()
}
