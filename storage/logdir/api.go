// Package logdir is a set of data directories (log.dirs): it locks them, reads
// and writes their meta.properties and checkpoints, finds and opens their
// partitions, and reports a directory that failed.
package logdir

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// MetaProperties is meta.properties, version 1.
type MetaProperties struct {
	Version     int
	ClusterID   string
	NodeID      ids.NodeID
	HasNodeID   bool
	DirectoryID ids.DirectoryID // zero = absent (a folder formatted before KIP-858)
}

// ReadMeta returns fs.ErrNotExist (wrapped) for an unformatted directory.
func ReadMeta(fs vfs.FS, dir string) (MetaProperties, error) { return MetaProperties{}, nil }

// WriteMeta writes meta.properties atomically and durably.
func WriteMeta(fs vfs.FS, dir string, m MetaProperties) error { return nil }

// Options open a Set.
type Options struct {
	FS          vfs.FS
	Dirs        []string // absolute, in the order of log.dirs
	MetadataDir string   // its __cluster_metadata-0 is not a partition of ours
	Env         *partlog.Env
	// OnFailure is called once a directory, from any goroutine, when its I/O failed; may be nil.
	OnFailure func(dir string, id ids.DirectoryID, err error)
	Parallel  int // partitions opened at once; 0 = number of CPUs
}

// Set is the data directories of one broker.
type Set struct{ dirs []*Dir }

// Dir is one data directory.
type Dir struct {
	Path string
	Meta MetaProperties
}

// Found is a partition directory found at opening and not yet asked for.
type Found struct {
	Dir     *Dir
	TP      ids.TopicPartition
	TopicID ids.TopicID // zero when partition.metadata is absent
	Future  bool
}

// Open locks the directories and reads meta.properties, checkpoints and the clean-shutdown file (which it removes).
// A directory that fails I/O is offline and reported; a locked or foreign one is an error.
func Open(o Options) (*Set, error) { return &Set{}, nil }

func (s *Set) Dirs() []*Dir                            { return nil } // online ones
func (s *Set) Offline() []string                       { return nil }
func (s *Set) DirByID(id ids.DirectoryID) (*Dir, bool) { return nil, false }
func (s *Set) Found() []Found                          { return nil } // what lies in the directories, for stray detection
func (s *Set) CleanShutdown() bool                     { return false }
func (s *Set) PreviousBrokerEpoch() int64              { return -1 }  // from the clean-shutdown file; -1 unknown
func (s *Set) Emptiest() *Dir                          { return nil } // fewest partitions; nil when all are offline
// OpenPartition opens the partition where it lies, or makes it in dir (nil = Emptiest) without touching the disk.
func (s *Set) OpenPartition(tp ids.TopicPartition, id ids.TopicID, dir *Dir, c *partlog.Config) (*partlog.Log, *Dir, error) {
	return nil, nil, nil
}
func (s *Set) Partition(tp ids.TopicPartition) (*partlog.Log, *Dir, bool) { return nil, nil, false }
func (s *Set) DeletePartition(tp ids.TopicPartition) error                { return nil } // renames to -delete at once, removes files later (Tick)
func (s *Set) MarkStray(tp ids.TopicPartition) error                      { return nil } // renames to -stray
// Checkpoint writes the recovery-point, log-start and replication checkpoints of all directories.
func (s *Set) Checkpoint(highWatermarks func(ids.TopicPartition) (ids.Offset, bool)) error {
	return nil
}
func (s *Set) HighWatermark(tp ids.TopicPartition) ids.Offset { return 0 } // as checkpointed
// Tick does the periodic work that is due (retention, delayed deletes, time rolls, flush.ms) and returns when it wants to be called again.
func (s *Set) Tick(now int64, highWatermark func(ids.TopicPartition) (ids.Offset, bool)) (next int64) {
	return now
}
func (s *Set) FailDir(d *Dir, err error)     {}
func (s *Set) Close(brokerEpoch int64) error { return nil } // flushes and closes all logs, checkpoints, writes the clean-shutdown file, unlocks
