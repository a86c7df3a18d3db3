package replica

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
	"go.uber.org/zap"
)

// Options make a Manager. Node, FS, Logs, Clock and Broker are required.
type Options struct {
	Node   ids.NodeID
	FS     vfs.FS // that Logs is on
	Logs   *logdir.Set
	Clock  func() int64    // ms since 1970
	Broker *configs.Values // gives topics the values they do not set
	// Controller is told what only this broker knows of its partitions; nil: nobody is.
	Controller Controller
	// Requests counts those of clients: the log cleaner rests for their sake, while
	// there are any. nil: it always does.
	Requests func() int64
	Logger   *zap.Logger // nil = silent
}

// Manager holds this broker's partitions. Apply is called from one goroutine,
// everything else from any.
type Manager struct {
	opts     Options
	log      *zap.Logger
	defaults atomic.Pointer[topicDefaults]
	broker   atomic.Pointer[configs.Values]
	image    atomic.Pointer[image.Image]
	reports  *reporter
	moves    *mover
	stop     chan struct{}
	stopped  sync.WaitGroup
	caughtUp chan struct{} // closed by MarkStrays

	// hooks by topic; written before the first Apply only.
	leadership map[string]func(partition int32, leader bool, epoch ids.LeaderEpoch)
	watermarks map[string]func(partition int32, hw ids.Offset)

	mu     sync.RWMutex // guards the maps and every topic.parts
	byName map[string]*topic
	byID   map[ids.TopicID]*topic
}

// topic is a topic of which at least one partition lives here.
type topic struct {
	m               *Manager
	name            string
	id              ids.TopicID
	parts           []*Partition // by index, nil = not here; guarded by Manager.mu
	config          atomic.Pointer[TopicConfig]
	onLeadership    func(partition int32, leader bool, epoch ids.LeaderEpoch)
	onHighWatermark func(partition int32, hw ids.Offset)
}

// New makes a Manager without partitions; Apply brings them.
func New(o Options) *Manager {
	m := &Manager{
		opts: o, log: o.Logger, stop: make(chan struct{}), caughtUp: make(chan struct{}),
		leadership: map[string]func(int32, bool, ids.LeaderEpoch){}, watermarks: map[string]func(int32, ids.Offset){},
		byName: map[string]*topic{}, byID: map[ids.TopicID]*topic{},
	}
	if m.log == nil {
		m.log = zap.NewNop()
	}
	m.broker.Store(o.Broker)
	m.reports, m.moves = newReporter(m), newMover(m)
	m.defaults.Store(newTopicDefaults(o.Broker))
	m.image.Store(image.Empty())
	return m
}

// OnLeadership registers fn for a topic's partitions: called from Apply, in
// order, whenever leadership of one begins, ends or gets a new epoch. Register
// before the first Apply.
func (m *Manager) OnLeadership(topic string, fn func(partition int32, leader bool, epoch ids.LeaderEpoch)) {
	m.leadership[topic] = fn
}

// OnHighWatermark registers fn for a topic's partitions: called after every
// advance on the appending goroutine, never under a lock, so that calls of one
// partition may overtake each other. Register before the first Apply.
func (m *Manager) OnHighWatermark(topic string, fn func(partition int32, hw ids.Offset)) {
	m.watermarks[topic] = fn
}

// Image is the metadata as last applied here.
func (m *Manager) Image() *image.Image { return m.image.Load() }

// Get returns a partition that lives here. ErrNotLeader: it exists, and lives
// elsewhere. ErrUnknownPartition: there is none.
func (m *Manager) Get(tp ids.TopicPartition) (*Partition, error) {
	m.mu.RLock()
	p := m.byName[tp.Topic].part(tp.Partition)
	m.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	if m.Image().Topics.Partition(tp) != nil {
		return nil, ErrNotLeader
	}
	return nil, ErrUnknownPartition
}

// GetByID is Get by the topic's id; ErrUnknownTopicID when no topic has it.
func (m *Manager) GetByID(id ids.TopicID, partition int32) (*Partition, error) {
	m.mu.RLock()
	p := m.byID[id].part(partition)
	m.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	t := m.Image().Topics.ByID(id)
	switch {
	case t == nil:
		return nil, ErrUnknownTopicID
	case t.Partition(partition) == nil:
		return nil, ErrUnknownPartition
	}
	return nil, ErrNotLeader
}

// part is nil-safe: no topic has no partitions.
func (t *topic) part(i int32) *Partition {
	if t == nil || i < 0 || int(i) >= len(t.parts) {
		return nil
	}
	return t.parts[i]
}

// leaderOf is the leader as metadata has it.
func (m *Manager) leaderOf(tp ids.TopicPartition) ids.LeaderAndEpoch {
	if p := m.Image().Topics.Partition(tp); p != nil {
		return ids.LeaderAndEpoch{Leader: p.Leader, Epoch: p.LeaderEpoch}
	}
	return ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: ids.NoEpoch}
}

// Each calls f for every partition that lives here, in no order, until f
// returns false.
func (m *Manager) Each(f func(*Partition) bool) {
	m.mu.RLock()
	var all []*Partition
	for _, t := range m.byName {
		for _, p := range t.parts {
			if p != nil {
				all = append(all, p)
			}
		}
	}
	m.mu.RUnlock()
	for _, p := range all {
		if !f(p) {
			return
		}
	}
}

// openLog opens or makes the log of p in the directory that the metadata
// assigned, or in one of this broker's choice.
func (m *Manager) openLog(p *Partition) (*partlog.Log, ids.DirectoryID, error) {
	var dir *logdir.Dir
	id := ids.UnassignedDir
	if reg := m.Image().Topics.Partition(p.TP()); reg != nil {
		id, _ = reg.DirectoryOf(m.opts.Node)
	}
	switch id {
	case ids.UnassignedDir, ids.MigratingDir:
	case ids.LostDir:
		return nil, id, ErrOffline
	default:
		d, ok := m.opts.Logs.DirByID(id)
		if off := m.opts.Logs.Offline(); !ok && len(off) > 0 {
			return nil, id, fmt.Errorf("%w: directory %v of %v may be one of %v", ErrOffline, id, p.TP(), off)
		}
		dir = d // nil: the operator took it away, and the partition begins anew in another
	}
	log, in, err := m.opts.Logs.OpenPartition(p.TP(), p.topic.id, dir, p.topic.settings().Log)
	if err != nil {
		m.shortage(err)
		return nil, id, fmt.Errorf("%w: %w", ErrOffline, err)
	}
	return log, in.Meta.DirectoryID, nil
}

// settings is the topic's configuration, made when first asked for.
func (t *topic) settings() *TopicConfig {
	if c := t.config.Load(); c != nil {
		return c
	}
	c := t.m.defaults.Load().config(t.m.Image().Configs.Topic(t.name))
	t.config.CompareAndSwap(nil, c)
	return t.config.Load()
}

// shortage has logs closed that are not in use when no file could be opened.
func (m *Manager) shortage(err error) {
	if err != nil && errors.Is(err, partlog.ErrTooManyFiles) {
		m.opts.Logs.TooManyFiles()
	}
}
