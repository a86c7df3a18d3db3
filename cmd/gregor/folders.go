package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/format"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// folders are the node's directories, locked.
type folders struct {
	meta        logdir.MetaProperties // of metadata.log.dir
	metadataDir string                // metadata.log.dir, which may be one of logs
	logs        *logdir.Set           // of a broker, nil on a controller only
	lock        io.Closer             // of metadata.log.dir, when logs does not hold it
}

// openFolders locks the node's directories and checks that they are its own.
// failed is told of a log directory whose I/O failed.
func openFolders(node *config.Node, log *zap.Logger, failed func(string, ids.DirectoryID, error)) (*folders, error) {
	meta, err := logdir.ReadMeta(vfs.OS, node.MetadataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not formatted (it has no meta.properties): run gregor format -c FILE -t $(gregor random-uuid) --standalone first", node.MetadataDir)
	}
	if err != nil {
		return nil, cure(node.MetadataDir, err)
	}
	if meta.HasNodeID && meta.NodeID != node.ID {
		return nil, fmt.Errorf("%s belongs to node %d, but node.id is %d: correct node.id, or use another folder", node.MetadataDir, meta.NodeID, node.ID)
	}
	f := &folders{meta: meta, metadataDir: node.MetadataDir}
	for _, d := range node.LogDirs {
		astray := filepath.Join(d, format.MetadataFolder)
		if _, err := vfs.OS.Stat(astray); err == nil && d != node.MetadataDir {
			return nil, fmt.Errorf("found a metadata log in %s, but the metadata directory is %s: correct metadata.log.dir, or move what is in the wrong place away", astray, node.MetadataDir)
		}
	}
	if !node.Broker || !contains(node.LogDirs, node.MetadataDir) {
		if f.lock, err = vfs.OS.Lock(filepath.Join(node.MetadataDir, ".lock")); err != nil {
			return nil, cure(node.MetadataDir, err)
		}
	}
	if !node.Broker {
		return f, nil
	}
	if f.logs, err = openLogs(node, meta.ClusterID, log, failed); err != nil {
		f.unlock()
		return nil, cure("", err)
	}
	for _, d := range f.logs.All() {
		if err := d.Err(); err == nil {
			continue
		} else if d.Path == node.MetadataDir {
			f.unlock()
			return nil, cure(d.Path, err)
		}
		log.Error("A log directory cannot be used, its partitions are offline until the next start", zap.String("dir", d.Path), zap.Error(cure(d.Path, d.Err())))
	}
	f.logs.Cordon(node.Values.List("cordoned.log.dirs"))
	return f, nil
}

func openLogs(node *config.Node, clusterID string, log *zap.Logger, failed func(string, ids.DirectoryID, error)) (*logdir.Set, error) {
	v := node.Values
	return logdir.Open(logdir.Options{
		FS: vfs.OS, Dirs: node.LogDirs, ClusterID: clusterID, NodeID: node.ID,
		OnFailure:           failed,
		RetentionIntervalMs: v.Long("log.retention.check.interval.ms"),
		RecoveryIntervalMs:  int64(min(v.Int("log.flush.offset.checkpoint.interval.ms"), v.Int("log.flush.start.offset.checkpoint.interval.ms"))),
		MaxAwake:            vfs.MaxOpenFiles() / 2,
		Env: &partlog.Env{
			Clock:                nowMs,
			ProducerExpirationMs: int64(v.Int("producer.id.expiration.ms")),
			MaxTxnTimeoutMs:      int64(v.Int("transaction.max.timeout.ms")),
			Random:               rand.Int64N,
			Warn: func(tp ids.TopicPartition, msg string, err error) {
				log.Warn(msg, zap.Stringer("partition", tp), zap.Error(err))
			},
		},
	})
}

// cure says in one line why a directory cannot be used and what to do. dir is ""
// where the error names it. Of the world's errors only the innermost counts: it
// has the file.
func cure(dir string, err error) error {
	var file *fs.PathError
	if !errors.As(err, &file) {
		file = &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return fmt.Errorf("%s is locked, it is in use by another process: stop the server that runs on it, or use another folder", filepath.Dir(file.Path))
	case errors.Is(err, logdir.ErrUnformatted):
		return fmt.Errorf("%w: run gregor format -c FILE -t CLUSTER_ID --ignore-formatted with the id in the meta.properties of the others", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the user that runs gregor must own the folder and all that is in it (chown -R)", file)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount it to be written to, or use another folder", file)
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: raise the number of files that a process may have open (ulimit -n, LimitNOFILE)", file)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room on that disk", file)
	}
	return err
}

// unlock lets go of the directories without a word on disk: the node never ran.
func (f *folders) unlock() {
	if f.logs != nil {
		f.logs.Abandon()
	}
	if f.lock != nil {
		f.lock.Close()
	}
}

func nowMs() int64 { return time.Now().UnixMilli() }

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
