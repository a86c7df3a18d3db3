package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// folders are the node's directories, locked.
type folders struct {
	meta logdir.MetaProperties // of metadata.log.dir
	logs *logdir.Set           // of a broker, nil on a controller only
	lock io.Closer             // of metadata.log.dir, when logs does not hold it
}

// openFolders locks the node's directories and checks that they are its own.
// failed is told of a log directory whose I/O failed.
func openFolders(node *config.Node, log *zap.Logger, failed func(string, ids.DirectoryID, error)) (*folders, error) {
	meta, err := logdir.ReadMeta(vfs.OS, node.MetadataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not formatted (it has no meta.properties): run gregor format -c FILE -t $(gregor random-uuid) --standalone first", node.MetadataDir)
	}
	if err != nil {
		return nil, err
	}
	if meta.HasNodeID && meta.NodeID != node.ID {
		return nil, fmt.Errorf("%s belongs to node %d, but node.id is %d: correct node.id, or use another folder", node.MetadataDir, meta.NodeID, node.ID)
	}
	f := &folders{meta: meta}
	if !node.Broker || !contains(node.LogDirs, node.MetadataDir) {
		if f.lock, err = vfs.OS.Lock(filepath.Join(node.MetadataDir, ".lock")); err != nil {
			return nil, fmt.Errorf("%s is in use by another process: stop it, or use another folder: %w", node.MetadataDir, err)
		}
	}
	if !node.Broker {
		return f, nil
	}
	if f.logs, err = openLogs(node, meta.ClusterID, log, failed); err != nil {
		f.unlock()
		return nil, err
	}
	return f, nil
}

func openLogs(node *config.Node, clusterID string, log *zap.Logger, failed func(string, ids.DirectoryID, error)) (*logdir.Set, error) {
	v := node.Values
	return logdir.Open(logdir.Options{
		FS: vfs.OS, Dirs: node.LogDirs, ClusterID: clusterID, NodeID: node.ID,
		OnFailure:           failed,
		RetentionIntervalMs: v.Long("log.retention.check.interval.ms"),
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
