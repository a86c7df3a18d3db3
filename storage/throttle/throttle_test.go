package throttle

import (
	"math"
	"testing"
	"time"
)

// TestThrottle: in ten seconds of a clock that stands still but for the waits
// that it asks for, no more than the rate and what may be owed goes through.
func TestThrottle(t *testing.T) {
	for _, slack := range []time.Duration{0, 300 * time.Millisecond, time.Second} {
		th := &Throttle{Slack: slack}
		if th.Owe(1<<40, time.Unix(1, 0)) != 0 {
			t.Fatal("a throttle without a rate waits")
		}
		for _, none := range []float64{0, -1, math.MaxInt64, math.MaxFloat64, math.Inf(1), math.NaN()} {
			if th.SetRate(none); th.Owe(1<<40, time.Unix(1, 0)) != 0 {
				t.Fatalf("a rate of %v waits", none)
			}
		}
		th.SetRate(1000)
		now, sent := time.Unix(1, 0), 0
		for now.Before(time.Unix(11, 0)) {
			now = now.Add(th.Owe(70, now))
			sent += 70
		}
		if most := 10_000 + int(1000*slack.Seconds()) + 70; sent < 9900 || sent > most {
			t.Fatalf("%d bytes in 10 s at 1000 a second, slack %v", sent, slack)
		}
	}
}

// A rate that was raised acts on the debt there is.
func TestNewRate(t *testing.T) {
	var th Throttle
	th.SetRate(1000)
	now := time.Unix(1, 0)
	if d := th.Owe(10_000, now); d != 10*time.Second {
		t.Fatal(d)
	}
	th.SetRate(1_000_000)
	if d := th.Owe(0, now); d != 10*time.Millisecond {
		t.Fatal(d)
	}
	if d := th.Owe(0, now.Add(10*time.Millisecond)); d != 0 {
		t.Fatal(d)
	}
}

// Take waits as Owe says, and ends with its owner.
func TestTake(t *testing.T) {
	var none *Throttle
	if !none.Take(1 << 40) {
		t.Fatal("no throttle is no bound")
	}
	var waited time.Duration
	going := true
	th := &Throttle{Pause: func(d time.Duration) bool { waited += d; return going }}
	th.SetRate(1)
	if !th.Take(1000) || waited < 999*time.Second {
		t.Fatal(waited)
	}
	if going = false; th.Take(1) {
		t.Fatal("the owner stops, but it goes on")
	}
}
