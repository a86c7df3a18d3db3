// Package runtimetest has a log and a clock in memory for tests of what runs on
// groupcoord/runtime: appends can be made to fail, commits to wait, and the log
// can be compacted as the cleaner would.
package runtimetest

import (
	"slices"
	"sync"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Log is runtime.Log in memory. The zero value is empty and commits at once.
type Log struct {
	mu         sync.Mutex
	partitions map[int32]*partition

	// Fail, if it returns an error, refuses an append.
	Fail func(partition int32) error
	// Hold keeps appends uncommitted until Commit.
	Hold bool
	// MaxBatch is the largest batch; 0 is a mebibyte.
	MaxBatch int
	// OnCommit learns of high watermarks, within Append as a single replica tells them.
	OnCommit func(partition int32, hw ids.Offset)
	// Blocked, if not nil, keeps reads waiting until it is closed.
	Blocked chan struct{}
}

type partition struct {
	batches []batch.View
	end, hw ids.Offset
}

func (l *Log) partition(p int32) *partition {
	if l.partitions == nil {
		l.partitions = map[int32]*partition{}
	}
	if l.partitions[p] == nil {
		l.partitions[p] = &partition{}
	}
	return l.partitions[p]
}

// Append implements runtime.Log.
func (l *Log) Append(p int32, epoch ids.LeaderEpoch, data []byte) (ids.Offset, error) {
	if l.Fail != nil {
		if err := l.Fail(p); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	part := l.partition(p)
	v := batch.View(slices.Clone(data))
	v.SetBaseOffset(part.end)
	v.SetLeaderEpoch(epoch)
	part.batches = append(part.batches, v)
	part.end = v.NextOffset()
	end, hold := part.end, l.Hold
	l.mu.Unlock()
	if !hold {
		l.Commit(p)
	}
	return end, nil
}

// Commit commits everything appended to a partition.
func (l *Log) Commit(p int32) {
	l.mu.Lock()
	part := l.partition(p)
	part.hw = part.end
	hw := part.hw
	l.mu.Unlock()
	if l.OnCommit != nil {
		l.OnCommit(p, hw)
	}
}

// Read implements runtime.Log.
func (l *Log) Read(p int32, from ids.Offset, maxBytes int) ([]byte, error) {
	if l.Blocked != nil {
		<-l.Blocked
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Cut(l.partition(p).batches, from, maxBytes), nil
}

// Cut is what a read of a log with these batches gives: those that end behind from,
// the first whole, more of them up to maxBytes.
func Cut(batches []batch.View, from ids.Offset, maxBytes int) (out []byte) {
	for _, v := range batches {
		if v.NextOffset() <= from {
			continue
		}
		if len(out) > 0 && len(out)+len(v) > maxBytes {
			break
		}
		out = append(out, v...)
	}
	return out
}

// Bounds implements runtime.Log.
func (l *Log) Bounds(p int32) (end, hw ids.Offset, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.partition(p)
	return part.end, part.hw, nil
}

// MaxBatchBytes implements runtime.Log.
func (l *Log) MaxBatchBytes(int32) int {
	if l.MaxBatch == 0 {
		return 1 << 20
	}
	return l.MaxBatch
}

// Appends is how many batches a partition has.
func (l *Log) Appends(p int32) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.partition(p).batches)
}

// Record is a record as it stands in the log.
type Record struct {
	Offset     ids.Offset
	Timestamp  int64
	Key, Value []byte
}

// Records are all records of a partition, in order, without control records.
func (l *Log) Records(p int32) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Record
	for _, v := range l.partition(p).batches {
		if v.IsControl() {
			continue
		}
		recs, err := v.Records(nil, 1<<30)
		if err != nil {
			panic(err)
		}
		for _, r := range recs {
			out = append(out, Record{r.Offset, r.Timestamp, slices.Clone(r.Key), slices.Clone(r.Value)})
		}
	}
	return out
}

// AppendRaw appends a batch that is not the shard's own, such as a marker.
func (l *Log) AppendRaw(p int32, v batch.View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.partition(p)
	v.SetBaseOffset(part.end)
	part.batches = append(part.batches, v)
	part.end = v.NextOffset()
	part.hw = part.end
}

// Compact keeps, in batches of one record each, only the last record of each key,
// but not the tombstones that drop says so of. Control batches stay.
func (l *Log) Compact(p int32, drop func(Record) bool) {
	all := l.Records(p)
	last := map[string]ids.Offset{}
	for _, r := range all {
		last[string(r.Key)] = r.Offset
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	part := l.partition(p)
	part.batches = slices.DeleteFunc(part.batches, func(v batch.View) bool { return !v.IsControl() })
	for _, r := range all {
		if last[string(r.Key)] == r.Offset && (r.Value != nil || drop == nil || !drop(r)) {
			part.batches = append(part.batches, single(r))
		}
	}
	slices.SortFunc(part.batches, func(a, b batch.View) int { return int(a.BaseOffset() - b.BaseOffset()) })
}

func single(r Record) batch.View {
	b := batch.NewBuilder(batch.Options{BaseOffset: r.Offset})
	b.Append(r.Timestamp, r.Key, r.Value, nil)
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}
