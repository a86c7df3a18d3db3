package partlog

import (
	"errors"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Origin says who asks for an append and thereby how much of it is checked.
type Origin uint8

const (
	Client      Origin = iota // everything is checked; control batches are refused
	Coordinator               // control batches and sequence-less batches are allowed, epochs are checked
	MarkerTV2                 // Coordinator, and markers must carry an epoch above the producer's (KIP-890, transaction version 2)
	Raft                      // metadata log: nothing but structure is checked
)

// AppendInfo says what an append did.
type AppendInfo struct {
	FirstOffset, LastOffset ids.Offset // of a duplicate: those of the batch already in the log
	MaxTimestamp            int64      // ms, -1 without records
	LogAppendTime           int64      // ms, -1 unless the topic stamps LogAppendTime
	LogStartOffset          ids.Offset
	Duplicate               bool
	Rolled                  bool // a new segment was made
	Bytes                   int
	FirstUnstableChanged    bool // a transaction began or ended
	RecordErrors            []RecordError
}

// RecordError names a record that made its batch invalid (KIP-467).
type RecordError struct {
	BatchIndex int32
	Message    string
}

// Errors of a Log. They are wrapped with partition, path and position.
var (
	ErrOffsetOutOfRange  = errors.New("offset out of range")
	ErrClosed            = errors.New("log is closed")
	ErrFailed            = errors.New("log failed") // an I/O error made the files untrustworthy; until reopened every write fails
	ErrCorrupt           = errors.New("corrupt batch")
	ErrMessageTooLarge   = errors.New("batch larger than max.message.bytes")
	ErrSegmentTooSmall   = errors.New("batches larger than segment.bytes") // RECORD_LIST_TOO_LARGE
	ErrInvalidTimestamp  = errors.New("timestamp out of the accepted range")
	ErrInvalidRecord     = errors.New("invalid record")
	ErrUnsupportedFormat = errors.New("unsupported message format")
	ErrUnsupportedCodec  = errors.New("unsupported compression type")
	ErrDiskFull          = errors.New("disk is full")
	ErrOutOfOrder        = errors.New("offsets not in order") // a follower's append does not continue the log
)

// Options make a Log. FS, Dir, TP and Config are required. The hooks are kept: who
// opens thousands of logs gives all of them the same.
type Options struct {
	FS      vfs.FS
	Dir     string // the partition's directory
	TP      ids.TopicPartition
	TopicID ids.TopicID // zero = unknown; written to partition.metadata with the first file
	OnDisk  ids.TopicID // what the caller read in partition.metadata, if it did
	Config  *Config
	Env     *Env // shared by all logs of a process

	LogStartOffset ids.Offset // from the checkpoint, 0 if absent
	// Covered is the offset below which nobody needs the log, because a snapshot has
	// what it held: segments that lie wholly below it go.
	Covered       ids.Offset
	RecoveryPoint ids.Offset // from the checkpoint, 0 if absent: everything before it is on disk
	CleanShutdown bool       // the directory was closed cleanly: nothing needs recovery

	// Room, if not nil, says whether the disk has room: without it appends are refused with ErrDiskFull.
	Room *Room
	// Woken, if not nil, is called when the log begins to hold files or memory, or
	// to have work for Tick; not during Open, after which Awake tells. The log's
	// locks are held: it must return at once.
	Woken func(*Log)
	// Lowered, if not nil, is called when a truncation lowered the recovery point
	// and must make the new one durable before it returns: a checkpoint that claims
	// more than is flushed would hide a torn tail from recovery.
	Lowered func() error
	// Truncated, if not nil, is called before a truncation cuts at an offset: who
	// noted how far the log is clean must take it back, durably.
	Truncated func(tp ids.TopicPartition, to ids.Offset) error
	// Failed, if not nil, is called once, when the log's files cannot be trusted any
	// more because of an I/O error. The log's locks are held: it must return at once.
	// The error may be a full disk's: then it says nothing about other logs.
	Failed func(error)
}

// Env is what every log of a process shares.
type Env struct {
	Clock                func() int64 // ms since 1970
	ProducerExpirationMs int64        // producer.id.expiration.ms, until it is altered
	MaxTxnTimeoutMs      int64        // transaction.max.timeout.ms
	// Random spreads segment rolls (segment.jitter.ms): n in [0, max).
	Random func(max int64) int64
	// Warn reports what was found and repaired; may be nil.
	Warn func(tp ids.TopicPartition, msg string, err error)

	altered atomic.Int64 // ProducerExpirationMs as altered since, 0 = it was not
}

// ExpireProducersAfter alters producer.id.expiration.ms (at least 1), for every
// log from its next Tick on.
func (e *Env) ExpireProducersAfter(ms int64) { e.altered.Store(ms) }

func (e *Env) producerExpirationMs() int64 {
	if ms := e.altered.Load(); ms > 0 {
		return ms
	}
	return e.ProducerExpirationMs
}

// TimestampOffset answers a search by time.
type TimestampOffset struct {
	Timestamp   int64
	Offset      ids.Offset
	LeaderEpoch ids.LeaderEpoch
}

// AbortedTxn is one entry of a fetch reply's aborted transactions.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset ids.Offset
}

// ProducerState is one row of DescribeProducers.
type ProducerState struct {
	ProducerID            int64
	ProducerEpoch         int32
	LastSequence          int32
	LastTimestamp         int64
	CoordinatorEpoch      int32
	CurrentTxnStartOffset ids.Offset // NoOffset when no transaction is open
}
