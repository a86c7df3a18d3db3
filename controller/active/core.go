package active

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Quorum is the part of raftio.Node that the controller leads through. None of
// its methods waits for the goroutine that calls the Listener.
type Quorum interface {
	// Append queues one atomic batch and returns the offset of its last record.
	Append(epoch ids.LeaderEpoch, recs [][]byte, now int64) (ids.Offset, error)
	// EndOffset is where the next batch will go at the earliest.
	EndOffset() ids.Offset
	Resign(epoch ids.LeaderEpoch)
	UpgradeKRaftVersion(epoch ids.LeaderEpoch, level int16, validateOnly bool) (ids.Offset, error)
	WriteSnapshot(at ids.OffsetAndEpoch, appendTime int64, recs iter.Seq[[]byte]) error
	// State is the quorum's voters and kraft.version.
	State() (voters []ids.NodeID, kraftVersion int16)
}

// Command decides one request.
type Command func(*decide.Env) (decide.Decision, error)

// notLeading is the epoch of a node that does not lead.
const notLeading ids.LeaderEpoch = -1

// core is the state of the loop. Its methods are called by one goroutine; now
// is in ms and goes evenly, whatever is done to the clock.
type core struct {
	o      Options
	quorum Quorum
	rand   *rand.Rand
	log    *zap.Logger
	wall   func() int64 // ms since 1970, for what is recorded
	// publish takes what is to be shown to the publishers, in order.
	publish func(publication)
	// snapshot starts the writing of a checkpoint.
	snapshot func(at ids.OffsetAndEpoch, appendTime int64, img *image.Image)

	// committed is the image of the committed log; all before next is in it, or
	// kept back in tx, or says nothing about metadata.
	committed *image.Image
	next      ids.OffsetAndEpoch // offset of the next record to come, epoch of the last one seen
	lastTime  int64              // append time of the last record seen
	tx        *transaction       // open in the committed log; nil: none

	leader ids.LeaderAndEpoch
	// epoch is that of our leadership, or notLeading. The fields below are only
	// meaningful while we lead.
	epoch ids.LeaderEpoch
	// pending is committed with all of queue applied.
	pending *image.Image
	queue   []appended // not yet committed, oldest first
	parked  []parked   // by offset
	// impatient is no later than the first end of patience among parked.
	impatient int64
	end       ids.Offset // of the next record we may append, at the least
	live      *decide.Liveness
	// members is the index of pending; nil until a decision asks for it.
	members *image.Members

	lastAppend    int64 // ms, for NoOp records
	peerSeen      int64 // ms, when another node last read our log
	snapshotBytes int64 // committed since the last snapshot was begun
	snapshotTime  int64 // ms, when it was begun

	meters meters
	chores []chore
}

// transaction is the part of the log since a BeginTransaction record.
type transaction struct{ delta *image.Delta }

// appended is one batch of ours on its way.
type appended struct {
	last  ids.Offset
	delta *image.Delta
	image *image.Image
	// closes: the batch ends the transaction that was open when we took over.
	closes bool
}

// parked is an answer that waits until everything up to offset is committed.
type parked struct {
	offset ids.Offset
	resp   kmsg.Response
	reply  Reply
	until  int64 // ms, when patience is over
}

// Reply takes the answer to a request, or an error: a *decide.Error.
type Reply func(kmsg.Response, error)

// publication is a step to show to the publishers (nil delta: none) and the
// answers to be given after it.
type publication struct {
	delta   *image.Delta
	image   *image.Image
	replies []func()
}

func newCore(o Options) *core {
	return &core{
		o: o, rand: rand.New(rand.NewPCG(o.Seed, o.Seed^0x9e3779b97f4a7c15)), log: o.Logger,
		committed: image.Empty(), next: ids.OffsetAndEpoch{Epoch: ids.NoEpoch}, epoch: notLeading, impatient: never,
		leader: ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: ids.NoEpoch},
	}
}

// ErrNotController is the answer of a node that does not lead (any more).
var ErrNotController = &decide.Error{Code: kerr.NotController.Code, Message: "The active controller is another node."}

// leaderChanged takes or gives up the lead.
func (c *core) leaderChanged(l ids.LeaderAndEpoch, now int64) error {
	if l == c.leader {
		return nil
	}
	if l.Leader != ids.NoNode && l.Leader != c.leader.Leader {
		c.meters.newActive++
	}
	c.leader = l
	c.stepDown()
	if l.Leader != c.o.Node.ID || !c.o.Controller {
		return nil
	}
	c.epoch, c.pending, c.queue = l.Epoch, c.committed, nil
	c.end = c.next.Offset
	c.live = decide.NewLiveness(c.committed, c.o.SessionTimeout.Milliseconds(), now)
	c.lastAppend = now
	if c.o.Led != nil {
		c.o.Led(c.committed)
	}
	return c.activate(now)
}

// activate appends what a new active controller has to.
func (c *core) activate(now int64) error {
	boot := decide.Bootstrap{}
	if c.committed.Features.MetadataVersion() == 0 {
		var err error
		if boot, err = c.o.Bootstrap(); err != nil {
			return fmt.Errorf("bootstrap records: %w", err)
		}
	}
	d := decide.Activate(c.env(now), boot, c.tx != nil)
	c.log.Info("This node is the active controller", zap.Int32("epoch", int32(c.epoch)), zap.Int("records", len(d.Records)), zap.String("bootstrap", boot.Source))
	if len(d.Records) == 0 {
		return nil
	}
	d.Atomic = true
	closes := c.tx != nil
	if err := c.append(&d, now); err != nil {
		if errors.Is(err, raftio.ErrNotLeader) {
			return nil
		}
		return fmt.Errorf("activation of the controller: %w", err)
	}
	c.queue[0].closes = closes
	return nil
}

// stepDown drops what is not committed. The new leader may still commit it:
// then it comes back as any other batch.
func (c *core) stepDown() {
	if c.epoch == notLeading {
		return
	}
	c.log.Info("This node is no longer the active controller", zap.Int32("epoch", int32(c.epoch)), zap.Int("uncommitted", len(c.queue)))
	for _, p := range c.parked {
		c.publish(publication{replies: []func(){func() { p.reply(nil, ErrNotController) }}})
	}
	c.epoch, c.pending, c.queue, c.parked, c.live, c.members = notLeading, nil, nil, nil, nil, nil
}

// env is what a decision sees now.
func (c *core) env(now int64) *decide.Env {
	voters, kraft := c.quorum.State()
	return &decide.Env{
		Node: c.o.Node, Image: c.pending, Now: now, Rand: c.rand, NextOffset: max(c.end, c.quorum.EndOffset()),
		KRaftVersion: kraft, Voters: voters, Live: c.live, Members: c.index,
	}
}

// index finds the partitions of brokers in the pending image.
func (c *core) index() *image.Members {
	if c.members == nil {
		c.members = image.NewMembers(c.pending.Topics)
	}
	return c.members
}

// deadline is when patience that began at from is over; never for no end.
func deadline(from int64, patience time.Duration) int64 {
	if patience == Patient {
		return never
	}
	return from + patience.Milliseconds()
}

// errTimedOut is the answer to a request whose patience is over. It may be
// carried out all the same if it was decided already.
var errTimedOut = &decide.Error{Code: kerr.RequestTimedOut.Code}

// timely decides a request unless it has waited too long already.
func (c *core) timely(cmd Command, until int64, reply Reply, now int64) {
	if now >= until {
		c.meters.timedOut++
		reply(nil, errTimedOut)
		return
	}
	from := len(c.parked)
	c.request(cmd, reply, now)
	for i := from; i < len(c.parked); i++ {
		c.parked[i].until = until
	}
	c.impatient = min(c.impatient, until)
}

// expire answers the requests whose patience is over and returns when to look again.
func (c *core) expire(now int64) (next int64) {
	if now < c.impatient {
		return c.impatient
	}
	c.impatient = never
	for i := range c.parked {
		p := &c.parked[i]
		if p.until <= now {
			c.meters.timedOut++
			reply := p.reply
			p.reply, p.until = ignore, never
			c.publish(publication{replies: []func(){func() { reply(nil, errTimedOut) }}})
		}
		c.impatient = min(c.impatient, p.until)
	}
	return c.impatient
}

// request decides, appends and parks the answer.
func (c *core) request(cmd Command, reply Reply, now int64) {
	if c.epoch == notLeading {
		reply(nil, ErrNotController)
		return
	}
	d, err := c.decide(cmd, now)
	if err == nil {
		err = c.carryOut(&d, now)
	}
	switch {
	case err == nil:
		// The image that was decided on may not be committed yet either.
		c.park(c.end-1, d.Reply, reply)
	case errors.Is(err, raftio.ErrNotLeader), errors.Is(err, raftio.ErrClosed):
		reply(nil, ErrNotController)
	default:
		refusal := c.refusal(err)
		// It, too, may rest on a record that is not committed.
		c.park(c.end-1, nil, func(kmsg.Response, error) { reply(nil, refusal) })
	}
}

// refusal is what a client is told. What it cannot have caused goes to the log.
func (c *core) refusal(err error) error {
	var known *decide.Error
	if errors.As(err, &known) {
		return known
	}
	c.meters.errors++
	c.log.Error("A decision of the controller could not be carried out", zap.Error(err))
	return &decide.Error{Code: kerr.UnknownServerError.Code}
}

// decide runs a command. Commands change nothing, so that one that panics costs
// its own request only.
func (c *core) decide(cmd Command, now int64) (d decide.Decision, err error) {
	defer c.survive(&err)
	return cmd(c.env(now))
}

// survive, deferred, makes a panic an error of the request that brought it about.
func (c *core) survive(err *error) {
	if r := recover(); r != nil {
		c.meters.errors++
		c.log.Error("A request made the controller fail", zap.Any("panic", r), zap.Stack("stack"))
		*err = &decide.Error{Code: kerr.UnknownServerError.Code}
	}
}

// carryOut does what a decision says.
func (c *core) carryOut(d *decide.Decision, now int64) error {
	if d.KRaftVersion > 0 {
		last, err := c.quorum.UpgradeKRaftVersion(c.epoch, d.KRaftVersion, d.ValidateOnly)
		if errors.Is(err, raftio.ErrInvalidKRaftVersion) {
			return decide.UpdateFailed(err.Error())
		}
		if err != nil {
			return err
		}
		c.end = max(c.end, last+1)
	}
	first := max(c.end, c.quorum.EndOffset())
	if err := c.append(d, now); err != nil {
		return err
	}
	c.live.Apply(d.Touch, first-1, c.end-1)
	return nil
}

// Bounds of one batch of a decision that may be split.
const (
	batchRecords = decide.MaxRecords
	batchBytes   = 1 << 20
)

// append appends the records of a decision, as one batch if it is atomic.
func (c *core) append(d *decide.Decision, now int64) error {
	recs := d.Records
	for len(recs) > 0 {
		n, err := c.appendBatch(recs, d.Atomic, now)
		if err != nil {
			return err
		}
		recs = recs[n:]
	}
	return nil
}

// appendBatch appends as many records as fit and returns how many.
func (c *core) appendBatch(recs []records.Versioned, all bool, now int64) (int, error) {
	encoded, delta, err := c.prepare(recs, all)
	if err != nil {
		return 0, err
	}
	wall := c.wall()
	last, err := c.quorum.Append(c.epoch, encoded, wall)
	if err != nil {
		return 0, err
	}
	at := image.Provenance{Last: ids.OffsetAndEpoch{Offset: last, Epoch: c.epoch}, AppendTime: wall}
	c.pending = delta.Apply(at)
	if c.members != nil {
		c.members.Follow(c.pending.Topics, delta.Topics())
	}
	c.queue = append(c.queue, appended{last: last, delta: delta, image: c.pending})
	c.end, c.lastAppend = last+1, now
	return len(encoded), nil
}

// prepare frames a batch of records and works out what they do. It changes
// nothing either.
func (c *core) prepare(recs []records.Versioned, all bool) (encoded [][]byte, delta *image.Delta, err error) {
	defer c.survive(&err)
	encoded, delta = encode(recs, all), image.NewDelta(c.pending)
	for _, r := range recs[:len(encoded)] {
		if err := delta.Replay(r.Record); err != nil {
			c.meters.errors++
			c.log.Error("The controller decided on records that contradict the metadata; nothing was appended", zap.Error(err))
			return nil, nil, &decide.Error{Code: kerr.UnknownServerError.Code}
		}
	}
	return encoded, delta, nil
}

// encode frames records into one buffer, all of them or as many as make a batch.
func encode(recs []records.Versioned, all bool) [][]byte {
	var buf []byte
	ends := make([]int, 0, min(len(recs), batchRecords))
	for i, r := range recs {
		if !all && i > 0 && (i >= batchRecords || len(buf) >= batchBytes) {
			break
		}
		buf = r.Append(buf)
		ends = append(ends, len(buf))
	}
	out, start := make([][]byte, len(ends)), 0
	for i, end := range ends {
		out[i] = buf[start:end:end]
		start = end
	}
	return out
}

// park keeps an answer until everything up to offset is committed.
func (c *core) park(offset ids.Offset, resp kmsg.Response, reply Reply) {
	if offset < c.next.Offset {
		// Behind what is being published, so that the answer does not overtake it.
		c.publish(publication{replies: []func(){func() { reply(resp, nil) }}})
		return
	}
	c.parked = append(c.parked, parked{offset, resp, reply, never})
}

// release returns the answers that waited for what is committed now.
func (c *core) release() []func() {
	var out []func()
	for len(c.parked) > 0 && c.parked[0].offset < c.next.Offset {
		p := c.parked[0]
		c.parked = c.parked[1:]
		out = append(out, func() { p.reply(p.resp, nil) })
	}
	return out
}

const never = math.MaxInt64
