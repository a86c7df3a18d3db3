package consumer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// retarget makes the target assignment of an epoch when it is time to, and tells
// what the member d shall have.
func (c *change) retarget(d *draft, before *About, epoch int32) goal {
	if c.g.assignmentEpoch >= epoch || c.at.Now < c.g.assignableAt(c.at.Now) {
		return goal{c.g.assignmentEpoch, c.g.targetOf(d)}
	}
	return goal{epoch, c.assign(d, before, epoch)}
}

// targetOf is what a member shall have, by what was last computed.
func (g *Group) targetOf(d *draft) assignor.Assignment {
	if d.Instance != nil {
		if m := g.statics[*d.Instance]; m != nil {
			return g.targets[m.ID].assignment
		}
		return nil
	}
	return g.targets[d.ID].assignment
}

// assign computes the target assignment for all members, and d as it is going to
// be, and writes what of it is new. It returns that of d.
func (c *change) assign(d *draft, before *About, epoch int32) assignor.Assignment {
	g := c.g
	members, mine := c.assignees(d)
	name := g.assignorWith(d, before)
	assigned := assignor.ByName(name)(assignor.Group{Members: members, Partitions: c.partitions, Racks: c.racks})
	changed := 0
	for i := range members {
		old, known := g.targets[members[i].ID]
		if known && sameAssignment(old.assignment, assigned[i]) {
			continue
		}
		changed++
		c.put(targetRecord(g.ID, members[i].ID, assigned[i]))
	}
	c.put(assignmentRecord(g.ID, epoch, c.at.Now))
	c.note = Note{Group: g.ID, Epoch: epoch, Text: fmt.Sprintf("assigned by %s: %d members, %d of them otherwise than before", name, len(members), changed)}
	if d == nil {
		return nil
	}
	return assigned[mine]
}

// assignees are the members to assign to, by id, and the place of d among them.
func (c *change) assignees(d *draft) (members []assignor.Member, mine int) {
	g := c.g
	members = make([]assignor.Member, 0, len(g.list)+1)
	topics := c.subscriptions()
	for _, m := range g.list {
		if d != nil && (m == d.old || m.ID == d.ID) {
			continue
		}
		members = append(members, assignor.Member{
			ID: m.ID, Instance: m.Instance, Rack: m.Rack, Topics: topics(&m.About), Owned: g.targets[m.ID].assignment,
		})
	}
	if d == nil {
		return members, 0
	}
	owned := g.targets[d.ID].assignment
	if d.replaces != nil {
		owned = g.targets[d.replaces.ID].assignment
	}
	mine, _ = slices.BinarySearchFunc(members, d.ID, func(m assignor.Member, id string) int { return strings.Compare(m.ID, id) })
	return slices.Insert(members, mine, assignor.Member{
		ID: d.ID, Instance: d.Instance, Rack: d.Rack, Topics: topics(&d.About), Owned: owned,
	}), mine
}

func (c *change) racks(id ids.TopicID, partition int32) []string {
	t, ok := c.at.Image.TopicByID(id)
	if !ok {
		return nil
	}
	return c.at.Image.Racks(t.Name, partition)
}

func (c *change) partitions(id ids.TopicID) int32 {
	t, _ := c.at.Image.TopicByID(id)
	return t.Partitions
}

// subscriptions is topicIDs, computed once for all members with equal subscriptions.
func (c *change) subscriptions() func(*About) []ids.TopicID {
	type sub struct {
		names *Set
		regex string
	}
	known := map[sub][]ids.TopicID{}
	return func(a *About) []ids.TopicID {
		s := sub{a.Topics, a.regex()}
		list, ok := known[s]
		if !ok {
			list = c.topicIDs(s.names, s.regex)
			known[s] = list
		}
		return list
	}
}

func sameAssignment(a, b assignor.Assignment) bool {
	if len(a) != len(b) || len(a) == 0 {
		return len(a) == len(b)
	}
	if &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y assignor.TopicPartitions) bool {
		return x.Topic == y.Topic && slices.Equal(x.Partitions, y.Partitions)
	})
}

// assignorWith is the assignor that most members ask for, when d is what it is
// going to be; the broker's default when nobody asks. Of equals Kafka takes the
// first of a hash table, which byHash has in its order.
func (g *Group) assignorWith(d *draft, before *About) string {
	best, most := "", 0
	for _, name := range byHash(g.home.cfg.Assignors) {
		n := g.assignors[name]
		if d != nil {
			if d.old != nil && before.Assignor != nil && *before.Assignor == name {
				n--
			}
			if d.Assignor != nil && *d.Assignor == name {
				n++
			}
		}
		if n > most {
			best, most = name, n
		}
	}
	if best == "" {
		return g.home.cfg.Assignors[0]
	}
	return best
}

// byHash is the names in the order of a small Java hash table.
func byHash(names []string) []string {
	bucket := func(s string) uint32 {
		var h uint32
		for i := range len(s) { // names of assignors are ASCII
			h = 31*h + uint32(s[i])
		}
		return (h ^ h>>16) & 15
	}
	out := slices.Clone(names)
	slices.SortStableFunc(out, func(a, b string) int { return int(bucket(a)) - int(bucket(b)) })
	return out
}

// Assignor is the name of the group's assignor.
func (g *Group) Assignor() string { return g.assignorWith(nil, nil) }

// assignAt sets the alarm that goes on with the group when it has to have a new
// target, or its topics are to be looked at.
func (gs *Groups) assignAt(g *Group, now int64) {
	if len(g.list) == 0 || g.epoch <= g.assignmentEpoch && g.hashKnown() {
		return
	}
	at := max(now, g.assignableAt(now))
	if g.assigning.IsSet() && g.assigning.At <= at {
		return
	}
	gs.alarms.Cancel(&g.assigning)
	g.assigning.Value = due{what: dueAssign, group: g}
	gs.alarms.Set(&g.assigning, at)
}

// proceed is what a heartbeat would do for the group as a whole: nobody has to
// wait for the next one.
func (gs *Groups) proceed(g *Group, at Moment) Decision {
	c := &change{gs: gs, g: g, at: at}
	if len(g.list) == 0 {
		return Decision{}
	}
	epoch := c.advance(func() *Set { return g.namesWithout(nil, nil, nothing) }, false)
	if epoch > g.assignmentEpoch {
		if at.Now < g.assignableAt(at.Now) {
			gs.assignAt(g, at.Now) // the epoch's record brings it back as well
		} else {
			c.assign(nil, nil, epoch)
		}
	}
	return c.decision()
}
