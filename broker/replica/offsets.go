package replica

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// ErrPolicy: records of a topic that is only compacted cannot be deleted by offset.
var ErrPolicy = errors.New("cleanup.policy does not allow to delete records")

// ListOffset answers one partition of ListOffsets: the offset that a special or
// real timestamp means. found is false when there is no such record. With
// LogEnd the answer is not bounded by what is committed.
func (m *Manager) ListOffset(tp ids.TopicPartition, ts int64, iso Isolation, current ids.LeaderEpoch) (partlog.TimestampOffset, bool, error) {
	p, err := m.Get(tp)
	if err != nil {
		return partlog.TimestampOffset{}, false, err
	}
	return p.ListOffset(ts, iso, current)
}

// ListOffset is Manager.ListOffset for a partition in hand.
func (p *Partition) ListOffset(ts int64, iso Isolation, current ids.LeaderEpoch) (res partlog.TimestampOffset, found bool, err error) {
	r := p.role.Load()
	if err := p.answers(current); err != nil {
		return res, false, err
	}
	log, err := p.opened()
	if err != nil {
		return res, false, err
	}
	visible := (&ReadResult{LastStable: p.LastStable(), HighWatermark: p.HighWatermark()}).limit(iso, log)
	none := partlog.TimestampOffset{Timestamp: unknownTimestamp, Offset: ids.NoOffset, LeaderEpoch: ids.NoEpoch}
	switch ts {
	case Latest:
		return partlog.TimestampOffset{Timestamp: unknownTimestamp, Offset: visible, LeaderEpoch: r.epoch}, true, nil
	case Earliest, EarliestLocal:
		return earliest(log), true, nil
	case LatestTiered, EarliestPending: // nothing is tiered
		return none, true, nil
	case MaxTimestamp:
		res, found, err = log.MaxTimestampOffset()
	default:
		res, found, err = log.OffsetForTimestamp(ts)
	}
	if err != nil {
		return none, false, p.failed(err)
	}
	if !found || res.Offset >= visible {
		return none, false, nil
	}
	return res, true, nil
}

func earliest(log *partlog.Log) partlog.TimestampOffset {
	start := log.StartOffset()
	epoch, ok := log.EpochForOffset(start)
	if !ok {
		epoch = ids.NoEpoch
	}
	return partlog.TimestampOffset{Timestamp: unknownTimestamp, Offset: start, LeaderEpoch: epoch}
}

// Offsets returns where a local log begins, is committed to, and ends.
func (m *Manager) Offsets(tp ids.TopicPartition) (start, hw, end ids.Offset, err error) {
	p, err := m.Get(tp)
	if err != nil {
		return 0, 0, 0, err
	}
	log, err := p.opened()
	if err != nil {
		return 0, 0, 0, err
	}
	return log.StartOffset(), p.HighWatermark(), log.EndOffset(), nil
}

// DeleteRecords moves the log's start to before, or to the high watermark when
// before is NoOffset, and returns the new start. Moving it back does nothing.
func (p *Partition) DeleteRecords(before ids.Offset) (ids.Offset, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline.Load() {
		return ids.NoOffset, ErrOffline
	}
	if !p.core.role.leads {
		return ids.NoOffset, ErrNotLeader
	}
	log, err := p.openLocked()
	if err != nil {
		return ids.NoOffset, err
	}
	if c := log.Config(); c.Compact && !c.Delete {
		return ids.NoOffset, fmt.Errorf("%w: %v", ErrPolicy, p.TP())
	}
	if before == ids.NoOffset {
		before = p.core.highWatermark
	}
	if before < 0 || before > p.core.highWatermark {
		return ids.NoOffset, fmt.Errorf("%w: delete before %d, high watermark %d", partlog.ErrOffsetOutOfRange, before, p.core.highWatermark)
	}
	if _, err := log.AdvanceStartOffset(before); err != nil {
		return ids.NoOffset, p.failedLocked(err)
	}
	p.publishLocked(log, true)
	return log.StartOffset(), nil
}

// Producers lists the producers that the partition's leader remembers.
func (p *Partition) Producers() ([]partlog.ProducerState, error) {
	if err := p.answers(ids.NoEpoch); err != nil {
		return nil, err
	}
	log, err := p.opened()
	if err != nil {
		return nil, err
	}
	return log.ActiveProducers()
}
