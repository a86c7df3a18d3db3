package assignor

import (
	"cmp"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Range divides each topic among its subscribers in ranges, the first ones one
// longer when it doesn't come out even. Static members come first, by instance,
// because their place in the order outlives a restart.
func Range(g Group) []Assignment {
	order := make([]int, len(g.Members))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return rangeOrder(&g.Members[a], &g.Members[b]) })
	subscribers := map[ids.TopicID]int32{}
	for i := range g.Members {
		for _, t := range g.Members[i].Topics {
			subscribers[t]++
		}
	}
	out := make([]Assignment, len(g.Members))
	next := map[ids.TopicID]int32{} // subscribers that have theirs
	for _, i := range order {
		for _, t := range g.Members[i].Topics {
			from, to := cut(g.Partitions(t), subscribers[t], next[t])
			next[t]++
			if from < to {
				out[i] = append(out[i], TopicPartitions{t, span(from, to)})
			}
		}
	}
	return out
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

func span(from, to int32) []int32 {
	out := make([]int32, 0, to-from)
	for p := from; p < to; p++ {
		out = append(out, p)
	}
	return out
}
