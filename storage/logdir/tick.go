package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
)

const (
	tickMs = 1000
	// restAfterMs without use, a log is flushed and its files are closed.
	restAfterMs = 30000
	// restForMs is what one Tick may spend on putting idle logs to rest, most of it
	// waiting for syncs: half of its time, so that all that was used rests about
	// as soon as it may, and whatever else is periodic goes on.
	restForMs = tickMs / 2
	// restAtOnce is how many syncs of them a disk gets at once: they share its work.
	restAtOnce = 4
	// When files run out, logs that were not used since the Tick before are closed,
	// and the next Tick comes soon: somebody is refused until then.
	pressedMs = 200
)

// ioFailure tells a failing disk from damage to one partition, from misuse and
// from what is over when somebody makes room.
func ioFailure(err error) bool {
	return !errors.Is(err, segment.ErrCorrupt) && !errors.Is(err, partlog.ErrClosed) && !errors.Is(err, partlog.ErrDiskFull) &&
		!errors.Is(err, partlog.ErrTooManyFiles) && !shortage(err)
}

// DiskError tells that an operation of the file system failed for another reason
// than a lack of room or of file descriptors.
func DiskError(err error) bool {
	var p *fs.PathError
	var l *os.LinkError
	return (errors.As(err, &p) || errors.As(err, &l)) && ioFailure(err)
}

// shortage is what checkpoints and renames can meet beside a failing disk.
func shortage(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Tick does the periodic work that is due (delayed deletes, rolls and flushes by
// time, retention, closing what is idle, watching free space) and returns the
// time in ms when it wants to be called again. It is called by one goroutine at
// a time. Except for retention it looks at logs in use only.
func (s *Set) Tick(now int64, hw HighWatermarks) (next int64) {
	for _, d := range s.Dirs() {
		s.watchSpace(d)
	}
	awake := s.awake.list()
	idle := int64(restAfterMs)
	pressed := s.pressed.Swap(false) || s.starved()
	if pressed {
		s.dropSpare()
		defer s.holdSpare()
	}
	if pressed || s.o.MaxAwake > 0 && len(awake) > s.o.MaxAwake {
		idle = pressedMs
	}
	for _, l := range awake {
		if l.dir.Err() == nil {
			s.report(l.log.TP(), l.dir, l.log.Tick(now))
		}
	}
	s.rest(awake, now, idle)
	s.retain(now, hw)
	s.emptyTrash(now)
	if s.starved() {
		return now + pressedMs
	}
	return now + tickMs
}

// rest closes the logs that were idle for so many ms, until its time is over.
func (s *Set) rest(awake []awakeLog, now, idle int64) {
	until := s.o.Env.Clock() + restForMs
	parallel(restAtOnce, len(awake), func(i int) {
		l := awake[i]
		if l.dir.Err() == nil && s.o.Env.Clock() < until {
			_, err := l.log.Rest(now, idle)
			s.report(l.log.TP(), l.dir, err)
		}
		s.awake.settle(l.log)
	})
}

// ExpireProducersAfter alters producer.id.expiration.ms for all logs.
func (s *Set) ExpireProducersAfter(ms int64) { s.o.Env.ExpireProducersAfter(ms) }

// TooManyFiles says that the process could not open a file: the next Tick closes
// what it can.
func (s *Set) TooManyFiles() { s.pressed.Store(true) }

// retain applies retention to every log that was opened, when it is due.
func (s *Set) retain(now int64, hw HighWatermarks) {
	s.mu.Lock()
	due := now-s.ticked >= s.o.RetentionIntervalMs
	if due {
		s.ticked = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	for tp, e := range s.snapshot() {
		if e.dir.Err() == nil {
			s.report(tp, e.dir, applyRetention(tp, e.log, now, hw))
		}
	}
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
	if errors.Is(err, partlog.ErrTooManyFiles) {
		s.TooManyFiles()
		if !s.warned.CompareAndSwap(false, true) {
			return // told since files were there last
		}
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
		if t.log != nil {
			s.awake.remove(t.log)
			_ = t.log.Close(false)
		}
		if t.dir.Err() != nil {
			continue
		}
		if err := t.dir.fs.RemoveAll(t.path); err != nil && ioFailure(err) {
			s.FailDir(t.dir, err)
		}
	}
}

// parallel calls f(0) … f(n-1), so many at a time.
func parallel(atOnce, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atOnce, n) {
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
	list := s.everything()
	errs := make([]error, len(list), len(list)+2*len(s.dirs))
	parallel(s.o.Parallel, len(list), func(i int) {
		if e := list[i]; e.dir.Err() == nil {
			failed := e.log.Err()
			if errs[i] = e.log.Close(true); errs[i] != nil || failed != nil {
				e.dir.dirty.Store(true)
			}
		}
	})
	errs = append(errs, s.Save(hw))
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
	var copies []ids.TopicPartition
	for tp, f := range s.futures {
		if f.log == nil && !f.dir.clean && f.dir.Err() == nil {
			copies = append(copies, tp)
		}
	}
	s.mu.Unlock()
	cfg := partlog.DefaultConfig()
	cfg.Compact = true // the policy is unknown: do not take a gap that the cleaner left for a lost segment
	parallel(s.o.Parallel, len(rest), func(i int) {
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
	parallel(s.o.Parallel, len(copies), func(i int) {
		dir := s.FutureDir(copies[i])
		if _, _, err := s.OpenFuture(copies[i], ids.TopicID{}, dir, &cfg); err != nil {
			dir.dirty.Store(true)
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
	for _, e := range s.everything() {
		_ = e.log.Close(false)
	}
	s.unlock()
}
