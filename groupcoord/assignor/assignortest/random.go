package assignortest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/protocol/ids"
)

var racks = []string{"a", "b", "c"}

// Random is a group of up to 12 members and 6 topics. Members want the same or
// different topics; most had something before: what an assignor gave to a group a
// little different, or anything.
func Random(r *rand.Rand) *Case {
	c := &Case{Assignor: []string{"uniform", "uniform", "range"}[r.IntN(3)]}
	withRacks := r.IntN(2) == 0
	for n := range 1 + r.IntN(6) {
		t := Topic{ID: topicID(n + 2)} // 1 is the id of the metadata topic
		for range 1 + r.IntN(16) {
			var of []string
			if withRacks {
				first := r.IntN(3)
				of = []string{racks[first], racks[(first+1)%3]}
			}
			t.Racks = append(t.Racks, of)
		}
		c.Topics = append(c.Topics, t)
	}
	alike := r.IntN(2) == 0
	for i := range 1 + r.IntN(12) {
		m := assignor.Member{ID: fmt.Sprintf("m%02d", r.IntN(8)*12+i)}
		if r.IntN(5) == 0 {
			instance := "i" + m.ID
			m.Instance = &instance
		}
		if withRacks && r.IntN(5) > 0 {
			m.Rack = &racks[r.IntN(3)]
		}
		for _, t := range c.Topics {
			if alike || r.IntN(2) == 0 {
				m.Topics = append(m.Topics, t.ID)
			}
		}
		c.Members = append(c.Members, m)
	}
	c.had(r)
	return c
}

// had gives members what they have from before.
func (c *Case) had(r *rand.Rand) {
	switch r.IntN(4) {
	case 0: // a new group
	case 1: // anything, to subscribers or not
		owned := make([]map[ids.TopicID][]int32, len(c.Members))
		for i := range owned {
			owned[i] = map[ids.TopicID][]int32{}
		}
		for _, t := range c.Topics {
			for p := range t.Racks {
				if m := r.IntN(len(c.Members) + 1); m < len(owned) {
					owned[m][t.ID] = append(owned[m][t.ID], int32(p))
				}
			}
		}
		for m := range c.Members {
			for _, t := range c.Topics {
				if parts := owned[m][t.ID]; parts != nil {
					c.Members[m].Owned = append(c.Members[m].Owned, assignor.TopicPartitions{Topic: t.ID, Partitions: parts})
				}
			}
		}
	default: // some were not there yet, some have left, some wanted something else
		c.before(r)
	}
}

func (c *Case) before(r *rand.Rand) {
	old := c.Group()
	old.Members = nil
	var at []int // of old's members in the case; -1: has left
	for i, m := range c.Members {
		if r.IntN(4) == 0 {
			continue // joins now
		}
		if r.IntN(4) == 0 {
			m.Topics = slices.DeleteFunc(slices.Clone(m.Topics), func(ids.TopicID) bool { return r.IntN(3) == 0 })
		}
		old.Members, at = append(old.Members, m), append(at, i)
	}
	for range r.IntN(3) {
		gone := assignor.Member{ID: fmt.Sprint("gone", len(at))}
		for _, t := range c.Topics {
			gone.Topics = append(gone.Topics, t.ID)
		}
		old.Members, at = append(old.Members, gone), append(at, -1)
	}
	for i, a := range assignor.ByName(c.Assignor)(old) {
		if at[i] >= 0 {
			c.Members[at[i]].Owned = a
		}
	}
}
