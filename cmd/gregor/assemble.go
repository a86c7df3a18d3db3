package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/format"
	"github.com/gregorbroker/gregor/controller"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// leaveTimeout bounds how long a clean shutdown waits for controllers and
// clients before it closes the logs all the same.
const leaveTimeout = 10 * time.Second

// running is a node at work. THE wiring is in start: what is made, in which
// order, and who is told of what.
type running struct {
	log        logs
	folders    *folders
	controller *controller.Controller
	active     *forward.Client   // to the active controller
	listeners  *controllerServer // nil on a broker only
	broker     *brokerRole       // nil on a controller only
	monitor    *monitorPort      // nil when no HTTP port is configured
	failed     chan error        // why the node cannot go on; room for one
}

// start brings a node up: ports are bound and folders locked before anything
// is written, the quorum comes before the broker that follows it, and the
// client ports open when everything behind them is ready. A node that cannot
// start says one thing only, the error: warnings wait until its ports and
// folders are its own.
func start(ctx context.Context, node *config.Node, warnings []string, log logs) (_ *running, err error) {
	began := time.Now()
	p, err := reservePorts(node)
	if err != nil {
		return nil, err
	}
	defer p.release()
	r := &running{log: log, failed: make(chan error, 1)}
	if r.monitor, err = bindMonitor(node); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.abandon()
		}
	}()
	if r.folders, err = openFolders(node, log.Logger, r.directoryFailed); err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn(w)
	}
	p.tell(node, log.Logger)
	if err = r.assemble(node, p); err != nil {
		return nil, err
	}
	r.monitor.open(r, node)
	if err = r.controller.Start(); err != nil {
		return nil, err
	}
	if r.broker != nil {
		if err = r.broker.join(ctx, r.failed); err != nil {
			return nil, err
		}
		if err = r.broker.listen(p); err != nil {
			return nil, err
		}
	}
	r.monitor.setReady(true)
	if r.broker != nil {
		go r.watch()
	}
	log.Info("Kafka Server started", zap.Int32("node", int32(node.ID)), zap.String("cluster", r.folders.meta.ClusterID),
		zap.String("version", version), zap.Duration("after", time.Since(began)))
	return r, nil
}

// assemble makes the rooms and ties them together; nothing runs yet.
func (r *running) assemble(node *config.Node, p *ports) error {
	incarnation, err := ids.RandomUUID(rand.Reader)
	if err != nil {
		return err
	}
	o := controller.Options{
		Raft: quorumOptions(node, r.folders, r.log.Named(controllerLogger), r.fail), Config: node.Values,
		BootstrapPath: filepath.Join(node.MetadataDir, format.BootstrapFile),
		Incarnation:   incarnation, Endpoints: endpoints(node.ControllerAdvertised),
	}
	// The broker asks the controller, and the controller tells the broker: the way
	// to it and the broker are made first and find it when they first dial.
	r.active = forward.New(forward.Options{Dial: r.dialActive(node.ID), RequestTimeout: ms(node.Values.Int("request.timeout.ms")), Logger: r.log.Named(brokerLogger)})
	o.Ask, o.LeaderChanged = r.active, r.active.SetLeader
	if node.Broker {
		if r.broker, err = newBroker(node, r.log, r.folders, r.active); err != nil {
			return err
		}
		o.Publishers = []image.Publisher{r.broker.publish}
	}
	if r.controller, err = controller.New(o); err != nil {
		return err
	}
	if r.broker != nil {
		r.broker.cluster.KRaftVersion = r.controller.KRaftVersion
	}
	if node.Controller {
		r.listeners, err = serveControllers(node.Values, r.controller, p, r.log.Named(controllerLogger))
	}
	return err
}

// dialActive connects to the active controller, in this process or another.
func (r *running) dialActive(self ids.NodeID) func(context.Context, ids.NodeID) (forward.Peer, error) {
	return func(ctx context.Context, id ids.NodeID) (forward.Peer, error) {
		var pipe conn.DialFunc
		if r.listeners != nil {
			pipe = r.listeners.pipe
		}
		return dialController(self, pipe, r.controller.LeaderEndpoints)(ctx, id)
	}
}

// fail says that the node cannot go on; only the first reason counts.
func (r *running) fail(err error) {
	select {
	case r.failed <- err:
	default:
	}
}

// directoryFailed is told of a log directory whose I/O failed: its partitions
// are offline, and the controller has to know. Without any directory left the
// broker has nothing to serve, and without the metadata log it knows nothing.
func (r *running) directoryFailed(dir string, id ids.DirectoryID, err error) {
	r.log.Error("Log directory failed, its partitions are offline", zap.String("dir", dir), zap.Error(err))
	switch {
	case dir == r.folders.metadataDir:
		r.fail(fmt.Errorf("the directory of the metadata log has failed: %s: %w", dir, err))
		return
	case len(r.folders.logs.Dirs()) == 0:
		r.fail(fmt.Errorf("all log directories have failed, the last one was %s: %w", dir, err))
		return
	}
	r.broker.replicas.DirectoryFailed(id)
	r.broker.lifecycle.DirectoryFailed(id)
}

// watch ends the node when its broker cannot go on in the cluster.
func (r *running) watch() {
	select {
	case err := <-r.broker.lifecycle.Failed():
		r.fail(err)
	case <-r.broker.lifecycle.Stopped():
	}
}

// stop shuts the node down cleanly: no more clients, then no more quorum, then
// everything on disk. The lead is given up while the controller's ports are
// open: what followers wait for is answered at once, and they need not wait
// for the port to close before they know.
func (r *running) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	r.monitor.setReady(false)
	defer r.monitor.close(ctx)
	if r.broker != nil {
		r.broker.leave(ctx)
	}
	r.active.Close()
	errs := []error{r.controller.Close()}
	if r.listeners != nil {
		errs = append(errs, r.listeners.server.Shutdown(ctx))
	}
	if r.broker != nil {
		errs = append(errs, r.broker.close())
	}
	if r.folders.lock != nil {
		errs = append(errs, r.folders.lock.Close())
	}
	return errors.Join(errs...)
}

// abandon undoes a start that failed half way.
func (r *running) abandon() {
	r.monitor.close(context.Background())
	if r.listeners != nil {
		r.listeners.server.Close()
	}
	if r.broker != nil {
		r.broker.server.Close()
	}
	if r.active != nil {
		r.active.Close()
	}
	if r.controller != nil {
		r.controller.Close()
	}
	if r.folders != nil {
		r.folders.unlock()
	}
}
