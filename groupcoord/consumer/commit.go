package consumer

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
)

// fromVersionEpochs is the version of OffsetCommit from which it tells of a
// member epoch that is stale; members of the new protocol need it.
const fromVersionEpochs = 9

// Committer is who commits offsets.
type Committer struct {
	MemberID   string
	InstanceID *string
	Epoch      int32 // −1: not a member
	Version    int16 // of OffsetCommit
	// Transactional commits come through the producer, which may know no member.
	Transactional bool
}

// CheckCommit tells why c may not commit offsets of the partitions, which each
// calls its argument with.
//
// A commit with an older epoch may have been on its way while the member went to
// a new one: it counts for a partition that the member has had since that epoch.
func (g *Group) CheckCommit(c *Committer, each func(func(ids.TopicID, int32) bool)) *kerr.Error {
	if c.Epoch < 0 && len(g.list) == 0 ||
		c.Transactional && c.Epoch == -1 && c.MemberID == "" && c.InstanceID == nil {
		return nil
	}
	m := g.members[c.MemberID]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case !c.Transactional && m.Classic == nil && c.Version < fromVersionEpochs:
		return kerr.UnsupportedVersion
	case c.Epoch == m.Epoch:
		return nil
	case c.Epoch > m.Epoch:
		return m.stale()
	}
	var bad *kerr.Error
	each(func(topic ids.TopicID, partition int32) bool {
		since, ok := m.Assigned.epoch(topic, partition)
		if !ok {
			since, ok = m.Revoking.epoch(topic, partition)
		}
		if !ok || c.Epoch < since {
			bad = m.stale()
		}
		return bad == nil
	})
	return bad
}

// stale is the error that tells a member, in its protocol, that its epoch is not the one.
func (m *Member) stale() *kerr.Error {
	if m.Classic != nil {
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}

// CheckFetch tells why offsets may not be fetched by the member, nil for nobody
// in particular.
func (g *Group) CheckFetch(memberID *string, epoch int32) *kerr.Error {
	if memberID == nil && epoch < 0 {
		return nil
	}
	id := ""
	if memberID != nil {
		id = *memberID
	}
	m := g.members[id]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case m.Epoch != epoch:
		return m.stale()
	default:
		return nil
	}
}

// CheckDelete tells why the group may not be deleted.
func (g *Group) CheckDelete() *kerr.Error {
	if len(g.list) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}
