package replica

import (
	"math"
	"time"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/compact"
	"go.uber.org/zap"
)

// keyBytes is what Kafka counts for a key in log.cleaner.dedupe.buffer.size: a
// 16-byte digest and an offset.
const keyBytes = 24

// runCleaner compacts logs one after the other for as long as there is one that
// is dirty enough, then pauses for log.cleaner.backoff.ms. It is one goroutine:
// cleaning is bound by the disk, and what it takes from producers should stay
// small however many logs are dirty.
func (m *Manager) runCleaner() {
	defer m.stopped.Done()
	c := &compact.Cleaner{Set: m.opts.Logs, Stable: m.stable, Failed: m.uncleanable, Stopped: m.stopping}
	for {
		c.SetMaxKeys(maxKeys(m.broker.Load()))
		for !m.stopping() && c.Round(m.opts.Clock()) {
		}
		pause := time.NewTimer(max(time.Duration(m.broker.Load().Long("log.cleaner.backoff.ms")), 1) * time.Millisecond)
		select {
		case <-m.stop:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// cleans tells whether the configuration asks for a cleaner.
func cleans(v *configs.Values) bool {
	return v.Bool("log.cleaner.enable") && v.Int("log.cleaner.threads") > 0
}

// maxKeys is how many keys the cleaner may hold at a time; one at least, or it
// could not say that a log has too many.
func maxKeys(v *configs.Values) int {
	n := float64(v.Long("log.cleaner.dedupe.buffer.size")) * v.Double("log.cleaner.io.buffer.load.factor") / keyBytes
	return int(min(max(n, 1), math.MaxInt32))
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
