package assignor

import (
	"math/bits"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// alike divides topics among members that all subscribe to the same ones.
//
// Shares tell at once what everyone may keep: total / members, and for some of
// them one more. So one pass over what members have decides what stays, and a
// second one over what nobody has gives it to those below their share. Partitions
// are numbers here, those of all topics one after another. Memory is taken for
// each member once (a load and a result) and for each partition a bit; all else
// grows with what changes.
//
// Racks decide between members that may have a partition, never how many one
// gets, nor whether a partition moves.
type alike struct {
	g      Group
	topics []ids.TopicID // with partitions, in order
	first  []int32       // number of each topic's first partition, and behind the last
	taken  []uint64      // bits by number
	load   []int32
	share  int32 // of everyone
	extra  int32 // how many may have one more
	out    []Assignment
	racks  []string          // that members are in; "" is one of them
	gifts  map[int32][]int32 // numbers given, by member
	given  []int32           // the members in gifts
}

func uniformAlike(g Group, order []int32) []Assignment {
	a := newAlike(g)
	for _, m := range order {
		a.keep(m)
	}
	a.giveRest(order)
	for _, m := range a.given {
		a.out[m] = a.with(a.out[m], a.gifts[m])
	}
	return a.out
}

func newAlike(g Group) *alike {
	n := len(g.Members)
	a := &alike{g: g, load: make([]int32, n), out: make([]Assignment, n), gifts: map[int32][]int32{}}
	subscribed := g.Members[0].Topics
	if !slices.IsSortedFunc(subscribed, compareTopics) {
		subscribed = slices.SortedFunc(slices.Values(subscribed), compareTopics)
	}
	total := int32(0)
	for _, id := range subscribed {
		if count := g.Partitions(id); count > 0 {
			a.topics, a.first = append(a.topics, id), append(a.first, total)
			total += count
		}
	}
	a.first = append(a.first, total)
	a.taken = make([]uint64, (total+63)/64)
	a.share, a.extra = total/int32(n), total%int32(n)
	return a
}

// keep leaves the member what it has, may have still, and has room for.
func (a *alike) keep(m int32) {
	had := a.g.Members[m].Owned
	var kept []int32 // made when something of it goes
	n, t := int32(0), 0
	for i := range had {
		skip, known := slices.BinarySearchFunc(a.topics[t:], had[i].Topic, compareTopics)
		t += skip
		for j, p := range had[i].Partitions {
			stays := known && a.claim(t, p, n)
			switch {
			case stays:
				if n++; kept != nil {
					kept = append(kept, a.first[t]+p)
				}
			case kept == nil:
				kept = a.numbersBefore(had, i, j)
			}
		}
	}
	a.load[m], a.out[m] = n, had
	if kept != nil {
		a.out[m] = a.pack(kept)
	}
}

// claim takes a partition for a member that has n already, if it has room.
func (a *alike) claim(t int, p, n int32) bool {
	number := a.first[t] + p
	if p < 0 || number >= a.first[t+1] || a.taken[number/64]&(1<<(number%64)) != 0 {
		return false
	}
	switch {
	case n < a.share:
	case n == a.share && a.extra > 0:
		a.extra--
	default:
		return false
	}
	a.taken[number/64] |= 1 << (number % 64)
	return true
}

// numbersBefore are the numbers of the partitions before the j-th of the i-th
// topic, all of which stay.
func (a *alike) numbersBefore(had Assignment, i, j int) []int32 {
	out := make([]int32, 0, had.Count())
	for k := 0; k <= i; k++ {
		t, known := slices.BinarySearchFunc(a.topics, had[k].Topic, compareTopics)
		if !known {
			continue
		}
		parts := had[k].Partitions
		if k == i {
			parts = parts[:j]
		}
		for _, p := range parts {
			out = append(out, a.first[t]+p)
		}
	}
	return out
}

// giveRest gives what nobody has: first everyone gets its share, the one with the
// least first, then some get one more, in their order.
func (a *alike) giveRest(order []int32) {
	rest := a.unassigned()
	if len(rest) == 0 {
		return
	}
	below, full := a.queues(order)
	missing := int32(0)
	for _, q := range below {
		for i := range q {
			missing += a.share - q[i].load
		}
	}
	over := int32(len(rest)) - missing // that many get one more
	if len(a.racks) > 1 && a.g.Racks != nil {
		rest, over = a.giveNear(rest, below, full, over)
	}
	for _, x := range rest {
		if q := lowest(below, nil); q >= 0 {
			a.giveTo(&below[q], x)
			continue
		}
		a.giveMore(full, nil, x)
	}
}

// unassigned are the numbers of the partitions that nobody has.
func (a *alike) unassigned() []int32 {
	var out []int32
	total := a.first[len(a.topics)]
	for w, word := range a.taken {
		for free := ^word; free != 0; free &= free - 1 {
			if x := int32(w*64 + bits.TrailingZeros64(free)); x < total {
				out = append(out, x)
			}
		}
	}
	return out
}

// queues are, by rack, the members below their share as a heap, and all of them
// in their order, who may get one more.
func (a *alike) queues(order []int32) (below []loads, full [][]int32) {
	in := map[string]int32{}
	for place, m := range order {
		rack := ""
		if r := a.g.Members[m].Rack; r != nil {
			rack = *r
		}
		q, known := in[rack]
		if !known {
			q = int32(len(a.racks))
			in[rack] = q
			a.racks, below, full = append(a.racks, rack), append(below, nil), append(full, nil)
		}
		if a.load[m] < a.share {
			below[q] = append(below[q], loaded{a.load[m], int32(place), m})
		}
		if a.load[m] <= a.share {
			full[q] = append(full[q], m)
		}
	}
	for _, h := range below {
		h.init()
	}
	return below, full
}

// giveNear gives partitions to members in the rack of one of their replicas, as
// long as there are such with room, and returns the others.
func (a *alike) giveNear(rest []int32, below []loads, full [][]int32, over int32) ([]int32, int32) {
	far := rest[:0]
	near := make([]bool, len(a.racks))
	for _, x := range rest {
		clear(near)
		t := a.topicOf(x)
		for _, r := range a.g.Racks(a.topics[t], x-a.first[t]) {
			if q := slices.Index(a.racks, r); q >= 0 && r != "" {
				near[q] = true
			}
		}
		if q := lowest(below, near); q >= 0 {
			a.giveTo(&below[q], x)
		} else if over > 0 && a.giveMore(full, near, x) {
			over--
		} else {
			far = append(far, x)
		}
	}
	return far, over
}

// lowest is the queue whose first member has the least, of those marked in among
// (nil: of all); -1 when they are empty.
func lowest(below []loads, among []bool) int {
	best := -1
	for q, h := range below {
		if len(h) == 0 || among != nil && !among[q] {
			continue
		}
		if best < 0 || before(h[0], below[best][0]) {
			best = q
		}
	}
	return best
}

// giveTo gives the partition to the first of the queue, who leaves it when it has its share.
func (a *alike) giveTo(h *loads, x int32) {
	q := *h
	a.give(q[0].member, x)
	if q[0].load++; q[0].load == a.share {
		q[0] = q[len(q)-1]
		q = q[:len(q)-1]
	}
	q.down(0)
	*h = q
}

// giveMore gives the partition to somebody who has its share exactly.
func (a *alike) giveMore(full [][]int32, among []bool, x int32) bool {
	for q := range full {
		if among != nil && !among[q] {
			continue
		}
		for i, m := range full[q] {
			if a.load[m] == a.share {
				a.give(m, x)
				full[q] = full[q][i+1:]
				return true
			}
			if a.load[m] > a.share {
				continue
			}
			break // not there yet: it is looked at again
		}
	}
	return false
}

func (a *alike) give(m, x int32) {
	if a.gifts[m] == nil {
		a.given = append(a.given, m)
	}
	a.gifts[m] = append(a.gifts[m], x)
	a.load[m]++
}

// topicOf is the topic of a partition's number.
func (a *alike) topicOf(x int32) int {
	t, exact := slices.BinarySearch(a.first, x)
	if !exact {
		t--
	}
	return t
}

// with is what a member has together with what it was given.
func (a *alike) with(had Assignment, gifts []int32) Assignment {
	all := make([]int32, 0, had.Count()+len(gifts))
	t := 0
	for i := range had {
		for a.topics[t] != had[i].Topic {
			t++
		}
		for _, p := range had[i].Partitions {
			all = append(all, a.first[t]+p)
		}
	}
	return a.pack(append(all, gifts...))
}

// pack makes an assignment of numbers in any order.
func (a *alike) pack(numbers []int32) Assignment {
	slices.Sort(numbers)
	var out Assignment
	for i := 0; i < len(numbers); {
		t := a.topicOf(numbers[i])
		from := i
		for ; i < len(numbers) && numbers[i] < a.first[t+1]; i++ {
			numbers[i] -= a.first[t]
		}
		out = append(out, TopicPartitions{Topic: a.topics[t], Partitions: numbers[from:i:i]})
	}
	return out
}
