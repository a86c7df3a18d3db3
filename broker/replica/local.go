package replica

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/broker/wait"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Partition is one partition that lives on this broker. It outlives its role:
// once it is retired every call fails.
type Partition struct {
	m     *Manager
	topic *topic
	index int32

	// role, highWatermark and lastStable are what readers see. They are written
	// under mu; highWatermark before lastStable, and read the other way round,
	// so that no reader sees the last stable offset ahead of the high watermark.
	role          atomic.Pointer[role]
	log           atomic.Pointer[partlog.Log]
	highWatermark atomic.Int64
	lastStable    atomic.Int64
	offline       atomic.Bool // its directory failed; never false again

	// Waiters are the fetches that wait for records here.
	Waiters wait.List

	mu      sync.Mutex
	core    core
	dir     ids.DirectoryID
	move    *move // nil while it stays where it is
	retired bool
	unacked []unacked // appends above the high watermark, by offset
}

// unacked is an append that waits for the high watermark.
type unacked struct {
	last   ids.Offset
	result AppendResult
	done   func(AppendResult)
}

// TP is the partition's name.
func (p *Partition) TP() ids.TopicPartition {
	return ids.TopicPartition{Topic: p.topic.name, Partition: p.index}
}

// TopicID is the id of the partition's topic.
func (p *Partition) TopicID() ids.TopicID { return p.topic.id }

// Leader is the leader and epoch that this broker has been told of.
func (p *Partition) Leader() ids.LeaderAndEpoch {
	r := p.role.Load()
	return ids.LeaderAndEpoch{Leader: r.leader, Epoch: r.epoch}
}

// HighWatermark is the offset below which everything is committed. It is 0
// before the log was first used.
func (p *Partition) HighWatermark() ids.Offset { return ids.Offset(p.highWatermark.Load()) }

// LastStable is the offset below which every transaction is decided, at most
// the high watermark.
func (p *Partition) LastStable() ids.Offset { return ids.Offset(p.lastStable.Load()) }

// opened returns the log, opening it if this is its first use.
func (p *Partition) opened() (*partlog.Log, error) {
	if p.offline.Load() {
		return nil, ErrOffline
	}
	if l := p.log.Load(); l != nil {
		return l, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openLocked()
}

func (p *Partition) openLocked() (*partlog.Log, error) {
	if p.offline.Load() {
		return nil, ErrOffline
	}
	if l := p.log.Load(); l != nil {
		return l, nil
	}
	if p.retired {
		return nil, ErrNotLeader
	}
	log, dir, err := p.m.openLog(p)
	if err != nil {
		return nil, err
	}
	p.dir = dir
	if p.core.role.leads {
		if err := beginEpoch(log, p.core.role.epoch); err != nil {
			return nil, err
		}
	}
	p.core.opened(log.StartOffset(), log.EndOffset(), p.m.opts.Logs.HighWatermark(p.TP()))
	p.publishLocked(log, true)
	p.log.Store(log)
	p.m.reports.opened(p, dir)
	return log, nil
}

// directory is where the controller shall have the partition: where the log
// lies, or where its copy does that has caught up. False while it is not open.
func (p *Partition) directory() (ids.DirectoryID, bool) {
	if p.log.Load() == nil || p.offline.Load() {
		return ids.UnassignedDir, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.move != nil && p.move.told {
		return p.move.dir.ID(), true
	}
	return p.dir, true
}

// beginEpoch notes where a new leader's epoch begins, for the first append to
// write down.
func beginEpoch(log *partlog.Log, epoch ids.LeaderEpoch) error {
	if latest, ok := log.LatestEpoch(); ok && latest >= epoch {
		return nil
	}
	if err := log.AssignEpochStart(epoch, log.EndOffset()); err != nil {
		return fmt.Errorf("begin epoch %d of %v: %w", epoch, log.TP(), err)
	}
	return nil
}

// publishLocked shows the core's high watermark to readers and to the log. The
// last stable offset is recomputed when the log's transactions changed or hold
// it back.
func (p *Partition) publishLocked(log *partlog.Log, txnChanged bool) (stableMoved bool) {
	hw, was := int64(p.core.highWatermark), p.lastStable.Load()
	held := was != p.highWatermark.Load()
	p.highWatermark.Store(hw)
	log.SetHighWatermark(p.core.highWatermark)
	stable := hw
	if txnChanged || held {
		if first, open := log.FirstUnstableOffset(); open {
			stable = min(hw, int64(first))
		}
	}
	p.lastStable.Store(max(stable, was))
	return stable > was
}

// assign follows the metadata and tells who waits: a replica that leaves the
// ISR may have held the high watermark back. It returns the transition for the
// leadership hooks.
func (p *Partition) assign(reg *image.Partition) (transition, error) {
	p.mu.Lock()
	t := p.core.assign(reg)
	r := p.core.role
	p.role.Store(&r)
	moved, err := p.leadLocked(t)
	hw := p.core.highWatermark
	var over error
	if t.ended { // a new epoch of the same leader changes nothing for its log
		over = ErrNotLeader
	}
	due := p.dueLocked(over)
	p.mu.Unlock()
	due.tell()
	if moved || t.began || t.ended || t.newEpoch {
		p.Waiters.WakeAll()
	}
	if f := p.topic.onHighWatermark; f != nil && moved {
		f(p.index, hw)
	}
	return t, err
}

// leadLocked brings a log that is open up to its leader's new role.
func (p *Partition) leadLocked(t transition) (moved bool, err error) {
	log := p.log.Load()
	if log == nil || !p.core.role.leads || p.offline.Load() {
		return false, nil
	}
	if t.newEpoch || t.began {
		err = beginEpoch(log, p.core.role.epoch)
	}
	moved = p.core.advance()
	p.publishLocked(log, true)
	return moved, err
}

// retire ends the partition's life here; whoever waits is told.
func (p *Partition) retire() transition {
	p.mu.Lock()
	p.retired, p.move = true, nil
	p.mu.Unlock()
	t, _ := p.assign(nil)
	return t
}
