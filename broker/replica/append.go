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
	info, moved, stable, err := p.appendLocked(batches, o)
	result := AppendResult{AppendInfo: info, Err: err}
	if err != nil {
		result.Leader = ids.LeaderAndEpoch{Leader: p.core.role.leader, Epoch: p.core.role.epoch}
	}
	if err == nil && o.Acks == -1 && info.LastOffset >= p.core.highWatermark {
		p.unacked = append(p.unacked, unacked{info.LastOffset, result, done})
		done = nil
	}
	due := p.dueLocked(false)
	hw := p.core.highWatermark
	p.mu.Unlock()
	due.tell()
	if done != nil {
		done(result) // the producer first, then those who wait for its records
	}
	if moved {
		p.moved(hw, int64(info.Bytes), stable, info.FirstUnstableChanged)
	}
}

// appendLocked writes, and moves the high watermark if it may.
func (p *Partition) appendLocked(batches []byte, o AppendOptions) (info partlog.AppendInfo, moved, stable bool, err error) {
	if p.retired {
		return info, false, false, ErrNotLeader
	}
	config := p.topic.settings()
	if err = p.core.checkAppend(o, config.MinISR); err != nil {
		return info, false, false, err
	}
	log, err := p.openLocked()
	if err != nil {
		return info, false, false, err
	}
	info, err = log.AppendAsLeader(batches, p.core.role.epoch, o.Origin, p.m.opts.Clock())
	if err != nil || info.Duplicate {
		return info, false, false, err
	}
	moved = p.core.appended(info.LastOffset + 1)
	if moved {
		stable = p.publishLocked(log, info.FirstUnstableChanged)
	}
	return info, moved, stable, nil
}

// moved tells everyone who waits that records are readable. When a transaction
// ended, more became stable than this append's bytes.
func (p *Partition) moved(hw ids.Offset, bytes int64, stable, txnChanged bool) {
	if stable && txnChanged {
		p.Waiters.WakeAll()
	} else {
		p.Waiters.Wake(bytes, stable)
	}
	if f := p.topic.onHighWatermark; f != nil {
		f(p.index, hw)
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
// them, as failures, when the leadership they were made under is over: whether
// they survive is for the next leader to decide.
func (p *Partition) dueLocked(over bool) outcomes {
	n := 0
	for n < len(p.unacked) && (over || p.unacked[n].last < p.core.highWatermark) {
		if over {
			p.unacked[n].result.Err = ErrNotLeader
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
