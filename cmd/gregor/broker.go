package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/broker/api"
	"github.com/gregorbroker/gregor/broker/coord"
	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/broker/lifecycle"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// brokerRole is the broker of a node: its rooms, and how they hang together.
type brokerRole struct {
	node      *config.Node
	log       *zap.Logger
	folders   *folders
	replicas  *replica.Manager
	groups    *coord.Groups
	config    *api.Config
	cluster   *api.Cluster
	forward   *forward.Client
	lifecycle *lifecycle.Manager
	handler   *api.Server
	server    *conn.Server
	values    *configs.Values // as the replicas know them
}

// newBroker makes the rooms from the bottom up. active reaches the controller.
func newBroker(node *config.Node, l logs, f *folders, active *forward.Client) (*brokerRole, error) {
	v, log := node.Values, l.Named(brokerLogger)
	b := &brokerRole{node: node, log: log, folders: f, values: v, forward: active}
	b.replicas = replica.New(replica.Options{Node: node.ID, FS: vfs.OS, Logs: f.logs, Clock: nowMs, Broker: v, Controller: b.forward,
		Requests: func() int64 { return b.server.Counters().Requests.Load() }, Logger: log})
	b.groups = coord.NewGroups(b.replicas, v, log)
	b.config = api.NewConfig(v, node.ID, b.replicas.Image)
	b.cluster = &api.Cluster{ID: f.meta.ClusterID, Image: b.replicas.Image}
	var err error
	if b.lifecycle, err = b.newLifecycle(); err != nil {
		return nil, err
	}
	b.handler, err = b.newHandler(l.levels)
	b.server = conn.NewServer(conn.Options{Logger: log, RequestBytes: v.Long("queued.max.request.bytes")})
	return b, err
}

func (b *brokerRole) newLifecycle() (*lifecycle.Manager, error) {
	v := b.node.Values
	incarnation, err := ids.RandomUUID(rand.Reader)
	if err != nil {
		return nil, err
	}
	o := lifecycle.Options{
		Node: b.node.ID, ClusterID: b.folders.meta.ClusterID, Incarnation: incarnation,
		Endpoints: endpoints(b.node.Advertised), Features: image.SupportedFeatures(),
		PreviousEpoch:       b.folders.logs.PreviousBrokerEpoch(),
		HeartbeatInterval:   ms(v.Int("broker.heartbeat.interval.ms")),
		SessionTimeout:      ms(v.Int("broker.session.timeout.ms")),
		RegistrationTimeout: ms(v.Int("initial.broker.registration.timeout.ms")),
		DirectoryTimeout:    v.Time("log.dir.failure.timeout.ms", time.Millisecond),
		Controller:          b.forward, Logger: b.log,
	}
	if rack := v.String("broker.rack"); rack != "" {
		o.Rack = &rack
	}
	for _, d := range b.folders.logs.Dirs() {
		o.Directories = append(o.Directories, d.Meta.DirectoryID)
	}
	o.CordonedDirs = b.cordoned()
	return lifecycle.New(o), nil
}

// cordoned are the directories that shall get no new replica.
func (b *brokerRole) cordoned() (out []ids.DirectoryID) {
	for _, d := range b.folders.logs.Dirs() {
		if d.Cordoned() {
			out = append(out, d.Meta.DirectoryID)
		}
	}
	return out
}

// endpoints is what the registration tells: an empty host means this machine.
func endpoints(list []configs.Endpoint) []image.Endpoint {
	var out []image.Endpoint
	for _, e := range list {
		out = append(out, image.Endpoint{Name: e.Name, Host: orLocalhost(e), Port: uint16(e.Port), SecurityProtocol: configs.SecurityProtocols[e.Protocol]})
	}
	return out
}

func (b *brokerRole) newHandler(levels *api.LogLevels) (*api.Server, error) {
	v := b.node.Values
	alive := func() int { return b.replicas.Image().Cluster.Brokers() }
	return api.New(api.Parts{
		Node: b.node.ID, Logger: b.log, UnstableVersions: v.Bool("unstable.api.versions.enable"),
		Replicas: b.replicas,
		Sessions: fetchsession.New(int(v.Int("max.incremental.fetch.session.cache.slots")), nowMs),
		Fetch:    api.FetchConfig{MaxBytes: v.Int("fetch.max.bytes")},
		ProducerIDs: forward.NewProducerIDs(b.forward, int32(b.node.ID), b.lifecycle.Epoch,
			ms(v.Int("request.timeout.ms")), b.log),
		Cluster: b.cluster, Config: b.config, Forward: b.forward,
		Topics: forward.NewTopicCreator(b.forward, func(topic string) forward.TopicSpec { return forward.SpecOf(b.config.Now(), topic) }, alive, b.log),
		Groups: b.groups, Loggers: levels,
	})
}

// publish follows one step of the metadata. The order is the rooms': replicas
// take their roles before the coordinators hear of it, and the lifecycle comes
// last, because the broker is caught up with what the others have done.
func (b *brokerRole) publish(d *image.Delta, img *image.Image) {
	b.replicas.Apply(d, img)
	b.groups.Apply(d, img)
	if now := b.config.Now(); now != b.values {
		b.values = now
		b.replicas.SetBroker(now)
		b.folders.logs.Cordon(now.List("cordoned.log.dirs"))
		b.lifecycle.SetCordoned(b.cordoned())
	}
	b.lifecycle.Publish(d, img)
}

// join registers the broker and returns when clients may come.
func (b *brokerRole) join(ctx context.Context, failed <-chan error) error {
	b.replicas.Start()
	b.lifecycle.Start()
	for _, step := range []struct {
		reached <-chan struct{}
		then    func()
	}{
		{b.lifecycle.CaughtUp(), func() { b.replicas.MarkStrays(); b.lifecycle.ReadyToUnfence() }},
		{b.lifecycle.Unfenced(), func() {}},
	} {
		select {
		case <-step.reached:
			step.then()
		case err := <-b.lifecycle.Failed():
			return b.cannotJoin(err)
		case err := <-failed:
			return err
		case <-ctx.Done():
			return errToldToStop
		}
	}
	return nil
}

// cannotJoin says in one line why, and what to look at.
func (b *brokerRole) cannotJoin(err error) error {
	reason := strings.ReplaceAll(err.Error(), "\n", ": ")
	cure := fmt.Sprintf("correct controller.quorum.bootstrap.servers, or use a folder of that cluster (this one's is %s)", b.folders.meta.ClusterID)
	if errors.Is(err, lifecycle.ErrRegistrationTimeout) {
		cure = fmt.Sprintf("see that the controllers at %s run, can be reached from here and have this node's cluster id, %s, and that no other broker has its node.id, %d",
			strings.Join(b.node.ControllerAddresses(), ","), b.folders.meta.ClusterID, b.node.ID)
	}
	return fmt.Errorf("the broker cannot join its cluster: %s: %s", reason, cure)
}

// listen opens the client ports: from here on clients are served. Their bounds are
// those of the configuration as the cluster has it now.
func (b *brokerRole) listen(p *ports) error {
	for i := range p.broker {
		l, err := p.broker[i].open(b.node.Values.Int("socket.listen.backlog.size"))
		if err != nil {
			return err
		}
		go b.server.Serve(l, p.broker[i].Name, b.handler, limits(b.config.Now(), p.broker[i].Name))
	}
	return nil
}

// leave hands the leaderships over and answers what is still open, so that
// nobody is served any more; the logs stay open until close.
func (b *brokerRole) leave(ctx context.Context) {
	if b.node.Values.Bool("controlled.shutdown.enable") {
		if err := b.lifecycle.Shutdown(ctx); err != nil {
			b.log.Warn("The controller did not confirm the shutdown", zap.Error(err))
		}
	}
	if err := b.server.Shutdown(ctx); err != nil {
		b.log.Warn("Some clients were cut off", zap.Error(err))
	}
	b.groups.Close()
	b.lifecycle.Close()
}

// close flushes and closes the logs.
func (b *brokerRole) close() error {
	hw := b.watermarks()
	b.replicas.Close()
	return b.folders.logs.Close(b.lifecycle.Epoch(), hw)
}

// watermarks asks the partitions before they retire.
func (b *brokerRole) watermarks() func(ids.TopicPartition) (ids.Offset, bool) {
	known := map[ids.TopicPartition]ids.Offset{}
	b.replicas.Each(func(p *replica.Partition) bool {
		known[p.TP()] = p.HighWatermark()
		return true
	})
	return func(tp ids.TopicPartition) (ids.Offset, bool) {
		hw, ok := known[tp]
		return hw, ok
	}
}

// limits are the bounds of one listener's clients.
func limits(v *configs.Values, listener string) conn.Limits {
	l := conn.Limits{
		MaxFrame:       v.Int("socket.request.max.bytes"),
		MaxConnections: int(min(v.Int("max.connections"), v.Int("listener.name."+strings.ToLower(listener)+".max.connections"))),
		MaxPerIP:       int(v.Int("max.connections.per.ip")),
		Idle:           v.Time("connections.max.idle.ms", time.Millisecond),
	}
	// Kafka's defaults (100 KiB) would switch off the system's own tuning, so
	// they hold only when somebody asks for them.
	if v.IsSet("socket.send.buffer.bytes") {
		l.SendBuffer = int(v.Int("socket.send.buffer.bytes"))
	}
	if v.IsSet("socket.receive.buffer.bytes") {
		l.ReceiveBuffer = int(v.Int("socket.receive.buffer.bytes"))
	}
	return l
}

func ms(n int32) time.Duration { return time.Duration(n) * time.Millisecond }
