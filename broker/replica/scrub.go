package replica

import (
	"time"

	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/throttle"
)

const (
	// scrubRate is what scrubbing reads in a second: a hundredth of what a disk can,
	// and still 675 GiB a day.
	scrubRate = 8 << 20
	// scrubStep is read at once.
	scrubStep = 1 << 20
	// scrubOpening is what opening a log counts as: 20 a second, for each holds files
	// until it rests again.
	scrubOpening = scrubRate / 20
	// scrubEvery is the time from the beginning of one pass to that of the next: a
	// disk loses bits in months, and a broker with nothing to do should do nothing.
	scrubEvery = 7 * 24 * time.Hour
	// scrubFirst is the time from the start to the first pass: a node that has just
	// come up has other things to read.
	scrubFirst = time.Hour
)

// runScrubber reads all sealed segments once a week, so that damage is known
// while another replica still has what it took.
func (m *Manager) runScrubber() {
	defer m.stopped.Done()
	for wait := scrubFirst; m.pause(wait); {
		began := time.Now()
		m.scrubAll(m.pause)
		wait = max(scrubEvery-time.Since(began), scrubFirst)
	}
}

// pause waits and is false when the manager stops.
func (m *Manager) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-m.stop:
		return false
	case <-t.C:
		return true
	}
}

// scrubAll reads the sealed segments of all partitions that live here, a second's
// worth at a time. A log that fails says so itself.
func (m *Manager) scrubAll(pause func(time.Duration) bool) {
	var all []*Partition
	m.Each(func(p *Partition) bool { all = append(all, p); return true })
	pace := throttle.Throttle{Slack: time.Second, Pause: pause}
	pace.SetRate(scrubRate)
	spend := func(n int64) bool { return !m.stopping() && pace.Take(int(n)) }
	for _, p := range all {
		if p.log.Load() == nil && !spend(scrubOpening) {
			return
		}
		log, err := p.opened()
		if err != nil {
			continue // retired meanwhile, or told when it was tried first
		}
		for at, more := (partlog.ScrubPoint{}), true; more; {
			var n int64
			if at, n, more, err = log.Scrub(at, scrubStep); err != nil || !spend(n) {
				break
			}
		}
		if m.stopping() {
			return
		}
	}
}
