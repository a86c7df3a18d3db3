package replica

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/compact"
	"github.com/gregorbroker/gregor/storage/throttle"
	"go.uber.org/zap"
)

// cleanerSlack is as coarse as Kafka's.
const cleanerSlack = 300 * time.Millisecond

// cleaners is what the threads of the log cleaner share.
type cleaners struct {
	*compact.Cleaner
	running atomic.Int32
}

// runCleaner starts the log cleaner with its first thread, which starts the
// others. A change of the settings acts on the cleanings that begin after it.
func (m *Manager) runCleaner() {
	c := &cleaners{Cleaner: &compact.Cleaner{
		Set: m.opts.Logs, Stable: m.stable, Failed: m.uncleanable, Stopped: m.stopping, Throttle: &throttle.Throttle{Slack: cleanerSlack, Pause: m.pause},
	}}
	c.running.Store(1)
	m.cleanerThread(c, 0)
}

// cleanerThread compacts logs one after the other for as long as there is one
// that is dirty enough, then pauses for log.cleaner.backoff.ms. It ends when the
// manager does, or log.cleaner.threads was lowered. A thread that pauses costs a timer.
func (m *Manager) cleanerThread(c *cleaners, i int32) {
	defer m.stopped.Done()
	share := m.cleanerShare()
	for {
		v := m.broker.Load()
		threads := cleanerThreads(v)
		if i > 0 && i >= threads {
			c.running.Add(-1) // the last to be started is the first to go
			return
		}
		for n := c.running.Load(); i == 0 && n < threads; n = c.running.Add(1) {
			m.stopped.Add(1)
			go m.cleanerThread(c, n)
		}
		c.SetLimits(cleanerLimits(v))
		c.Throttle.SetRate(v.Double("log.cleaner.io.max.bytes.per.second"))
		for !m.stopping() && c.Round(m.opts.Clock(), share) {
		}
		share.Done()
		if !m.pause(max(v.Time("log.cleaner.backoff.ms", time.Millisecond), time.Millisecond)) {
			return
		}
	}
}

// cleanerShare is what a thread takes of the time: run at once a cleaning would
// be a core's worth of work for as long as it takes, and doubles the p99 of
// producers beside it (docs/decisions/0006).
func (m *Manager) cleanerShare() *throttle.Share {
	return &throttle.Share{Stretch: 300 * time.Microsecond, Rest: 3, Patience: 15 * time.Second, Others: m.opts.Requests, Pause: m.pause}
}

func cleanerThreads(v *configs.Values) int32 { return max(v.Int("log.cleaner.threads"), 1) }

// cleans tells whether the configuration asks for a cleaner.
func cleans(v *configs.Values) bool {
	return v.Bool("log.cleaner.enable") && v.Int("log.cleaner.threads") > 0
}

// cleanerLimits is one thread's share of the buffers. It may hold one key at
// least, or it could not say that a log has too many; and at most what 2 GiB
// hold, as in Kafka.
func cleanerLimits(v *configs.Values) compact.Limits {
	threads := int64(cleanerThreads(v))
	slots := min(v.Long("log.cleaner.dedupe.buffer.size")/threads, math.MaxInt32) / compact.SlotBytes
	return compact.Limits{
		Slots:   int(slots),
		MaxKeys: int(max(float64(slots)*v.Double("log.cleaner.io.buffer.load.factor"), 1)),
		Buffer:  int(max(int64(v.Int("log.cleaner.io.buffer.size"))/threads/2, 1)),
	}
}

// stable is the last stable offset of a partition whose log is in use here:
// what lies above it is not decided and must not be compacted away.
func (m *Manager) stable(tp ids.TopicPartition) (ids.Offset, bool) {
	p, err := m.Get(tp)
	if err != nil || p.log.Load() == nil || p.moving() {
		return 0, false
	}
	return p.LastStable(), true
}

func (m *Manager) uncleanable(tp ids.TopicPartition, err error) {
	m.log.Error("The log cannot be compacted and grows until the broker is restarted; all other logs are compacted as before",
		zap.Stringer("partition", tp), zap.Error(err))
}

// stopping tells whether Close was called.
func (m *Manager) stopping() bool {
	select {
	case <-m.stop:
		return true
	default:
		return false
	}
}
