package classic

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Describe is what DescribeGroups tells about the group. Metadata is told only
// of a stable group: before, there is no protocol to tell it for.
func (g *Group) Describe() kmsg.DescribeGroupsResponseGroup {
	r := kmsg.NewDescribeGroupsResponseGroup()
	r.Group, r.State, r.ProtocolType = g.ID, g.state.String(), g.kind
	r.Members = make([]kmsg.DescribeGroupsResponseGroupMember, 0, g.members.len())
	protocol := ""
	if g.state == Stable && g.protocol != nil {
		protocol = *g.protocol
		r.Protocol = protocol
	}
	for m := g.members.first; m != nil; m = m.next {
		e := kmsg.NewDescribeGroupsResponseGroupMember()
		e.MemberID, e.InstanceID, e.ClientID, e.ClientHost = m.ID, m.InstanceID, m.ClientID, m.Host
		e.MemberAssignment, e.ProtocolMetadata = m.Assignment, []byte{}
		if g.state == Stable {
			e.ProtocolMetadata = m.metadata(protocol)
		}
		r.Members = append(r.Members, e)
	}
	return r
}

// Listed is what ListGroups tells about the group.
func (g *Group) Listed() kmsg.ListGroupsResponseGroup {
	r := kmsg.NewListGroupsResponseGroup()
	r.Group, r.ProtocolType, r.GroupState, r.GroupType = g.ID, g.kind, g.state.String(), "classic"
	return r
}

// CheckDelete tells why the group may not be deleted.
func (g *Group) CheckDelete() *kerr.Error {
	if g.state != Empty {
		return kerr.NonEmptyGroup
	}
	return nil
}

// CheckOffsetDelete tells why no offsets of the group may be deleted. Of a group
// of consumers those of topics that nobody reads may.
func (g *Group) CheckOffsetDelete() *kerr.Error {
	if g.state != Empty && g.kind != consumerType {
		return kerr.NonEmptyGroup
	}
	return nil
}

// Committer is who commits offsets.
type Committer struct {
	MemberID   string
	InstanceID *string
	Generation int32 // -1: not a member
	// Transactional commits come through the producer, which may know no member,
	// and are not held up by a rebalance.
	Transactional bool
}

// CheckCommit tells why c may not commit offsets.
func (g *Group) CheckCommit(c Committer) *kerr.Error {
	if c.Generation < 0 && g.state == Empty {
		return nil // a tool, or a consumer that assigns itself
	}
	if c.Generation >= 0 || c.MemberID != "" || c.InstanceID != nil {
		if err := g.check(c.MemberID, c.InstanceID); err != nil {
			return err
		}
		if c.Generation != g.generation {
			return kerr.IllegalGeneration
		}
	} else if !c.Transactional && g.state != Empty {
		return kerr.UnknownMemberID
	}
	if !c.Transactional && g.state == CompletingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// Alive notes that a member committed, which is as good as a heartbeat.
func (gs *Groups) Alive(g *Group, memberID string, now int64) {
	if m := g.members.byID[memberID]; m != nil && g.is(Stable, PreparingRebalance) {
		gs.refreshSession(g, m, now)
	}
}

// Retention says from when on the group's offsets age; see Expiry.
type Retention uint8

const (
	// KeepAll: no offset expires now.
	KeepAll Retention = iota
	// SinceCommit: an offset ages from its commit.
	SinceCommit
	// SinceEmpty: all offsets age since the group became empty.
	SinceEmpty
)

// Retention is how the group's offsets age (KIP-211), and for SinceEmpty since when.
func (g *Group) Retention() (Retention, int64) {
	switch {
	case g.kind == "":
		return SinceCommit, 0
	case g.state == Empty && g.since == -1: // from a record that does not say
		return SinceCommit, 0
	case g.state == Empty:
		return SinceEmpty, g.since
	case g.kind == consumerType && g.topics != nil && g.state == Stable:
		return SinceCommit, 0
	default:
		return KeepAll, 0
	}
}

// IsEmpty tells whether the group has no members and isn't waiting for any.
func (g *Group) IsEmpty() bool { return g.state == Empty }
