package logdir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Set is the data directories of one broker.
type Set struct {
	o    Options
	dirs []*Dir

	mu    sync.Mutex
	logs  map[ids.TopicPartition]*entry
	found map[ids.TopicPartition]*Dir // there, but not opened yet
	// twins is the second directory of a found partition that lies in two: a
	// process was killed between the two renames of a move (Promote).
	twins     map[ids.TopicPartition]*Dir
	futures   map[ids.TopicPartition]*future
	preferred map[ids.TopicPartition]*Dir // where to make a partition that is not here yet
	trash     []trash
	ticked    int64 // when retention ran last
	saved     int64 // when recovery points were written last
	watermark Offsets
	opened    bool // Open is over: from now on failures are reported

	awake   awakeLogs
	pressed atomic.Bool // no file could be opened: close what can be
	warned  atomic.Bool // that, once until files are there again
	spare   []vfs.File  // see holdSpare; of Open, Tick and Close
}

type entry struct {
	log *partlog.Log
	dir *Dir
}

// trash is a directory on its way out. log is set when readers may still be
// in it: it is closed with the removal.
type trash struct {
	dir  *Dir
	path string
	at   int64
	log  *partlog.Log
}

// Dir is one data directory.
type Dir struct {
	Path string
	Meta MetaProperties

	fs    vfs.FS
	lock  io.Closer
	clean bool
	epoch int64       // broker epoch of the clean shutdown, -1 unknown
	dirty atomic.Bool // a partition could not be closed cleanly: no mark for this directory

	unsaved    bool // recovery points may have moved since they were written; guarded by Set.mu
	room       partlog.Room
	cordoned   atomic.Bool
	partitions atomic.Int64 // that lie or will lie here, copies on their way included

	hooks hooks

	failMu sync.Mutex
	failed error

	checkpointMu sync.Mutex
	// What the files said at opening, for partitions that are not opened yet, and
	// what was written last.
	recovery, starts Offsets

	cleanerMu sync.Mutex
	cleaned   Offsets // nil until read
}

// hooks are what the logs of a directory call: made once, for a closure of its own
// would be a tenth of what a log at rest takes.
type hooks struct {
	lowered   func() error
	truncated func(ids.TopicPartition, ids.Offset) error
	failed    func(error)
	woken     func(*partlog.Log)
}

func (s *Set) hooksOf(d *Dir) hooks {
	return hooks{
		lowered:   func() error { return s.checkpointRecovery(d) },
		truncated: d.lowerCleaner,
		failed: func(err error) {
			if ioFailure(err) {
				s.FailDir(d, err)
			}
		},
		woken: func(l *partlog.Log) { s.awake.add(l, d) },
	}
}

// Open locks the directories and reads what they say of themselves. A
// directory whose I/O fails is offline and reported, unless all fail; a locked,
// unformatted or foreign one is an error.
func Open(o Options) (*Set, error) {
	if o.Parallel <= 0 {
		o.Parallel = runtime.NumCPU()
	}
	if o.RetentionIntervalMs <= 0 {
		o.RetentionIntervalMs = 5 * 60 * 1000
	}
	if o.RecoveryIntervalMs <= 0 {
		o.RecoveryIntervalMs = 60 * 1000
	}
	s := &Set{
		o: o, logs: map[ids.TopicPartition]*entry{}, found: map[ids.TopicPartition]*Dir{}, twins: map[ids.TopicPartition]*Dir{},
		futures: map[ids.TopicPartition]*future{}, preferred: map[ids.TopicPartition]*Dir{}, watermark: Offsets{},
		ticked: o.Env.Clock(), saved: o.Env.Clock(),
	}
	for _, p := range o.Dirs {
		d := &Dir{Path: path.Clean(p), fs: o.FS}
		d.hooks = s.hooksOf(d)
		s.dirs = append(s.dirs, d)
		err := s.openDir(d)
		if refused(err) {
			s.unlock()
			return nil, err
		}
		if err != nil {
			s.FailDir(d, err)
		}
	}
	if len(s.Dirs()) == 0 {
		s.unlock()
		return nil, fmt.Errorf("%w: %w", ErrOffline, s.firstFailure())
	}
	for _, d := range s.Dirs() {
		s.watchSpace(d)
	}
	s.holdSpare()
	s.opened = true
	return s, nil
}

// refused tells errors of configuration from those of a disk.
func refused(err error) bool {
	return errors.Is(err, vfs.ErrLocked) || errors.Is(err, ErrUnformatted) || errors.Is(err, ErrForeign) || errors.Is(err, ErrMeta)
}

func (s *Set) firstFailure() error {
	for _, d := range s.dirs {
		if err := d.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) unlock() {
	s.dropSpare()
	for _, d := range s.dirs {
		if d.lock != nil {
			d.lock.Close()
			d.lock = nil
		}
	}
}

func (s *Set) openDir(d *Dir) error {
	var err error
	if d.Meta, err = ReadMeta(d.fs, d.Path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", d.Path, ErrUnformatted)
		}
		return err
	}
	if err := s.checkOwner(d); err != nil {
		return err
	}
	if d.lock, err = d.fs.Lock(d.Path + "/" + LockFile); err != nil {
		return fmt.Errorf("%s is in use by another process: %w", d.Path, err)
	}
	if d.Meta.DirectoryID.IsZero() && d.Meta.Version == 1 { // formatted before directories had ids (KIP-858)
		id, err := ids.RandomUUID(rand.Reader)
		if err != nil {
			return err
		}
		d.Meta.DirectoryID = ids.DirectoryID(id)
		if err := WriteMeta(d.fs, d.Path, d.Meta); err != nil {
			return err
		}
	}
	if d.clean, d.epoch, err = takeClean(d.fs, d.Path); err != nil {
		return err
	}
	d.recovery = s.readCheckpoint(d, RecoveryFile)
	d.starts = s.readCheckpoint(d, StartFile)
	for tp, off := range s.readCheckpoint(d, ReplicationFile) {
		s.watermark[tp] = max(s.watermark[tp], off) // Kafka also notes those of copies, which are behind
	}
	return s.list(d)
}

func (s *Set) checkOwner(d *Dir) error {
	if s.o.ClusterID != "" && (d.Meta.ClusterID != s.o.ClusterID || d.Meta.NodeID != s.o.NodeID) {
		return fmt.Errorf("%w: %s is of cluster %s node %d, this is cluster %s node %d", ErrForeign, d.Path,
			d.Meta.ClusterID, d.Meta.NodeID, s.o.ClusterID, s.o.NodeID)
	}
	for _, other := range s.dirs {
		if other == d {
			return nil
		}
		if id := other.Meta.DirectoryID; !id.IsZero() && id == d.Meta.DirectoryID {
			return fmt.Errorf("%w: %s and %s have the same directory id %s", ErrForeign, other.Path, d.Path, id)
		}
	}
	return nil
}

// readCheckpoint reads a checkpoint; one that cannot be parsed counts as
// empty, which costs recovery time and nothing else, but the clean shutdown
// cannot be trusted without it.
func (s *Set) readCheckpoint(d *Dir, name string) Offsets {
	o, err := ReadOffsets(d.fs, d.Path, name)
	if err == nil {
		return o
	}
	d.clean = false
	if s.o.Env.Warn != nil {
		s.o.Env.Warn(ids.TopicPartition{}, "a checkpoint is ignored", err)
	}
	return Offsets{}
}

// list finds the partitions by name.
func (s *Set) list(d *Dir) error {
	names, err := d.fs.ReadDir(d.Path)
	if err != nil {
		return err
	}
	for _, e := range names {
		tp, suffix, ok := parseName(e.Name)
		if !ok || !e.IsDir || tp.Topic == MetadataTopic {
			continue
		}
		switch suffix {
		case "":
			d.partitions.Add(1)
			if s.found[tp] != nil {
				s.twins[tp] = d
			} else {
				s.found[tp] = d
			}
		case deleteSuffix:
			s.trash = append(s.trash, trash{dir: d, path: d.Path + "/" + e.Name})
		case futureSuffix:
			s.foundFuture(tp, &future{dir: d, path: d.Path + "/" + e.Name})
		}
	}
	return nil
}

// Err is the failure that took the directory offline.
func (d *Dir) Err() error {
	d.failMu.Lock()
	defer d.failMu.Unlock()
	return d.failed
}

// ID is the directory's id.
func (d *Dir) ID() ids.DirectoryID { return d.Meta.DirectoryID }

// Space is the free and total space of the directory's file system in bytes.
func (d *Dir) Space() (free, total int64, err error) { return d.fs.Space(d.Path) }

// FailDir takes a directory offline: nothing in it is opened or looked after any
// more, and its owner is told to stop using the logs that are open. The
// directories that Open itself found failing are not reported: Offline has them.
func (s *Set) FailDir(d *Dir, err error) {
	d.failMu.Lock()
	first := d.failed == nil
	if first {
		d.failed = fmt.Errorf("%w: %s: %w", ErrOffline, d.Path, err)
	}
	d.failMu.Unlock()
	if first && s.opened && s.o.OnFailure != nil {
		go s.o.OnFailure(d.Path, d.Meta.DirectoryID, err)
	}
}

// Dirs are the directories that are online, in the order of log.dirs.
func (s *Set) Dirs() []*Dir {
	var out []*Dir
	for _, d := range s.dirs {
		if d.Err() == nil {
			out = append(out, d)
		}
	}
	return out
}

// Offline are the paths of the directories that failed.
func (s *Set) Offline() []string {
	var out []string
	for _, d := range s.dirs {
		if d.Err() != nil {
			out = append(out, d.Path)
		}
	}
	return out
}

// All are the directories in the order of log.dirs, offline ones included.
func (s *Set) All() []*Dir { return s.dirs }

// DirByID finds a directory that is online.
func (s *Set) DirByID(id ids.DirectoryID) (*Dir, bool) {
	for _, d := range s.Dirs() {
		if d.Meta.DirectoryID == id {
			return d, true
		}
	}
	return nil, false
}

// CleanShutdown tells whether all directories were closed cleanly.
func (s *Set) CleanShutdown() bool {
	for _, d := range s.dirs {
		if !d.clean {
			return false
		}
	}
	return true
}

// PreviousBrokerEpoch is the broker epoch that the clean shutdown noted, the
// same in all directories; -1 otherwise.
func (s *Set) PreviousBrokerEpoch() int64 {
	epoch := int64(-1)
	for i, d := range s.dirs {
		if !d.clean || i > 0 && d.epoch != epoch {
			return -1
		}
		epoch = d.epoch
	}
	return epoch
}
