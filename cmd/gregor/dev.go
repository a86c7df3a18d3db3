package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/format"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// devOptions are the flags of `gregor` without a command.
type devOptions struct {
	data, listen string
	overrides    []string
	logs         logOptions
}

// devProperties are the configuration of a development node: one process that
// is broker and controller, on loopback, with the replication factors of
// Kafka's internal topics at the one broker there is.
func devProperties(o devOptions) (map[string]string, error) {
	host, port, err := net.SplitHostPort(o.listen)
	n, numErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numErr != nil {
		return nil, usageError{fmt.Errorf("--listen %q: write host:port, such as localhost:9092", o.listen)}
	}
	data, err := filepath.Abs(o.data)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return nil, usageError{fmt.Errorf("--listen %q names no host: a development node has no authentication, so say which address it may be reached at", o.listen)}
	}
	controller := uint64(0) // like the client port any free one
	if n > 0 {
		controller = n + 1
	}
	controllerAddr := net.JoinHostPort(host, strconv.FormatUint(controller, 10))
	props := map[string]string{
		"process.roles":                       "broker,controller",
		"node.id":                             "1",
		"log.dirs":                            data,
		"listeners":                           "PLAINTEXT://" + o.listen + ",CONTROLLER://" + controllerAddr,
		"controller.listener.names":           "CONTROLLER",
		"controller.quorum.bootstrap.servers": controllerAddr,
		"offsets.topic.replication.factor":    "1",
		"group.initial.rebalance.delay.ms":    "0",
	}
	return props, config.Override(props, o.overrides)
}

func runDev(ctx context.Context, o devOptions) error {
	log, err := o.logs.logger(os.Stdout)
	if err != nil {
		return err
	}
	props, err := devProperties(o)
	if err != nil {
		return err
	}
	node, err := config.Load(props)
	if err != nil {
		return err
	}
	if err := formatIfEmpty(node); err != nil {
		return err
	}
	return serve(ctx, node, config.Warnings(props), log)
}

// formatIfEmpty formats the development node's folder when it is new or
// empty. A folder with anything else in it is somebody's.
func formatIfEmpty(node *config.Node) error {
	_, err := logdir.ReadMeta(vfs.OS, node.MetadataDir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(node.MetadataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty and not a gregor or Kafka folder (it has no meta.properties): name an empty or new one with --data", node.MetadataDir)
	}
	cluster, err := ids.RandomUUID(rand.Reader)
	if err != nil {
		return err
	}
	levels, err := format.NewLevels(nil, "", true)
	if err != nil {
		return err
	}
	voters, err := format.Standalone(node.ID, controllerEndpoint(node), rand.Reader)
	if err != nil {
		return err
	}
	return format.Run(format.Options{
		FS: vfs.OS, NodeID: node.ID, ClusterID: cluster.String(), Dirs: node.AllDirs(), MetadataDir: node.MetadataDir,
		Levels: levels, Voters: voters, Rand: rand.Reader, Now: time.Now(),
	}, io.Discard)
}
