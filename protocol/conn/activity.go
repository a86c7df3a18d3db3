package conn

import (
	"sync/atomic"
	"time"
)

// epoch is the origin of the times that connections note: monotonic, and one
// word that the janitor can read while others write it.
var epoch = time.Now()

func sinceEpoch(t time.Time) int64 { return int64(t.Sub(epoch)) }

// activity is what the janitor looks at. There is no timer a connection: one
// goroutine a server walks all connections a few times within the shortest
// limit, so a request costs no timer operation.
type activity struct {
	opened  int64        // set before the reader starts
	last    atomic.Int64 // last complete frame or written reply; 0 = none yet
	body    atomic.Int64 // when the frame being read must be complete; 0 = none begun
	written atomic.Int64 // last progress of the write under way; 0 = none under way
}

func (a *activity) received(now time.Time) { a.last.Store(sinceEpoch(now)) }

func (a *activity) bodyBegins(l Limits, size int) {
	if a.body.Load() != 0 {
		return
	}
	allowed := l.BodyGrace + time.Duration(int64(size)*int64(time.Second)/l.BodyRate)
	a.body.Store(sinceEpoch(time.Now().Add(allowed)))
}

func (a *activity) bodyEnds() { a.body.Store(0) }

func (a *activity) writeProgress() {
	now := sinceEpoch(time.Now())
	a.written.Store(now)
	a.last.Store(now)
}

func (a *activity) writeEnds() { a.written.Store(0) }

// verdict says why the connection should be closed now, nil if it may live.
// busy: requests are being handled or replies are due.
func (a *activity) verdict(l Limits, now int64, busy bool) error {
	idle := int64(l.Idle)
	if body := a.body.Load(); body != 0 && now > body {
		return ErrSlow
	}
	if w := a.written.Load(); w != 0 {
		if idle > 0 && now-w > idle {
			return ErrStalled
		}
		return nil
	}
	last := a.last.Load()
	if last == 0 && l.FirstByte > 0 && now-a.opened > int64(l.FirstByte) {
		return ErrIdle
	}
	if !busy && idle > 0 && now-max(last, a.opened) > idle {
		return ErrIdle
	}
	return nil
}
