// Package wait parks requests until something they wait for happens or their
// time is over.
//
// A Waiter is one parked request; a List is what one key (a partition) keeps of
// its waiters. Whoever changes the key wakes its list with how much happened; a
// waiter whose need is met fires. A waiter may sit in many lists and fires once.
//
//	request: look → not enough → New, Add to each list, Start
//	append:  change → List.Wake(bytes, …)
//
// No goroutine waits: the deadline is a runtime timer. The fire function runs
// on a goroutine of its own or, where the waker allows it, on the waker's: then
// nobody has to be scheduled between an append and the reader's answer. It must
// not block.
//
// Invariants:
//   - A waiter fires at most once, whatever races, and not before Start: until
//     then its request is still being parked by another goroutine.
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

// Life of a waiter: arming → armed → fired, or arming → early → fired when it
// was due before Start.
const (
	arming int32 = iota
	armed
	early
	fired
)

// Waiter is one parked request.
type Waiter struct {
	need  atomic.Int64
	state atomic.Int32
	fire  func(Reason)
	timer atomic.Pointer[time.Timer]
}

// New makes a waiter that fires when need units (bytes) have happened.
func New(need int64, fire func(Reason)) *Waiter {
	w := &Waiter{fire: fire}
	w.need.Store(need)
	return w
}

// Start lets the waiter fire, after d at the latest. It is called once, when
// the waiter is in its lists and its owner touches the request no more.
func (w *Waiter) Start(d time.Duration) {
	if !w.state.CompareAndSwap(arming, armed) {
		if w.state.CompareAndSwap(early, fired) {
			go w.fire(Enough)
		}
		return
	}
	t := time.AfterFunc(d, func() { w.Fire(Deadline) })
	w.timer.Store(t)
	if w.state.Load() == fired { // between the two lines, and found no timer to stop
		t.Stop()
	}
}

// Fire fires the waiter unless it has fired or was cancelled.
func (w *Waiter) Fire(r Reason) {
	if w.state.CompareAndSwap(arming, early) || !w.state.CompareAndSwap(armed, fired) {
		return
	}
	w.stop()
	w.fire(r)
}

// Cancel keeps the waiter from firing; it reports whether it was in time.
func (w *Waiter) Cancel() bool {
	for {
		s := w.state.Load()
		if s == fired {
			return false
		}
		if w.state.CompareAndSwap(s, fired) {
			w.stop()
			return true
		}
	}
}

func (w *Waiter) stop() {
	if t := w.timer.Load(); t != nil {
		t.Stop()
	}
}

func (w *Waiter) done() bool { return w.state.Load() >= early }

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
	l.keep(func(e entry) bool { return !e.w.done() })
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
// cover it (see WakeAll). inline: one of those that are due may fire on this
// goroutine; the others run on their own, so that many readers of one key do
// not wait for each other, nor the waker for all of them.
func (l *List) Wake(bytes int64, stable, inline bool) {
	if l.size.Load() == 0 {
		return
	}
	var buf [4]*Waiter
	due := l.take(buf[:0], bytes, stable)
	for i, w := range due { // not under the lock: fire may look at the key again
		if inline && i == len(due)-1 {
			w.Fire(Enough)
		} else {
			go w.Fire(Enough)
		}
	}
}

// take counts bytes for every waiter and removes those that are due.
func (l *List) take(due []*Waiter, bytes int64, stable bool) []*Waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(func(e entry) bool {
		if e.w.done() {
			return false
		}
		if e.stable && !stable || e.w.need.Add(-bytes) > 0 {
			return true
		}
		due = append(due, e.w)
		return false
	})
	return due
}

// WakeAll fires every waiter: the key changed in a way that each must see for
// itself (leadership, truncation, a transaction's end, deletion).
func (l *List) WakeAll() { l.Wake(math.MaxInt64, true, false) }

// Len is the number of entries, fired ones included.
func (l *List) Len() int { return int(l.size.Load()) }
