// Package partlog is one partition's log.
package partlog

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Log is one partition's log, safe for concurrent use.
type Log struct{ opts Options }

// Slice is a run of whole batches in one file. Release must be called exactly
// once, also when Len is 0; until then the bytes stay readable even if the
// segment is deleted meanwhile.
type Slice struct {
	File        vfs.File // nil when Len is 0
	Off         int64
	Len         int
	FirstOffset ids.Offset // base offset of the first batch
	release     func()
}

// Release gives the file back.
func (s Slice) Release() {
	if s.release != nil {
		s.release()
	}
}

// ReleaseFunc is Release for those who store it; nil when there is nothing to release.
func (s Slice) ReleaseFunc() func() { return s.release }

// ReadAt reads within the slice.
func (s Slice) ReadAt(p []byte, off int64) (int, error) { return s.File.ReadAt(p, s.Off+off) }

func Open(o Options) (*Log, error) { return &Log{opts: o}, nil }

func (l *Log) AppendAsLeader(batches []byte, epoch ids.LeaderEpoch, origin Origin, now int64) (AppendInfo, error) {
	return AppendInfo{}, nil
}
func (l *Log) AppendAsFollower(batches []byte, epoch ids.LeaderEpoch) (AppendInfo, error) {
	return AppendInfo{}, nil
}
func (l *Log) Read(from ids.Offset, maxBytes int, limit ids.Offset, minOneBatch bool) (Slice, error) {
	return Slice{}, nil
}
func (l *Log) Dir() string                                     { return "" }
func (l *Log) TP() ids.TopicPartition                          { return l.opts.TP }
func (l *Log) TopicID() ids.TopicID                            { return l.opts.TopicID }
func (l *Log) Config() *Config                                 { return l.opts.Config }
func (l *Log) SetConfig(c *Config)                             {}
func (l *Log) StartOffset() ids.Offset                         { return 0 }
func (l *Log) EndOffset() ids.Offset                           { return 0 }
func (l *Log) EndOffsetAndEpoch() ids.OffsetAndEpoch           { return ids.OffsetAndEpoch{} } // Epoch NoEpoch when there is none
func (l *Log) RecoveryPoint() ids.Offset                       { return 0 }
func (l *Log) FirstUnstableOffset() (ids.Offset, bool)         { return 0, false } // of transactions still open or whose marker is not below the high watermark
func (l *Log) SetHighWatermark(hw ids.Offset)                  {}                  // forgets completed transactions below hw
func (l *Log) Size() int64                                     { return 0 }
func (l *Log) Flush() error                                    { return nil }
func (l *Log) TruncateTo(off ids.Offset) error                 { return nil }
func (l *Log) TruncateFullyAndStartAt(off ids.Offset) error    { return nil }
func (l *Log) AdvanceStartOffset(off ids.Offset) (bool, error) { return false, nil }
func (l *Log) Roll() error                                     { return nil }
func (l *Log) OffsetForTimestamp(ts int64) (TimestampOffset, bool, error) { // first record with timestamp >= ts
	return TimestampOffset{}, false, nil
}
func (l *Log) MaxTimestampOffset() (TimestampOffset, bool, error) {
	return TimestampOffset{}, false, nil
}
func (l *Log) AssignEpochStart(epoch ids.LeaderEpoch, start ids.Offset) error { return nil } // a new leader's epoch begins at its log end
func (l *Log) EndOffsetForEpoch(epoch ids.LeaderEpoch) ids.OffsetAndEpoch { // NoOffset/NoEpoch when undefined
	return ids.OffsetAndEpoch{}
}
func (l *Log) EpochForOffset(off ids.Offset) (ids.LeaderEpoch, bool) { return 0, false }
func (l *Log) LatestEpoch() (ids.LeaderEpoch, bool)                  { return 0, false }
func (l *Log) ActiveProducers() ([]ProducerState, error)             { return nil, nil }
func (l *Log) AbortedTxns(dst []AbortedTxn, from, to ids.Offset) ([]AbortedTxn, error) {
	return dst, nil
}
func (l *Log) ApplyRetention(now int64, hw ids.Offset) (int, error) { return 0, nil } // number of segments removed
func (l *Log) Tick(now int64) (next int64, err error)               { return 0, nil } // segment roll by time, flush.ms, .deleted files, producer expiry
func (l *Log) Close(clean bool) error                               { return nil }
func (l *Log) Delete() error                                        { return nil }
