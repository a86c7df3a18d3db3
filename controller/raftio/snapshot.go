package raftio

import (
	"io"
	"iter"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// SnapshotName is the file name of the snapshot that ends before id: "<offset>-<epoch>.checkpoint".
func SnapshotName(id ids.OffsetAndEpoch) string { return "" }

// SnapshotReader reads a checkpoint file (also bootstrap.checkpoint).
type SnapshotReader struct{}

// OpenSnapshot opens and checks the header of a checkpoint file.
func OpenSnapshot(fs vfs.FS, path string) (*SnapshotReader, error) { return nil, io.EOF }

// ID is the position of the snapshot from its file name; zero for other names.
func (r *SnapshotReader) ID() ids.OffsetAndEpoch { return ids.OffsetAndEpoch{} }

// AppendTime is the append time of the last record it covers, ms since 1970.
func (r *SnapshotReader) AppendTime() int64 { return 0 }

// KRaftVersion and Voters are those of the control records, 0 and empty without.
func (r *SnapshotReader) KRaftVersion() int16    { return 0 }
func (r *SnapshotReader) Voters() raft.VoterSet { return raft.VoterSet{} }

// Size is the file's size in bytes.
func (r *SnapshotReader) Size() int64 { return 0 }

// Batches yields the data batches in order; an error ends the sequence. A
// sequence that ends without an error has seen the footer.
func (r *SnapshotReader) Batches() iter.Seq2[CommittedBatch, error] {
	return func(func(CommittedBatch, error) bool) {}
}

// Close closes the file.
func (r *SnapshotReader) Close() error { return nil }

// SnapshotOptions describe a checkpoint file to write.
type SnapshotOptions struct {
	FS         vfs.FS
	Path       string // it appears there only when it is complete and on disk
	AppendTime int64  // ms, of the last record that the snapshot covers
	Now        int64  // ms, timestamp of its batches
	// WithVoters: KRaftVersion and Voters control records are written (from kraft.version 1 on).
	KRaftVersion int16
	Voters       raft.VoterSet
}

// WriteSnapshotFile writes header, control records, recs and footer. Usable
// offline, for bootstrap.checkpoint and for 00000000000000000000-0000000000.checkpoint
// that `gregor format` makes.
func WriteSnapshotFile(o SnapshotOptions, recs iter.Seq[[]byte]) error { return nil }
