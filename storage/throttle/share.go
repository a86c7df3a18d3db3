package throttle

import "time"

// A Share keeps a background worker to a part of the time, in pieces so short
// that whoever needs the core or the disk waits for one of them at most. What
// the worker waits for, a sync for one, counts as work: it keeps others waiting too.
// One goroutine uses it.
type Share struct {
	// Stretch is how long the worker goes on before it rests, and Rest how many
	// times as long as it worked it then does nothing.
	Stretch time.Duration
	Rest    int
	// Pause waits, and is false when the owner stops.
	Pause func(time.Duration) bool

	since time.Time // when this stretch began
}

// maxRest bounds one rest: a disk that stalled for a minute needs no longer one.
const maxRest = time.Second

// Step is called between small pieces of work and rests when it is time to;
// false: the owner stops. A nil Share never rests.
func (s *Share) Step() bool {
	if s == nil {
		return true
	}
	rest := s.Due(time.Now())
	if rest == 0 {
		return true
	}
	going := s.Pause(rest)
	s.since = time.Now()
	return going
}

// Due is how long to rest now, 0 = go on. The first call begins the first stretch.
func (s *Share) Due(now time.Time) time.Duration {
	if s.since.IsZero() {
		s.since = now
	}
	worked := now.Sub(s.since)
	if worked < s.Stretch {
		return 0
	}
	return min(worked*time.Duration(s.Rest), maxRest)
}
