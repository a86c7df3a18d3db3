// Package check verifies data directories offline: it reads every file of
// every partition and says what is wrong where. It changes nothing.
//
// The flow: Dirs locks the directories, reads what they say of themselves
// (identity, checkpoints), finds the partitions and checks each; afterwards it
// compares what only several partitions or directories together can get wrong.
// A partition is read once, from its first batch to its last (walk.go): every
// batch is held against
//   - itself: size, magic, CRC, records, offsets and leader epochs that never fall;
//   - the entries of the offset and time index that must point to it, with one
//     cursor an index (index.go);
//   - the leader-epoch checkpoint;
//   - the producer state, replayed from the first batch on (replay.go): every
//     snapshot of it must be that state, and every entry of the transaction index
//     one that the replay makes.
//
// A finding names file and byte. What the next start repairs by itself without
// losing a record that was flushed (a torn tail, an index that is behind or
// missing, a checkpoint that names a deleted topic) is reported as repairable.
//
// Memory is bounded by one batch, the indexes of one segment and the producers
// of one partition.
package check

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Finding is something wrong.
type Finding struct {
	Path       string
	Pos        int64 // byte in the file; -1 where it does not apply
	Problem    string
	Repairable bool // the next start repairs it without losing a record that was flushed
}

func (f Finding) String() string {
	where := f.Path
	if f.Pos >= 0 {
		where += ":" + strconv.FormatInt(f.Pos, 10)
	}
	if f.Repairable {
		return where + ": " + f.Problem + " (repaired by the next start)"
	}
	return where + ": " + f.Problem
}

// Totals counts what was read.
type Totals struct {
	Partitions, Segments, Batches int
	Records, Bytes                int64
}

// ErrInUse: a server uses the directory, so that what is read would be half old, half new.
var ErrInUse = errors.New("the folder is in use: stop the server that uses it, or check a copy")

// ErrWhoseLock: it cannot be told whether a server uses the directory.
var ErrWhoseLock = errors.New("a server may be using the folder: ask as the user that owns it, or check a copy")

// maxFile bounds a file that is read whole: an index, a snapshot, a checkpoint.
const maxFile = 1 << 30

// Options of Dirs.
type Options struct {
	// Progress is told of bytes of segments that were read; may be nil.
	Progress func(bytes int64)
}

// Dirs verifies the data directories of one node and calls report for every
// finding. Its error is one of getting at a directory: ErrInUse, ErrWhoseLock, or of I/O.
func Dirs(fsys vfs.FS, dirs []string, o Options, report func(Finding)) (Totals, error) {
	c := &checker{fs: fsys, o: o, report: report, metas: map[string]logdir.MetaProperties{},
		seen: map[ids.TopicPartition]string{}, topics: map[string]topicAt{}, byID: map[ids.TopicID]topicAt{}}
	for _, dir := range dirs {
		if err := c.dir(path.Clean(dir)); err != nil {
			return c.total, err
		}
	}
	return c.total, nil
}

// checker is a check under way.
type checker struct {
	fs     vfs.FS
	o      Options
	report func(Finding)
	total  Totals

	metas  map[string]logdir.MetaProperties // by directory
	order  []string                         // of metas
	seen   map[ids.TopicPartition]string    // partitions in use, by the directory they lie in
	topics map[string]topicAt               // the id that each topic's partitions must have
	byID   map[ids.TopicID]topicAt
}

type topicAt struct {
	name string
	id   ids.TopicID
	path string // of the partition.metadata that said so first
}

func (c *checker) find(path string, pos int64, format string, args ...any) {
	c.report(Finding{path, pos, fmt.Sprintf(format, args...), false})
}

func (c *checker) repairable(path string, pos int64, format string, args ...any) {
	c.report(Finding{path, pos, fmt.Sprintf(format, args...), true})
}

// lock keeps servers away while the directory is read. A directory without a
// lock file was never used, and none is made; one on a file system that cannot be
// written to (a snapshot, a read-only mount) is nobody's. Where only this user may
// not write, a server of another one may be at work.
func (c *checker) lock(dir string) (io.Closer, error) {
	name := dir + "/" + logdir.LockFile
	if _, err := c.fs.Stat(name); err != nil {
		return io.NopCloser(nil), nil //nolint:nilerr // there is nobody to exclude
	}
	l, err := c.fs.Lock(name)
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	case err != nil && readOnly(err):
		return io.NopCloser(nil), nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w", err, ErrWhoseLock)
	}
	return l, err
}

// dir verifies one data directory.
func (c *checker) dir(dir string) error {
	names, err := c.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	lock, err := c.lock(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	f := c.ownFiles(dir, names)
	for _, e := range names {
		if err := c.entry(dir, e, f); err != nil {
			return err
		}
	}
	f.leftOver()
	return nil
}

// entry verifies one name of a data directory.
func (c *checker) entry(dir string, e vfs.Entry, own *ownFiles) error {
	full := dir + "/" + e.Name
	if !e.IsDir {
		if !own.knows(e.Name) {
			c.find(full, -1, "a stray file: no server makes or reads it here")
		}
		return nil
	}
	tp, state, ok := logdir.ParseName(e.Name)
	switch {
	case !ok:
		c.find(full, -1, "a stray folder: its name is not that of a partition")
		return nil
	case state == logdir.Deleted:
		return nil // the next start removes it, whatever is in it
	case state == logdir.Future || state == logdir.Stray:
		return c.aside(full, tp)
	}
	if other, ok := c.seen[tp]; ok {
		c.find(full, -1, "the partition lies in %s too: Apache Kafka does not start with both, gregor takes the one that the metadata names and sets the other aside; move one of them away", other)
	}
	c.seen[tp] = dir
	return c.partition(full, tp, own.take(tp))
}

// aside verifies a folder that nobody is served from: a copy that was being made,
// or one that the metadata does not know. Whatever is wrong there costs nothing.
func (c *checker) aside(dir string, tp ids.TopicPartition) error {
	tell := c.report
	defer func() { c.report = tell }()
	c.report = func(f Finding) {
		f.Repairable = true
		tell(f)
	}
	return c.partition(dir, tp, partitionFacts{})
}

// read returns a small file's bytes and whether it is there; errors are reported.
func (c *checker) read(name string) ([]byte, bool) {
	b, err := vfs.ReadFile(c.fs, name, maxFile)
	if err == nil {
		return b, true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.find(name, -1, "cannot be read: %v", err)
	}
	return nil, false
}
