package consumer

import (
	"fmt"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A classic group of consumers becomes a consumer group when the first member
// joins it with the new protocol, and a classic one again when the last of those
// has left. What goes over is the generation, as epoch; the members, as members
// that speak the classic protocol; and who has which partition. The records of
// the old kind are deleted and those of the new written in one batch.

// ClassicGroup is a classic group as far as it goes over.
type ClassicGroup struct {
	ID         string
	Type       string // protocol type
	Protocol   *string
	Generation int32
	Members    []ClassicMember
}

// ClassicMember is one member of it.
type ClassicMember struct {
	ID               string
	Instance         *string
	ClientID, Host   string
	RebalanceTimeout int32 // ms
	SessionTimeout   int32 // ms
	Protocols        []records.ClassicProtocol
	Assignment       []byte
}

// Create is a group that does not exist yet, to join with Heartbeat; it exists as
// soon as the records of the join are replayed.
func (gs *Groups) Create(id string) *Group {
	g := gs.scratch().ensure(id)
	gs.drafts[id] = g
	return g
}

// scratch is groups like these, on paper: nothing in them sets off an alarm here.
func (gs *Groups) scratch() *Groups {
	out := New(gs.cfg)
	out.newTopics = gs.newTopics
	return out
}

// Upgrade is what a classic group is as a consumer group, with the records that
// make it one; the first deletes the old group.
func (gs *Groups) Upgrade(old *ClassicGroup, at Moment) (*Group, []runtime.Record, *Refusal) {
	if bad := gs.checkUpgrade(old); bad != nil {
		return nil, nil, bad
	}
	members := make([]*draft, len(old.Members))
	for i := range old.Members {
		d, bad := gs.upgraded(old, &old.Members[i], at)
		if bad != nil {
			return nil, nil, bad
		}
		members[i] = d
	}
	var recs []runtime.Record
	var names []string
	for _, d := range members {
		recs = append(recs, aboutRecord(old.ID, d.ID, &d.About))
		names = append(names, d.Topics.names...)
	}
	recs = append(recs, epochRecord(old.ID, old.Generation, gs.hashOf(gs.setOf(names), at.Image)))
	for _, d := range members {
		recs = append(recs, targetRecord(old.ID, d.ID, d.Assigned.assignment()))
	}
	recs = append(recs, assignmentRecord(old.ID, old.Generation, 0))
	for _, d := range members {
		recs = append(recs, standingRecord(old.ID, d.ID, &d.Standing))
	}
	paper := gs.scratch()
	for _, r := range recs {
		paper.apply(r)
	}
	g := paper.ensure(old.ID)
	g.story.Reason("the group moved to the consumer protocol")
	gs.drafts[old.ID] = g
	return g, append([]runtime.Record{tombstone(&records.GroupMetadataKey{Group: old.ID})}, recs...), nil
}

// apply replays a record that was just made.
func (gs *Groups) apply(r runtime.Record) {
	key, err := records.ParseKey(r.Key)
	if err != nil {
		panic(err)
	}
	value, _, err := records.ParseValue(key, r.Value)
	if err != nil {
		panic(err)
	}
	gs.Replay(key, value, true, 0)
}

func (gs *Groups) checkUpgrade(old *ClassicGroup) *Refusal {
	cannot := func(why string) *Refusal {
		return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group "+old.ID+" to consumer group because "+why+".")
	}
	switch {
	case !gs.cfg.Upgrade:
		return cannot("online upgrade is disabled")
	case old.Type != ProtocolType:
		return cannot("the group does not use the consumer embedded protocol")
	case len(old.Members) > gs.cfg.MaxSize:
		return cannot("the group size exceeds the consumer group maximum size")
	case old.Protocol == nil && len(old.Members) > 0:
		return refuse(kerr.UnknownServerError, "") // its first rebalance runs: Kafka stumbles here
	default:
		return nil
	}
}

// upgraded is a member of a classic group as a member of a consumer group.
func (gs *Groups) upgraded(old *ClassicGroup, m *ClassicMember, at Moment) (*draft, *Refusal) {
	malformed := refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group "+old.ID+" to consumer group because the embedded consumer protocol is malformed.")
	sub, ok := subscriptionOf(metadataFor(m.Protocols, *old.Protocol))
	if !ok {
		return nil, malformed
	}
	var assigned Ownership
	if len(m.Assignment) > 0 {
		var a kmsg.ConsumerMemberAssignment
		if err := a.ReadFrom(m.Assignment); err != nil || a.Version < 0 {
			return nil, malformed
		}
		if len(a.UserData) > 0 {
			return nil, refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group "+old.ID+" to consumer group because an unsupported custom assignor is in use. "+
				"Please refer to the documentation or switch to a default assignor before re-attempting the upgrade.")
		}
		assigned = ownedOf(&a, old.Generation, at.Image)
	}
	rack := sub.Rack
	if rack != nil && *rack == "" {
		rack = nil
	}
	return &draft{
		ID: m.ID,
		About: About{
			Instance: m.Instance, Rack: rack, ClientID: m.ClientID, Host: m.Host, Topics: gs.setOf(sub.Topics), Regex: new(""),
			RebalanceTimeout: m.RebalanceTimeout,
			Classic:          &records.ClassicMemberMetadata{SessionTimeoutMs: m.SessionTimeout, SupportedProtocols: m.Protocols},
		},
		Standing: Standing{Epoch: old.Generation, Previous: old.Generation, Assigned: assigned},
	}, nil
}

func metadataFor(protocols []records.ClassicProtocol, name string) []byte {
	for i := range protocols {
		if protocols[i].Name == name {
			return protocols[i].Metadata
		}
	}
	return nil
}

// subscriptionOf reads the metadata of the consumers' embedded protocol.
func subscriptionOf(b []byte) (*kmsg.ConsumerMemberMetadata, bool) {
	m := kmsg.NewConsumerMemberMetadata()
	if len(b) < 2 || m.ReadFrom(b) != nil || m.Version < 0 {
		return nil, false
	}
	return &m, true
}

// ownedOf is an assignment by names as one by ids; topics that are gone are left out.
func ownedOf(a *kmsg.ConsumerMemberAssignment, epoch int32, img Image) Ownership {
	var out Ownership
	for i := range a.Topics {
		t, ok := img.Topic(a.Topics[i].Topic)
		if !ok || len(a.Topics[i].Partitions) == 0 {
			continue
		}
		w := Owned{Topic: t.ID, Partitions: a.Topics[i].Partitions, Epochs: repeat(epoch, len(a.Topics[i].Partitions))}
		out = out.merge(Ownership{w.sorted()})
	}
	return out
}

// Adopt is a group that has become a classic one.
type Adopt struct {
	Group string
	// Rebalance says why the members shall join again; "" if they need not.
	Rebalance string
}

// downgrades tells whether the group becomes a classic one when some members leave.
func (gs *Groups) downgrades(g *Group, leaving []*Member) bool {
	left, classic := len(g.list)-len(leaving), g.classic
	for _, m := range leaving {
		if m.Classic != nil {
			classic--
		}
	}
	return gs.cfg.Downgrade && left > 0 && left == classic && left <= gs.cfg.ClassicMaxSize
}

// downgrade makes a classic group of what is left without some members, with d in
// the place of the static member that it replaces.
func (c *change) downgrade(leaving []*Member, d *draft, rebalance bool) Decision {
	g := c.g
	gone := map[*Member]bool{}
	for _, m := range leaving {
		gone[m] = true
	}
	var stay []*draft
	for _, m := range g.list {
		if !gone[m] && (d == nil || m != d.replaces) {
			stay = append(stay, draftOf(m.ID, m))
		}
	}
	if d != nil {
		stay = append(stay, d)
		c.out = append(c.out, g.tombstones(d.replaces, &d.ID)...)
	} else {
		c.out = append(c.out, g.Tombstones()...)
	}
	v := c.classicValue(stay)
	c.put(runtime.Record{Key: records.AppendKey(nil, &records.GroupMetadataKey{Group: g.ID}), Value: records.AppendValue(nil, v, classicVersion)})
	out := c.decision()
	out.Split = false // half a group is none
	out.Adopt = &Adopt{Group: g.ID}
	if rebalance {
		out.Adopt.Rebalance = "the group moved to the classic protocol"
	}
	out.Notes = append(out.Notes, Note{Group: g.ID, Epoch: g.epoch, Text: fmt.Sprintf("moved to the classic protocol with %d members", len(stay))})
	return out
}

// classicVersion is the version of GroupMetadataValue that Kafka writes.
const classicVersion = 3

func (c *change) classicValue(members []*draft) *records.GroupMetadataValue {
	protocol := selectProtocol(members)
	leader := members[0].ID
	v := &records.GroupMetadataValue{
		ProtocolType: ProtocolType, Generation: c.g.epoch, Protocol: &protocol, Leader: &leader, CurrentStateTimestamp: c.at.Now,
	}
	for _, d := range members {
		metadata := metadataFor(d.Classic.SupportedProtocols, protocol)
		target := c.g.targets[d.ID].assignment
		if d.replaces != nil {
			target = c.g.targets[d.replaces.ID].assignment
		}
		v.Members = append(v.Members, records.MemberMetadata{
			MemberID: d.ID, GroupInstanceID: d.Instance, ClientID: d.ClientID, ClientHost: d.Host,
			RebalanceTimeout: d.RebalanceTimeout, SessionTimeout: d.Classic.SessionTimeoutMs,
			Subscription: metadata, Assignment: classicAssignment(target, metadata, c.at.Image),
		})
	}
	return v
}

// selectProtocol lets every member vote for the first of its protocols that all support.
func selectProtocol(members []*draft) string {
	support, votes := map[string]int{}, map[string]int{}
	for _, d := range members {
		for i := range d.Classic.SupportedProtocols {
			support[d.Classic.SupportedProtocols[i].Name]++
		}
	}
	best := ""
	for _, d := range members {
		for i := range d.Classic.SupportedProtocols {
			if name := d.Classic.SupportedProtocols[i].Name; support[name] == len(members) {
				votes[name]++
				if best == "" || votes[name] > votes[best] {
					best = name
				}
				break
			}
		}
	}
	return best
}

// classicAssignment writes an assignment for a classic member, in the version of
// its own metadata.
func classicAssignment(a assignor.Assignment, metadata []byte, img Image) []byte {
	out := kmsg.NewConsumerMemberAssignment()
	if len(metadata) >= 2 {
		out.Version = min(int16(metadata[0])<<8|int16(metadata[1]), maxEmbedded)
	}
	for _, tp := range a {
		if t, ok := img.TopicByID(tp.Topic); ok {
			out.Topics = append(out.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.Name, Partitions: tp.Partitions})
		}
	}
	return out.AppendTo(nil)
}

// maxEmbedded is the highest version of the consumers' embedded protocol.
const maxEmbedded = 3
