package assignor

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Uniform divides all topics together as evenly as subscriptions allow, and
// leaves partitions where they are as far as that goes. With equal subscriptions
// shares tell at once what everyone may keep (alike); with others it keeps what
// may be kept, gives what is left to the least loaded subscribers, and then moves
// partitions until nothing makes it more even (mixed).
func Uniform(g Group) []Assignment {
	if len(g.Members) == 0 {
		return nil
	}
	order := byID(g.Members)
	for i := range g.Members {
		if !sameTopics(g.Members[i].Topics, g.Members[0].Topics) {
			return uniformMixed(g, order)
		}
	}
	return uniformAlike(g, order)
}

// sameTopics compares subscriptions; members that share one cost nothing.
func sameTopics(a, b []ids.TopicID) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b)
}

// byID are the positions of the members in the order of their ids. Members that
// come in that order already are not sorted again.
func byID(members []Member) []int32 {
	out := make([]int32, len(members))
	sorted := true
	for i := range out {
		out[i] = int32(i)
		sorted = sorted && (i == 0 || members[i-1].ID <= members[i].ID)
	}
	if !sorted {
		slices.SortFunc(out, func(a, b int32) int { return strings.Compare(members[a].ID, members[b].ID) })
	}
	return out
}

// loaded is a member with its load.
type loaded struct{ load, place, member int32 }

func before(a, b loaded) bool {
	return cmp.Or(cmp.Compare(a.load, b.load), cmp.Compare(a.place, b.place)) < 0
}

// loads is a heap: the least load first, and of equals the one listed first.
type loads []loaded

func (h loads) init() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h loads) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && before(h[child+1], h[child]) {
			child++
		}
		if !before(h[child], h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
