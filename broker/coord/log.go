package coord

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/twmb/franz-go/pkg/kerr"
)

// log is groupcoord.Log over the partitions of one internal topic.
type log struct {
	replicas *replica.Manager
	topic    string
}

func (l *log) tp(partition int32) ids.TopicPartition {
	return ids.TopicPartition{Topic: l.topic, Partition: partition}
}

// Append implements groupcoord.Log: what acks=all demands, done when it is in
// the local log.
func (l *log) Append(partition int32, epoch ids.LeaderEpoch, batch []byte) (ids.Offset, error) {
	p, err := l.replicas.Get(l.tp(partition))
	if err != nil {
		return 0, asKafka(err)
	}
	info, err := p.AppendLocal(batch, replica.AppendOptions{Acks: -1, Origin: partlog.Coordinator, Epoch: epoch})
	if err != nil {
		return 0, asKafka(err)
	}
	return info.LastOffset + 1, nil
}

// Read implements groupcoord.Log.
func (l *log) Read(partition int32, from ids.Offset, maxBytes int) ([]byte, error) {
	start, _, _, err := l.replicas.Offsets(l.tp(partition))
	if err != nil {
		return nil, asKafka(err)
	}
	res, err := l.replicas.Read(l.tp(partition), replica.ReadOptions{
		From: max(from, start), MaxBytes: maxBytes, Isolation: replica.LogEnd, MinOneBatch: true,
		CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch,
	})
	if err != nil {
		return nil, asKafka(err)
	}
	defer res.Slice.Release()
	if res.Slice.Len == 0 {
		return nil, nil
	}
	buf := make([]byte, res.Slice.Len)
	if n, err := res.Slice.ReadAt(buf, 0); n < len(buf) {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read %v from offset %d: %w: %w", l.tp(partition), from, kerr.KafkaStorageError, err)
	}
	return whole(buf), nil
}

// Bounds implements groupcoord.Log.
func (l *log) Bounds(partition int32) (end, highWatermark ids.Offset, err error) {
	_, hw, end, err := l.replicas.Offsets(l.tp(partition))
	return end, hw, asKafka(err)
}

// MaxBatchBytes implements groupcoord.Log. Of a partition that is gone Append says so.
func (l *log) MaxBatchBytes(partition int32) int {
	p, err := l.replicas.Get(l.tp(partition))
	if err != nil {
		return math.MaxInt32
	}
	return int(p.MaxBatchBytes())
}

// asKafka names the log's errors as groupcoord knows them.
func asKafka(err error) error {
	var code *kerr.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, replica.ErrNotEnoughReplicas):
		code = kerr.NotEnoughReplicas
	case errors.Is(err, partlog.ErrMessageTooLarge):
		code = kerr.MessageTooLarge
	case errors.Is(err, partlog.ErrSegmentTooSmall):
		code = kerr.RecordListTooLarge
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrUnknownPartition), errors.Is(err, replica.ErrStopped):
		code = kerr.NotLeaderForPartition
	default:
		code = kerr.KafkaStorageError
	}
	return fmt.Errorf("%w: %w", code, err)
}
