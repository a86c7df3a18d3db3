package replica

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Append appends batches to a partition led here. done runs exactly once: on
// this goroutine when the outcome is known at once, else on the one that moves
// the high watermark. batches may be overwritten (offsets are assigned in
// place) and is not touched once Append returned.
func (m *Manager) Append(tp ids.TopicPartition, batches []byte, o AppendOptions, done func(AppendResult)) {
	p, err := m.Get(tp)
	if err != nil {
		done(AppendResult{Err: err, Leader: m.leaderOf(tp)})
		return
	}
	p.Append(batches, o, done)
}

// Append is Manager.Append for a partition in hand.
func (p *Partition) Append(batches []byte, o AppendOptions, done func(AppendResult)) {
	p.mu.Lock()
	a := p.appendLocked(batches, o)
	if a.result.Err == nil && o.Acks == -1 && a.result.LastOffset >= p.core.highWatermark {
		p.unacked = append(p.unacked, unacked{a.result.LastOffset, a.result, done})
		done = nil
	}
	due := p.dueLocked(nil)
	p.mu.Unlock()
	due.tell()
	if done != nil {
		done(a.result) // the producer first, then those who wait for its records
	}
	if o.Wakes != nil {
		o.Wakes.add(p, &a)
		return
	}
	p.moved(&a, false)
}

// AppendLocal is Append whose outcome is that of the local append: it demands
// what o.Acks demands and does not wait for the high watermark. Coordinators
// use it, which follow the high watermark themselves (OnHighWatermark).
func (p *Partition) AppendLocal(batches []byte, o AppendOptions) (partlog.AppendInfo, error) {
	p.mu.Lock()
	a := p.appendLocked(batches, o)
	due := p.dueLocked(nil)
	p.mu.Unlock()
	due.tell()
	p.moved(&a, false)
	return a.result.AppendInfo, a.result.Err
}

// MaxBatchBytes is the largest batch that the partition takes now (max.message.bytes).
func (p *Partition) MaxBatchBytes() int32 { return p.topic.settings().Log.MaxMessageBytes }

// appended is what an append did to the partition.
type appended struct {
	result        AppendResult
	highWatermark ids.Offset
	moved, stable bool // the high watermark, the last stable offset moved
	// released: an open transaction had held the last stable offset back, so that
	// it moved by more than what was appended.
	released bool
}

// appendLocked writes, and moves the high watermark if it may.
func (p *Partition) appendLocked(batches []byte, o AppendOptions) (a appended) {
	a.result.AppendInfo = partlog.AppendInfo{FirstOffset: ids.NoOffset, LastOffset: ids.NoOffset, LogAppendTime: -1, LogStartOffset: ids.NoOffset}
	log, err := p.writableLocked(o)
	if err == nil {
		a.result.AppendInfo, err = log.AppendAsLeader(batches, p.core.role.epoch, o.Origin, p.m.opts.Clock())
		p.m.shortage(err)
		a.result.LogStartOffset = log.StartOffset()
	}
	if err != nil {
		a.result.Err = err
		a.result.Leader = ids.LeaderAndEpoch{Leader: p.core.role.leader, Epoch: p.core.role.epoch}
		return a
	}
	if !a.result.Duplicate {
		a.moved = p.core.appended(a.result.LastOffset + 1)
	}
	if a.moved {
		held := p.lastStable.Load() != p.highWatermark.Load()
		a.stable = p.publishLocked(log, a.result.FirstUnstableChanged)
		a.released = a.stable && held
	}
	a.highWatermark = p.core.highWatermark
	return a
}

// writableLocked returns the log if o may be appended to it now.
func (p *Partition) writableLocked(o AppendOptions) (*partlog.Log, error) {
	if p.offline.Load() {
		return nil, ErrOffline
	}
	if p.retired {
		return nil, ErrNotLeader
	}
	if err := p.core.checkAppend(o, p.topic.settings().MinISR); err != nil {
		return nil, err
	}
	return p.openLocked()
}

// Wakes is the waking that appends of one request left to its handler.
type Wakes struct {
	list  []wake
	first [1]wake // room for the common case
}

type wake struct {
	p *Partition
	a appended
}

func (w *Wakes) add(p *Partition, a *appended) {
	if !a.moved {
		return
	}
	if w.list == nil {
		w.list = w.first[:0]
	}
	w.list = append(w.list, wake{p, *a})
}

// Waiting tells whether anybody waits for what was appended.
func (w *Wakes) Waiting() bool {
	for i := range w.list {
		if w.list[i].p.Waiters.Len() > 0 {
			return true
		}
	}
	return false
}

// Run wakes; one reader of each partition is answered on this goroutine.
func (w *Wakes) Run() {
	for i := range w.list {
		w.list[i].p.moved(&w.list[i].a, true)
	}
	w.list = nil
}

// moved tells everyone who waits that records are readable. When a transaction
// ended, more became stable than this append's bytes.
func (p *Partition) moved(a *appended, inline bool) {
	switch {
	case !a.moved:
		return
	case a.released:
		p.Waiters.WakeAll()
	default:
		p.Waiters.Wake(int64(a.result.Bytes), a.stable, inline)
	}
	if f := p.topic.onHighWatermark; f != nil {
		f(p.index, a.highWatermark)
	}
}

// outcomes are appends whose time has come.
type outcomes []unacked

func (o outcomes) tell() {
	for _, u := range o {
		u.done(u.result)
	}
}

// dueLocked takes the appends that the high watermark has passed, or all of
// them, as failures, when the leadership they were made under or the directory
// they went to is over: whether they survive is for the next leader to decide.
func (p *Partition) dueLocked(over error) outcomes {
	n := 0
	for n < len(p.unacked) && (over != nil || p.unacked[n].last < p.core.highWatermark) {
		if over != nil {
			p.unacked[n].result.Err = over
			p.unacked[n].result.Leader = ids.LeaderAndEpoch{Leader: p.core.role.leader, Epoch: p.core.role.epoch}
		}
		n++
	}
	if n == 0 {
		return nil
	}
	due := outcomes(p.unacked[:n:n])
	p.unacked = p.unacked[n:]
	if len(p.unacked) == 0 {
		p.unacked = nil
	}
	return due
}
