package replica

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Errors of this room; broker/api/errcode.go gives them Kafka's codes.
var (
	// ErrUnknownPartition: no such topic or partition, as far as this broker knows.
	ErrUnknownPartition = errors.New("unknown topic or partition")
	// ErrUnknownTopicID: no topic has this id, as far as this broker knows.
	ErrUnknownTopicID = errors.New("unknown topic id")
	// ErrNotLeader: the partition exists and is led elsewhere, or by nobody.
	ErrNotLeader = errors.New("not the leader of the partition")
	// ErrFencedEpoch: the requester knows an older leader epoch.
	ErrFencedEpoch = errors.New("fenced leader epoch")
	// ErrUnknownEpoch: the requester knows a newer leader epoch than we do.
	ErrUnknownEpoch = errors.New("unknown leader epoch")
	// ErrNotEnoughReplicas: fewer in-sync replicas than min.insync.replicas, nothing was appended.
	ErrNotEnoughReplicas = errors.New("not enough in-sync replicas")
	// ErrOffline: the partition's log directory failed.
	ErrOffline = errors.New("log directory is offline")
	// ErrOffsetNotAvailable: a new leader does not know its high watermark yet.
	ErrOffsetNotAvailable = errors.New("offset not available")
	// ErrStopped: the manager is closed.
	ErrStopped = errors.New("replica manager is stopped")
)

// AppendOptions say how to append.
type AppendOptions struct {
	// Acks: -1 waits for the high watermark and demands min.insync.replicas;
	// 0 and 1 are done with the local append.
	Acks   int16
	Origin partlog.Origin
	// Epoch, unless NoEpoch, must be the current leader epoch: an append that was
	// decided under an older leadership must not happen (coordinators).
	Epoch ids.LeaderEpoch
	// Wakes, if not nil, collects whom the append wakes, for the caller to do
	// after it has answered the producer.
	Wakes *Wakes
}

// AppendResult is what became of an append.
type AppendResult struct {
	partlog.AppendInfo
	Err error
	// Leader is the leader as known here when Err is ErrNotLeader (KIP-951).
	Leader ids.LeaderAndEpoch
}

// Isolation bounds what a reader may see.
type Isolation uint8

const (
	// Uncommitted reads up to the high watermark.
	Uncommitted Isolation = iota
	// Committed reads up to the last stable offset and lists aborted transactions.
	Committed
	// LogEnd reads everything (coordinators loading their own partition, followers).
	LogEnd
)

// ReadOptions say what to read.
type ReadOptions struct {
	From      ids.Offset
	MaxBytes  int
	Isolation Isolation
	// MinOneBatch returns the first batch whole although it exceeds MaxBytes.
	MinOneBatch bool
	// CurrentEpoch is what the reader takes for the leader epoch; NoEpoch = not checked (KIP-320).
	CurrentEpoch ids.LeaderEpoch
	// LastFetchedEpoch is the epoch of the record before From; NoEpoch = not checked (KIP-595).
	LastFetchedEpoch ids.LeaderEpoch
}

// ReadResult is what was read. Slice.Release must be called once.
type ReadResult struct {
	Slice         partlog.Slice
	HighWatermark ids.Offset
	LastStable    ids.Offset
	LogStart      ids.Offset
	Aborted       []partlog.AbortedTxn // for Committed, sorted by first offset
	// Diverging is set (Epoch ≠ NoEpoch) when the reader's log is not a prefix of ours:
	// it must truncate to there. Nothing was read then.
	Diverging ids.OffsetAndEpoch
}

// Special timestamps of ListOffsets.
const (
	Latest           int64 = -1
	Earliest         int64 = -2
	MaxTimestamp     int64 = -3 // offset of the record with the highest timestamp (KIP-734)
	EarliestLocal    int64 = -4 // KIP-405; equals Earliest without tiered storage
	LatestTiered     int64 = -5 // KIP-1005; unknown without tiered storage
	EarliestPending  int64 = -6 // KIP-1023 follow-up: earliest offset not yet uploaded
	unknownTimestamp int64 = -1
)
