// Package runtime runs replicated state machines, one a partition of an internal
// topic: group state, and later share state and transactions.
//
// # Flow
//
// A shard is a Machine together with the leadership of one partition. Operations
// queue in its inbox; a goroutine that lives only while there is work takes all of
// them and, for each in turn:
//
//	decide   op(now) looks at the machine and returns records and a Done
//	append   records of many operations gather in one batch, one append for all
//	replay   once appended, the records are applied to the machine
//	park     Done waits until the offset behind the records is committed
//
// An operation must not decide on what is decided but not yet replayed. Operations
// name their scope (a group); when a scope is already in the gathering batch the
// batch is appended first, unless what is there for it does not matter to the
// operation (commits of a group that exists: they look at its members only). So no append ever has to be undone: what was not
// appended was not applied. An operation without records is parked behind what
// was appended before it, because its answer may rest on that.
//
// # Leadership
//
//	(none) ──Lead──▶ loading ──▶ active ──Resign──▶ (none)
//	                    └─ error ─▶ failed ──Resign──▶ (none)
//
// Loading replays the whole log into a fresh machine. Meanwhile every operation is
// refused with ErrLoading, never answered from half a state; without leadership,
// or after a failed load, with ErrNotCoordinator.
//
// # Time
//
// Deadlines are times of the wall clock, beside those that records have. When that
// clock is set they are moved along, so that they stay as far away as they were.
//
// # Invariants
//
//   - machine state == replay of the log up to the shard's end (what a machine
//     keeps beside it, such as waiting members, is its own affair).
//   - Done of an operation runs once, on the shard's goroutine, in append order.
//   - A shard that is idle has no goroutine and at most one timer. A few goroutines
//     that have run shards wait to run the next one.
package runtime

import (
	"errors"
	"sync"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// Errors that operations end with, besides those of Log.Append.
var (
	// ErrNotCoordinator: this broker doesn't lead the partition, or no longer.
	ErrNotCoordinator = errors.New("not the coordinator of this partition")
	// ErrLoading: the partition's state is being read from its log.
	ErrLoading = errors.New("the coordinator is loading its state")
	// ErrCommitTimeout: the records were appended but not committed in time; they may be yet.
	ErrCommitTimeout = errors.New("the records were not committed in time")
	// ErrTooLarge: the records of one operation exceed the largest batch the log accepts.
	ErrTooLarge = errors.New("the records exceed the largest batch of the log")
)

// Record is one record to append; a nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Entry is one record as it stands in the log. Key and Value belong to the
// runtime: Replay copies what it keeps.
type Entry struct {
	Offset     ids.Offset
	Timestamp  int64
	ProducerID int64 // batch.NoProducerID unless part of a transaction
	Key, Value []byte
}

// Machine is the state of one shard. All methods run on the shard's goroutine.
type Machine interface {
	// Replay applies an entry. During a load entries come in any order compaction
	// leaves, tombstones of unknown keys included. An error fails the load.
	Replay(e Entry, loading bool) error
	// EndTransaction applies a transaction marker found in the log.
	EndTransaction(producerID int64, committed bool)
	// Loaded is called once, after the last entry of the load.
	Loaded(now int64) Outcome
	// Deadline is when Expire wants to be called; false for never.
	Deadline() (int64, bool)
	// Expire handles what is due, once; it is called again while Deadline ≤ now.
	Expire(now int64) Outcome
	// Shift moves all deadlines by ms: the wall clock was set by so much.
	Shift(ms int64)
	// Unloaded answers every request the machine holds with ErrNotCoordinator.
	Unloaded()
}

// Outcome is what an operation decided.
type Outcome struct {
	Records []Record
	// Done, if not nil, learns that Records and all that the decision may rest on
	// are committed (nil), or why they are not.
	Done func(now int64, err error)
	// Split: the records may be appended in several batches, in order, of which the
	// last may fail although the first did not; what is behind a failed one is not appended.
	Split bool
	// Out, if not nil, is told to send when Done and those of the operations that
	// end together with it have put their replies into outboxes.
	Out Outbox
	// Beside: Records change nothing that operations given to DoBeside decide on.
	Beside bool
}

// Outbox sends replies that were put into it, together. Send must not block.
type Outbox interface{ Send() }

// Options are what a Runtime needs.
type Options[M Machine] struct {
	// NewMachine makes the empty machine of a partition.
	NewMachine func(partition int32) M
	Log        Log
	Clock      Clock
	Logger     *zap.Logger
	// CommitTimeout is how long an operation waits for its commit, in milliseconds.
	CommitTimeout int64
	// LoadBytes is how much of a log is read at a time.
	LoadBytes int
	// Codec compresses the batches that are appended.
	Codec batch.Codec
	// Loads is how many shards load at the same time.
	Loads int
}

// Runtime is the shards of one broker. Its methods are safe for concurrent use.
type Runtime[M Machine] struct {
	opts    Options[M]
	loading chan struct{} // one token a shard that is loading
	workers workers[M]

	mu     sync.RWMutex // guards shards; a shard's mutex may be taken under it, never the reverse
	shards map[int32]*shard[M]
}

// New makes a runtime without shards.
func New[M Machine](o Options[M]) *Runtime[M] {
	return &Runtime[M]{opts: o, shards: map[int32]*shard[M]{}, loading: make(chan struct{}, max(1, o.Loads)), workers: newWorkers[M]()}
}

// Lead starts the shard of a partition that this broker leads since epoch. For a
// shard that runs already it renews the epoch, and reloads when the log has
// grown by other hands meanwhile. Lead and Resign of one partition are called by
// one goroutine at a time, which holds no lock that Log.Append takes.
func (r *Runtime[M]) Lead(partition int32, epoch ids.LeaderEpoch) {
	old := r.shard(partition)
	if old != nil && old.renew(epoch) {
		return
	}
	s := newShard(r, partition, epoch)
	r.mu.Lock()
	r.shards[partition] = s
	r.mu.Unlock()
	if old != nil {
		old.stop()
	}
	go s.load()
}

// Resign ends the shard of a partition unless it was started for an epoch newer
// than the one given; NoEpoch ends it in any case.
func (r *Runtime[M]) Resign(partition int32, epoch ids.LeaderEpoch) {
	r.mu.Lock()
	s := r.shards[partition]
	if s == nil || epoch != ids.NoEpoch && epoch < s.currentEpoch() {
		r.mu.Unlock()
		return
	}
	delete(r.shards, partition)
	r.mu.Unlock()
	s.stop()
}

// Committed says that the partition is committed up to, not including, highWatermark.
func (r *Runtime[M]) Committed(partition int32, highWatermark ids.Offset) {
	if s := r.shard(partition); s != nil {
		s.committedUpTo(highWatermark)
	}
}

// Do queues an operation on the shard of a partition. Exactly one of its ends
// happens: refuse is called with ErrNotCoordinator or ErrLoading, maybe before Do
// returns, or op runs on the shard's goroutine and the Done it returns is called.
func (r *Runtime[M]) Do(partition int32, scope string, op func(m M, now int64) Outcome, refuse func(error)) {
	r.post(partition, task[M]{scope: scope, op: op, refuse: refuse})
}

// DoBeside is Do for an operation that decides on nothing that outcomes marked
// Beside change: it need not wait until those of its scope are appended.
func (r *Runtime[M]) DoBeside(partition int32, scope string, op func(m M, now int64) Outcome, refuse func(error)) {
	r.post(partition, task[M]{scope: scope, beside: true, op: op, refuse: refuse})
}

func (r *Runtime[M]) post(partition int32, t task[M]) {
	if s := r.shard(partition); s != nil {
		s.post(t)
		return
	}
	t.refuse(ErrNotCoordinator)
}

// Partitions are those that have a shard, in no order.
func (r *Runtime[M]) Partitions() []int32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]int32, 0, len(r.shards))
	for p := range r.shards {
		out = append(out, p)
	}
	return out
}

// Close ends all shards and waits until none runs.
func (r *Runtime[M]) Close() {
	r.mu.Lock()
	shards := r.shards
	r.shards = map[int32]*shard[M]{}
	r.mu.Unlock()
	for _, s := range shards {
		s.stop()
	}
	for _, s := range shards {
		<-s.ended
	}
	r.workers.close()
}

func (r *Runtime[M]) shard(partition int32) *shard[M] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.shards[partition]
}
