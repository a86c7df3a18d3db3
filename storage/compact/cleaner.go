package compact

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/throttle"
)

// Cleaner picks logs to clean. The owner calls Round from one goroutine, or
// from several for several cleanings at once.
type Cleaner struct {
	Set *logdir.Set
	// Stable tells a partition's last stable offset, if this broker knows it.
	Stable logdir.HighWatermarks
	// Limits are those of one cleaning.
	Limits Limits
	// Throttle is shared by all; may be nil.
	Throttle *throttle.Throttle
	// Failed is told of a log that cannot be cleaned; it is left alone from then on. May be nil.
	Failed func(tp ids.TopicPartition, err error)
	// Stopped is asked before every batch; once it is true a cleaning gives up
	// and leaves its log as it was. May be nil.
	Stopped func() bool

	mu sync.Mutex
	// busy are the logs in work or given up. A topic that is made anew has a new
	// log, and so a new chance.
	busy map[ids.TopicPartition]*partlog.Log
}

// Limits bound what one cleaning takes; see Options.
type Limits struct{ MaxKeys, Slots, Buffer int }

// SetLimits changes them for cleanings that begin later.
func (c *Cleaner) SetLimits(l Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Limits = l
}

type candidate struct {
	tp    ids.TopicPartition
	log   *partlog.Log
	dir   *logdir.Dir
	first ids.Offset
	ratio float64
}

// Round cleans the dirtiest log that is due (min.cleanable.dirty.ratio, or
// max.compaction.lag.ms passed) and tells whether there was one. A log that
// fails never stops the others, unless its disk does. The share is the calling
// thread's and may be nil.
func (c *Cleaner) Round(now int64, share *throttle.Share) bool {
	best, ok := c.take(now)
	if !ok {
		return false
	}
	err := c.guarded(best, now, share)
	if passing(err) {
		c.mu.Lock()
		delete(c.busy, best.tp)
		c.mu.Unlock()
		return err == nil
	}
	if brokenDisk(err) {
		c.Set.FailDir(best.dir, err) // nothing of the directory is looked at again
		return true
	}
	if c.Failed != nil {
		c.Failed(best.tp, err)
	}
	return true
}

// brokenDisk tells what a disk answers from what lies in a log: bytes that are
// damaged concern one partition, a disk that cannot be read or written all of
// its directory.
func brokenDisk(err error) bool {
	var p *fs.PathError
	return errors.Is(err, partlog.ErrFailed) || errors.As(err, &p)
}

// passing tells errors that are no fault of the log: it was truncated, closed
// or deleted meanwhile, or the disk is full, which deletes will change.
func passing(err error) bool {
	return err == nil || errors.Is(err, ErrStopped) || errors.Is(err, partlog.ErrChanged) || errors.Is(err, partlog.ErrClosed) ||
		errors.Is(err, partlog.ErrDiskFull) || errors.Is(err, partlog.ErrTooManyFiles) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// guarded turns a panic into an error: one log, whatever lies in it, must not
// end the process or leave all others to grow.
func (c *Cleaner) guarded(cand candidate, now int64, share *throttle.Share) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return c.clean(cand, now, share)
}

// take chooses a log and marks it busy.
func (c *Cleaner) take(now int64) (best candidate, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == nil {
		c.busy = map[ids.TopicPartition]*partlog.Log{}
	}
	c.Set.Each(func(tp ids.TopicPartition, log *partlog.Log, dir *logdir.Dir) {
		cfg := log.Config()
		if !cfg.Compact || c.busy[tp] == log || dir.Err() != nil || log.Segments() < 2 {
			return
		}
		stable, known := c.Stable(tp)
		if !known {
			return
		}
		first := c.firstDirty(tp, log, dir)
		if log.ActiveBase() <= first {
			return // clean: most logs, most of the time, at the price of two locks
		}
		sealed, err := log.Sealed()
		if err != nil {
			return
		}
		ratio, age := Dirty(sealed, Options{FirstDirty: first, Stable: stable, Now: now}, cfg)
		overdue := ratio > 0 && age > cfg.MaxCompactionLagMs
		if ratio > 0 && (ratio >= cfg.MinCleanableRatio || overdue) && (!ok || ratio > best.ratio) {
			best, ok = candidate{tp, log, dir, first, ratio}, true
		}
	})
	if ok {
		c.busy[best.tp] = best.log
	}
	return best, ok
}

// firstDirty is the checkpointed offset, or the start of a log that was
// truncated below it or retained beyond it.
func (c *Cleaner) firstDirty(tp ids.TopicPartition, log *partlog.Log, dir *logdir.Dir) ids.Offset {
	off := dir.CleanerOffset(tp)
	if off < log.StartOffset() || off > log.EndOffset() {
		return log.StartOffset()
	}
	return off
}

func (c *Cleaner) clean(cand candidate, now int64, share *throttle.Share) error {
	stable, _ := c.Stable(cand.tp)
	cuts := cand.log.Truncations()
	c.mu.Lock()
	limits := c.Limits
	c.mu.Unlock()
	st, err := Clean(cand.log, Options{FirstDirty: cand.first, Stable: stable, Now: now, Stopped: c.Stopped,
		MaxKeys: limits.MaxKeys, Slots: limits.Slots, Buffer: limits.Buffer, Throttle: c.Throttle, Share: share})
	if err != nil {
		return err
	}
	if cand.log.Truncations() != cuts { // which has lowered the checkpoint
		return partlog.ErrChanged
	}
	return cand.dir.SetCleanerOffset(cand.tp, st.FirstDirty)
}
