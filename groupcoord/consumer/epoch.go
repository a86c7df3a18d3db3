package consumer

import (
	"cmp"
	"slices"
)

// hashKnown tells whether the group's hash is that of the topics as they are. When
// the epoch that came with it is not reached, its record was lost, and it is not.
func (g *Group) hashKnown() bool { return g.hashedIn != 0 && g.epoch >= g.hashedIn }

// forgetHash makes the next decision look at the topics.
func (g *Group) forgetHash() { g.hashedIn = 0 }

// advance makes a new group epoch when bump says so or the metadata of the
// subscribed topics is not what it was. It is the group epoch after that.
func (c *change) advance(names func() *Set, bump bool) int32 {
	g := c.g
	if !bump && g.hashKnown() {
		return g.epoch
	}
	hash := c.gs.hashOf(names(), c.at.Image)
	if hash != g.hash && !bump {
		c.because("the metadata of a subscribed topic changed")
	}
	epoch := g.epoch
	if bump || hash != g.hash {
		epoch++
		c.put(epochRecord(g.ID, epoch, hash))
		c.begin(epoch)
	}
	g.hashedIn = epoch
	if g.legacy {
		c.put(legacyTombstone(g.ID))
	}
	return epoch
}

// begin notes that a rebalance has a reason to be.
func (c *change) begin(epoch int32) {
	c.gs.rebalances++
	for _, why := range c.why {
		c.g.story.Begin(c.g.assignmentEpoch, epoch, why, c.at.Now)
	}
}

// namesWith is the topics that are subscribed to when d is what it is going to
// be and not what it was.
func (g *Group) namesWith(d *draft, before *About) *Set {
	gone := map[*Set]int{}
	regexes := map[string]int{}
	if d.old != nil {
		gone[d.old.Topics]++
		if r := before.regex(); r != "" && r != d.regex() {
			regexes[r]++
		}
	}
	return g.namesWithout(gone, regexes, d.Topics)
}

// namesWithout is the topics that are subscribed to without some members, and
// with one that subscribes to more.
func (g *Group) namesWithout(gone map[*Set]int, regexes map[string]int, more *Set) *Set {
	var names []string
	for s, n := range g.sets { // sorted below
		if n > gone[s] && s != more {
			names = append(names, s.names...)
		}
	}
	names = append(names, more.names...)
	for re, r := range g.resolved {
		if n := regexes[re]; n == 0 || n < g.regexes[re] {
			names = append(names, r.topics.names...)
		}
	}
	return g.home.setOf(names)
}

// sizeInterval is how long a group of n members lets changes gather before it
// assigns again: long enough that assigning takes a small part of the time, and
// that members that start together are seen together.
func sizeInterval(n int) int64 { return min(max(int64(n)/10, 20), 1000) }

// assignableAt is when the next target may be computed. A last time that is still to
// come was by a clock that was wrong, or was set since.
func (g *Group) assignableAt(now int64) int64 {
	interval := int64(g.own().AssignmentInterval)
	if g.assignedAt == 0 || interval == 0 || g.assignedAt > now {
		return 0
	}
	if interval < 0 {
		interval = sizeInterval(len(g.list))
	}
	return g.assignedAt + interval
}

// patterns are the regular expressions that were matched, in order.
func (g *Group) patterns() []string {
	out := make([]string, 0, len(g.resolved))
	for re := range g.resolved {
		out = append(out, re)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}
