package compact

import (
	"sync"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Cleaner picks logs to clean. The owner calls Round from one goroutine, or
// from several for several cleanings at once.
type Cleaner struct {
	Set *logdir.Set
	// Stable tells a partition's last stable offset, if this broker knows it.
	Stable logdir.HighWatermarks
	// MaxKeys bounds the key map (log.cleaner.dedupe.buffer.size counts 24 bytes a key).
	MaxKeys int
	// Failed is told of a log that cannot be cleaned; it is left alone from then on. May be nil.
	Failed func(tp ids.TopicPartition, err error)

	mu   sync.Mutex
	busy map[ids.TopicPartition]bool // in work, or given up
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
// fails never stops the others.
func (c *Cleaner) Round(now int64) bool {
	best, ok := c.take(now)
	if !ok {
		return false
	}
	err := c.clean(best, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.busy, best.tp)
	} else if c.Failed != nil {
		c.Failed(best.tp, err)
	}
	return true
}

// take chooses a log and marks it busy.
func (c *Cleaner) take(now int64) (best candidate, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == nil {
		c.busy = map[ids.TopicPartition]bool{}
	}
	c.Set.Each(func(tp ids.TopicPartition, log *partlog.Log, dir *logdir.Dir) {
		cfg := log.Config()
		if !cfg.Compact || c.busy[tp] || dir.Err() != nil || log.Segments() < 2 {
			return
		}
		stable, known := c.Stable(tp)
		if !known {
			return
		}
		sealed, err := log.Sealed()
		if err != nil {
			return
		}
		first := c.firstDirty(tp, log, dir)
		ratio, age := Dirty(sealed, Options{FirstDirty: first, Stable: stable, Now: now}, cfg)
		overdue := ratio > 0 && age > cfg.MaxCompactionLagMs
		if ratio > 0 && (ratio >= cfg.MinCleanableRatio || overdue) && (!ok || ratio > best.ratio) {
			best, ok = candidate{tp, log, dir, first, ratio}, true
		}
	})
	if ok {
		c.busy[best.tp] = true
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

func (c *Cleaner) clean(cand candidate, now int64) error {
	stable, _ := c.Stable(cand.tp)
	st, err := Clean(cand.log, Options{FirstDirty: cand.first, Stable: stable, Now: now, MaxKeys: c.MaxKeys})
	if err != nil {
		return err
	}
	return cand.dir.SetCleanerOffset(cand.tp, st.FirstDirty)
}
