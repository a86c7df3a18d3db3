package throttle

import (
	"testing"
	"testing/synctest"
	"time"
)

// A worker that steps often works a quarter of the time and no more than a
// stretch at once; what took long is rested from for as long, up to a second.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rests []time.Duration
		s := &Share{Stretch: 300 * time.Microsecond, Rest: 3, Pause: func(d time.Duration) bool {
			rests = append(rests, d)
			time.Sleep(d)
			return true
		}}
		begin := time.Now()
		for range 3000 {
			time.Sleep(10 * time.Microsecond) // the work
			if !s.Step() {
				t.Fatal("stopped")
			}
		}
		if took := time.Since(begin); took < 115*time.Millisecond || took > 120*time.Millisecond {
			t.Errorf("30 ms of work took %v", took)
		}
		for _, d := range rests {
			if d > 3*310*time.Microsecond {
				t.Fatalf("a rest of %v: the worker went on for too long", d)
			}
		}
		s.Step() // what was worked until now
		for _, tt := range [][2]time.Duration{{50 * time.Millisecond, 150 * time.Millisecond}, {time.Minute, time.Second}} {
			time.Sleep(tt[0])
			s.Step()
			if got := rests[len(rests)-1]; got < tt[1] || got > tt[1]+time.Millisecond {
				t.Errorf("a rest of %v after %v", got, tt[0])
			}
		}
		s.Pause = func(time.Duration) bool { return false }
		if time.Sleep(time.Millisecond); s.Step() {
			t.Error("goes on though its owner stops")
		}
		var none *Share
		if !none.Step() {
			t.Error("no share is no bound")
		}
	})
}

// A worker rests for others only: not while none was there for 50 ms, and again
// from the moment one is.
func TestShareRestsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var others int64
		rested := 0
		s := &Share{Stretch: time.Millisecond, Rest: 3, Others: func() int64 { return others }, Pause: func(d time.Duration) bool {
			rested++
			time.Sleep(d)
			return true
		}}
		work := func(ms int, every int) (rests int) {
			rested = 0
			for i := range ms {
				if every > 0 && i%every == 0 {
					others++
				}
				time.Sleep(time.Millisecond)
				s.Step()
			}
			return rested
		}
		work(60, 0) // it looks for the first time
		if n := work(1000, 0); n != 0 {
			t.Errorf("%d rests though nobody is there", n)
		}
		if n := work(1000, 10); n < 998 { // a request each 40 ms: ten of work, thirty of rest
			t.Errorf("%d rests in 1000 stretches beside requests", n)
		}
		if n := work(1000, 0); n == 0 || n > 13+1 { // they may come back within 50 ms
			t.Errorf("%d rests after the last request", n)
		}
	})
}

// A worker that does not get done rests less and less, until it does.
func TestShareFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rest time.Duration
		s := &Share{Stretch: time.Millisecond, Rest: 4, Patience: 10 * time.Second, Pause: func(d time.Duration) bool {
			rest = d
			time.Sleep(d)
			return true
		}}
		after := func(d time.Duration) time.Duration {
			for end := time.Now().Add(d); time.Now().Before(end); {
				time.Sleep(time.Millisecond)
				rest = 0
				s.Step()
			}
			return rest
		}
		for i, want := range []time.Duration{4 * time.Millisecond, 2 * time.Millisecond, time.Millisecond} {
			if got := after(9 * time.Second); got != want {
				t.Errorf("after %d s it rests %v, not %v", 10*i+9, got, want)
			}
			after(time.Second)
		}
		if got := after(10 * time.Minute); got != 0 {
			t.Errorf("it rests %v though it never gets done", got)
		}
		s.Done()
		if got := after(9 * time.Second); got != 4*time.Millisecond {
			t.Errorf("it rests %v when it got done and found new work", got)
		}
	})
}
