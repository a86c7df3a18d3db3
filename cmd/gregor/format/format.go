// Package format prepares a node's directories the way kafka-storage format
// does: meta.properties in each, bootstrap.checkpoint with the first metadata
// records, and for a dynamic quorum (kraft.version 1) the voter set as the
// metadata log's first snapshot. Apache Kafka starts on what it leaves.
package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// BootstrapFile is the name of the file with the first metadata records.
const BootstrapFile = "bootstrap.checkpoint"

// MetadataFolder is the metadata log's folder within metadata.log.dir.
const MetadataFolder = "__cluster_metadata-0"

// Options say what to format.
type Options struct {
	FS              vfs.FS
	NodeID          ids.NodeID
	ClusterID       string
	Dirs            []string // all that carry a meta.properties, MetadataDir among them
	MetadataDir     string
	IgnoreFormatted bool // skip formatted directories instead of failing
	Levels          Levels
	Scram           []records.Record
	// Voters is the initial voter set, nil for a static quorum and for a node
	// that joins later.
	Voters []raft.Voter
	Rand   io.Reader // of directory ids
	Now    time.Time
}

// Run formats and tells out what it did, in kafka-storage's words.
func Run(o Options, out io.Writer) error {
	empty, err := emptyDirs(o)
	if err != nil {
		return err
	}
	if len(empty) == 0 {
		_, err := fmt.Fprintln(out, "All of the log directories are already formatted.")
		return err
	}
	for _, dir := range empty {
		fmt.Fprintf(out, "Formatting %s %s with metadata.version %s.\n", o.describe(dir), dir, o.Levels.MetadataVersion())
		if err := o.formatDir(dir); err != nil {
			return fmt.Errorf("cannot format %s: %w", dir, err)
		}
	}
	return nil
}

// emptyDirs returns the directories without meta.properties, after checking
// that the others are this node's.
func emptyDirs(o Options) ([]string, error) {
	var empty []string
	for _, dir := range o.Dirs {
		m, err := logdir.ReadMeta(o.FS, dir)
		if errors.Is(err, fs.ErrNotExist) {
			empty = append(empty, dir)
			continue
		}
		if err != nil {
			return nil, err
		}
		if m.ClusterID != o.ClusterID {
			return nil, fmt.Errorf("%s belongs to cluster %s, not %s: give that cluster id, or another folder", dir, m.ClusterID, o.ClusterID)
		}
		if m.HasNodeID && m.NodeID != o.NodeID {
			return nil, fmt.Errorf("%s belongs to node %d, not %d: correct node.id, or use another folder", dir, m.NodeID, o.NodeID)
		}
		if !o.IgnoreFormatted {
			return nil, fmt.Errorf("Log directory %s is already formatted. Use --ignore-formatted to ignore this directory and format the others.", dir)
		}
	}
	return empty, nil
}

func (o Options) self() (raft.Voter, bool) {
	for _, v := range o.Voters {
		if v.Key.ID == o.NodeID {
			return v, true
		}
	}
	return raft.Voter{}, false
}

func (o Options) describe(dir string) string {
	switch _, voter := o.self(); {
	case dir != o.MetadataDir:
		return "data directory"
	case o.Voters == nil:
		return "metadata directory"
	case voter:
		return "dynamic metadata voter directory"
	default:
		return "dynamic metadata directory"
	}
}

// formatDir writes meta.properties last: a directory that has one is complete.
func (o Options) formatDir(dir string) error {
	if err := o.FS.MkdirAll(dir); err != nil {
		return err
	}
	id, err := o.directoryID(dir)
	if err != nil {
		return err
	}
	if err := o.writeBootstrap(dir); err != nil {
		return err
	}
	if dir == o.MetadataDir && o.Voters != nil {
		if err := o.writeVoters(dir); err != nil {
			return err
		}
	}
	return logdir.WriteMeta(o.FS, dir, logdir.MetaProperties{
		Version: 1, ClusterID: o.ClusterID, NodeID: o.NodeID, HasNodeID: true, DirectoryID: id,
	})
}

func (o Options) directoryID(dir string) (ids.DirectoryID, error) {
	if v, ok := o.self(); ok && dir == o.MetadataDir {
		return v.Key.Directory, nil
	}
	u, err := ids.RandomUUID(o.Rand)
	return ids.DirectoryID(u), err
}

// writeBootstrap writes the records that the first active controller begins
// the metadata log with.
func (o Options) writeBootstrap(dir string) error {
	recs := append(o.Levels.records(), o.Scram...)
	return raftio.WriteSnapshotFile(raftio.SnapshotOptions{
		FS: o.FS, Path: filepath.Join(dir, BootstrapFile), Now: o.Now.UnixMilli(),
	}, framed(recs))
}

func framed(recs []records.Record) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, r := range recs {
			if !yield(records.Append(nil, r, 0)) {
				return
			}
		}
	}
}

// writeVoters writes the snapshot 0-0 that makes the initial voter set known.
func (o Options) writeVoters(dir string) error {
	voters, err := raft.NewVoterSet(o.Voters...)
	if err != nil {
		return err
	}
	log := filepath.Join(dir, MetadataFolder)
	if err := o.FS.MkdirAll(log); err != nil {
		return err
	}
	return raftio.WriteSnapshotFile(raftio.SnapshotOptions{
		FS: o.FS, Path: filepath.Join(log, raftio.SnapshotName(ids.OffsetAndEpoch{})),
		AppendTime: o.Now.UnixMilli(), Now: o.Now.UnixMilli(),
		KRaftVersion: o.Levels[image.KRaftVersionFeature], Voters: voters,
	}, func(func([]byte) bool) {})
}
