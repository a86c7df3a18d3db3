package assignortest

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Tally is what a uniform assignment comes to, or many together.
type Tally struct {
	Moved  int // partitions taken from somebody who could have kept them
	Spread int // sum of squared loads
	Near   int // partitions with somebody in the rack of a replica
}

// When members want different topics, neither assignor moves the least possible,
// and now one moves a little more, now the other: in 13,000 groups of Random ours
// moved up to 5 partitions more in 301 groups, fewer in 361, as many in the rest. In
// 449 it was more even than Kafka's, which took up to 7 moves more.
const (
	mostExtraMoves      = 8
	mostMovesToBeEvener = 12
)

// Compare says how our assignment of a case is worse than Kafka's, nil if it is
// not: range must be the same; uniform complete, no less even, and move no more if
// all members want the same, hardly more if not. ours and kafka sum up what was
// compared; moves only of those that are as even.
func Compare(c *Case, ours, kafka *Tally) error {
	out := assignor.ByName(c.Assignor)(c.Group())
	if err := c.complete(out); err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	if err := c.complete(c.Kafka); err != nil {
		return fmt.Errorf("Kafka's: %w", err)
	}
	if c.Assignor == "range" {
		for i := range out {
			if len(out[i])+len(c.Kafka[i]) > 0 && !reflect.DeepEqual(out[i], c.Kafka[i]) {
				return fmt.Errorf("%s gets%s, from Kafka%s", c.Members[i].ID, text(out[i]), text(c.Kafka[i]))
			}
		}
		return nil
	}
	a, b := c.tally(out), c.tally(c.Kafka)
	extra := mostExtraMoves
	switch {
	case a.Spread > b.Spread:
		return fmt.Errorf("ours is less even: squared loads are %d, Kafka's %d", a.Spread, b.Spread)
	case c.alike():
		extra = 0
	case a.Spread < b.Spread:
		extra = mostMovesToBeEvener
	}
	if a.Moved > b.Moved+extra {
		return fmt.Errorf("ours moves %d, Kafka's %d; squared loads are %d and %d", a.Moved, b.Moved, a.Spread, b.Spread)
	}
	if a.Spread < b.Spread {
		a.Moved, b.Moved = 0, 0
	}
	ours.add(a)
	kafka.add(b)
	return nil
}

// CompareAll says how our assignments of many cases are worse in sum: they may
// move a tenth more than Kafka's, and must not leave less near.
func CompareAll(ours, kafka Tally) error {
	if ours.Moved*10 > kafka.Moved*11 || ours.Near < kafka.Near {
		return fmt.Errorf("%d partitions move and %d are near in all, with Kafka %d and %d", ours.Moved, ours.Near, kafka.Moved, kafka.Near)
	}
	return nil
}

func (t *Tally) add(o Tally) {
	t.Moved, t.Spread, t.Near = t.Moved+o.Moved, t.Spread+o.Spread, t.Near+o.Near
}

// alike: all want the same.
func (c *Case) alike() bool {
	return !slices.ContainsFunc(c.Members, func(m assignor.Member) bool { return !slices.Equal(m.Topics, c.Members[0].Topics) })
}

// complete tells what of the wanted topics has no owner, or two, or a wrong one.
func (c *Case) complete(out []assignor.Assignment) error {
	owner := map[ids.TopicIDPartition]string{}
	for i, a := range out {
		m := &c.Members[i]
		for x := range each(a) {
			if by, taken := owner[x]; taken || !slices.Contains(m.Topics, x.Topic) {
				return fmt.Errorf("%s has %d-%d, taken by %q or not wanted", m.ID, numberOf(x.Topic), x.Partition, by)
			}
			owner[x] = m.ID
		}
	}
	for _, t := range c.Topics {
		wanted := slices.ContainsFunc(c.Members, func(m assignor.Member) bool { return slices.Contains(m.Topics, t.ID) })
		for p := range t.Racks {
			if _, has := owner[ids.TopicIDPartition{Topic: t.ID, Partition: int32(p)}]; has != wanted {
				return fmt.Errorf("%d-%d is wanted: %v, is had: %v", numberOf(t.ID), p, wanted, has)
			}
		}
	}
	return nil
}

// each is every partition of an assignment.
func each(a assignor.Assignment) func(yield func(ids.TopicIDPartition) bool) {
	return func(yield func(ids.TopicIDPartition) bool) {
		for _, t := range a {
			for _, p := range t.Partitions {
				if !yield(ids.TopicIDPartition{Topic: t.Topic, Partition: p}) {
					return
				}
			}
		}
	}
}

func (c *Case) tally(out []assignor.Assignment) (t Tally) {
	near := c.Group().Racks
	for i, a := range out {
		m := &c.Members[i]
		has := map[ids.TopicIDPartition]bool{}
		for x := range each(a) {
			has[x] = true
			if m.Rack != nil && slices.Contains(near(x.Topic, x.Partition), *m.Rack) {
				t.Near++
			}
		}
		for x := range each(m.Owned) {
			if slices.Contains(m.Topics, x.Topic) && !has[x] {
				t.Moved++
			}
		}
		t.Spread += a.Count() * a.Count()
	}
	return t
}
