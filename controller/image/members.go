package image

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Members finds the partitions that a broker's coming and going concerns: those
// in whose ISR or ELR it is; and under NoNode those that have no leader. Without
// it each such event means a look at every partition of the cluster.
//
// A list holds at least those partitions. One that a broker leaves stays on its
// list, and is dropped when the list is next read or has doubled: making and
// following cost an append each, and no search. Only the active controller needs
// all this, so it is not part of the image, where every node would pay for it
// (20 bytes a member), and is changed in place. It must be told of every change
// to the topics it was made of.
type Members struct {
	of map[ids.NodeID]*memberList
}

type memberList struct {
	refs []memberRef
	// limit is how long refs may become before it is cleaned.
	limit int
}

// memberRef names a partition.
type memberRef struct {
	topic ids.TopicID
	index int32
}

// minMembers is below which no list is cleaned for its length.
const minMembers = 1024

// NewMembers looks at every partition of t.
func NewMembers(t *Topics) *Members {
	m := &Members{of: map[ids.NodeID]*memberList{}}
	t.Each(func(topic *Topic) bool {
		for i, p := range topic.Partitions {
			m.enter(memberRef{topic.ID, int32(i)}, p)
		}
		return true
	})
	for _, l := range m.of {
		l.limit = max(2*len(l.refs), minMembers)
	}
	return m
}

// Follow takes over what a delta changed that led to t; nil is nothing.
func (m *Members) Follow(t *Topics, d *TopicsDelta) {
	if d == nil {
		return
	}
	for _, c := range d.Changed {
		for _, p := range c.Partitions {
			if p.Old == nil || !sameMembers(p.Old, p.New) {
				m.enter(memberRef{c.New.ID, p.Index}, p.New)
			}
		}
	}
	for id, l := range m.of {
		if len(l.refs) > l.limit {
			m.clean(t, id)
		}
	}
}

// member is a partition found.
type member struct {
	topic *Topic
	index int32
}

// Each calls f for the partitions of a broker in t, the topics that Members
// follows, in the order of names and indexes until f returns false.
func (m *Members) Each(t *Topics, broker ids.NodeID, f func(*Topic, int32, *Partition) bool) {
	for _, x := range m.clean(t, broker) {
		if !f(x.topic, x.index, x.topic.Partitions[x.index]) {
			return
		}
	}
}

// clean drops from a broker's list what is not its partition any more, or twice
// there, and returns what remains, in order.
func (m *Members) clean(t *Topics, broker ids.NodeID) []member {
	l := m.of[broker]
	if l == nil {
		return nil
	}
	found := make([]member, 0, len(l.refs))
	var topic *Topic // refs of one topic mostly follow each other
	for _, r := range l.refs {
		if topic == nil || topic.ID != r.topic {
			topic = t.ByID(r.topic)
		}
		if topic != nil && topic.Partition(r.index).concerns(broker) {
			found = append(found, member{topic, r.index})
		}
	}
	slices.SortFunc(found, func(a, b member) int {
		return cmp.Or(strings.Compare(a.topic.Name, b.topic.Name), cmp.Compare(a.index, b.index))
	})
	found = slices.Compact(found)
	l.refs = l.refs[:0]
	for _, x := range found {
		l.refs = append(l.refs, memberRef{x.topic.ID, x.index})
	}
	l.limit = max(2*len(l.refs), minMembers)
	return found
}

func sameMembers(p, q *Partition) bool {
	return p.HasLeader() == q.HasLeader() && slices.Equal(p.ISR, q.ISR) && slices.Equal(p.ELR, q.ELR)
}

// concerns tells whether a partition belongs on the list of id.
func (p *Partition) concerns(id ids.NodeID) bool {
	if p == nil {
		return false
	}
	if id == ids.NoNode {
		return !p.HasLeader()
	}
	return slices.Contains(p.ISR, id) || slices.Contains(p.ELR, id)
}

func (m *Members) enter(r memberRef, p *Partition) {
	if p == nil {
		return
	}
	for _, id := range p.ISR {
		m.list(id).add(r)
	}
	for _, id := range p.ELR {
		m.list(id).add(r)
	}
	if !p.HasLeader() {
		m.list(ids.NoNode).add(r)
	}
}

func (m *Members) list(id ids.NodeID) *memberList {
	l := m.of[id]
	if l == nil {
		l = &memberList{limit: minMembers}
		m.of[id] = l
	}
	return l
}

func (l *memberList) add(r memberRef) { l.refs = append(l.refs, r) }
