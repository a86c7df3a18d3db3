package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/offsets"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
)

// sweepGroups is how many groups one step of the sweep looks at: requests get
// their turn between steps.
const sweepGroups = 256

// sweep is the regular search for offsets that have expired and groups that have
// nothing left (offsets.retention.check.interval.ms).
type sweep struct {
	next int64    // ms, when the next one begins
	left []string // groups that the current one has still to look at
}

// nextSweep is when the sweep wants to go on. A shard without groups needs none.
func (s *shard) nextSweep() (int64, bool) {
	if len(s.sweep.left) > 0 {
		return 0, true
	}
	return s.sweep.next, s.groups.Len()+s.consumers.Len() > 0
}

// sweepStep looks at some groups. What it deletes is deleted record by record:
// they are not of one piece.
func (s *shard) sweepStep(now int64) runtime.Outcome {
	w := &s.sweep
	if len(w.left) == 0 {
		if now < w.next {
			return runtime.Outcome{}
		}
		w.left = append(s.groups.IDs(), s.consumers.IDs()...)
		w.next = now + s.cfg.OffsetsRetentionCheck
	}
	n := min(sweepGroups, len(w.left))
	var out []runtime.Record
	for _, id := range w.left[:n] {
		out = append(out, s.expired(id, now)...)
	}
	if w.left = w.left[n:]; len(w.left) == 0 {
		w.left = nil
	}
	return runtime.Outcome{Records: out, Split: true}
}

// expired is the tombstones of a group's expired offsets, and of the group itself
// if it is empty and that was all.
func (s *shard) expired(id string, now int64) []runtime.Record {
	if g := s.consumers.Get(id); g != nil {
		out, all := s.agedOut(id, offsets.Aging{Since: -1, Retention: s.cfg.OffsetsRetention, Subscribed: g.Subscribed}, now)
		if all && g.IsEmpty() {
			out = append(out, g.Tombstones()...)
		}
		return out
	}
	g := s.groups.Get(id)
	if g == nil {
		return nil
	}
	rule, since := g.Retention()
	aging := offsets.Aging{Since: -1, Retention: s.cfg.OffsetsRetention, Subscribed: g.Subscribed}
	switch rule {
	case classic.KeepAll:
		if s.offsets.Has(id) {
			return nil
		}
	case classic.SinceEmpty:
		aging.Since = since
	}
	out, all := s.agedOut(id, aging, now)
	if all && g.IsEmpty() {
		out = append(out, runtime.Record{Key: g.Tombstone()})
	}
	return out
}

// agedOut is the tombstones of a group's expired offsets, and whether that is all
// it has.
func (s *shard) agedOut(id string, a offsets.Aging, now int64) ([]runtime.Record, bool) {
	out, all := s.offsets.Expired(id, a, now)
	s.count.expired.Add(uint64(len(out)))
	return out, all
}
