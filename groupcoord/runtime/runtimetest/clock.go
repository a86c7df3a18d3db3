package runtimetest

import (
	"sync"
)

// Clock is runtime.Clock moved by hand. Timers run on goroutines of their own, as
// those of a real clock do.
type Clock struct {
	mu     sync.Mutex
	now    int64
	timers []*timer
}

type timer struct {
	at int64
	f  func()
}

// NewClock begins at now, in milliseconds.
func NewClock(now int64) *Clock { return &Clock{now: now} }

// Now implements runtime.Clock.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements runtime.Clock.
func (c *Clock) AfterFunc(delay int64, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.now + delay, f}
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
	c.now += ms
	var due []*timer
	kept := c.timers[:0]
	for _, t := range c.timers {
		if t.at <= c.now {
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
