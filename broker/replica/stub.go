// Package replica holds the partitions of this broker.
package replica

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Manager holds this broker's partitions.
type Manager struct{}

// Partition is one partition that lives on this broker.
type Partition struct{}

// Get returns a local partition: ErrUnknownPartition or ErrNotLeader's kin if it is not here.
func (m *Manager) Get(tp ids.TopicPartition) (*Partition, error) { return nil, nil }

// Append appends batches; done runs exactly once, on this goroutine when it is
// decided at once, later from another otherwise. batches may be overwritten
// (offsets are assigned in place) and is not touched once Append returned.
func (m *Manager) Append(tp ids.TopicPartition, batches []byte, opts AppendOptions, done func(AppendResult)) {
}

// Read reads from the local leader.
func (m *Manager) Read(tp ids.TopicPartition, o ReadOptions) (ReadResult, error) {
	return ReadResult{}, nil
}

// ListOffset answers one partition of ListOffsets. found is false when no record qualifies.
func (m *Manager) ListOffset(tp ids.TopicPartition, ts int64, iso Isolation, current ids.LeaderEpoch) (r partlog.TimestampOffset, found bool, err error) {
	return
}

// OnLeadership registers fn for a topic's partitions: it is called from Apply, in order, whenever
// leadership of one begins, ends or gets a new epoch. Register before the first Apply.
func (m *Manager) OnLeadership(topic string, fn func(partition int32, leader bool, epoch ids.LeaderEpoch)) {
}

// OnHighWatermark registers fn for a topic's partitions: called after every advance,
// on the appending goroutine, never under a lock. Register before the first Apply.
func (m *Manager) OnHighWatermark(topic string, fn func(partition int32, hw ids.Offset)) {}

// Offsets returns where a local log begins, is committed to, and ends.
func (m *Manager) Offsets(tp ids.TopicPartition) (start, hw, end ids.Offset, err error) { return }

// DeleteRecords moves the log's start to before (or to the high watermark when before is -1)
// and returns the new start.
func (m *Manager) DeleteRecords(tp ids.TopicPartition, before ids.Offset) (ids.Offset, error) {
	return 0, nil
}
