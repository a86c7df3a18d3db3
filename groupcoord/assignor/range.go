package assignor

import (
	"cmp"
	"slices"
)

// Range divides each topic among its subscribers in ranges, the first ones one
// longer when it doesn't come out even. Static members come first, by instance,
// because their place in the order outlives a restart.
func Range(g Group) []Assignment {
	order := make([]int32, len(g.Members))
	for i := range order {
		order[i] = int32(i)
	}
	byRange := func(a, b int32) int { return rangeOrder(&g.Members[a], &g.Members[b]) }
	if !slices.IsSortedFunc(order, byRange) {
		slices.SortFunc(order, byRange)
	}
	c := newCatalog(g)
	for i := range g.Members {
		c.numbers(g.Members[i].Topics)
	}
	r := ranges{catalog: c, subscribers: make([]int32, len(c.topics)), next: make([]int32, len(c.topics))}
	for i := range g.Members {
		for _, t := range c.numbers(g.Members[i].Topics) {
			r.subscribers[t]++
		}
	}
	out := make([]Assignment, len(g.Members))
	for _, m := range order {
		r.assign(&g.Members[m], &out[m])
	}
	return out
}

// ranges gives out the ranges of topics, in the order of members.
type ranges struct {
	*catalog
	subscribers []int32 // by topic
	next        []int32 // how many of them have theirs
	scratch     Assignment
	count       []int32 // 0, 1, 2 …: every range is a piece of it
}

func (r *ranges) assign(m *Member, out *Assignment) {
	r.scratch = r.scratch[:0]
	for _, t := range r.numbers(m.Topics) {
		from, to := cut(r.counts[t], r.subscribers[t], r.next[t])
		r.next[t]++
		if from < to {
			r.scratch = append(r.scratch, TopicPartitions{r.topics[t], r.span(from, to)})
		}
	}
	switch {
	case equal(r.scratch, m.Owned):
		*out = m.Owned
	default:
		*out = slices.Clone(r.scratch)
	}
}

// span is the numbers from one to before another.
func (r *ranges) span(from, to int32) []int32 {
	for n := int32(len(r.count)); n < to; n++ {
		r.count = append(r.count, n)
	}
	return r.count[from:to:to]
}

func rangeOrder(a, b *Member) int {
	switch {
	case a.Instance != nil && b.Instance != nil:
		return cmp.Compare(*a.Instance, *b.Instance)
	case a.Instance != nil:
		return -1
	case b.Instance != nil:
		return 1
	default:
		return cmp.Compare(a.ID, b.ID)
	}
}

// cut is the i-th of k ranges of n partitions.
func cut(n, k, i int32) (from, to int32) {
	quota, extra := n/k, n%k
	from = i*quota + min(i, extra)
	to = from + quota
	if i < extra {
		to++
	}
	return from, to
}
