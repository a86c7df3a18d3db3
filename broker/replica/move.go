package replica

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/throttle"
	"go.uber.org/zap"
)

// Errors of AlterLogDir beside those of package logdir.
var (
	// ErrNameTooLong: the topic's name leaves no room for that of a copy.
	ErrNameTooLong = errors.New("the topic name is too long")
)

const (
	// moveChunk is what one step of a copy reads. So much may also be left for the
	// last step, which keeps producers out.
	moveChunk = 1 << 20
	// movePause is the wait before a copy is tried again that found no room or no file.
	movePause = time.Second
	// moveWait is the longest wait at once for the sake of the rate, so that a
	// higher one is noticed soon.
	moveWait = time.Second
)

// move is a partition on its way to another directory (KIP-113). Guarded by Partition.mu.
//
//	copying ──the copy ends where the log ends──▶ told: the reporter asks the controller
//	told ──the metadata names the directory──▶ the rest is copied under the lock, the logs change places
//	any ──another target, deletion, a failed directory──▶ over; the reporter takes back what was told
type move struct {
	log  *partlog.Log // nil until the mover has opened what an earlier process left
	dir  *logdir.Dir
	told bool
	// stuck: the copy met damage and stays where it is, for an operator to see.
	stuck bool
}

// mover copies the partitions that move, one after the other, a piece of each at
// a time. It is one goroutine, which begins with the first move and sleeps while
// nothing moves.
type mover struct {
	m    *Manager
	wake chan struct{} // room for one

	mu      sync.Mutex // guards list and running; a leaf
	list    map[*Partition]struct{}
	running bool

	// Of the goroutine alone:
	buf  []byte
	rate throttle.Throttle
}

func newMover(m *Manager) *mover {
	return &mover{m: m, wake: make(chan struct{}, 1), list: map[*Partition]struct{}{}}
}

// note has the mover look at p.
func (v *mover) note(p *Partition) {
	v.mu.Lock()
	v.list[p] = struct{}{}
	if !v.running && !v.m.stopping() {
		v.running = true
		v.m.stopped.Add(1)
		go v.run()
	}
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (v *mover) take() (out []*Partition) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for p := range v.list {
		out = append(out, p)
		delete(v.list, p)
	}
	return out
}

// run copies until the manager stops.
func (v *mover) run() {
	defer v.m.stopped.Done()
	for {
		select {
		case <-v.m.stop:
			return
		case <-v.wake:
		}
		for list := v.take(); len(list) > 0 && !v.m.stopping(); list = v.take() {
			if !v.pass(list) {
				return
			}
		}
	}
}

// pass makes one step for each; false when the manager stops meanwhile.
func (v *mover) pass(list []*Partition) bool {
	starved := len(list) > 0
	for _, p := range list {
		n, again, err := v.step(p)
		switch {
		case err == nil && again:
			v.note(p)
			starved = false
		case errors.Is(err, partlog.ErrDiskFull) || errors.Is(err, partlog.ErrTooManyFiles):
			v.note(p)
		case err != nil:
			v.m.log.Error("a partition cannot be copied to another log directory", zap.Stringer("partition", p.TP()), zap.Error(err))
		default:
			starved = false
		}
		v.rate.SetRate(float64(v.m.moveRate()))
		if !v.rest(min(v.rate.Owe(n, time.Now()), moveWait)) {
			return false
		}
	}
	return !starved || v.rest(movePause)
}

func (v *mover) rest(d time.Duration) bool {
	if d <= 0 {
		return !v.m.stopping()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-v.m.stop:
		return false
	case <-t.C:
		return true
	}
}

// moveRate is replica.alter.log.dirs.io.max.bytes.per.second.
func (m *Manager) moveRate() int64 {
	return max(m.broker.Load().Long("replica.alter.log.dirs.io.max.bytes.per.second"), 1)
}

// step does the next thing for a partition that moves. again: there is more to do at once.
func (v *mover) step(p *Partition) (n int, again bool, err error) {
	p.mu.Lock()
	mv, source := p.move, p.log.Load()
	if mv == nil || mv.stuck || p.retired || p.offline.Load() {
		p.mu.Unlock()
		return 0, false, nil
	}
	if source == nil {
		source, err = p.openLocked()
	}
	if err == nil && mv.log == nil {
		mv.log, mv.dir, err = v.m.opts.Logs.OpenFuture(p.TP(), p.TopicID(), mv.dir, p.topic.settings().Log)
	}
	p.mu.Unlock()
	if err != nil {
		return 0, false, err
	}
	if v.rate.Owe(0, time.Now()) > moveWait { // still to wait for the bytes before
		return 0, true, nil
	}
	n, reached, err := v.copy(source, mv.log, int(min(moveChunk, v.m.moveRate())))
	if err != nil {
		return n, false, v.failed(p, mv, err)
	}
	if !reached {
		return n, true, nil
	}
	again, err = v.finish(p, mv)
	return n, again, err
}

// failed ends a move whose copy has failed, and leaves one that met damage as it is.
func (v *mover) failed(p *Partition, mv *move, err error) error {
	if errors.Is(err, partlog.ErrDiskFull) || errors.Is(err, partlog.ErrTooManyFiles) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.move != mv || errors.Is(err, partlog.ErrClosed) {
		return nil // it was called off
	}
	mv.stuck = true
	return err
}

// copy brings the copy one piece nearer to the source and returns the bytes.
// reached: the source ended there when the step began.
func (v *mover) copy(source, dst *partlog.Log, most int) (n int, reached bool, err error) {
	if err := alignStart(source, dst); err != nil {
		return 0, false, err
	}
	end := source.EndOffset()
	s, err := source.Read(dst.EndOffset(), most, end, true)
	defer s.Release()
	if err != nil || s.Len == 0 {
		return 0, dst.EndOffset() >= end, err
	}
	if cap(v.buf) < s.Len {
		v.buf = make([]byte, s.Len)
	}
	b := v.buf[:s.Len]
	if len(b) > 4*moveChunk {
		v.buf = nil // one huge batch must not stay
	}
	if _, err := s.ReadAt(b, 0); err != nil {
		return 0, false, fmt.Errorf("copy %v: %w", source.TP(), err)
	}
	_, err = dst.AppendAsFollower(b, math.MaxInt32)
	return len(b), dst.EndOffset() >= end, err
}

// alignStart makes the copy a prefix of the source again where that was
// truncated, and moves its start as the source's moved.
func alignStart(source, dst *partlog.Log) error {
	start := source.StartOffset()
	if end := dst.EndOffset(); end < start || end == dst.StartOffset() && end != start {
		return dst.TruncateFullyAndStartAt(start)
	}
	if e := dst.EndOffsetAndEpoch(); e.Epoch != ids.NoEpoch {
		if was := source.EndOffsetForEpoch(e.Epoch); was.Offset != ids.NoOffset && was.Offset < e.Offset {
			if err := dst.TruncateTo(was.Offset); err != nil {
				return err
			}
		}
	}
	if end := source.EndOffset(); dst.EndOffset() > end {
		if err := dst.TruncateTo(end); err != nil {
			return err
		}
	}
	_, err := dst.AdvanceStartOffset(min(start, dst.EndOffset()))
	return err
}

// finish asks the controller when the copy has caught up, and lets the logs
// change places when the metadata names the copy's directory. again: the source
// has grown too much meanwhile.
func (v *mover) finish(p *Partition, mv *move) (again bool, err error) {
	named := v.m.named(p, mv.dir.ID())
	if named {
		if err := mv.log.Flush(); err != nil { // what is left for the flush under the lock is small
			return false, v.failed(p, mv, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	source := p.log.Load()
	if p.move != mv || source == nil || p.retired || p.offline.Load() {
		return false, nil
	}
	mv.told = true
	if !named {
		p.m.reports.note(p)
		return false, nil // Apply wakes the mover when the answer is in the metadata
	}
	// Nobody appends now. A piece is what this step may have left, a second one is
	// for a batch that did not fit.
	for range 2 {
		if _, _, err := v.copy(source, mv.log, moveChunk); err != nil {
			return false, err
		}
	}
	if mv.log.EndOffset() != source.EndOffset() {
		return true, nil
	}
	return false, p.promoteLocked(mv)
}

// named tells whether the metadata has the partition in dir, or cannot say so.
func (m *Manager) named(p *Partition, dir ids.DirectoryID) bool {
	if m.opts.Controller == nil || !m.Image().Features.MetadataVersion().SupportsDirectories() {
		return true
	}
	t := m.Image().Topics.ByID(p.TopicID())
	if t == nil || t.Partition(p.index) == nil {
		return false
	}
	noted, here := t.Partition(p.index).DirectoryOf(m.opts.Node)
	return here && noted == dir
}

// promoteLocked makes the copy the partition's log. Whoever still reads from the old one may finish.
func (p *Partition) promoteLocked(mv *move) error {
	log, dir, err := p.m.opts.Logs.Promote(p.TP())
	if err != nil {
		return err
	}
	p.move, p.dir = nil, dir.ID()
	if p.core.role.leads {
		if err := beginEpoch(log, p.core.role.epoch); err != nil {
			return err
		}
	}
	p.publishLocked(log, true)
	p.log.Store(log)
	p.m.log.Info("A partition lies in another log directory now", zap.Stringer("partition", p.TP()), zap.String("dir", dir.Path))
	p.m.reports.opened(p, p.dir)
	return nil
}
