package consumer

import (
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Claim is what a member says that it still has; nil: it does not say.
type Claim []kmsg.ConsumerGroupHeartbeatRequestTopic

// anyOf tells whether the member may still have one of these.
func (c Claim) anyOf(o Ownership) bool {
	if c == nil {
		return true
	}
	for i := range c {
		w := o.of(c[i].TopicID)
		if w == nil {
			continue
		}
		for _, p := range c[i].Partitions {
			if _, has := slices.BinarySearch(w.Partitions, p); has {
				return true
			}
		}
	}
	return false
}

// within tells whether all that the member says it has is in o.
func (c Claim) within(o Ownership) bool {
	if c == nil {
		return false
	}
	for i := range c {
		w := o.of(c[i].TopicID)
		if w == nil {
			return false
		}
		for _, p := range c[i].Partitions {
			if _, has := slices.BinarySearch(w.Partitions, p); !has {
				return false
			}
		}
	}
	return true
}

// step is one step of a member towards its target.
type step struct {
	group      *Group
	from       Standing
	subscribed []ids.TopicID // in order
	epoch      int32         // of the target
	target     assignor.Assignment
	changed    bool // the member subscribes to something else than before
	claim      Claim
}

// take is where the member stands after the step; where it stood if nothing
// moves.
func (s *step) take() (Standing, *Refusal) {
	switch s.from.State {
	case MemberStable:
		switch {
		case s.from.Epoch != s.epoch:
			return s.next(s.from.Epoch), nil
		case s.changed:
			return s.unsubscribe(), nil
		}
	case MemberUnrevoked:
		switch {
		case !s.claim.anyOf(s.from.Revoking):
			return s.next(s.from.Epoch), nil
		case s.changed:
			return s.unsubscribe(), nil
		}
	case MemberUnreleased:
		return s.next(s.from.Epoch), nil
	default:
		// A later version wrote a state that is not known here: begin anew.
		if s.claim == nil || len(s.claim) > 0 {
			return s.from, refuse(kerr.FencedMemberEpoch, "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")
		}
		return s.next(s.epoch), nil
	}
	return s.from, nil
}

func (s *step) subscribes(topic ids.TopicID) bool {
	_, ok := slices.BinarySearchFunc(s.subscribed, topic, compareTopics)
	return ok
}

// unsubscribe takes from the member what it no longer subscribes to, before
// there is a new target.
func (s *step) unsubscribe() Standing {
	var keep, lost Ownership
	for _, w := range s.from.Assigned {
		if s.subscribes(w.Topic) {
			keep = append(keep, w)
		} else {
			lost = append(lost, w)
		}
	}
	if lost == nil {
		return s.from
	}
	to := s.from
	to.Previous, to.Assigned = s.from.Epoch, keep
	if revoking := s.from.Revoking.merge(lost); s.claim.anyOf(revoking) {
		to.State, to.Revoking = MemberUnrevoked, revoking
	}
	return to
}

// next goes as far towards the target as it can. While there is something that
// the member may still have and shall not, it stays in its epoch.
func (s *step) next(epoch int32) Standing {
	var assigned, revoking Ownership
	var free []assignor.TopicPartitions
	waiting := false
	s.eachTopic(func(topic ids.TopicID, has *Owned, target []int32) {
		keep, give := split(topic, has, target)
		if len(keep.Partitions) > 0 {
			assigned = append(assigned, keep)
		}
		if len(give.Partitions) > 0 {
			revoking = append(revoking, give)
		}
		get := assignor.TopicPartitions{Topic: topic}
		for _, p := range target {
			if _, has := slices.BinarySearch(keep.Partitions, p); has {
				continue
			}
			// What it has itself still to revoke may come back to it, and to nobody else.
			if s.group.owner(topic, p) != nil && !s.from.Revoking.has(topic, p) {
				waiting = true
				continue
			}
			get.Partitions = append(get.Partitions, p)
		}
		if len(get.Partitions) > 0 {
			free = append(free, get)
		}
	})
	to := Standing{Epoch: epoch, Previous: s.from.Epoch, State: MemberUnrevoked, Assigned: assigned, Revoking: revoking}
	if len(revoking) > 0 && s.claim.anyOf(revoking) {
		return to
	}
	to.Epoch, to.Revoking, to.State = s.epoch, nil, MemberStable
	if waiting {
		to.State = MemberUnreleased
	}
	for _, t := range free {
		to.Assigned = to.Assigned.merge(Ownership{{Topic: t.Topic, Partitions: t.Partitions, Epochs: repeat(s.epoch, len(t.Partitions))}})
	}
	return to
}

// eachTopic calls f with every topic, in order, of which the member has or shall
// have partitions; what it does not subscribe to it shall not have.
func (s *step) eachTopic(f func(topic ids.TopicID, has *Owned, target []int32)) {
	has, target := s.from.Assigned, s.target
	for len(has) > 0 || len(target) > 0 {
		order := 0
		switch {
		case len(has) == 0:
			order = 1
		case len(target) == 0:
			order = -1
		default:
			order = compareTopics(has[0].Topic, target[0].Topic)
		}
		topic, w, t := ids.TopicID{}, (*Owned)(nil), []int32(nil)
		if order <= 0 {
			topic, w, has = has[0].Topic, &has[0], has[1:]
		}
		if order >= 0 {
			topic, t, target = target[0].Topic, target[0].Partitions, target[1:]
		}
		if !s.subscribes(topic) {
			t = nil
		}
		f(topic, w, t)
	}
}

// split parts what is had into what is in the target and what is not.
func split(topic ids.TopicID, has *Owned, target []int32) (keep, give Owned) {
	keep.Topic, give.Topic = topic, topic
	if has == nil {
		return keep, give
	}
	for i, p := range has.Partitions {
		to := &give
		if _, in := slices.BinarySearch(target, p); in {
			to = &keep
		}
		to.Partitions = append(to.Partitions, p)
		to.Epochs = append(to.Epochs, has.Epochs[i])
	}
	return keep, give
}
