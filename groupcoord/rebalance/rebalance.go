// Package rebalance remembers why groups rebalanced: of each group the last few
// times, with the reasons, how long it took and who was waited for. It is kept in
// memory only, and begins anew with another coordinator.
package rebalance

import "strconv"

// Kept is how many rebalances of a group are remembered.
const Kept = 8

// reasonsKept is how many reasons of one rebalance are told; a thousand members
// that join have one reason.
const reasonsKept = 4

// Rebalance is one rebalance. Epochs are group epochs of consumer groups and
// generations of classic ones.
type Rebalance struct {
	From   int32  `json:"from"`
	To     int32  `json:"to"`
	Reason string `json:"reason"`
	Began  int64  `json:"began"` // ms since 1970
	Ended  int64  `json:"ended"` // ms since 1970; 0 while it goes on
	// WaitingFor are the members that have not yet rejoined or given up what is not
	// theirs any more; of a rebalance that ended, those that did so last.
	WaitingFor []string `json:"waitingFor,omitempty"`
}

// Story is the rebalances of one group. Its zero value is empty.
type Story struct {
	list    []Rebalance
	reasons int // of the one that runs
	next    []string
}

// Reason gives a reason for the rebalance that is about to begin.
func (s *Story) Reason(why string) {
	if len(s.next) <= reasonsKept {
		s.next = append(s.next, why)
	}
}

// Begin notes that there is to be an epoch to, and why ("" for the reasons given
// before). While a rebalance runs it only becomes longer.
func (s *Story) Begin(from, to int32, why string, now int64) {
	if !s.Running() {
		if len(s.list) == Kept {
			s.list = append(s.list[:0], s.list[1:]...)
		}
		s.list = append(s.list, Rebalance{From: from, Began: now})
		s.reasons = 0
	}
	r := &s.list[len(s.list)-1]
	r.To = to
	for _, w := range s.next {
		s.add(r, w)
	}
	s.next = s.next[:0]
	if why != "" {
		s.add(r, why)
	}
}

func (s *Story) add(r *Rebalance, why string) {
	s.reasons++
	switch {
	case s.reasons == 1:
		r.Reason = why
	case s.reasons <= reasonsKept:
		r.Reason += "; " + why
	}
}

// Running tells whether a rebalance has begun and not ended.
func (s *Story) Running() bool { return len(s.list) > 0 && s.list[len(s.list)-1].Ended == 0 }

// To is the epoch that the last rebalance leads to.
func (s *Story) To() int32 { return s.list[len(s.list)-1].To }

// Arrived notes that a member has done its part of the rebalance that runs.
func (s *Story) Arrived(member string) {
	if !s.Running() {
		return
	}
	r := &s.list[len(s.list)-1]
	if len(r.WaitingFor) == reasonsKept {
		copy(r.WaitingFor, r.WaitingFor[1:])
		r.WaitingFor = r.WaitingFor[:reasonsKept-1]
	}
	r.WaitingFor = append(r.WaitingFor, member)
}

// End ends the rebalance that runs, and returns it.
func (s *Story) End(now int64) Rebalance {
	r := &s.list[len(s.list)-1]
	r.Ended = max(now, r.Began, 1)
	if more := s.reasons - reasonsKept; more > 0 {
		r.Reason += "; and " + strconv.Itoa(more) + " more"
	}
	return *r
}

// List is the rebalances, the newest last; waiting is who is waited for now.
func (s *Story) List(waiting []string) []Rebalance {
	out := append([]Rebalance{}, s.list...)
	if s.Running() {
		out[len(out)-1].WaitingFor = waiting
	}
	return out
}
