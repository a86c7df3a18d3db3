package conn

import "time"

// The janitor looks often enough to be late by a quarter of the shortest
// limit, and never more often than cleanMin.
const (
	cleanMin = 20 * time.Millisecond
	cleanMax = 10 * time.Second
)

// clean closes connections that break their limits, until the server closes.
func (s *Server) clean() {
	defer s.wg.Done()
	for {
		period, stop := s.sweep()
		if stop {
			return
		}
		t := time.NewTimer(period)
		select {
		case <-t.C:
		case <-s.wake:
			t.Stop()
		}
	}
}

// sweep judges every connection once and says when to come again.
func (s *Server) sweep() (period time.Duration, stop bool) {
	type verdict struct {
		c   *Conn
		err error
	}
	var out []verdict
	now := sinceEpoch(time.Now())
	s.mu.Lock()
	if s.closing && len(s.conns) == 0 {
		s.mu.Unlock()
		return 0, true
	}
	for c := range s.conns {
		c.mu.Lock()
		busy := len(c.queue) > 0
		c.mu.Unlock()
		if err := c.act.verdict(c.ln.limits, now, busy); err != nil {
			out = append(out, verdict{c, err})
		}
	}
	period = s.period()
	s.mu.Unlock()
	for _, v := range out {
		v.c.end(v.err)
	}
	return period, false
}

func (s *Server) period() time.Duration {
	p := cleanMax
	for _, ln := range s.listeners {
		for _, d := range []time.Duration{ln.limits.Idle, ln.limits.FirstByte, ln.limits.BodyGrace} {
			if d > 0 {
				p = min(p, d/4)
			}
		}
	}
	if s.closing {
		return cleanMin
	}
	return max(p, cleanMin)
}
