package replica

import (
	"time"

	"go.uber.org/zap"
)

const (
	// openEvery paces the opening of logs that nobody has used since the start.
	openEvery = time.Second
	// openAtOnce bounds how many are opened in one go. An opened log keeps a file
	// until it has rested for a while, and logdir puts no more than this many to
	// rest a second: opening faster would run out of files with 100,000 partitions.
	openAtOnce = 20
	// openFor bounds the time of one go: after a crash a log is recovered first.
	openFor = 50 * time.Millisecond
)

// openFound opens the logs that lie on disk and that nobody has asked for, so
// that retention and compaction reach them too. It begins when the metadata is
// known and strays are set aside, and ends when every log was opened or failed
// to: an idle broker has nothing left to do here.
func (m *Manager) openFound() {
	defer m.stopped.Done()
	select {
	case <-m.stop:
		return
	case <-m.caughtUp:
	}
	pace := time.NewTicker(openEvery)
	defer pace.Stop()
	for rest := m.atRest(); len(rest) > 0; {
		rest = m.openSome(rest)
		select {
		case <-m.stop:
			return
		case <-pace.C:
		}
	}
}

// atRest are the partitions whose logs lie on disk and are not open.
func (m *Manager) atRest() (rest []*Partition) {
	for _, tp := range m.opts.Logs.Unopened() {
		if p, err := m.Get(tp); err == nil {
			rest = append(rest, p)
		}
	}
	return rest
}

// openSome opens a few and returns the rest.
func (m *Manager) openSome(rest []*Partition) []*Partition {
	began := time.Now()
	for n := 0; n < openAtOnce && len(rest) > 0 && (n == 0 || time.Since(began) < openFor) && !m.stopping(); n++ {
		p := rest[0]
		rest = rest[1:]
		if _, err := p.opened(); err != nil && !p.gone() {
			m.log.Error("cannot open the log; its retention does not act", zap.Stringer("partition", p.TP()), zap.Error(err))
		}
	}
	return rest
}

// gone tells whether the partition has left this broker.
func (p *Partition) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retired
}
