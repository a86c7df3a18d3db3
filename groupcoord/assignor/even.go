package assignor

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
func (u *uniform) even() {
	settled := make([]bool, len(u.load))
	for t := range u.topics {
		u.topics[t].visited = false
	}
	for {
		from := u.highest(settled)
		if len(from) == 0 {
			return
		}
		s := search{u: u, via: make([]link, len(u.load)), seen: make([]bool, len(u.load)), settled: settled}
		last := s.find(from)
		if last >= 0 {
			s.move(last)
			for _, t := range s.topics {
				u.topics[t].visited = false
			}
			continue
		}
		for m, seen := range s.seen { // their topics stay visited: they are done
			settled[m] = settled[m] || seen
		}
	}
}

// highest are the members with the highest load that are not settled.
func (u *uniform) highest(settled []bool) []int32 {
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
	from, topic int32 // from -1: the search began here
}

// search is one breadth-first search for a chain, so that chains are short.
type search struct {
	u       *uniform
	via     []link
	seen    []bool
	settled []bool
	topics  []int32 // visited
}

// find is the last member of a chain, -1 if there is none.
func (s *search) find(from []int32) int32 {
	queue := append([]int32(nil), from...)
	most := s.u.load[from[0]]
	for _, m := range from {
		s.seen[m], s.via[m] = true, link{-1, -1}
	}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		for _, t := range s.u.subs[m] {
			topic := &s.u.topics[t]
			if topic.visited || len(s.u.owned[m][t]) == 0 {
				continue
			}
			topic.visited = true
			s.topics = append(s.topics, t)
			for _, other := range topic.subscribers {
				if s.seen[other] || s.settled[other] {
					continue
				}
				s.seen[other], s.via[other] = true, link{m, t}
				if s.u.load[other] <= most-2 {
					return other
				}
				queue = append(queue, other)
			}
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

// loaded is a member with its load.
type loaded struct{ load, place, member int32 }

// loads is a heap: the least load first, and of equals the one listed first.
type loads []loaded

func newLoads(members []int32, load []int32) loads {
	h := make(loads, len(members))
	for i, m := range members {
		h[i] = loaded{load[m], int32(i), m}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	return h
}

func (h loads) less(i, j int) bool {
	if h[i].load != h[j].load {
		return h[i].load < h[j].load
	}
	return h[i].place < h[j].place
}

func (h loads) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
