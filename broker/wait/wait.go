// Package wait parks requests until something they wait for happens or their
// time is over.
//
// A Waiter is one parked request; a List is what one key (a partition) keeps of
// its waiters. Whoever changes the key wakes its list with how much happened; a
// waiter whose need is met fires. A waiter may sit in many lists and fires once.
//
//	request: look → not enough → New, Add to each list, Start
//	append:  change → List.Wake(bytes, false)
//
// No goroutine waits: the deadline is a runtime timer, and the fire function
// runs on the goroutine that wakes. It must be quick and must not block.
//
// Invariants:
//   - A waiter fires at most once, whatever races.
//   - No wake-up is lost: Add takes the position up to which the request has
//     looked, and fires at once if the key has moved on since.
//   - A list holds at most twice as many entries as live waiters, plus
//     purgeMin: fired waiters are dropped by the way.
package wait

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Reason says why a waiter fired.
type Reason uint8

const (
	// Enough of what it waited for happened, or the key changed so that it must look again.
	Enough Reason = iota
	// Deadline: its time is over.
	Deadline
)

// Waiter is one parked request.
type Waiter struct {
	need  atomic.Int64
	fired atomic.Bool
	fire  func(Reason)
	timer atomic.Pointer[time.Timer]
}

// New makes a waiter that fires when need units (bytes) have happened.
func New(need int64, fire func(Reason)) *Waiter {
	w := &Waiter{fire: fire}
	w.need.Store(need)
	return w
}

// Start begins the deadline, after the waiter was added to its lists.
func (w *Waiter) Start(d time.Duration) {
	t := time.AfterFunc(d, func() { w.Fire(Deadline) })
	w.timer.Store(t)
	if w.fired.Load() { // it fired between the two lines and found no timer to stop
		t.Stop()
	}
}

// Fire fires the waiter unless it has fired or was cancelled; it reports
// whether this call did it.
func (w *Waiter) Fire(r Reason) bool {
	if !w.Cancel() {
		return false
	}
	w.fire(r)
	return true
}

// Cancel keeps the waiter from firing; it reports whether it was in time.
func (w *Waiter) Cancel() bool {
	if !w.fired.CompareAndSwap(false, true) {
		return false
	}
	if t := w.timer.Load(); t != nil {
		t.Stop()
	}
	return true
}

// entry is a waiter in one list. Stable entries wait for the last stable
// offset, the others for the high watermark.
type entry struct {
	w      *Waiter
	stable bool
}

const purgeMin = 8

// List is the waiters of one key. The zero value is an empty list.
type List struct {
	mu      sync.Mutex
	entries []entry
	purgeAt int
	// size mirrors len(entries), so that waking an empty list takes no lock.
	// It is set before Add reads the key's position, and Wake reads it after
	// the position was moved: one of the two sees the other.
	size atomic.Int32
}

// Add parks w in the list unless moved reports that the key changed since the
// request looked at it; then w fires at once. moved runs under the list's lock.
func (l *List) Add(w *Waiter, stable bool, moved func() bool) {
	l.mu.Lock()
	l.purge()
	l.entries = append(l.entries, entry{w, stable})
	l.size.Store(int32(len(l.entries)))
	now := moved()
	l.mu.Unlock()
	if now {
		w.Fire(Enough)
	}
}

// purge drops fired waiters once the list has doubled since it last did.
func (l *List) purge() {
	if len(l.entries) < max(l.purgeAt, purgeMin) {
		return
	}
	l.keep(func(e entry) bool { return !e.w.fired.Load() })
	l.purgeAt = 2 * len(l.entries)
}

func (l *List) keep(f func(entry) bool) {
	live := l.entries[:0]
	for _, e := range l.entries {
		if f(e) {
			live = append(live, e)
		}
	}
	clear(l.entries[len(live):])
	if l.entries = live; len(live) == 0 && cap(live) > purgeMin {
		l.entries = nil
	}
	l.size.Store(int32(len(live)))
}

// Wake tells the waiters that the high watermark moved by bytes. stable: the
// last stable offset moved with it; if it moved by more than that, bytes must
// cover it (see WakeAll).
func (l *List) Wake(bytes int64, stable bool) {
	if l.size.Load() == 0 {
		return
	}
	var buf [4]*Waiter
	due := buf[:0]
	l.mu.Lock()
	l.keep(func(e entry) bool {
		if e.w.fired.Load() {
			return false
		}
		if e.stable && !stable {
			return true
		}
		if e.w.need.Add(-bytes) > 0 {
			return true
		}
		due = append(due, e.w)
		return false
	})
	l.mu.Unlock()
	for _, w := range due { // not under the lock: fire may look at the key again
		w.Fire(Enough)
	}
}

// WakeAll fires every waiter: the key changed in a way that each must see for
// itself (leadership, truncation, a transaction's end, deletion).
func (l *List) WakeAll() { l.Wake(math.MaxInt64, true) }

// Len is the number of entries, fired ones included.
func (l *List) Len() int { return int(l.size.Load()) }
