// Package partlog is one partition's log: append, read, flush, truncate,
// retain, recover. A log is a directory of segments (package segment), its
// leader-epoch history (package epochs), its producer state (package producers)
// and partition.metadata, all in Kafka's files.
//
// The flow of an append on the leader: the batch is validated where it lies
// (sizes, CRC, records) without a lock; then, under the writer lock, the
// producer state judges it, offset and leader epoch are patched in place, the
// segment rolls if it must, one write puts the bytes into the file, and the
// batch is entered into indexes, epochs and producer state. Only then does the
// end offset move: what lies below EndOffset is readable.
//
// A read takes the state lock for an index search in memory, and returns a
// region of the file: no byte is copied. A consumer that reads on where it
// stopped is served from a hint and costs no search; only a read that must be cut
// short of the end looks at batch headers, to cut between two batches.
//
// What is durable: everything below RecoveryPoint (data, epochs, aborted
// transactions). Flush moves it, and so does an append that finds flush.messages
// records waiting, before it returns. After a crash only what lies above is read again.
//
// Nothing is made before it is needed: a log without a record has no directory,
// an idle one no open file, no index in memory and no producer state.
//
// Locks, in this order:
//
//	flushMu  one flush at a time; those who wait find their work done
//	wmu      the writer: append, roll, truncate, retain, close
//	mu       the state that readers see; held for memory work and for opening
//	         files of a cold segment, never for a write or a sync
package partlog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
)

// Log is one partition's log, safe for concurrent use.
type Log struct {
	tp      ids.TopicPartition
	topicID ids.TopicID
	env     *Env
	room    *Room                                      // of the disk; may be nil
	lowered func() error                               // see Options.Lowered
	cutting func(ids.TopicPartition, ids.Offset) error // see Options.Truncated
	failing func(error)                                // see Options.Failed
	woken   func(*Log)                                 // see Options.Woken
	config  atomic.Pointer[Config]
	awake   atomic.Bool // holds files or memory, or has work for Tick
	// births counts when the directory or partition.metadata was made; both are
	// durable when settled is above it. At first nobody knows.
	births, settled atomic.Int32

	flushMu sync.Mutex
	wmu     sync.Mutex
	one     [1]segment.Header // of the append under way, guarded by wmu

	mu  sync.Mutex
	dir segment.Dir
	// segs is ordered by base; the last one is active. Empty until the first append.
	segs []*segment.Segment
	// start ≤ end and recovered ≤ end. Every record below end is in the file.
	start, end, recovered ids.Offset
	lastFlush, lastUse    int64 // ms
	epochs                *epochs.History
	prods                 *producers.State // nil until needed
	// committed is the high watermark as told last, at most end: transactions that
	// ended below are over, also for a state that is loaded later.
	committed   ids.Offset
	snapshots   []ids.Offset // of the .snapshot files, ascending
	trash       []deletion   // *.deleted files waiting for their time
	hints       *hints       // nil when idle
	unflushed   int64        // bytes appended since the last flush was planned, about: truncations do not count
	failed      error        // set once; nothing is written any more
	jitter      int64        // ms by which this segment rolls earlier
	truncations int64        // counted, so that a flush notices one
	// named counts the files that were made, namesKept those of them whose entry in
	// the directory is durable. A flush raises it when it has synced, not when it
	// begins: a roll that comes in between must still wait.
	named, namesKept int64
	damages          []damage // that were told of

	made        bool // the directory exists
	idKnown     bool // partition.metadata holds topicID
	epochsDirty bool // leader-epoch-checkpoint is behind
	epochsMade  bool // the history was made anew from the batches: what contradicts it now is damage
	txnsDirty   bool // a transaction index is not durable
	unverified  bool // end is the checkpoint's word; the active segment was not looked at yet
	closed      bool
	used        bool // since the last Tick
}

// TP names the partition.
func (l *Log) TP() ids.TopicPartition { return l.tp }

// TopicID is the topic's id, zero if unknown.
func (l *Log) TopicID() ids.TopicID { return l.topicID }

// Dir is the partition's directory.
func (l *Log) Dir() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dir.Path
}

// Config returns the configuration in force.
func (l *Log) Config() *Config { return l.config.Load() }

// SetConfig replaces the configuration; it acts from the next operation on.
func (l *Log) SetConfig(c *Config) {
	l.config.Store(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawJitter()
}

// StartOffset is the first offset that may be read.
func (l *Log) StartOffset() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

// EndOffset is the offset the next record will get.
func (l *Log) EndOffset() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// EndOffsetAndEpoch is the end with the latest leader epoch, NoEpoch if there is none.
func (l *Log) EndOffsetAndEpoch() ids.OffsetAndEpoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, _ := l.epochs.Latest()
	return ids.OffsetAndEpoch{Offset: l.end, Epoch: last.Epoch}
}

// RecoveryPoint is the offset below which everything is durable.
func (l *Log) RecoveryPoint() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recovered
}

// Size is the sum of the segments' log files in bytes.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var total int64
	for _, s := range l.segs {
		n, err := s.Size()
		if err != nil {
			l.warn("cannot tell the size of a segment", err)
		}
		total += n
	}
	return total
}

// Segments is the number of segments.
func (l *Log) Segments() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.segs)
}

// FirstSegmentBase is the base offset of the oldest segment, the end offset without any.
func (l *Log) FirstSegmentBase() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segs) == 0 {
		return l.end
	}
	return l.segs[0].Base
}

// Err is the failure that stopped the log, nil while it works.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *Log) active() *segment.Segment {
	if len(l.segs) == 0 {
		return nil
	}
	return l.segs[len(l.segs)-1]
}

// errf wraps err with the partition.
func (l *Log) errf(op string, err error) error {
	return fmt.Errorf("partition %s: %s: %w", l.tp, op, err)
}

func (l *Log) warn(msg string, err error) {
	if l.env.Warn != nil {
		l.env.Warn(l.tp, msg, err)
	}
}

// fail stops the log: after a write or sync that did not do its work the files
// cannot be trusted again by this process. Callers hold mu.
func (l *Log) fail(op string, err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, l.errf(op, err))
	if l.failed == nil {
		l.failed = err
		if l.failing != nil && !errors.Is(err, segment.ErrCorrupt) {
			l.failing(err)
		}
	}
	return err
}

// use notes that the log is in use. Callers hold mu.
func (l *Log) use() {
	l.used = true
	l.wake()
}

// wake notes that the log holds something or has work for Tick. Callers hold mu.
func (l *Log) wake() {
	if l.awake.Load() {
		return
	}
	l.awake.Store(true)
	if l.woken != nil {
		l.woken(l)
	}
}

// Awake tells whether the log holds files or memory, or has work for Tick.
func (l *Log) Awake() bool { return l.awake.Load() }

// usable tells why the log cannot be written. Callers hold mu.
func (l *Log) usable() error {
	if l.closed {
		return l.errf("write", ErrClosed)
	}
	return l.failed
}
