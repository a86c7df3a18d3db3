package runtime

import (
	"sync"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// phase is where a shard is in its life.
type phase uint8

const (
	loading phase = iota
	active
	failed // the load failed; stays so until the leadership changes
	ended
)

// task is one queued operation.
type task[M Machine] struct {
	scope  string // empty: the whole shard
	beside bool   // it decides on nothing that outcomes marked Beside change
	op     func(m M, now int64) Outcome
	refuse func(error)
}

// shard is one partition's machine under one leadership.
//
// The mutex guards the inbox and what others set; everything below it belongs to
// the goroutine that set running, so nothing of it is locked while a machine
// decides or the log appends.
type shard[M Machine] struct {
	rt        *Runtime[M]
	partition int32
	ended     chan struct{} // closed when the shard will never run again

	// appending is held while the log appends and end follows, so that renew never
	// sees the one without the other. Taken before mu.
	appending sync.Mutex

	mu        sync.Mutex
	epoch     ids.LeaderEpoch
	phase     phase
	stopping  bool
	running   bool // a goroutine owns the fields below
	inbox     []task[M]
	committed ids.Offset
	armed     int64 // when the timer goes off; 0 = not set
	disarm    func() bool
	end       ids.Offset // behind the last record appended; written by the owner

	machine   M
	skew      int64 // of the wall clock against the steady one
	gathering gathering
	parked    parked
	spare     []task[M] // the inbox before last, to be used again
}

func newShard[M Machine](r *Runtime[M], partition int32, epoch ids.LeaderEpoch) *shard[M] {
	s := &shard[M]{rt: r, partition: partition, epoch: epoch, ended: make(chan struct{}), running: true}
	s.gathering.codec = r.opts.Codec
	s.skew = r.opts.Clock.Now() - r.opts.Clock.Steady()
	return s
}

func (s *shard[M]) currentEpoch() ids.LeaderEpoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// renew takes a new epoch of a leadership that went on; false asks for a new shard.
//
// Between two epochs of ours another broker may have led, and the image may have
// skipped over it. Then the log has its records, so its end isn't where we left it.
func (s *shard[M]) renew(epoch ids.LeaderEpoch) bool {
	s.appending.Lock()
	defer s.appending.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if epoch <= s.epoch && s.phase != failed {
		return true
	}
	if s.phase != active {
		return false
	}
	end, _, err := s.rt.opts.Log.Bounds(s.partition)
	if err != nil || end != s.end {
		return false
	}
	s.epoch = epoch
	return true
}

// post queues a task, or refuses it by the phase.
func (s *shard[M]) post(t task[M]) {
	s.mu.Lock()
	var err error
	switch {
	case s.stopping || s.phase == ended || s.phase == failed:
		err = ErrNotCoordinator
	case s.phase == loading:
		err = ErrLoading
	default:
		s.inbox = append(s.inbox, t)
	}
	s.wakeAndUnlock(err == nil)
	if err != nil {
		t.refuse(err)
	}
}

// wakeAndUnlock starts the shard's goroutine if there is work and none runs.
func (s *shard[M]) wakeAndUnlock(work bool) {
	start := work && !s.running
	if start {
		s.running = true
	}
	s.mu.Unlock()
	if start {
		s.rt.workers.start(s)
	}
}

// committedUpTo notes a new high watermark. It may be called from within
// Log.Append: then the shard is running and looks at it afterwards.
func (s *shard[M]) committedUpTo(hw ids.Offset) {
	s.mu.Lock()
	news := hw > s.committed
	if news {
		s.committed = hw
	}
	s.wakeAndUnlock(news && s.phase == active)
}

// stop ends the shard: at once if it is idle, else as soon as its goroutine sees it.
func (s *shard[M]) stop() {
	s.mu.Lock()
	first := !s.stopping
	s.stopping = true
	s.wakeAndUnlock(first)
}

// run is the shard's goroutine: it works until nothing is left to do.
func (s *shard[M]) run() {
	for {
		tasks, hw, ok := s.take()
		if !ok {
			return
		}
		now := s.now()
		s.parked.release(hw, now)
		s.parked.posts.send()
		for i := range tasks {
			s.perform(&tasks[i], now)
		}
		s.expire(now)
		s.flush(now)
		s.parked.posts.send()
		s.giveBack(tasks)
	}
}

// take returns what there is to do, or ends the goroutine and sets the timer.
func (s *shard[M]) take() (tasks []task[M], hw ids.Offset, ok bool) {
	now := s.now()
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		s.finish()
		return nil, 0, false
	}
	if len(s.inbox) == 0 && !s.parked.due(s.committed) {
		at, timed := s.nextDeadline()
		if !timed || at > now {
			s.arm(at, timed, now)
			s.running = false
			s.mu.Unlock()
			return nil, 0, false
		}
	}
	tasks, s.inbox, s.spare = s.inbox, s.spare[:0], nil
	hw = s.committed
	s.mu.Unlock()
	return tasks, hw, true
}

// giveBack keeps the memory of a finished inbox for the next but one.
func (s *shard[M]) giveBack(tasks []task[M]) {
	clear(tasks)
	s.spare = tasks
}

// perform decides one task and gathers what it decided.
func (s *shard[M]) perform(t *task[M], now int64) {
	if s.gathering.touches(t.scope, t.beside) {
		s.flush(now)
	}
	s.gather(t.op(s.machine, now), t.scope, now)
}

// gather adds the outcome to the batch, which is appended first when it is full. What
// does not fit into one as it is, and has to be one, may do so compressed; it goes
// alone, as in Kafka, so that nobody else is refused with it.
func (s *shard[M]) gather(o Outcome, scope string, now int64) {
	limit := s.rt.opts.Log.MaxBatchBytes(s.partition)
	size := sizeOf(o.Records)
	switch {
	case batch.HeaderSize+size <= limit:
	case o.Split && len(o.Records) > 1:
		s.split(o, scope, now)
		return
	case s.gathering.codec != batch.None:
		s.flush(now)
		s.gathering.add(o, scope)
		s.flush(now)
		return
	default:
		if o.Done != nil {
			o.Done(now, ErrTooLarge)
			s.parked.posts.add(o.Out)
		}
		return
	}
	if s.gathering.size()+size > limit {
		s.flush(now)
	}
	s.gathering.add(o, scope)
}

// split gathers the records of an outcome, as many at a time as a batch holds, in
// order: what comes behind a batch that was not appended is not either. Done gets
// the first error of all.
func (s *shard[M]) split(o Outcome, scope string, now int64) {
	var first error
	note := func(_ int64, err error) {
		if first == nil {
			first = err
		}
	}
	rest, limit := o.Records, s.rt.opts.Log.MaxBatchBytes(s.partition)
	for first == nil {
		n := fitting(rest, limit)
		if n == len(rest) {
			break
		}
		s.gather(Outcome{Records: rest[:n], Split: true, Done: note}, scope, now)
		s.flush(now)
		rest = rest[n:]
	}
	if first != nil {
		rest = nil
	}
	s.gather(Outcome{Records: rest, Split: true, Out: o.Out, Done: func(now int64, err error) {
		if note(now, err); o.Done != nil {
			o.Done(now, first)
		}
	}}, scope, now)
}

// expire lets the machine handle what is due, and times out commits.
func (s *shard[M]) expire(now int64) {
	s.parked.timeOut(now)
	for range 1000 { // a machine that never gets done must not starve the inbox
		at, ok := s.machine.Deadline()
		if !ok || at > now {
			return
		}
		s.flush(now)
		s.gather(s.machine.Expire(now), "", now)
	}
}

// flush appends the batch, replays it and parks whoever waits for it.
func (s *shard[M]) flush(now int64) {
	g := &s.gathering
	if len(g.records) > 0 {
		if err := s.append(now); err != nil {
			s.rt.opts.Logger.Warn("could not append to the coordinator's log", zap.Int32("partition", s.partition), zap.Error(err))
			g.fail(now, err, &s.parked.posts)
		}
	}
	deadline := now + s.rt.opts.CommitTimeout
	for _, w := range g.waiting {
		s.parked.add(waiter{offset: s.end, deadline: deadline, done: w.done, out: w.out})
	}
	g.reset()
	s.mu.Lock()
	hw := s.committed
	s.mu.Unlock()
	s.parked.release(hw, now)
}

// append writes the gathered records and replays them.
func (s *shard[M]) append(now int64) error {
	g := &s.gathering
	data, err := g.build(now)
	if err != nil {
		return err
	}
	if len(data) > s.rt.opts.Log.MaxBatchBytes(s.partition) {
		g.builder.Recycle(data)
		return ErrTooLarge
	}
	end, err := s.appendToLog(data)
	g.builder.Recycle(data) // the log has not kept it
	if err != nil {
		return err
	}
	base := end - ids.Offset(len(g.records))
	for i, r := range g.records {
		e := Entry{Offset: base + ids.Offset(i), Timestamp: now, ProducerID: batch.NoProducerID, Key: r.Key, Value: r.Value}
		if err := s.machine.Replay(e, false); err != nil {
			s.rt.opts.Logger.Error("a record the coordinator wrote does not replay", zap.Int32("partition", s.partition), zap.Error(err))
		}
	}
	return nil
}

func (s *shard[M]) appendToLog(data []byte) (ids.Offset, error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	end, err := s.rt.opts.Log.Append(s.partition, s.currentEpoch(), data)
	if err == nil {
		s.mu.Lock()
		s.end = end
		s.mu.Unlock()
	}
	return end, err
}

// finish ends the shard; the caller owns it.
func (s *shard[M]) finish() {
	s.mu.Lock()
	wasActive := s.phase == active
	s.phase = ended
	tasks := s.inbox
	s.inbox = nil
	if s.disarm != nil {
		s.disarm()
	}
	s.mu.Unlock()
	now := s.rt.opts.Clock.Now()
	s.parked.failAll(now, ErrNotCoordinator)
	s.parked.posts.send()
	if wasActive {
		s.machine.Unloaded()
	}
	for i := range tasks {
		tasks[i].refuse(ErrNotCoordinator)
	}
	close(s.ended)
}

// leastShift is by how much the wall clock has to be set for deadlines to be moved,
// in ms.
const leastShift = 1000

// now is the wall clock, for the owner, who has moved the deadlines when it was set.
func (s *shard[M]) now() int64 {
	wall := s.rt.opts.Clock.Now()
	skew := wall - s.rt.opts.Clock.Steady()
	if jump := skew - s.skew; jump >= leastShift || jump <= -leastShift {
		s.skew = skew
		s.shift(jump)
	}
	return wall
}

// shift moves all deadlines. The timer is set anew as soon as there is nothing to do.
func (s *shard[M]) shift(jump int64) {
	s.mu.Lock()
	if s.disarm != nil {
		s.disarm()
	}
	s.armed, s.disarm = 0, nil
	s.mu.Unlock()
	s.parked.shift(jump)
	s.machine.Shift(jump)
}

// nextDeadline is when the machine or a parked operation wants to be looked at.
func (s *shard[M]) nextDeadline() (int64, bool) {
	at, ok := s.machine.Deadline()
	if d, waits := s.parked.deadline(); waits && (!ok || d < at) {
		return d, true
	}
	return at, ok
}

// arm makes the timer go off at the deadline or earlier. A deadline that moved
// back keeps the earlier timer: waking once too often is cheaper than setting a
// timer for every heartbeat. The caller holds the mutex.
func (s *shard[M]) arm(at int64, timed bool, now int64) {
	if !timed || s.armed != 0 && s.armed <= at {
		return
	}
	if s.disarm != nil {
		s.disarm()
	}
	s.armed = at
	s.disarm = s.rt.opts.Clock.AfterFunc(at-now, func() { s.wake(at) })
}

// wake is the timer set for at.
func (s *shard[M]) wake(at int64) {
	s.mu.Lock()
	if s.armed == at {
		s.armed = 0
	}
	s.wakeAndUnlock(s.phase == active)
}
