package assignor

import "slices"

// Bounds of the search for more even loads. Groups of few kinds of subscriptions
// come nowhere near them; they keep one in which everybody wants something else
// from holding up the other groups of its shard. What is left then differs little.
const (
	maxRounds = 16
	maxSteps  = 1 << 25 // members and subscriptions looked at
)

// level moves partitions of one topic after another straight from its most loaded
// owners to its least loaded subscribers, until no topic has anything to move.
func (u *mixed) level() {
	for range maxRounds {
		moved := false
		for t := range u.topics {
			moved = u.levelTopic(int32(t)) || moved
		}
		if !moved {
			return
		}
	}
}

func (u *mixed) levelTopic(t int32) (moved bool) {
	members := u.subscribers(t)
	lo, hi := u.bounds(members)
	if hi-lo < 2 {
		return false
	}
	var from []int32 // owners, the most loaded first
	for _, m := range members {
		if u.load[m] >= lo+2 && len(u.owned(m, t)) > 0 {
			from = append(from, m)
		}
	}
	slices.SortStableFunc(from, func(a, b int32) int { return int(u.load[b] - u.load[a]) })
	to := u.heapOf(members)
	for len(from) > 0 {
		// Only those with the highest load give, one after the other, so that the
		// order of from holds: each round takes one from each of them.
		top := 1
		for top < len(from) && u.load[from[top]] == u.load[from[0]] {
			top++
		}
		if u.load[from[0]]-to[0].load < 2 {
			return moved
		}
		from = u.giveFrom(t, from, top, to)
		moved = true
	}
	return moved
}

// giveFrom takes one partition from each of the first top owners, as long as that
// makes it more even, and returns the owners that have more to give, in order.
func (u *mixed) giveFrom(t int32, from []int32, top int, to loads) []int32 {
	for i := range top {
		m := from[i]
		if u.load[m]-to[0].load < 2 {
			return from[:0]
		}
		u.give(t, u.take(t, m), to[0].member)
		to[0].load++
		to.down(0)
	}
	left := from[:0]
	for _, m := range from {
		if len(u.owned(m, t)) > 0 {
			left = append(left, m)
		}
	}
	return left
}

// even moves partitions along chains until the loads are as even as they can be.
//
// A chain goes from a member over a topic that it has a partition of to another
// subscriber of that topic, and so on. Moving one partition a link takes one from
// the chain's first member and gives one to its last. That makes it more even if
// the first has at least two more than the last, and when there is no such chain
// nothing is more even (the loads are a flow of convex cost).
//
// The search begins at the members with the highest load. Where it finds nothing,
// all that it saw is settled: no chain that begins lower can use it better, since
// whatever is reachable from it has nearly its load.
func (u *mixed) even() {
	settled := make([]bool, len(u.load))
	for t := range u.state {
		u.state[t].visited = false
	}
	s := search{u: u, via: make([]link, len(u.load)), settled: settled}
	for s.steps < maxSteps {
		s.steps += len(u.order)
		from := u.highest(settled)
		if len(from) == 0 {
			return
		}
		last := s.find(from)
		if last >= 0 {
			s.move(last)
			for _, t := range s.topics {
				u.state[t].visited = false
			}
			continue
		}
		for _, m := range s.queue { // their topics stay visited: they are done
			settled[m] = true
		}
	}
}

// highest are the members with the highest load that are not settled.
func (u *mixed) highest(settled []bool) []int32 {
	var out []int32
	most := int32(0)
	for _, m := range u.order {
		switch {
		case settled[m] || u.load[m] == 0 || u.load[m] < most:
		case u.load[m] > most:
			most, out = u.load[m], append(out[:0], m)
		default:
			out = append(out, m)
		}
	}
	return out
}

// link is how a search came to a member: over a topic, from another member.
type link struct {
	search      int32 // the number of the search; another one's links are void
	from, topic int32 // from -1: the search began here
}

// search looks for chains breadth-first, so that chains are short.
type search struct {
	u       *mixed
	number  int32
	steps   int
	via     []link
	queue   []int32 // members seen, in order
	settled []bool
	topics  []int32 // visited
}

func (s *search) see(m int32, from, topic int32) {
	s.via[m] = link{s.number, from, topic}
	s.queue = append(s.queue, m)
}

// find is the last member of a chain, -1 if there is none.
func (s *search) find(from []int32) int32 {
	s.number++
	s.queue, s.topics = s.queue[:0], s.topics[:0]
	most := s.u.load[from[0]]
	for _, m := range from {
		s.see(m, -1, -1)
	}
	for next := 0; next < len(s.queue); next++ {
		m := s.queue[next]
		for _, t := range s.u.wants[s.u.kindOf[m]] {
			s.steps++
			if s.u.state[t].visited || len(s.u.owned(m, t)) == 0 {
				continue
			}
			s.u.state[t].visited = true
			s.topics = append(s.topics, t)
			for _, k := range s.u.state[t].kinds {
				if last := s.over(m, t, k, most-2); last >= 0 {
					return last
				}
			}
		}
	}
	return -1
}

// over looks over a topic at the members of a kind: for one with that load or less.
func (s *search) over(from, t, kind, load int32) int32 {
	s.steps += len(s.u.kinds[kind])
	for _, m := range s.u.kinds[kind] {
		if s.via[m].search == s.number || s.settled[m] {
			continue
		}
		s.see(m, from, t)
		if s.u.load[m] <= load {
			return m
		}
	}
	return -1
}

// move moves one partition over every link of the chain that ends at last.
func (s *search) move(last int32) {
	for to := last; s.via[to].from >= 0; to = s.via[to].from {
		l := s.via[to]
		s.u.give(l.topic, s.u.take(l.topic, l.from), to)
	}
}
