package replica

import (
	"math"
	"slices"
	"time"

	"github.com/gregorbroker/gregor/storage/partlog"
	"go.uber.org/zap"
)

const (
	// openEvery paces the looks at logs that nobody has used since the start.
	openEvery = time.Second
	// openAtOnce bounds how many are opened in one go. An opened log keeps a file
	// until it was idle for half a minute: opening much faster would run out of
	// files with 100,000 partitions.
	openAtOnce = 20
	// openFor bounds the time of one go: after a crash a log is recovered first. A
	// look takes some 30 µs, so that 100,000 logs are looked at in about a minute.
	openFor = 50 * time.Millisecond
)

// resting is a log that lies on disk and is not open: all that is kept of it.
type resting struct {
	p *Partition
	// config is the one by which the directory was looked at, nil before.
	config *partlog.Config
	newest int64 // ms, see partlog.Glimpse
}

// openFound opens logs that nobody has asked for as soon as retention or
// compaction has something to do in them, or the controller takes them to be in
// another directory. It begins when the metadata is known and strays are set
// aside, and ends when every log was opened. What a directory says is asked
// once, and again when the topic's configuration changes: a log that is not open
// does not grow. What is due by time is compared every
// log.retention.check.interval.ms, which touches no disk.
func (m *Manager) openFound() {
	defer m.stopped.Done()
	select {
	case <-m.stop:
		return
	case <-m.caughtUp:
	}
	interval := m.broker.Load().Time("log.retention.check.interval.ms", time.Millisecond)
	for rest := m.atRest(); len(rest) > 0; {
		wait := interval
		if at := m.openSome(rest); at < len(rest) {
			rest, wait = slices.Concat(rest[at:], rest[:at]), openEvery // go on where this look ended
		}
		rest = slices.DeleteFunc(rest, func(r resting) bool { return r.p == nil })
		if len(rest) > 0 && !m.pause(min(wait, interval)) {
			return
		}
	}
}

// atRest are the partitions whose logs lie on disk and are not open.
func (m *Manager) atRest() (rest []resting) {
	for _, tp := range m.opts.Logs.Unopened() {
		if p, err := m.Get(tp); err == nil {
			rest = append(rest, resting{p: p})
		}
	}
	return rest
}

// openSome looks at logs and opens those with work to do, until it has opened
// enough or its time is over; it returns how far it came. Those that need no
// further look are left without their partition.
func (m *Manager) openSome(rest []resting) int {
	began, now, opened := time.Now(), m.opts.Clock(), 0
	for i := range rest {
		r := &rest[i]
		if m.stopping() || opened == openAtOnce {
			return i
		}
		if r.p == nil || r.p.log.Load() != nil || r.p.gone() {
			*r = resting{}
			continue
		}
		if c := r.p.topic.settings().Log; c != r.config {
			if i > 0 && time.Since(began) >= openFor {
				return i
			}
			if r.config = c; m.look(r) {
				r.newest = math.MinInt64
			}
		}
		if c := r.config; r.newest != math.MinInt64 && !(c.Delete && c.RetentionMs >= 0 && r.newest < now-c.RetentionMs) {
			continue
		}
		if _, err := r.p.opened(); err != nil && !r.p.gone() {
			m.log.Error("cannot open the log; its retention does not act", zap.Stringer("partition", r.p.TP()), zap.Error(err))
		}
		*r = resting{}
		opened++
	}
	return len(rest)
}

// look asks the directory and tells whether the log must be opened now.
func (m *Manager) look(r *resting) bool {
	tp := r.p.TP()
	g, dir, ok := m.opts.Logs.Glance(tp, r.config)
	if !ok {
		return true // in use by now, or opening it tells why not
	}
	r.newest = g.Newest
	reg := m.Image().Topics.Partition(tp)
	if reg == nil {
		return g.Work
	}
	noted, here := reg.DirectoryOf(m.opts.Node)
	return g.Work || here && noted != dir.ID()
}

// gone tells whether the partition has left this broker.
func (p *Partition) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retired
}
