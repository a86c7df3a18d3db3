package runtime

import "github.com/gregorbroker/gregor/protocol/ids"

// Log is the log of one internal topic. Its methods are called by one goroutine
// a partition, but by many for different partitions.
type Log interface {
	// Append adds one record batch to the partition's local log and returns the
	// offset behind it, before it is committed; Runtime.Committed tells the rest.
	// It refuses when epoch is not the current leadership, and when the in-sync
	// replicas are fewer than the topic demands: then nothing was appended. The
	// batch is not kept.
	Append(partition int32, epoch ids.LeaderEpoch, batch []byte) (ids.Offset, error)
	// Read returns whole batches from the one that holds from on, at least one
	// unless from is the log's end, and not much more than maxBytes of them.
	// The bytes are the caller's until the next Read of the same partition.
	// From below the log's start reads from there.
	Read(partition int32, from ids.Offset, maxBytes int) ([]byte, error)
	// Bounds are the log's end and its high watermark, as of now.
	Bounds(partition int32) (end, highWatermark ids.Offset, err error)
	// MaxBatchBytes is the largest batch Append accepts (max.message.bytes).
	MaxBatchBytes(partition int32) int
}

// Clock is the time shards live by.
type Clock interface {
	// Now is the wall clock in milliseconds since 1970. It may be set.
	Now() int64
	// Steady is the milliseconds since some time in the past, by a clock that nobody
	// sets. Timers go by it.
	Steady() int64
	// AfterFunc calls f on a goroutine of its own once delay milliseconds have
	// passed; stop prevents that if it is not too late.
	AfterFunc(delay int64, f func()) (stop func() bool)
}
