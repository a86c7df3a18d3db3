package consumer

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// leave takes a member out, or notes that a static one is away and will be back.
func (gs *Groups) leave(g *Group, b *Beat, at Moment) (Reply, Decision, *Refusal) {
	r := b.Req
	m, bad := g.leaver(r.MemberID, r.InstanceID)
	if bad != nil {
		return Reply{}, Decision{}, bad
	}
	out := Reply{MemberID: r.MemberID, Epoch: r.MemberEpoch}
	if r.InstanceID != nil && r.MemberEpoch == epochLeaveStatic {
		away := m.Standing
		away.Epoch, away.Revoking, away.Assigned = epochLeaveStatic, nil, away.Assigned.since(0)
		out.MemberID = m.ID
		d := Decision{Notes: []Note{{Group: g.ID, Epoch: g.epoch, Text: "static member " + m.ID + " is away for now"}}}
		d.Records = append(d.Records, standingRecord(g.ID, m.ID, &away))
		return out, d, nil
	}
	g.story.Reason("member " + m.ID + " left")
	return out, gs.fence(g, []*Member{m}, at), nil
}

// leaver finds the member that wants to leave.
func (g *Group) leaver(id string, instance *string) (*Member, *Refusal) {
	if instance == nil {
		if m := g.members[id]; m != nil {
			return m, nil
		}
		return nil, g.unknown(id)
	}
	m := g.statics[*instance]
	if m == nil {
		return nil, refuse(kerr.UnknownMemberID, fmt.Sprintf("Instance id %s is unknown.", *instance))
	}
	if m.ID != id {
		return nil, fenced(id, *instance, m)
	}
	return m, nil
}

// fence takes members out. The group gets a new epoch, or becomes a classic one
// when only classic members are left.
func (gs *Groups) fence(g *Group, out []*Member, at Moment) Decision {
	c := &change{gs: gs, g: g, at: at}
	if gs.downgrades(g, out) {
		return c.downgrade(out, nil, true)
	}
	sets, regexes := map[*Set]int{}, map[string]int{}
	for _, m := range out {
		c.out = memberTombstones(c.out, g.ID, m.ID)
		sets[m.Topics]++
		if r := m.regex(); r != "" {
			regexes[r]++
		}
	}
	for _, re := range sortedKeys(regexes) {
		if g.regexes[re] == regexes[re] {
			c.put(regexTombstone(g.ID, re))
		}
	}
	hash := gs.hashOf(g.namesWithout(sets, regexes, nothing), at.Image)
	c.put(epochRecord(g.ID, g.epoch+1, hash))
	c.gs.rebalances++
	g.story.Begin(g.assignmentEpoch, g.epoch+1, "", at.Now)
	d := c.decision()
	d.Split = false
	return d
}
