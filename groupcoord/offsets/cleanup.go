package offsets

import (
	"maps"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Delete decides an OffsetDelete that the group has accepted. Offsets of topics
// that it is subscribed to stay.
func (s *Store) Delete(req *kmsg.OffsetDeleteRequest, subscribed func(topic string) bool) ([]runtime.Record, []kmsg.OffsetDeleteResponseTopic) {
	var out []runtime.Record
	topics := make([]kmsg.OffsetDeleteResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		topics[i] = kmsg.NewOffsetDeleteResponseTopic()
		topics[i].Topic = t.Topic
		held := subscribed(t.Topic)
		for j := range t.Partitions {
			r := kmsg.NewOffsetDeleteResponseTopicPartition()
			r.Partition = t.Partitions[j].Partition
			p := place{req.Group, t.Topic, r.Partition}
			if held {
				r.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if s.known(p) {
				out = append(out, tombstone(p))
			}
			topics[i].Partitions = append(topics[i].Partitions, r)
		}
	}
	return out, topics
}

func (s *Store) known(p place) bool {
	_, ok := s.Get(p.group, p.topic, p.partition)
	return ok || s.unstable(p)
}

// DeleteAll is the tombstones of everything the group has committed.
func (s *Store) DeleteAll(group string) []runtime.Record {
	var out []runtime.Record
	for _, topic := range s.topicsOf(group) {
		for _, n := range s.groups[group][topic].numbers() {
			out = append(out, tombstone(place{group, topic, n}))
		}
	}
	for _, p := range s.pendingOf(group) {
		if _, ok := s.Get(group, p.topic, p.partition); !ok {
			out = append(out, tombstone(p))
		}
	}
	return out
}

// Aging says how a group's offsets expire.
type Aging struct {
	Since      int64 // ms, for all of them; -1: each since its commit
	Retention  int64 // ms
	Subscribed func(topic string) bool
}

// Expired is the tombstones of the group's offsets that have expired at now, and
// whether that is all it has, pending ones included.
func (s *Store) Expired(group string, a Aging, now int64) (out []runtime.Record, all bool) {
	all = s.openIn[group] == 0
	for _, topic := range s.topicsOf(group) {
		if a.Subscribed(topic) {
			all = false
			continue
		}
		parts := s.groups[group][topic]
		for _, n := range parts.numbers() {
			p := place{group, topic, n}
			if c := parts[n]; !a.expired(&c, now) || s.unstable(p) {
				all = false
				continue
			}
			out = append(out, tombstone(p))
		}
	}
	return out, all
}

func (a *Aging) expired(c *Committed, now int64) bool {
	if c.ExpireTime != -1 { // from a client that asked for a time of its own
		return now >= c.ExpireTime
	}
	since := a.Since
	if since == -1 {
		since = c.CommitTime
	}
	return now-since >= a.Retention
}

// TopicDeleted is the tombstones of the offsets of a topic that is gone. Offsets
// committed for another topic of that name stay.
func (s *Store) TopicDeleted(name string, id ids.TopicID) []runtime.Record {
	gone := map[place]struct{}{}
	for group, topics := range s.groups {
		for n, c := range topics[name] {
			if c.TopicID.IsZero() || c.TopicID == id {
				gone[place{group, name, n}] = struct{}{}
			}
		}
	}
	for _, places := range s.pending {
		for p, c := range places {
			if p.topic == name && (c.TopicID.IsZero() || c.TopicID == id) {
				gone[p] = struct{}{}
			}
		}
	}
	out := make([]runtime.Record, 0, len(gone))
	for _, p := range slices.SortedFunc(maps.Keys(gone), comparePlaces) {
		out = append(out, tombstone(p))
	}
	return out
}
