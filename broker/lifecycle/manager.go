package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// State is where a broker is in its life.
type State int32

const (
	Starting State = iota
	Recovery       // caught up, still fenced
	Running
	Stopping // asked the controller to move its leaderships away
	Stopped
)

func (s State) String() string {
	return [...]string{"STARTING", "RECOVERY", "RUNNING", "PENDING_CONTROLLED_SHUTDOWN", "SHUTTING_DOWN"}[s]
}

// Errors that Failed gives.
var (
	ErrRegistrationTimeout = errors.New("no controller accepted the broker's registration in time")
	ErrWrongCluster        = errors.New("the controllers belong to another cluster")
	ErrDirectoryUntold     = errors.New("the controller could not be told in time (log.dir.failure.timeout.ms) that a log directory failed")
)

// Controller sends a request to the active controller, repeating it until ctx
// ends; *forward.Client is one.
type Controller interface {
	Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Options of a Manager.
type Options struct {
	Node        ids.NodeID
	ClusterID   string
	Incarnation ids.UUID // drawn anew by each process
	Endpoints   []image.Endpoint
	Features    []image.VersionRange // image.SupportedFeatures()
	Rack        *string
	// Directories are the log directories that are online, CordonedDirs those
	// of them that shall get no new replica, at first (SetCordoned).
	Directories, CordonedDirs []ids.DirectoryID
	// DirectoryTimeout is log.dir.failure.timeout.ms: a broker that cannot tell the
	// controller for so long that a directory failed must stop, because others take
	// it for the leader of what is in there. 0 = never.
	DirectoryTimeout time.Duration
	// PreviousEpoch is the epoch before a clean shutdown, -1 after any other
	// (KIP-966: after an unclean stop the broker may have lost the tail of its logs).
	PreviousEpoch       int64
	HeartbeatInterval   time.Duration // broker.heartbeat.interval.ms
	SessionTimeout      time.Duration // broker.session.timeout.ms: bounds one request
	RegistrationTimeout time.Duration // initial.broker.registration.timeout.ms
	Controller          Controller
	Logger              *zap.Logger
}

// Manager runs a broker's life. Its methods are safe for concurrent use.
type Manager struct {
	o Options

	registered, caughtUp, unfenced, stopped chan struct{}
	failed                                  chan error // one error at most
	wake                                    chan struct{}
	cancel                                  context.CancelFunc
	ctx                                     context.Context

	epoch atomic.Int64 // -1 before the registration
	state atomic.Int32

	mu   sync.Mutex
	mail mailbox
}

// mailbox is what others want the goroutine to know.
type mailbox struct {
	offset   int64 // last metadata offset that the broker applied; -1 none
	imaged   bool  // the image has this incarnation's registration
	fenced   bool  // … and it is fenced
	ready    bool  // ReadyToUnfence was called
	stopping bool  // Shutdown was called
	offline  []ids.DirectoryID
	told     int // offline directories that the controller knows
	cordoned []ids.DirectoryID
	news     bool // cordoned has changed since the last heartbeat
	cordons  bool // the metadata version knows of cordoned directories
	outdated bool // … and of directories, of which the registration in the image has none
	// interrupt breaks the request on its way when stopping is set, so that a
	// controller that is gone does not hold a shutdown up.
	interrupt context.CancelFunc
}

// New makes a manager; Start starts it.
func New(o Options) *Manager {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	m := &Manager{o: o, registered: make(chan struct{}), caughtUp: make(chan struct{}), unfenced: make(chan struct{}),
		stopped: make(chan struct{}), failed: make(chan error, 1), wake: make(chan struct{}, 1)}
	m.mail.offset, m.mail.cordoned = -1, o.CordonedDirs
	m.epoch.Store(-1)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Start begins to register. It must be called once.
func (m *Manager) Start() { go m.run() }

// Epoch is the epoch of the registration, -1 before there is one.
func (m *Manager) Epoch() int64 { return m.epoch.Load() }

// State is where the broker is.
func (m *Manager) State() State { return State(m.state.Load()) }

// Registered is closed when the controller has accepted the registration.
func (m *Manager) Registered() <-chan struct{} { return m.registered }

// CaughtUp is closed when the broker's image contains its registration.
func (m *Manager) CaughtUp() <-chan struct{} { return m.caughtUp }

// Unfenced is closed when the broker's image shows it unfenced for the first
// time: clients may come.
func (m *Manager) Unfenced() <-chan struct{} { return m.unfenced }

// Stopped is closed when no more heartbeats are sent.
func (m *Manager) Stopped() <-chan struct{} { return m.stopped }

// Failed yields the reason when the broker can never join.
func (m *Manager) Failed() <-chan error { return m.failed }

// Publish is an image.Publisher. It must be called after the broker's other
// rooms have applied the image: the broker is caught up with what they have done.
func (m *Manager) Publish(_ *image.Delta, img *image.Image) {
	b := img.Cluster.Broker(m.o.Node)
	m.mu.Lock()
	m.mail.offset = int64(img.Provenance.Last.Offset)
	m.mail.imaged = b != nil && b.Incarnation == m.o.Incarnation
	m.mail.fenced = !m.mail.imaged || b.Fenced
	mv := img.Features.MetadataVersion()
	m.mail.cordons = mv.SupportsCordonedDirs()
	m.mail.outdated = m.mail.imaged && mv.SupportsDirectories() && len(b.Directories) == 0
	m.mu.Unlock()
	m.poke()
}

// ReadyToUnfence says that everything else the broker needs to serve is up.
func (m *Manager) ReadyToUnfence() {
	m.mu.Lock()
	m.mail.ready = true
	m.mu.Unlock()
	m.poke()
}

// DirectoryFailed tells the controller with the next heartbeat, sent at once,
// that a log directory is offline (KIP-858).
func (m *Manager) DirectoryFailed(dir ids.DirectoryID) {
	m.mu.Lock()
	m.mail.offline = append(m.mail.offline, dir)
	n := len(m.mail.offline)
	m.mu.Unlock()
	m.poke()
	if m.o.DirectoryTimeout > 0 {
		time.AfterFunc(m.o.DirectoryTimeout, func() { m.mustBeTold(n) })
	}
}

// mustBeTold fails the broker if the controller does not know of n failed directories by now.
func (m *Manager) mustBeTold(n int) {
	if m.ctx.Err() != nil || m.read().told >= n {
		return
	}
	select {
	case m.failed <- ErrDirectoryUntold:
	default:
	}
}

// SetCordoned changes the directories that shall get no new replica; the
// controller is told at once (KIP-1066).
func (m *Manager) SetCordoned(dirs []ids.DirectoryID) {
	m.mu.Lock()
	if !slices.Equal(m.mail.cordoned, dirs) {
		m.mail.cordoned, m.mail.news = dirs, true
	}
	m.mu.Unlock()
	m.poke()
}

// Shutdown asks the controller to move the broker's leaderships away and waits
// until it says that the broker may go, or until ctx ends.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.mail.stopping = true
	if m.mail.interrupt != nil {
		m.mail.interrupt()
	}
	m.mu.Unlock()
	m.poke()
	select {
	case <-m.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("controlled shutdown: %w", ctx.Err())
	}
}

// Close ends the manager at once; the controller will notice by the missing
// heartbeats. It waits for the goroutine, so Start must have been called.
func (m *Manager) Close() {
	m.cancel()
	<-m.stopped
}

func (m *Manager) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *Manager) read() mailbox {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mail
}

func (m *Manager) become(s State) {
	if old := State(m.state.Swap(int32(s))); old != s {
		m.o.Logger.Info(fmt.Sprintf("Transitioning from %s to %s", old, s))
	}
}
