package twin

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const offsetsTopic = "__consumer_offsets"

// batchLimit sets the largest batch of the offsets topic, "" for the default, and waits
// until the coordinator goes by it: it asks for two offsets with 3 KiB of metadata each.
func (r *Run) batchLimit(max, topic string) {
	op := "- max.message.bytes"
	if max != "" {
		op = "= max.message.bytes=" + max
	}
	req := incremental(topicType, offsetsTopic, op)
	req.Version = 1
	r.Do(req)
	r.Eventually("the coordinator goes by the new limit", func() bool {
		q := r.commitRequest(r.Name("limit"), topic, "t", 0, 1)
		q.Version = 8
		q.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(strings.Repeat("x", 3000))
		second := q.Topics[0].Partitions[0]
		second.Partition = 1
		q.Topics[0].Partitions = append(q.Topics[0].Partitions, second)
		resp := r.Do(q).(*kmsg.OffsetCommitResponse)
		return (resp.Topics[0].Partitions[0].ErrorCode == 0) == (max == "")
	})
}

// largeMember makes a classic group of one member that tells 4 KiB of itself.
func (r *Run) largeMember(group, topic string) {
	r.Coordinator(group)
	req := r.joinRequest(group, topic)
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics, meta.UserData = 1, []string{topic}, []byte(strings.Repeat("x", 4000))
	req.Version, req.Protocols[0].Metadata = 3, meta.AppendTo(nil)
	resp := r.Do(req).(*kmsg.JoinGroupResponse)
	r.Call(resp.MemberID, "member")
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 2, group, resp.Generation, resp.MemberID
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = resp.MemberID, assignment(topic)
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	r.Do(sync)
}

// tooLarge moves a group between the protocols while what has to be written for that,
// as a whole or not at all, does not fit into a batch; and again when it does.
func tooLarge(r *Run) {
	g, t := r.Name("g"), r.Topic("t", 2)
	r.largeMember(g, t)
	show := func() {
		q := describeGroups(g)
		q.Version = 5
		resp := r.Do(q).(*kmsg.DescribeGroupsResponse)
		r.out = append(r.out, "classic group: "+resp.Groups[0].State)
	}
	r.batchLimit("4600", t)
	r.Send(joinsConsumers(g, "m", t))
	show()
	r.batchLimit("", t)
	r.Send(joinsConsumers(g, "m", t))
	show()
	r.batchLimit("4100", t)
	r.Send(staysConsumer(g, "m", -1))
	show()
	r.batchLimit("", t)
	r.Send(staysConsumer(g, "m", -1))
	show()
}

func largeScripts() []Script {
	return []Script{
		{Key: 68, Name: "moves between the protocols that do not fit into a batch", Hide: []string{"HeartbeatIntervalMillis"}, Run: tooLarge},
		{Key: 9, Name: "in an epoch, but by nobody", From: 9, Run: withConsumer(func(r *Run, g, t string) {
			req := r.fetchOffsets(g, t, "t")
			req.Groups[0].MemberEpoch = 2
			r.Send(req)
		})},
		{Key: 9, Name: "of a classic group in a generation, but by nobody", From: 9, Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.fetchOffsets(g, t, "t")
			req.Groups[0].MemberEpoch = m.Generation
			r.Send(req)
		})},
	}
}
