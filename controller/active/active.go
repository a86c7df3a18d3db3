package active

import (
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// event is work for the loop. drop is called instead when the loop has failed;
// it may be nil.
type event struct {
	do     func(now int64) error
	drop   func()
	posted time.Time
}

// Options of a Controller. Node and Logger are required, and of a controller
// Bootstrap.
type Options struct {
	Node decide.Node
	// Controller: the node may lead. Brokers only follow.
	Controller bool
	// Bootstrap reads what a new cluster starts with. It is called when the
	// node leads an empty log.
	Bootstrap func() (decide.Bootstrap, error)
	// Publishers are called in this order.
	Publishers []image.Publisher

	SessionTimeout   time.Duration // broker.session.timeout.ms
	MaxIdle          time.Duration // metadata.max.idle.interval.ms; 0: no NoOp records
	BalanceInterval  time.Duration // leader.imbalance.check.interval.seconds; 0: leaders are left where they are
	UncleanInterval  time.Duration // unclean.leader.election.interval.ms
	SnapshotBytes    int64         // metadata.log.max.record.bytes.between.snapshots
	SnapshotInterval time.Duration // metadata.log.max.snapshot.interval.ms; 0: by size only

	Clock  func() time.Time // nil = time.Now
	Seed   uint64           // of replica placement and topic ids
	Logger *zap.Logger
	// Led is called with the committed image when the node has become the active
	// controller; may be nil. It must not wait.
	Led func(*image.Image)
	// Failed is called once when the node cannot go on: the log holds what this
	// version does not understand, or contradicts itself.
	Failed func(error)
}

// SnapshotReader is the part of *raftio.SnapshotReader that is read here.
type SnapshotReader interface {
	ID() ids.OffsetAndEpoch
	AppendTime() int64
	Batches() iter.Seq2[raftio.CommittedBatch, error]
}

// Controller runs the loop. It is the raftio.Listener of its node.
type Controller struct {
	o     Options
	core  *core // of the loop's goroutine
	began time.Time

	// mail wakes the loop; it has room for one.
	mail chan struct{}
	done chan struct{} // closed when the loop has ended

	mu     sync.Mutex // guards inbox and closed; a leaf
	inbox  []event
	closed bool

	peerSeen atomic.Int64 // ms, when the loop was told last of another node's fetch

	image  atomic.Pointer[image.Image]
	leader atomic.Pointer[ids.LeaderAndEpoch]
	pub    *publisher
	tally  tally
	// written is when the latest checkpoint was written, ms since 1970.
	written, writtenBytes atomic.Int64
	// snapshots holds a token while a checkpoint is being written.
	snapshots chan struct{}
}

// New makes a Controller; Start must follow before the quorum's.
func New(o Options) *Controller {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SnapshotBytes <= 0 {
		o.SnapshotBytes = 20 << 20
	}
	c := &Controller{o: o, core: newCore(o), mail: make(chan struct{}, 1), done: make(chan struct{}), snapshots: make(chan struct{}, 1), began: o.Clock()}
	c.core.wall = func() int64 { return o.Clock().UnixMilli() }
	c.image.Store(c.core.committed)
	c.leader.Store(&ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: ids.NoEpoch})
	c.pub = newPublisher(append([]image.Publisher{func(d *image.Delta, img *image.Image) {
		c.image.Store(img)
		c.tally.follow(d)
	}}, o.Publishers...))
	c.core.publish = c.pub.put
	c.core.snapshot = c.writeSnapshot
	return c
}

// Start begins to serve on a quorum, whose Listener c is.
func (c *Controller) Start(q Quorum) {
	c.core.quorum = q
	go c.pub.run()
	go c.run()
}

// Close ends the loop. Requests that wait are answered with NOT_CONTROLLER. The
// quorum must be closed before.
func (c *Controller) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wake()
	<-c.done
	c.pub.close()
	c.snapshots <- struct{}{} // a checkpoint under way is finished
}

// Image is what the publishers were told last.
func (c *Controller) Image() *image.Image { return c.image.Load() }

// Leader is the quorum's leader as far as it is known.
func (c *Controller) Leader() ids.LeaderAndEpoch { return *c.leader.Load() }

// Patient is a request's patience without an end.
const Patient time.Duration = math.MaxInt64

// Do decides a request and calls reply when its answer may be given, from any
// goroutine, or when patience is over. With an error (a *decide.Error) nothing
// was changed; of NOT_CONTROLLER and REQUEST_TIMED_OUT alone that is not known.
func (c *Controller) Do(cmd Command, patience time.Duration, reply Reply) {
	refuse := func() { reply(nil, ErrNotController) }
	from := c.now()
	ok := c.post(event{drop: refuse, do: func(now int64) error {
		c.core.timely(cmd, deadline(from, patience), reply, now)
		return nil
	}})
	if !ok {
		refuse()
	}
}

// PeerSeen notes that another node read our log just now. Followers read all
// the time, so the loop is told now and then only.
func (c *Controller) PeerSeen() {
	last, now := c.peerSeen.Load(), c.now()
	if now-last < followerMemory/6 || !c.peerSeen.CompareAndSwap(last, now) {
		return
	}
	c.post(event{do: func(now int64) error {
		c.core.peerSeen = now
		return nil
	}})
}

// BrokerDied says that the process of the broker that registered with epoch has
// ended. Without the lead it says nothing.
func (c *Controller) BrokerDied(id ids.NodeID, epoch int64) {
	c.post(event{do: func(now int64) error {
		c.core.brokerDied(id, epoch, now)
		return nil
	}})
}

// Committed implements raftio.Listener.
func (c *Controller) Committed(batches []raftio.CommittedBatch) {
	c.post(event{do: func(now int64) error { return c.core.commit(batches, now) }})
}

// LeaderChanged implements raftio.Listener.
func (c *Controller) LeaderChanged(l ids.LeaderAndEpoch) {
	c.post(event{do: func(now int64) error {
		c.leader.Store(&l)
		return c.core.leaderChanged(l, now)
	}})
}

// LoadSnapshot implements raftio.Listener. It waits until the snapshot is read.
func (c *Controller) LoadSnapshot(r *raftio.SnapshotReader) {
	read := make(chan struct{})
	ok := c.post(event{do: func(now int64) error {
		defer close(read)
		return c.core.load(r, now)
	}})
	if ok {
		select {
		case <-read:
		case <-c.done:
		}
	}
}

// post leaves work for the loop; false when it has ended.
func (c *Controller) post(e event) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	e.posted = time.Now()
	c.inbox = append(c.inbox, e)
	c.mu.Unlock()
	c.wake()
	return true
}

func (c *Controller) wake() {
	select {
	case c.mail <- struct{}{}:
	default: // it is awake already
	}
}

func (c *Controller) take() (work []event, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	work, c.inbox = c.inbox, nil
	return work, c.closed
}

// now is the loop's time in ms: it starts at the wall clock's and goes on evenly,
// so that setting the clock fences nobody.
func (c *Controller) now() int64 { return c.began.Add(c.o.Clock().Sub(c.began)).UnixMilli() }

// run is the loop.
func (c *Controller) run() {
	defer close(c.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	asleep := time.Now()
	for {
		select {
		case <-c.mail:
		case <-timer.C:
		}
		work, closed := c.take()
		awake := time.Now()
		for i, e := range work {
			if err := c.handle(e); err != nil {
				c.fail(err, work[i+1:])
				return
			}
		}
		if closed {
			c.core.stepDown()
			return
		}
		now := c.now()
		next := c.core.tick(now)
		timer.Reset(time.Duration(min(max(next-now, 0), int64(time.Hour/time.Millisecond))) * time.Millisecond)
		slept, end := awake.Sub(asleep), time.Now()
		c.core.meters.idle.add(slept, end.Sub(awake))
		asleep = end
	}
}

// handle does one event and measures it.
func (c *Controller) handle(e event) error {
	begin := time.Now()
	m := &c.core.meters
	m.started++
	m.queueTime.add(begin.Sub(e.posted))
	err := e.do(c.now())
	m.processing.add(time.Since(begin))
	return err
}

// fail ends the loop: going on would show metadata that is not the cluster's.
func (c *Controller) fail(err error, rest []event) {
	c.log().Error("The metadata log can't be followed any further", zap.Error(err))
	c.mu.Lock()
	rest = append(rest, c.inbox...)
	c.inbox, c.closed = nil, true
	c.mu.Unlock()
	c.core.stepDown()
	for _, e := range rest {
		if e.drop != nil {
			e.drop()
		}
	}
	if c.o.Failed != nil {
		c.o.Failed(fmt.Errorf("metadata log: %w", err))
	}
}

func (c *Controller) log() *zap.Logger { return c.o.Logger }

// writeSnapshot writes a checkpoint of img unless one is being written. The
// image does not change, so the loop goes on meanwhile.
func (c *Controller) writeSnapshot(at ids.OffsetAndEpoch, appendTime int64, img *image.Image) {
	select {
	case c.snapshots <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.snapshots }()
		bytes := int64(0)
		recs := func(yield func([]byte) bool) {
			var raw []byte // each record is taken before the next is asked for
			for v := range img.Records() {
				raw = v.Append(raw[:0])
				bytes += int64(len(raw))
				if !yield(raw) {
					return
				}
			}
		}
		if err := c.core.quorum.WriteSnapshot(at, appendTime, recs); err != nil {
			c.log().Error("A metadata snapshot could not be written; the log is kept instead", zap.Stringer("end", at), zap.Error(err))
			return
		}
		c.written.Store(c.o.Clock().UnixMilli())
		c.writtenBytes.Store(bytes)
		c.log().Info("Wrote a metadata snapshot", zap.Stringer("end", at))
	}()
}
