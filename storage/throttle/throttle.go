// Package throttle spreads bytes over time: what the cleaner, the copies between
// directories and the scrubber read and write in the background.
//
// A throttle is a debt. Bytes are taken at once and paid off by time; whoever
// takes more waits until the debt is paid.
package throttle

import (
	"sync"
	"time"
)

// Throttle bounds what all its users together take. Its zero value is no bound.
type Throttle struct {
	// Slack is the debt, as the time that pays it, below which nobody waits: a
	// user who takes little at a time sleeps seldom and not for a millisecond.
	Slack time.Duration
	// Pause waits, and is false when the owner stops. Take needs it.
	Pause func(time.Duration) bool

	mu   sync.Mutex
	rate float64 // bytes a second, 0 = no bound
	debt float64 // bytes that were taken and are not paid by time yet
	last time.Time
}

// SetRate changes the bound; whatever is no positive number is none. A debt
// is paid at the new rate.
func (t *Throttle) SetRate(bytesPerSecond float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytesPerSecond > 1<<62 || !(bytesPerSecond > 0) {
		bytesPerSecond = 0
	}
	t.rate = bytesPerSecond
}

// Take pays for n bytes, waiting as long as that takes; false: the owner stops.
// A nil Throttle is no bound.
func (t *Throttle) Take(n int) bool {
	if t == nil {
		return true
	}
	wait := t.Owe(n, time.Now())
	return wait <= 0 || t.Pause(wait)
}

// Owe enters n bytes and says how long to wait.
func (t *Throttle) Owe(n int, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate == 0 {
		t.debt = 0
		return 0
	}
	t.debt = max(0, t.debt-now.Sub(t.last).Seconds()*t.rate) + float64(n)
	t.last = now
	if t.debt < t.rate*t.Slack.Seconds() {
		return 0
	}
	return time.Duration(t.debt / t.rate * float64(time.Second))
}
