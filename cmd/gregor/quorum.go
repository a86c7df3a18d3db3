package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/format"
	"github.com/gregorbroker/gregor/controller"
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// quorumOptions describe this node's replica of the metadata log.
func quorumOptions(node *config.Node, f *folders, log *zap.Logger, failed func(error)) raftio.Options {
	v := node.Values
	o := raftio.Options{
		FS: vfs.OS, Dir: filepath.Join(node.MetadataDir, format.MetadataFolder),
		ClusterID: f.meta.ClusterID, DirectoryID: f.meta.DirectoryID, NodeID: node.ID,
		CanBeVoter: node.Controller, ListenerName: node.ControllerNames[0],
		AutoJoin: v.Bool("controller.quorum.auto.join.enable"),
		Config: raftio.Config{
			ElectionTimeout:  ms(v.Int("controller.quorum.election.timeout.ms")),
			FetchTimeout:     ms(v.Int("controller.quorum.fetch.timeout.ms")),
			ElectionBackoff:  ms(v.Int("controller.quorum.election.backoff.max.ms")),
			RequestTimeout:   ms(v.Int("controller.quorum.request.timeout.ms")),
			RetryBackoff:     ms(v.Int("controller.quorum.retry.backoff.ms")),
			FetchMaxBytes:    v.Int("controller.quorum.fetch.max.bytes"),
			SnapshotMaxBytes: v.Int("controller.quorum.fetch.snapshot.max.bytes"),
			SegmentBytes:     int64(v.Int("metadata.log.segment.bytes")),
			SegmentMs:        v.Long("metadata.log.segment.ms"),
			RetentionBytes:   v.Long("metadata.max.retention.bytes"),
			RetentionMs:      v.Long("metadata.max.retention.ms"),
		},
		Logger: log, Failed: failed,
	}
	// Kafka's default of 25 ms is for a leader that flushes for every append; here what
	// comes during a flush is flushed together anyway, so that waiting is only for who asks for it.
	if v.IsSet("controller.quorum.append.linger.ms") {
		o.Config.AppendLinger = ms(v.Int("controller.quorum.append.linger.ms"))
	}
	for _, e := range node.ControllerAdvertised {
		o.Endpoints = append(o.Endpoints, raft.Endpoint{Name: e.Name, Host: orLocalhost(e), Port: uint16(e.Port)})
	}
	for _, s := range node.Voters {
		o.StaticVoters = append(o.StaticVoters, format.NewVoter(ids.NodeID(s.ID), ids.DirectoryID{},
			raft.Endpoint{Name: node.ControllerNames[0], Host: s.Host, Port: uint16(s.Port)}))
	}
	for _, b := range node.Bootstrap {
		o.Bootstrap = append(o.Bootstrap, net.JoinHostPort(b.Host, strconv.Itoa(b.Port)))
	}
	return o
}

// dialController connects a broker to a controller: to the one in its own
// process through pipe, to any other over the network. leader tells where the
// leader listens.
func dialController(self ids.NodeID, pipe conn.DialFunc, leader func() []raft.Endpoint) func(context.Context, ids.NodeID) (forward.Peer, error) {
	return func(ctx context.Context, node ids.NodeID) (forward.Peer, error) {
		dial := pipe
		if node != self || pipe == nil {
			list := leader()
			if len(list) == 0 {
				return nil, fmt.Errorf("controller %d has told no address", node)
			}
			address := net.JoinHostPort(list[0].Host, strconv.Itoa(int(list[0].Port)))
			dial = func(ctx context.Context) (net.Conn, error) {
				d := net.Dialer{Timeout: 10 * time.Second}
				return d.DialContext(ctx, "tcp", address)
			}
		}
		c, err := conn.Dial(ctx, dial, "gregor-broker-"+strconv.Itoa(int(self)))
		if err != nil {
			return nil, err
		}
		return forward.Negotiate(ctx, c)
	}
}

// controllerServer serves the controller listeners, and the broker of the same
// process through memory.
type controllerServer struct {
	server *conn.Server
	pipe   conn.DialFunc
}

// serveControllers opens the controller ports.
func serveControllers(v *configs.Values, c *controller.Controller, p *ports, log *zap.Logger) (*controllerServer, error) {
	s := &controllerServer{server: conn.NewServer(conn.Options{Logger: log, RequestBytes: v.Long("queued.max.request.bytes")})}
	for i := range p.controller {
		l, err := p.controller[i].open(v.Int("socket.listen.backlog.size"))
		if err != nil {
			s.server.Close()
			return nil, err
		}
		go s.server.Serve(l, p.controller[i].Name, c.Handler(), limits(v, p.controller[i].Name))
	}
	memory, dial := conn.Pipe()
	s.pipe = dial
	go s.server.Serve(memory, p.controller[0].Name, c.Handler(), limits(v, p.controller[0].Name))
	return s, nil
}
