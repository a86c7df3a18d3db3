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
