package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/monitor"
)

// monitorPort is the HTTP port of the node, when one is configured. It opens
// first, so that whoever asks during a long start hears "not ready" instead of
// nothing.
type monitorPort struct {
	listener net.Listener
	server   *monitor.Server
	ready    atomic.Bool
}

// bindMonitor takes the port, nil when none is wanted.
func bindMonitor(node *config.Node) (*monitorPort, error) {
	address := node.Values.String("gregor.http.listener")
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(address, "gregor.http.listener", err)
	}
	return &monitorPort{listener: l}, nil
}

// open starts to answer with what the rooms of r can tell.
func (m *monitorPort) open(r *running, node *config.Node) {
	if m == nil {
		return
	}
	m.server = monitor.New(monitor.Options{Ready: func() error { return m.isReady(r) }, Sources: r.sources(node), Logger: r.log.Logger})
	r.log.Info("HTTP port", zap.Stringer("bound", m.listener.Addr()))
	go func() {
		if err := m.server.Serve(m.listener); err != nil {
			r.log.Error("The HTTP port failed; the node goes on", zap.Error(err))
		}
	}()
}

// setReady says whether clients are served.
func (m *monitorPort) setReady(ready bool) {
	if m != nil {
		m.ready.Store(ready)
	}
}

// isReady says why the node serves nobody; nil when it does. A controller is of
// use to others when it knows who leads.
func (m *monitorPort) isReady(r *running) error {
	if !m.ready.Load() {
		return errors.New("starting or stopping: no clients are served")
	}
	if r.broker == nil && r.controller.QuorumMetrics().Leader < 0 {
		return errors.New("no leader of the quorum is known")
	}
	return nil
}

// close ends the port.
func (m *monitorPort) close(ctx context.Context) {
	switch {
	case m == nil:
	case m.server == nil:
		m.listener.Close()
	default:
		m.server.Close(ctx)
	}
}

// sources are what this node's roles have to tell.
func (r *running) sources(node *config.Node) []monitor.Source {
	ignoresVoters := func() bool { return len(node.Voters) > 0 && r.controller.KRaftVersion() > 0 }
	list := []monitor.Source{monitor.Build(version), monitor.Quorum(r.controller.QuorumMetrics), monitor.Metadata(r.controller.Metrics, ignoresVoters, r.listeners != nil)}
	if r.broker != nil {
		ends := newLogEnds(r.broker.replicas, node.Advertised, r.log.Logger)
		list = append(list, monitor.Replicas(r.broker.replicas), monitor.Groups(r.broker.groups.Stats),
			monitor.Lag(r.broker.groups.EachGroup, ends.find))
	}
	return list
}
