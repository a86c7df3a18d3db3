package assignor

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// topic is a topic with subscribers.
type topic struct {
	owner   []int32 // by partition; -1 none
	kinds   []int32 // of subscribers
	visited bool    // by the search that goes on
}

// mixed is an assignment in the making for members of different subscriptions.
// Members and topics are numbers: positions in Group.Members and in topics.
// Members of one subscription are of one kind; there are few kinds as a rule.
type mixed struct {
	*catalog
	g      Group
	state  []topic   // by topic
	kinds  [][]int32 // members of each kind, in order
	kindOf []int32   // by member
	wants  [][]int32 // topics of each kind
	load   []int32
	order  []int32
	place  []int32 // in order, by member
	// drafts are what those members have whose assignment is not the one before:
	// topic → partitions. Nil: all that it had before, and all of that is valid.
	drafts []map[int32][]int32
}

func uniformMixed(g Group, order []int32) []Assignment {
	n := len(g.Members)
	u := &mixed{catalog: newCatalog(g), g: g, order: order,
		kindOf: make([]int32, n), place: make([]int32, n), load: make([]int32, n), drafts: make([]map[int32][]int32, n)}
	u.subscribe()
	for _, m := range order {
		u.keep(m)
	}
	u.giveUnassigned()
	if lo, hi := u.bounds(order); hi-lo >= 2 {
		u.level()
		u.even()
	}
	return u.result()
}

// subscribe sorts the members by kind, and numbers the topics.
func (u *mixed) subscribe() {
	known := map[list]int32{}
	for i, m := range u.order {
		topics := u.g.Members[m].Topics
		at := list{n: len(topics)}
		if len(topics) > 0 {
			at.at = &topics[0]
		}
		k, ok := known[at]
		if !ok {
			k = int32(len(u.kinds))
			known[at] = k
			u.kinds, u.wants = append(u.kinds, nil), append(u.wants, u.numbers(topics))
		}
		u.kinds[k] = append(u.kinds[k], m)
		u.place[m] = int32(i)
		u.kindOf[m] = k
	}
	u.state = make([]topic, len(u.topics))
	for t, count := range u.counts {
		u.state[t].owner = slices.Repeat([]int32{-1}, int(count))
	}
	for k, topics := range u.wants {
		for _, t := range topics {
			u.state[t].kinds = append(u.state[t].kinds, int32(k))
		}
	}
}

// subscribers are the members that want a topic, in the order of their kinds.
func (u *mixed) subscribers(t int32) []int32 {
	var out []int32
	for _, k := range u.state[t].kinds {
		out = append(out, u.kinds[k]...)
	}
	return out
}

// bounds are the least and the greatest load.
func (u *mixed) bounds(members []int32) (lo, hi int32) {
	lo = u.load[members[0]]
	for _, m := range members {
		lo, hi = min(lo, u.load[m]), max(hi, u.load[m])
	}
	return lo, hi
}

// keep leaves the member what it has and may have still.
func (u *mixed) keep(m int32) {
	had := u.g.Members[m].Owned
	for i := range had {
		t, known := u.index[had[i].Topic]
		known = known && t >= 0 && u.subscribed(m, had[i].Topic)
		for j, p := range had[i].Partitions {
			stays := known && p >= 0 && int(p) < len(u.state[t].owner) && u.state[t].owner[p] == -1
			if !stays && u.drafts[m] == nil {
				u.drafts[m] = u.draft(had[:i], had[i].Topic, had[i].Partitions[:j])
			}
			if !stays {
				continue
			}
			u.state[t].owner[p] = m
			u.load[m]++
			if d := u.drafts[m]; d != nil {
				d[t] = append(d[t], p)
			}
		}
	}
}

func (u *mixed) subscribed(m int32, id ids.TopicID) bool {
	_, ok := slices.BinarySearchFunc(u.g.Members[m].Topics, id, compareTopics)
	return ok
}

// draft begins a draft with whole topics and part of one more, all of which stay.
func (u *mixed) draft(whole Assignment, id ids.TopicID, part []int32) map[int32][]int32 {
	d := map[int32][]int32{}
	for _, tp := range whole {
		d[u.index[tp.Topic]] = slices.Clone(tp.Partitions)
	}
	if len(part) > 0 {
		d[u.index[id]] = slices.Clone(part)
	}
	return d
}

// owned is what the member has of the topic, to be read only.
func (u *mixed) owned(m, t int32) []int32 {
	if d := u.drafts[m]; d != nil {
		return d[t]
	}
	had := u.g.Members[m].Owned
	i, ok := slices.BinarySearchFunc(had, u.topics[t], func(tp TopicPartitions, id ids.TopicID) int { return compareTopics(tp.Topic, id) })
	if !ok {
		return nil
	}
	return had[i].Partitions
}

func (u *mixed) change(m int32) map[int32][]int32 {
	if u.drafts[m] == nil {
		u.drafts[m] = u.draft(u.g.Members[m].Owned, ids.TopicID{}, nil)
	}
	return u.drafts[m]
}

func (u *mixed) give(t, p, m int32) {
	d := u.change(m)
	d[t] = append(d[t], p)
	u.state[t].owner[p] = m
	u.load[m]++
}

// take is one partition of the topic taken from the member: its last one.
func (u *mixed) take(t, m int32) int32 {
	d := u.change(m)
	parts := d[t]
	p := parts[len(parts)-1]
	if d[t] = parts[:len(parts)-1]; len(parts) == 1 {
		delete(d, t)
	}
	u.state[t].owner[p] = -1
	u.load[m]--
	return p
}

// giveUnassigned gives what nobody has to the subscriber with the least load;
// topics with few subscribers first, because they leave the least choice.
func (u *mixed) giveUnassigned() {
	order := make([]int32, len(u.topics))
	for i := range order {
		order[i] = int32(i)
	}
	wanted := make([]int, len(u.topics))
	for t := range wanted {
		for _, k := range u.state[t].kinds {
			wanted[t] += len(u.kinds[k])
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return wanted[a] - wanted[b] })
	for _, t := range order {
		var heap loads
		for p, owner := range u.state[t].owner {
			if owner != -1 {
				continue
			}
			if heap == nil {
				heap = u.heapOf(u.subscribers(t))
			}
			u.give(t, int32(p), heap[0].member)
			heap[0].load++
			heap.down(0)
		}
	}
}

func (u *mixed) heapOf(members []int32) loads {
	h := make(loads, len(members))
	for i, m := range members {
		h[i] = loaded{u.load[m], u.place[m], m}
	}
	h.init()
	return h
}

// result turns numbers into assignments; who keeps everything keeps the very same.
func (u *mixed) result() []Assignment {
	out := make([]Assignment, len(u.g.Members))
	for m := range out {
		d := u.drafts[m]
		if out[m] = u.g.Members[m].Owned; d == nil {
			continue
		}
		var parts []ids.TopicIDPartition
		for _, t := range u.wants[u.kindOf[m]] {
			for _, p := range d[t] {
				parts = append(parts, ids.TopicIDPartition{Topic: u.topics[t], Partition: p})
			}
		}
		if made := pack(parts); !equal(made, out[m]) {
			out[m] = made
		}
	}
	return out
}

func equal(a, b Assignment) bool {
	return slices.EqualFunc(a, b, func(x, y TopicPartitions) bool {
		return x.Topic == y.Topic && slices.Equal(x.Partitions, y.Partitions)
	})
}
