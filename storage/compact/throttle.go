package compact

import (
	"sync"
	"time"
)

// Throttle bounds what all cleanings together read and write
// (log.cleaner.io.max.bytes.per.second). The zero value is no bound.
type Throttle struct {
	// Pause waits, and is false when the owner stops. It must be set with a rate.
	Pause func(time.Duration) bool

	mu   sync.Mutex
	rate float64 // bytes a second, 0 = no bound
	debt float64 // bytes that were taken and are not paid by time yet
	last time.Time
}

// maxDebt is what may be taken at once before anybody waits, in seconds: as
// coarse as Kafka's, so that a cleaner sleeps seldom and not for a millisecond.
const maxDebt = 0.3

// SetRate changes the bound; whatever is no positive number is none.
func (t *Throttle) SetRate(bytesPerSecond float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytesPerSecond > 1<<62 || !(bytesPerSecond > 0) {
		bytesPerSecond = 0
	}
	t.rate = bytesPerSecond
}

// take pays for n bytes, waiting as long as that takes; false: the owner stops.
func (t *Throttle) take(n int) bool {
	if t == nil {
		return true
	}
	wait := t.owe(n, time.Now())
	return wait <= 0 || t.Pause(wait)
}

// owe enters n bytes and says how long to wait.
func (t *Throttle) owe(n int, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate == 0 {
		t.debt = 0
		return 0
	}
	t.debt = max(0, t.debt-now.Sub(t.last).Seconds()*t.rate) + float64(n)
	t.last = now
	if t.debt < t.rate*maxDebt {
		return 0
	}
	return time.Duration(t.debt / t.rate * float64(time.Second))
}
