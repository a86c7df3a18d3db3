package runtimetest

import (
	"sync"
)

// Clock is runtime.Clock moved by hand. Timers run on goroutines of their own, as
// those of a real clock do.
type Clock struct {
	mu     sync.Mutex
	steady int64
	set    int64 // by how much the wall clock was set
	timers []*timer
}

type timer struct {
	at int64
	f  func()
}

// NewClock begins at now, in milliseconds.
func NewClock(now int64) *Clock { return &Clock{steady: now} }

// Now implements runtime.Clock.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steady + c.set
}

// Steady implements runtime.Clock.
func (c *Clock) Steady() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steady
}

// Set sets the wall clock, ms forward.
func (c *Clock) Set(ms int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set += ms
}

// AfterFunc implements runtime.Clock.
func (c *Clock) AfterFunc(delay int64, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.steady + delay, f}
	c.timers = append(c.timers, t)
	return func() bool { return c.drop(t) }
}

func (c *Clock) drop(t *timer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.timers {
		if c.timers[i] == t {
			c.timers = append(c.timers[:i], c.timers[i+1:]...)
			return true
		}
	}
	return false
}

// Timers is how many are set.
func (c *Clock) Timers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Advance moves the time on and starts every timer that is due by then.
func (c *Clock) Advance(ms int64) {
	c.mu.Lock()
	c.steady += ms
	var due []*timer
	kept := c.timers[:0]
	for _, t := range c.timers {
		if t.at <= c.steady {
			due = append(due, t)
		} else {
			kept = append(kept, t)
		}
	}
	c.timers = kept
	c.mu.Unlock()
	for _, t := range due {
		go t.f()
	}
}
