package replica

import (
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// checkpointEvery is replica.high.watermark.checkpoint.interval.ms' default.
const checkpointEvery = 5 * time.Second

// Start begins the upkeep of the logs: one goroutine for retention, rolls and
// flushes by time, delayed deletes and checkpoints of all partitions, one that
// compacts, one that looks for damage, and one that ends when it has opened what lay there at the start.
func (m *Manager) Start() {
	m.stopped.Add(3)
	go m.upkeep()
	go m.openFound()
	go m.runScrubber()
	if cleans(m.broker.Load()) {
		m.stopped.Add(1)
		go m.runCleaner()
	}
	if m.opts.Controller != nil {
		m.stopped.Add(1)
		go m.reports.run()
	}
}

// Close ends the upkeep, a cleaning in the middle of a log too, and gives up
// every role; the logs stay open for their
// owner to close.
func (m *Manager) Close() {
	close(m.stop)
	m.stopped.Wait()
	m.Each(func(p *Partition) bool {
		p.retire()
		return true
	})
}

func (m *Manager) upkeep() {
	defer m.stopped.Done()
	checkpoint := time.NewTicker(checkpointEvery)
	defer checkpoint.Stop()
	for {
		next := time.NewTimer(m.tick())
		select {
		case <-m.stop:
			next.Stop()
			return
		case <-next.C:
		case <-checkpoint.C:
			next.Stop()
			if err := m.opts.Logs.Checkpoint(m.committed); err != nil {
				m.log.Error("cannot write checkpoints", zap.Error(err))
			}
		}
	}
}

// tick does what is due and says how long to wait for the next time.
func (m *Manager) tick() time.Duration {
	now := m.opts.Clock()
	next := m.opts.Logs.Tick(now, m.committed)
	return min(max(time.Duration(next-now)*time.Millisecond, 100*time.Millisecond), time.Minute)
}

// committed is the high watermark of a partition whose log is in use.
func (m *Manager) committed(tp ids.TopicPartition) (ids.Offset, bool) {
	p, err := m.Get(tp)
	if err != nil || p.log.Load() == nil {
		return 0, false
	}
	return p.HighWatermark(), true
}
