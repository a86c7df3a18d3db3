package raftio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Node is one replica of the metadata quorum.
type Node struct {
	o      Options
	driver driver
	net    *network
	start  time.Time
	view   atomic.Pointer[view]
	kept   int64 // when the loop last kept house

	// mu makes the core and the offsets that Append hands out one thing. It is
	// held for memory work only, never while the disk or the network works.
	mu      sync.Mutex
	inbox   []raft.Message
	pending []proposal // appends that the core has not seen, in order
	asked   []func(c *raft.Core, now int64)
	next    ids.Offset // of the next append
	replies map[uint64]func(raft.Body)
	calls   uint64
	meters  meters
	started bool
	done    bool // the loop has ended
	failed  bool // … because the disk failed; the loop's, read after its end

	wake    chan struct{} // one token: there is something for the loop
	applied chan struct{} // one token: there is something for the applier
	stop    context.CancelFunc
	ctx     context.Context
	loops   sync.WaitGroup
}

// proposal is one Append on its way to the core.
type proposal struct {
	epoch ids.LeaderEpoch
	count int
	base  ids.Offset
	data  []byte
}

// New opens the log and the quorum state and recovers them; it starts nothing.
func New(o Options) (*Node, error) {
	o = o.withDefaults()
	cfg, err := o.coreConfig()
	if err != nil {
		return nil, err
	}
	s, hard, state, err := openStore(&o)
	if err != nil {
		return nil, err
	}
	n := &Node{o: o, start: time.Now(), replies: map[uint64]func(raft.Body){}, wake: make(chan struct{}, 1), applied: make(chan struct{}, 1)}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.net = newNetwork(n)
	n.driver = driver{store: s, out: n, note: func(s string) { o.Logger.Info(s) }}
	n.driver.core = raft.New(cfg, hard, state, n.now())
	n.publish()
	return n, nil
}

// now is the core's clock: ms that never run back, whatever the wall clock does.
func (n *Node) now() int64 { return time.Since(n.start).Milliseconds() }

func (n *Node) wall() int64 { return n.o.Clock().UnixMilli() }

// Start begins to take part. The Listener is called from here on: first with the
// latest snapshot and what is known to be committed.
func (n *Node) Start() error {
	n.mu.Lock()
	n.started = true
	n.mu.Unlock()
	n.loops.Add(2)
	go n.loop()
	go n.apply()
	return nil
}

// loop runs turns until the node is stopped or its disk fails.
func (n *Node) loop() {
	defer n.loops.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.wake:
		case <-timer.C:
		case <-n.ctx.Done():
			n.finish()
			return
		}
		err := n.turn()
		if err == nil {
			err = n.housekeep()
		}
		if err != nil {
			n.fail(err)
			return
		}
		n.mu.Lock()
		wait := n.driver.core.Deadline() - n.now()
		n.meters.asleep = time.Since(n.start)
		n.mu.Unlock()
		timer.Reset(time.Duration(max(0, min(wait, housekeeping))) * time.Millisecond)
	}
}

// housekeeping is how often the log's own work is looked after, in ms.
const housekeeping = 30_000

// housekeep lets the log remove deleted segments and let go of what is idle.
func (n *Node) housekeep() error {
	now := n.now()
	if now-n.kept < housekeeping {
		return nil
	}
	n.kept = now
	return errors.Join(n.putOff(n.driver.store.log.Tick(n.wall())), n.putOff(n.keepMark()))
}

// putOff leaves for the next time what a lack of files forbids now: clients can
// cause one, and nothing is lost by waiting.
func (n *Node) putOff(err error) error {
	if !partlog.FilesRanOut(err) {
		return err
	}
	n.o.Logger.Warn("the upkeep of the metadata log waits for files", zap.Error(err))
	return nil
}

// keepMark notes how far the log is committed and on disk.
func (n *Node) keepMark() error {
	if !n.o.CanBeVoter {
		return nil
	}
	n.mu.Lock()
	hw := n.driver.core.Durable()
	n.mu.Unlock()
	return n.driver.store.keepMark(hw)
}

// turn feeds the core with all that has come in and carries out what it wants.
func (n *Node) turn() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if began := time.Since(n.start); n.meters.asleep > 0 {
		n.meters.idle.add((began - n.meters.asleep).Seconds(), began)
	}
	n.feed()
	core := n.driver.core
	for core.HasReady() {
		rd := core.Ready()
		voters, _ := core.Voters()
		n.mu.Unlock() // appends and requests queue up meanwhile; nothing touches the core
		err := n.driver.persist(&rd, voters, n.wall())
		var st *raft.SnapshotState
		last := rd.Chunk != nil && rd.Chunk.Last
		if err == nil && last {
			st, err = n.driver.installed(rd.Chunk)
		}
		n.mu.Lock()
		if err != nil {
			return err
		}
		core.Advance(n.now())
		if last {
			core.SnapshotInstalled(st, n.now())
		}
		n.publish()
		n.feed()
	}
	n.publish()
	return nil
}

// feed gives the core what queued up. Callers hold mu.
func (n *Node) feed() {
	core, now := n.driver.core, n.now()
	// Appends first: their offsets are given out already, and what a message makes
	// the core append comes behind them.
	records := 0
	for _, p := range n.pending {
		if base, ok := core.Propose(p.epoch, p.count, p.data); ok && base != p.base {
			panic(fmt.Sprintf("append at %d was promised offset %d", base, p.base))
		}
		records += p.count
	}
	if records > 0 {
		n.meters.proposed(core.End().Offset-1, records, time.Since(n.start))
	}
	n.pending = n.pending[:0]
	inbox, asked := n.inbox, n.asked
	n.inbox, n.asked = nil, nil
	before := core.End().Offset
	for _, m := range inbox {
		core.Step(m, now)
	}
	if end := core.End().Offset; end > before && core.Role() == raft.Follower {
		n.meters.fetched.add(float64(end-before), time.Since(n.start))
	}
	for _, f := range asked {
		f(core, now)
	}
	core.Tick(now)
	n.next = core.End().Offset
}

// publish shows others what the core knows. Callers hold mu, or the node is not started.
func (n *Node) publish() {
	v := viewOf(n.driver.core)
	n.next = v.end.Offset
	for _, p := range n.pending {
		n.next += ids.Offset(p.count)
	}
	n.meters.turned(n.driver.core, time.Since(n.start))
	n.view.Store(&v)
	poke(n.applied)
}

// later runs f on the core between two turns. False when the node has ended or
// not begun. A node that ends first does not run it.
func (n *Node) later(f func(c *raft.Core, now int64)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done || !n.started {
		return false
	}
	n.asked = append(n.asked, f)
	poke(n.wake)
	return true
}

// do is later, and waits until f ran.
func (n *Node) do(f func(c *raft.Core, now int64)) bool {
	ran := make(chan struct{})
	if !n.later(func(c *raft.Core, now int64) { f(c, now); close(ran) }) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-n.ctx.Done():
		return false
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// apply feeds the listener.
func (n *Node) apply() {
	defer n.loops.Done()
	a := &applier{store: n.driver.store, listener: n.o.Listener, self: n.o.NodeID, told: ids.LeaderAndEpoch{Leader: ids.NoNode}}
	for {
		select {
		case <-n.applied:
		case <-n.ctx.Done():
			return
		}
		for more := true; more && n.ctx.Err() == nil; {
			var err error
			if more, err = a.advance(n.view.Load()); err != nil {
				if n.ctx.Err() == nil {
					n.o.Failed(err)
				}
				return
			}
		}
	}
}

// fail ends the node after an error of its disk: what it would write or answer from here on
// could not be trusted.
func (n *Node) fail(err error) {
	n.o.Logger.Error("the metadata log failed", zap.Error(err))
	n.failed = true
	n.stop()
	n.finish()
	n.o.Failed(err)
}

// finish answers whoever still waits.
func (n *Node) finish() {
	n.mu.Lock()
	n.done = true
	waiting := n.replies
	n.replies = map[uint64]func(raft.Body){}
	n.mu.Unlock()
	for _, reply := range waiting {
		reply(nil)
	}
	n.net.close()
}

// closeGrace is how long Close waits for the voters to hear of the resignation.
const closeGrace = 500 * time.Millisecond

// Close resigns if the node leads, waits until the log is closed cleanly, and
// returns. Requests that are held are answered. The Listener must not call it.
func (n *Node) Close() error {
	stopped := false
	n.do(func(c *raft.Core, now int64) { c.Stop(now); stopped = c.Stopped() })
	for end := time.Now().Add(closeGrace); !stopped && time.Now().Before(end); {
		select {
		case <-n.ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
		if !n.do(func(c *raft.Core, _ int64) { stopped = c.Stopped() }) {
			break
		}
	}
	n.stop()
	n.loops.Wait()
	n.finish()
	if n.failed {
		return n.driver.store.close(false)
	}
	return errors.Join(n.keepMark(), n.driver.store.close(true))
}

// Append queues recs, framed metadata records, as one batch, atomic and in call order, and
// returns the offset its last record will have if the node stays leader. It is
// committed when the Listener sees it. now is its append time in ms.
func (n *Node) Append(epoch ids.LeaderEpoch, recs [][]byte, now int64) (ids.Offset, error) {
	if len(recs) == 0 {
		return 0, fmt.Errorf("append of no records in epoch %d", epoch)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done {
		return 0, ErrClosed
	}
	core := n.driver.core
	if la := core.LeaderAndEpoch(); core.Role() != raft.Leader || la.Epoch != epoch {
		return 0, fmt.Errorf("%w: epoch %d, the quorum is in %d", ErrNotLeader, epoch, la.Epoch)
	}
	data, err := encodeRecords(n.next, epoch, recs, now)
	if err != nil {
		return 0, err
	}
	if len(data) > n.o.Config.MaxBatchBytes {
		return 0, fmt.Errorf("%w: %d bytes, %d are allowed", ErrBatchTooLarge, len(data), n.o.Config.MaxBatchBytes)
	}
	n.pending = append(n.pending, proposal{epoch, len(recs), n.next, data})
	n.next += ids.Offset(len(recs))
	switch linger := n.o.Config.AppendLinger; {
	case linger <= 0:
		poke(n.wake)
	case len(n.pending) == 1:
		time.AfterFunc(linger, func() { poke(n.wake) })
	}
	return n.next - 1, nil
}

// Resign gives up leadership of epoch, for a controller that cannot go on.
func (n *Node) Resign(epoch ids.LeaderEpoch) {
	n.do(func(c *raft.Core, now int64) { c.Resign(epoch, "the controller asked for it", now) })
}

// Leader is the current leader and epoch, NoNode when none is known.
func (n *Node) Leader() ids.LeaderAndEpoch { return n.view.Load().leader }

// LeaderEndpoints are the controller listeners of the leader; empty when unknown.
func (n *Node) LeaderEndpoints() []raft.Endpoint { return n.view.Load().endpoints }

// HighWatermark is the offset up to which the log is known to be committed, exclusive; NoOffset at first.
func (n *Node) HighWatermark() ids.Offset { return n.view.Load().hw }

// EndOffset is where the log ends.
func (n *Node) EndOffset() ids.Offset { return n.view.Load().end.Offset }

// Voters is the latest voter set, committed or not, and its kraft.version.
func (n *Node) Voters() (raft.VoterSet, int16) {
	v := n.view.Load()
	return v.voters, v.kraft
}

// UpgradeKRaftVersion appends the records that move the quorum to level (KIP-853,
// UpdateFeatures of kraft.version), as the leader of epoch. validateOnly changes nothing.
// The offset is that of the last record, NoOffset when there was nothing to do.
// ErrInvalidKRaftVersion tells why the quorum cannot go there.
func (n *Node) UpgradeKRaftVersion(epoch ids.LeaderEpoch, level int16, validateOnly bool) (ids.Offset, error) {
	var last ids.Offset
	var code raft.Code
	var why string
	if !n.do(func(c *raft.Core, _ int64) { last, code, why = c.UpgradeKRaft(epoch, level, validateOnly) }) {
		return ids.NoOffset, ErrClosed
	}
	switch code {
	case raft.None:
		return last, nil
	case raft.InvalidUpdateVersion:
		return last, fmt.Errorf("%w: %s", ErrInvalidKRaftVersion, why)
	}
	return last, fmt.Errorf("%w: %s", ErrNotLeader, why)
}

// LatestSnapshot is the position of the newest snapshot.
func (n *Node) LatestSnapshot() (ids.OffsetAndEpoch, bool) {
	v := n.view.Load()
	return v.snapshot, v.hasSnap
}

// WriteSnapshot writes a checkpoint of all records below at (offset of the next record,
// epoch of the last one; both from a CommittedBatch the Listener was given) and then drops log segments and old
// snapshots by the retention rules. It runs on the caller's goroutine.
func (n *Node) WriteSnapshot(at ids.OffsetAndEpoch, appendTime int64, recs iter.Seq[[]byte]) error {
	var latest ids.OffsetAndEpoch
	var voters raft.VoterSet
	var kraft int16
	allowed := false
	if !n.do(func(c *raft.Core, _ int64) {
		v := viewOf(c)
		latest = v.snapshot
		allowed = at.Offset <= v.hw && at.Offset > v.start && (!v.hasSnap || at.Offset > latest.Offset) && c.EpochAt(at.Offset) == at.Epoch
		voters, kraft, _ = c.VotersAt(at.Offset - 1)
	}) {
		return ErrClosed
	}
	if !allowed {
		return fmt.Errorf("%w: %v, the latest is %v", ErrSnapshotNotAllowed, at, latest)
	}
	err := WriteSnapshotFile(SnapshotOptions{
		FS: n.o.FS, Path: n.driver.store.snapshotPath(at), AppendTime: appendTime, Now: n.wall(), Epoch: at.Epoch,
		KRaftVersion: kraft, Voters: voters,
	}, recs)
	if err != nil {
		return err
	}
	n.do(func(c *raft.Core, _ int64) {
		c.SnapshotWritten(at)
		err = n.clean(c)
		n.publish()
	})
	return err
}

// Handle answers Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch of the metadata
// partition, FetchSnapshot, AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter and
// DescribeQuorum. reply is called exactly once, from any goroutine.
func (n *Node) Handle(req kmsg.Request, reply func(kmsg.Response)) {
	if r, ok := req.(*kmsg.DescribeQuorumRequest); ok {
		n.describe(r, reply)
		return
	}
	body, respond, refused := decodeRequest(req, &n.o)
	if refused != nil {
		reply(refused)
		return
	}
	n.step(body, func(b raft.Body) { reply(respond(b)) })
}

// step queues a request for the core.
func (n *Node) step(body raft.Body, reply func(raft.Body)) {
	n.mu.Lock()
	if n.done {
		n.mu.Unlock()
		reply(nil)
		return
	}
	n.calls++
	n.replies[n.calls] = reply
	n.inbox = append(n.inbox, raft.Message{Call: n.calls, Body: body})
	n.mu.Unlock()
	poke(n.wake)
}

// receive queues the reply to a request this node sent.
func (n *Node) receive(m raft.Message) {
	m = n.driver.take(m)
	n.mu.Lock()
	n.inbox = append(n.inbox, m)
	n.mu.Unlock()
	poke(n.wake)
}

// send is the core's outbox.
func (n *Node) send(m raft.Message) {
	if len(m.To.Endpoints) > 0 {
		n.net.send(m)
		return
	}
	n.mu.Lock()
	reply := n.replies[m.Call]
	delete(n.replies, m.Call)
	n.mu.Unlock()
	if reply != nil {
		reply(m.Body)
	}
}
