// Package controller is one node's part in the metadata quorum, put together:
// the replica of the metadata log (raftio), what follows and leads it (active),
// and the listener's requests (api). cmd makes one Controller a process, with
// the controller role or without; a broker without it follows the log as an
// observer through the same type.
//
//	c, err := controller.New(options)   // opens and recovers the log
//	c.Start()                           // takes part; publishers are called from here on
//	conn.Server.Serve(listener, name, c.Handler(), limits)
//	c.Close()
package controller

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/active"
	"github.com/gregorbroker/gregor/controller/api"
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/pulse"
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Options make a Controller.
type Options struct {
	// Raft opens the metadata log. Its Listener is set here; NodeID, ClusterID,
	// CanBeVoter (the controller role), Clock, Seed, Logger and Failed serve the
	// whole controller.
	Raft raftio.Options
	// Config is the static configuration of this node.
	Config *configs.Values
	// BootstrapPath is the file bootstrap.checkpoint. If it is not there, a new
	// cluster starts at the latest metadata version.
	BootstrapPath string
	// Incarnation is drawn anew by every process; for the registration of the controller.
	Incarnation ids.UUID
	// Endpoints are the controller listeners as advertised, for the registration.
	Endpoints []image.Endpoint
	// Publishers are called in order, from one goroutine, with every committed
	// step of the metadata. They must not wait for a request to the controller.
	Publishers []image.Publisher
	// LeaderChanged is told who leads, for brokers to know whom to ask; may be nil. It must not block.
	LeaderChanged func(ids.LeaderAndEpoch)
	// Ask reaches the active controller, for the registration of this one. Without
	// it a controller does not register.
	Ask Asker
}

// Controller is safe for concurrent use.
type Controller struct {
	o      Options
	node   *raftio.Node
	active *active.Controller
	api    *api.Server
	reg    *registrar // nil without the controller role
	pulse  *pulse.Watch
}

// New opens the metadata log and recovers it; nothing runs yet.
func New(o Options) (*Controller, error) {
	if o.Raft.Logger == nil {
		o.Raft.Logger = zap.NewNop()
	}
	if o.Raft.Clock == nil {
		o.Raft.Clock = time.Now
	}
	if o.Raft.Seed == 0 { // drawn: a process that draws what another drew makes its topic ids again
		o.Raft.Seed = rand.Uint64()
	}
	c := &Controller{o: o}
	if o.Raft.CanBeVoter && o.Ask != nil {
		c.reg = newRegistrar(&o)
		o.Publishers = append(o.Publishers[:len(o.Publishers):len(o.Publishers)], c.reg.publish)
	}
	c.pulse = pulse.New(pulse.Options{Self: o.Raft.NodeID, Image: c.Image, Voter: c.voterAddresses,
		Dead: func(id ids.NodeID, epoch int64) { c.active.BrokerDied(id, epoch) }})
	node := decide.Node{ID: o.Raft.NodeID, ClusterID: o.Raft.ClusterID, Config: o.Config}
	c.active = active.New(active.Options{
		Node: node, Controller: o.Raft.CanBeVoter, Bootstrap: c.bootstrap, Publishers: o.Publishers,
		SessionTimeout:   time.Duration(o.Config.Int("broker.session.timeout.ms")) * time.Millisecond,
		MaxIdle:          time.Duration(o.Config.Int("metadata.max.idle.interval.ms")) * time.Millisecond,
		BalanceInterval:  balanceInterval(o.Config),
		UncleanInterval:  o.Config.Time("unclean.leader.election.interval.ms", time.Millisecond),
		SnapshotBytes:    o.Config.Long("metadata.log.max.record.bytes.between.snapshots"),
		SnapshotInterval: o.Config.Time("metadata.log.max.snapshot.interval.ms", time.Millisecond),
		Clock:            o.Raft.Clock, Seed: o.Raft.Seed, Logger: o.Raft.Logger, Failed: o.Raft.Failed,
		Led: c.pulse.Led,
	})
	o.Raft.Listener = listener{c.active, o.LeaderChanged}
	var err error
	if c.node, err = raftio.New(o.Raft); err != nil {
		return nil, err
	}
	c.api, err = api.New(api.Parts{Node: node, Active: c.active, Quorum: quorum{c.node}, Pulse: c.pulse, UnstableVersions: o.Config.Bool("unstable.api.versions.enable")})
	if err != nil {
		return nil, errors.Join(err, c.node.Close())
	}
	return c, nil
}

// balanceInterval is how often leaders are given back to the preferred replicas;
// 0: never.
func balanceInterval(v *configs.Values) time.Duration {
	if !v.Bool("auto.leader.rebalance.enable") {
		return 0
	}
	return v.Time("leader.imbalance.check.interval.seconds", time.Second)
}

// listener passes on who leads behind the active controller's back: brokers
// may ask a moment too early and are told NOT_CONTROLLER then.
type listener struct {
	*active.Controller
	leaderChanged func(ids.LeaderAndEpoch)
}

func (l listener) LeaderChanged(le ids.LeaderAndEpoch) {
	l.Controller.LeaderChanged(le)
	if l.leaderChanged != nil {
		l.leaderChanged(le)
	}
}

// quorum narrows a Node to what active and api ask of it.
type quorum struct{ *raftio.Node }

func (q quorum) State() ([]ids.NodeID, int16) {
	voters, version := q.Voters()
	out := make([]ids.NodeID, 0, voters.Len())
	for _, v := range voters.Voters() {
		out = append(out, v.Key.ID)
	}
	return out, version
}

func (q quorum) KRaftVersion() int16 {
	_, version := q.Voters()
	return version
}

// Start begins to take part in the quorum.
func (c *Controller) Start() error {
	c.active.Start(quorum{c.node})
	if c.reg != nil {
		c.reg.start()
	}
	return c.node.Start()
}

// Close leaves the quorum, cleanly if it can, and answers what still waits.
func (c *Controller) Close() error {
	if c.reg != nil {
		c.reg.stop()
	}
	c.pulse.Close()
	err := c.node.Close()
	c.active.Close()
	return err
}

// voterAddresses is where the quorum reaches the voter with this id.
func (c *Controller) voterAddresses(id ids.NodeID) []string {
	set, _ := c.node.Voters()
	v, _ := set.Get(id)
	for _, e := range v.Endpoints {
		if len(v.Endpoints) == 1 || e.Name == c.o.Raft.ListenerName {
			return []string{net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))}
		}
	}
	return nil
}

// Handler answers controller listeners.
func (c *Controller) Handler() conn.Handler { return c.api }

// Image is the metadata that the publishers were told last.
func (c *Controller) Image() *image.Image { return c.active.Image() }

// Leader is the quorum's leader as far as it is known.
func (c *Controller) Leader() ids.LeaderAndEpoch { return c.node.Leader() }

// LeaderEndpoints are the leader's controller listeners; empty when unknown.
func (c *Controller) LeaderEndpoints() []raft.Endpoint { return c.node.LeaderEndpoints() }

// Metrics are the figures of this node's part. Must not be called by a publisher.
func (c *Controller) Metrics() active.Metrics { return c.active.Metrics() }

// bootstrap reads bootstrap.checkpoint.
func (c *Controller) bootstrap() (decide.Bootstrap, error) {
	source := fmt.Sprintf("the binary bootstrap metadata file: %s", c.o.BootstrapPath)
	r, err := raftio.OpenSnapshot(c.o.Raft.FS, c.o.BootstrapPath)
	if errors.Is(err, fs.ErrNotExist) {
		mv := image.LatestMetadataVersion
		return decide.NewBootstrap(mv, image.DefaultFeatureLevels(mv), nil, "the default bootstrap"), nil
	}
	if err != nil {
		return decide.Bootstrap{}, err
	}
	defer r.Close()
	return readBootstrap(r.Batches(), source)
}

func readBootstrap(batches iter.Seq2[raftio.CommittedBatch, error], source string) (decide.Bootstrap, error) {
	boot := decide.Bootstrap{Source: source}
	for b, err := range batches {
		if err != nil {
			return boot, err
		}
		for _, raw := range b.Records {
			rec, version, err := records.Parse(raw)
			if err != nil {
				return boot, fmt.Errorf("%s: %w", source, err)
			}
			boot.Records = append(boot.Records, records.Versioned{Record: rec, Version: version})
		}
	}
	return boot, nil
}

// QuorumMetrics are the figures of this node's replica of the metadata log.
func (c *Controller) QuorumMetrics() raftio.Metrics { return c.node.Metrics() }

// KRaftVersion is the finalized level of kraft.version, which the quorum keeps
// and no image has.
func (c *Controller) KRaftVersion() int16 { return quorum{c.node}.KRaftVersion() }
