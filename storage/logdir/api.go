// Package logdir is a set of data directories (log.dirs): it locks them, reads
// and writes their meta.properties and checkpoints, finds and opens their
// partitions, and reports a directory that failed.
//
// The life of a directory: Open takes the lock, reads meta.properties and the
// checkpoints, removes the clean-shutdown mark and lists the partitions by
// name. OpenPartition opens one when it is asked for. Tick and Checkpoint are
// called by the owner now and then; there is no goroutine here. Close flushes,
// writes the checkpoints and then the clean-shutdown mark.
//
// A partition moves between directories by a copy that takes its name when it
// has caught up (future.go). Room says what a disk still takes (space.go), and
// upkeep looks at the logs in use only (awake.go).
//
// What holds:
//   - a directory marked clean holds nothing above its recovery points;
//   - a recovery point on disk never claims more than is flushed: it is lowered
//     before a truncation cuts, and dropped before a partition's name is used again;
//   - checkpoints and marks are replaced atomically: old or new, never a mixture;
//   - a partition lies in one directory, but for the moment between two renames
//     of a move, in which both are whole;
//   - a directory whose I/O failed is offline until the process ends; the others
//     go on. A lack of room or of file descriptors is no failure.
//
// Locks: Set.mu guards the maps and is never held while a log does I/O;
// Dir.checkpointMu is held while a checkpoint is collected and written;
// awakeLogs.mu is a leaf, taken under the locks of logs.
package logdir

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Errors of this package; they name directory and cause.
var (
	// ErrUnformatted: the directory has no meta.properties.
	ErrUnformatted = errors.New("the directory is not formatted")
	// ErrForeign: the directory belongs to another cluster or node, or two have the same id.
	ErrForeign = errors.New("the directory belongs to another node")
	// ErrOffline: the directory failed, or all did.
	ErrOffline = errors.New("the log directory is offline")
	// ErrUnknownPartition: no such partition lies in the directories.
	ErrUnknownPartition = errors.New("no such partition")
	// ErrUnknownDir: log.dirs does not name this directory.
	ErrUnknownDir = errors.New("no such log directory")
	// ErrCordoned: the directory shall get no new replica (KIP-1066).
	ErrCordoned = errors.New("the log directory is cordoned")
)

// Options open a Set.
type Options struct {
	FS   vfs.FS
	Dirs []string // absolute, in the order of log.dirs
	Env  *partlog.Env
	// ClusterID and NodeID must match meta.properties; an empty ClusterID accepts any.
	ClusterID string
	NodeID    ids.NodeID
	// OnFailure is called once a directory, on a goroutine of its own, when its I/O
	// failed after Open; may be nil.
	OnFailure func(dir string, id ids.DirectoryID, err error)
	Parallel  int // partitions opened or closed at once; 0 = number of CPUs
	// RetentionIntervalMs is log.retention.check.interval.ms; 0 = 5 minutes.
	RetentionIntervalMs int64
	// RecoveryIntervalMs is log.flush.offset.checkpoint.interval.ms; 0 = 1 minute.
	RecoveryIntervalMs int64
	// MaxAwake is how many logs may hold files before Tick closes those it can; 0 = any number.
	MaxAwake int
}

// HighWatermarks tells the high watermark of a partition, if it is known.
type HighWatermarks func(ids.TopicPartition) (ids.Offset, bool)
