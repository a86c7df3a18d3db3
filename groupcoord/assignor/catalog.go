package assignor

import "github.com/gregorbroker/gregor/protocol/ids"

// catalog numbers the topics that a group subscribes to, those without
// partitions left out. A subscription that members share is looked up once.
type catalog struct {
	partitions func(ids.TopicID) int32
	topics     []ids.TopicID
	counts     []int32 // partitions, by number
	index      map[ids.TopicID]int32
	lists      map[list][]int32
}

// list is a subscription, by where it lies in memory.
type list struct {
	at *ids.TopicID
	n  int
}

func newCatalog(g Group) *catalog {
	return &catalog{partitions: g.Partitions, index: map[ids.TopicID]int32{}, lists: map[list][]int32{}}
}

// numbers are the topics of a subscription, in its order.
func (c *catalog) numbers(topics []ids.TopicID) []int32 {
	if len(topics) == 0 {
		return nil
	}
	at := list{&topics[0], len(topics)}
	if out, ok := c.lists[at]; ok {
		return out
	}
	out := make([]int32, 0, len(topics))
	for _, id := range topics {
		t, known := c.index[id]
		if !known {
			t = c.add(id)
		}
		if t >= 0 {
			out = append(out, t)
		}
	}
	c.lists[at] = out
	return out
}

// add is the number of a new topic, -1 for one without partitions.
func (c *catalog) add(id ids.TopicID) int32 {
	t, count := int32(len(c.topics)), c.partitions(id)
	if count <= 0 {
		t = -1
	} else {
		c.topics, c.counts = append(c.topics, id), append(c.counts, count)
	}
	c.index[id] = t
	return t
}
