package throttle

import "time"

// A Share keeps a background worker to a part of the time, in pieces so short
// that whoever needs the core or the disk waits for one of them at most. What
// the worker waits for, a sync for one, counts as work: it keeps others waiting too.
//
// It rests for the sake of others: not when none of them was there lately, and
// less when the worker does not get done, since what it falls behind with grows
// until it does. One goroutine uses it.
type Share struct {
	// Stretch is how long the worker goes on before it rests, and Rest how many
	// times as long as it worked it then does nothing.
	Stretch time.Duration
	Rest    int
	// Patience is how long it may have work to do (since Done) until the rests are
	// halved, and after as long again halved once more; 0 = for ever.
	Patience time.Duration
	// Others counts whoever might be kept waiting; while it stands still the worker
	// goes on. nil: there is always somebody.
	Others func() int64
	// Pause waits, and is false when the owner stops.
	Pause func(time.Duration) bool

	begun time.Time // when there began to be work to do
	since time.Time // when this stretch began
	count int64     // of the others, and
	met   time.Time // when it last grew
}

const (
	// maxRest bounds one rest: a disk that stalled for a minute needs no longer one.
	maxRest = time.Second
	// alone is how long nobody else must have been there. Who comes more than
	// twenty times a second always finds the worker resting between its stretches.
	alone = 50 * time.Millisecond
)

// Step is called between small pieces of work and rests when it is time to;
// false: the owner stops. A nil Share never rests.
func (s *Share) Step() bool {
	if s == nil {
		return true
	}
	rest := s.due(time.Now())
	if rest == 0 {
		return true
	}
	going := s.Pause(rest)
	s.since = time.Now()
	return going
}

// Done says that there is nothing to do for now: the worker has not fallen behind.
func (s *Share) Done() {
	if s != nil {
		s.begun, s.since = time.Time{}, time.Time{}
	}
}

// due is how long to rest now, 0 = go on. The first call begins the first stretch.
func (s *Share) due(now time.Time) time.Duration {
	if s.begun.IsZero() {
		s.begun, s.since = now, now
	}
	worked := now.Sub(s.since)
	if worked < s.Stretch {
		return 0
	}
	if s.isAlone(now) {
		s.since = now
		return 0
	}
	rest := min(worked*time.Duration(s.Rest), maxRest)
	if s.Patience > 0 {
		rest >>= now.Sub(s.begun) / s.Patience
	}
	if rest == 0 {
		s.since = now
	}
	return rest
}

func (s *Share) isAlone(now time.Time) bool {
	if s.Others == nil {
		return false
	}
	if n := s.Others(); n != s.count {
		s.count, s.met = n, now
	}
	return now.Sub(s.met) > alone
}
