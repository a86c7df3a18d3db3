package consumer

import (
	"fmt"

	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// waitersShown is how many members are named that a rebalance waits for.
const waitersShown = 20

// Describe is what ConsumerGroupDescribe tells about the group.
func (g *Group) Describe(img Image) kmsg.ConsumerGroupDescribeResponseGroup {
	r := kmsg.NewConsumerGroupDescribeResponseGroup()
	r.Group, r.State, r.Epoch, r.AssignmentEpoch = g.ID, g.State().String(), g.epoch, g.assignmentEpoch
	r.AssignorName = g.Assignor()
	r.Members = make([]kmsg.ConsumerGroupDescribeResponseGroupMember, len(g.list))
	for i, m := range g.list {
		r.Members[i] = m.describe(img)
	}
	return r
}

func (m *Member) describe(img Image) kmsg.ConsumerGroupDescribeResponseGroupMember {
	r := kmsg.NewConsumerGroupDescribeResponseGroupMember()
	r.MemberID, r.InstanceID, r.RackID, r.MemberEpoch = m.ID, m.Instance, m.Rack, m.Epoch
	r.ClientID, r.ClientHost, r.SubscribedTopicRegex = m.ClientID, m.Host, m.Regex
	r.SubscribedTopics = append([]string{}, m.Topics.names...)
	r.MemberType = 1
	if m.Classic != nil {
		r.MemberType = 0
	}
	for _, w := range m.Assigned.merge(m.Revoking) {
		r.Assignment.TopicPartitions = appendNamed(r.Assignment.TopicPartitions, img, w.Topic, w.Partitions)
	}
	for _, t := range m.group.targets[m.ID].assignment {
		r.TargetAssignment.TopicPartitions = appendNamed(r.TargetAssignment.TopicPartitions, img, t.Topic, t.Partitions)
	}
	return r
}

// appendNamed adds partitions of a topic, if it is still there.
func appendNamed(out []kmsg.AssignmentTopicPartition, img Image, id ids.TopicID, partitions []int32) []kmsg.AssignmentTopicPartition {
	t, ok := img.TopicByID(id)
	if !ok {
		return out
	}
	return append(out, kmsg.AssignmentTopicPartition{TopicID: id, Topic: t.Name, Partitions: partitions})
}

// Listed is what ListGroups tells about the group.
func (g *Group) Listed() kmsg.ListGroupsResponseGroup {
	r := kmsg.NewListGroupsResponseGroup()
	r.Group, r.ProtocolType, r.GroupState, r.GroupType = g.ID, ProtocolType, g.State().String(), "consumer"
	return r
}

// Rebalances are the last rebalances of the group, the newest last.
func (g *Group) Rebalances() []rebalance.Rebalance {
	var waiting []string
	if g.story.Running() {
		waiting = g.waitedFor()
	}
	return g.story.List(waiting)
}

// waitedFor are the members that are not where the assignment wants them, and
// what each has still to do.
func (g *Group) waitedFor() []string {
	var out []string
	left := 0
	for _, m := range g.list {
		switch {
		case m.reconciledTo(g.assignmentEpoch):
			continue
		case len(out) == waitersShown:
			left++
			continue
		}
		out = append(out, m.name()+" "+m.todo())
	}
	if left > 0 {
		out = append(out, fmt.Sprintf("and %d more", left))
	}
	return out
}

// name is what a person knows the member by.
func (m *Member) name() string {
	out := m.ID
	if m.Instance != nil {
		out += " instance " + *m.Instance
	}
	return out + " (client " + m.ClientID + " at " + m.Host + ")"
}

func (m *Member) todo() string {
	switch {
	case m.Epoch == epochLeaveStatic:
		return "is away and may come back"
	case m.State == MemberUnrevoked:
		return fmt.Sprintf("has %d partitions to give up", m.Revoking.count())
	case m.State == MemberUnreleased:
		return "waits for partitions of others"
	default:
		return fmt.Sprintf("has not asked since epoch %d", m.Epoch)
	}
}
