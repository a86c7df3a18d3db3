package assignor

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Uniform divides all topics together as evenly as subscriptions allow, and
// leaves partitions where they are as far as that goes.
//
// It keeps what members have and may keep, gives what is left to the least
// loaded subscribers, and then moves partitions along chains of members until no
// chain makes it more even. With equal subscriptions quotas tell at once what
// everyone may keep, and no chain is needed.
func Uniform(g Group) []Assignment {
	u := newUniform(g)
	if u.alike {
		u.keepWithinQuota()
	}
	u.giveUnassigned()
	if !u.alike {
		u.even()
	}
	return u.result(g)
}

// topic is a topic with subscribers.
type topic struct {
	id          ids.TopicID
	owner       []int32 // by partition; -1 none
	subscribers []int32 // members
	visited     bool    // by the search that goes on
}

// uniform is an assignment in the making. Members and topics are numbers:
// positions in Group.Members and in topics.
type uniform struct {
	topics []topic
	subs   [][]int32           // topics that each member is subscribed to
	owned  []map[int32][]int32 // by member: topic → partitions
	load   []int32
	alike  bool // all members have the same subscriptions
	order  []int32
}

func newUniform(g Group) *uniform {
	n := len(g.Members)
	u := &uniform{subs: make([][]int32, n), owned: make([]map[int32][]int32, n), load: make([]int32, n), alike: true, order: byID(g.Members)}
	index := map[ids.TopicID]int32{}
	for _, m := range u.order {
		u.alike = u.alike && slices.Equal(g.Members[m].Topics, g.Members[0].Topics)
		for _, id := range g.Members[m].Topics {
			count := g.Partitions(id)
			if count <= 0 {
				continue
			}
			t, known := index[id]
			if !known {
				t = int32(len(u.topics))
				index[id] = t
				u.topics = append(u.topics, topic{id: id, owner: slices.Repeat([]int32{-1}, int(count))})
			}
			u.topics[t].subscribers = append(u.topics[t].subscribers, m)
			u.subs[m] = append(u.subs[m], t)
		}
	}
	for _, m := range u.order {
		u.owned[m] = map[int32][]int32{}
		u.keep(m, g.Members[m].Owned, index)
	}
	return u
}

// byID are the positions of the members in the order of their ids.
func byID(members []Member) []int32 {
	out := make([]int32, len(members))
	for i := range out {
		out[i] = int32(i)
	}
	slices.SortFunc(out, func(a, b int32) int {
		if members[a].ID < members[b].ID {
			return -1
		}
		if members[a].ID > members[b].ID {
			return 1
		}
		return 0
	})
	return out
}

// keep leaves the member what it has and may have still.
func (u *uniform) keep(m int32, had Assignment, index map[ids.TopicID]int32) {
	for _, tp := range had {
		t, known := index[tp.Topic]
		if !known || !slices.Contains(u.subs[m], t) {
			continue
		}
		for _, p := range tp.Partitions {
			if p >= 0 && int(p) < len(u.topics[t].owner) && u.topics[t].owner[p] == -1 {
				u.give(t, p, m)
			}
		}
	}
}

func (u *uniform) give(t, p, m int32) {
	u.topics[t].owner[p] = m
	u.owned[m][t] = append(u.owned[m][t], p)
	u.load[m]++
}

// take is one partition of the topic taken from the member: its last one.
func (u *uniform) take(t, m int32) int32 {
	parts := u.owned[m][t]
	p := parts[len(parts)-1]
	if u.owned[m][t] = parts[:len(parts)-1]; len(parts) == 1 {
		delete(u.owned[m], t)
	}
	u.topics[t].owner[p] = -1
	u.load[m]--
	return p
}

// keepWithinQuota takes from each member what exceeds its share. The shares that
// are one larger go to those who have that much, as far as they reach.
func (u *uniform) keepWithinQuota() {
	if len(u.order) == 0 {
		return
	}
	total := int32(0)
	for t := range u.topics {
		total += int32(len(u.topics[t].owner))
	}
	quota, extra := total/int32(len(u.order)), total%int32(len(u.order))
	for _, m := range u.order {
		share := quota
		if u.load[m] > quota && extra > 0 {
			share++
			extra--
		}
		for t := int32(len(u.topics)) - 1; t >= 0 && u.load[m] > share; t-- {
			for u.load[m] > share && len(u.owned[m][t]) > 0 {
				u.take(t, m)
			}
		}
	}
}

// giveUnassigned gives what nobody has to the subscriber with the least load;
// topics with few subscribers first, because they leave the least choice.
func (u *uniform) giveUnassigned() {
	order := make([]int32, len(u.topics))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return len(u.topics[a].subscribers) - len(u.topics[b].subscribers) })
	for _, t := range order {
		var heap loads
		for p, owner := range u.topics[t].owner {
			if owner != -1 {
				continue
			}
			if heap == nil {
				heap = newLoads(u.topics[t].subscribers, u.load)
			}
			u.give(t, int32(p), heap[0].member)
			heap[0].load++
			heap.down(0)
		}
	}
}

// result turns numbers into assignments; who keeps everything keeps the very same.
func (u *uniform) result(g Group) []Assignment {
	out := make([]Assignment, len(g.Members))
	for m := range out {
		var parts []ids.TopicIDPartition
		for _, t := range u.subs[m] {
			for _, p := range u.owned[m][t] {
				parts = append(parts, ids.TopicIDPartition{Topic: u.topics[t].id, Partition: p})
			}
		}
		out[m] = pack(parts)
		if equal(out[m], g.Members[m].Owned) {
			out[m] = g.Members[m].Owned
		}
	}
	return out
}

func equal(a, b Assignment) bool {
	return slices.EqualFunc(a, b, func(x, y TopicPartitions) bool {
		return x.Topic == y.Topic && slices.Equal(x.Partitions, y.Partitions)
	})
}
