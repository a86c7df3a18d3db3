package wait

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func never() bool { return false }

func TestFiresWhenEnoughHappened(t *testing.T) {
	var l List
	var got []Reason
	w := New(100, func(r Reason) { got = append(got, r) })
	l.Add(w, false, never)
	w.Start(time.Hour)
	l.Wake(60, true, true)
	if len(got) != 0 {
		t.Fatal("fired after 60 of 100 bytes")
	}
	l.Wake(40, true, true)
	l.Wake(1000, true, true)
	if len(got) != 1 || got[0] != Enough || l.Len() != 0 {
		t.Fatalf("fired %v, %d left", got, l.Len())
	}
}

func TestStableWaitersSleepThroughOpenTransactions(t *testing.T) {
	var l List
	fired := make(chan Reason, 1)
	w := New(1, func(r Reason) { fired <- r })
	l.Add(w, true, never)
	w.Start(time.Hour)
	l.Wake(1000, false, true)
	if len(fired) != 0 {
		t.Fatal("a read_committed waiter was woken by records it cannot see")
	}
	l.WakeAll()
	<-fired
}

// Whatever happens while a request is being parked, it fires after Start.
func TestNothingFiresBeforeStart(t *testing.T) {
	for name, act := range map[string]func(*List, *Waiter){
		"moved": func(l *List, w *Waiter) { l.Add(w, false, func() bool { return true }) },
		"wake": func(l *List, w *Waiter) {
			l.Add(w, false, never)
			l.Wake(1, true, true)
		},
		"fire": func(_ *List, w *Waiter) { w.Fire(Deadline) },
	} {
		var l List
		fired := make(chan Reason, 2)
		w := New(1, func(r Reason) { fired <- r })
		act(&l, w)
		if len(fired) != 0 {
			t.Fatalf("%s: fired before Start", name)
		}
		w.Start(time.Hour)
		if r := <-fired; r != Enough {
			t.Fatalf("%s: %v", name, r)
		}
		w.Fire(Enough)
		if w.Cancel() || len(fired) != 0 {
			t.Fatalf("%s: fired twice", name)
		}
	}
	w := New(1, func(Reason) { t.Error("fired after Cancel") })
	w.Fire(Enough)
	if !w.Cancel() {
		t.Fatal("Cancel before Start failed")
	}
	w.Start(0)
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := make(chan time.Duration, 1)
		var l List
		w := New(1, func(r Reason) {
			if r != Deadline {
				t.Errorf("reason %v", r)
			}
			at <- time.Since(start)
		})
		l.Add(w, false, never)
		w.Start(500 * time.Millisecond)
		if d := <-at; d != 500*time.Millisecond {
			t.Fatalf("fired after %v", d)
		}
		l.WakeAll()
		if l.Len() != 0 {
			t.Fatal("fired waiter kept")
		}
	})
}

func TestListForgetsFiredWaiters(t *testing.T) {
	var l List
	for range 10_000 {
		w := New(1, func(Reason) {})
		l.Add(w, false, never)
		w.Cancel()
	}
	if l.Len() > 2*purgeMin {
		t.Fatalf("%d fired waiters kept", l.Len())
	}
}

// A writer moves a position and wakes; readers look, park and must see every
// move: with a lost wake-up a reader would wait for its deadline, which fails.
func TestNoWakeUpIsLost(t *testing.T) {
	var l List
	var pos atomic.Int64
	const end = 20_000
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for seen := int64(0); seen < end; {
				if p := pos.Load(); p > seen {
					seen = p
					continue
				}
				ch := make(chan Reason, 1)
				w := New(1, func(r Reason) { ch <- r })
				l.Add(w, false, func() bool { return pos.Load() != seen })
				w.Start(time.Minute)
				if r := <-ch; r == Deadline {
					t.Error("lost wake-up")
					return
				}
			}
		}()
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range end {
		pos.Add(1)
		l.Wake(1, true, pos.Load()%2 == 0)
		if rng.IntN(1000) == 0 {
			time.Sleep(time.Microsecond)
		}
	}
	wg.Wait()
}
