package twin

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchOffsets asks for partition 0 and 1 of a topic in the form of the version.
func (r *Run) fetchOffsets(group, topic, suffix string) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = topic, []int32{0, 1}
	req.Topics = append(req.Topics, t)
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.MemberEpoch = group, -1
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.TopicID, gt.Partitions = topic, r.ID(suffix), []int32{0, 1}
	g.Topics = append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	return req
}

// committing sends a commit that change has altered.
func committing(change func(r *Run, q *kmsg.OffsetCommitRequest)) func(*Run) {
	return func(r *Run) {
		g, t := r.Name("g"), r.Topic("t", 2)
		r.Coordinator(g)
		req := r.commitRequest(g, t, "t", 0, 7)
		change(r, req)
		r.Send(req)
	}
}

func offsetStoreScripts() []Script {
	return []Script{
		{Key: 8, Name: "without a member", Run: committing(func(*Run, *kmsg.OffsetCommitRequest) {})},
		{Key: 8, Name: "as the member", Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.commitRequest(g, t, "t", 0, 3)
			req.MemberID, req.Generation = m.ID, m.Generation
			r.Send(req)
		})},
		{Key: 8, Name: "without a member while there is one", Run: withMember(func(r *Run, g, t string, m Member) { r.Send(r.commitRequest(g, t, "t", 0, 3)) })},
		{Key: 8, Name: "unknown member", Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.commitRequest(g, t, "t", 0, 3)
			req.MemberID, req.Generation = "x", m.Generation
			r.Send(req)
		})},
		{Key: 8, Name: "wrong generation", Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.commitRequest(g, t, "t", 0, 3)
			req.MemberID, req.Generation = m.ID, m.Generation+1
			r.Send(req)
		})},
		{Key: 8, Name: "a generation of a group that is none", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) { q.Generation, q.MemberID = 3, "x" })},
		{Key: 8, Name: "empty group id", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) { q.Group = "" })},
		{Key: 8, Name: "no topics", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) { q.Topics = nil })},
		{Key: 8, Name: "unknown topic", Run: committing(func(r *Run, q *kmsg.OffsetCommitRequest) {
			q.Topics[0].Topic, q.Topics[0].TopicID = r.Name("none"), [16]byte{9}
		})},
		{Key: 8, Name: "unknown partition", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) { q.Topics[0].Partitions[0].Partition = 6 })},
		{Key: 8, Name: "metadata too large", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) {
			q.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(strings.Repeat("x", 5000))
		})},
		{Key: 8, Name: "null metadata and negative offset", Run: committing(func(_ *Run, q *kmsg.OffsetCommitRequest) {
			q.Topics[0].Partitions[0].Metadata, q.Topics[0].Partitions[0].Offset = nil, -1
		})},

		{Key: 9, Name: "one committed, one not", Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Commit(r.Name("g"), t, 0, 42)
			r.Send(r.fetchOffsets(r.Name("g"), t, "t"))
		}},
		{Key: 9, Name: "all of the group", From: 2, Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Commit(r.Name("g"), t, 0, 42)
			req := r.fetchOffsets(r.Name("g"), t, "t")
			req.Topics, req.Groups[0].Topics = nil, nil
			r.Send(req)
		}},
		{Key: 9, Name: "unknown group", Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Coordinator(r.Name("g"))
			r.Send(r.fetchOffsets(r.Name("g"), t, "t"))
		}},
		{Key: 9, Name: "unknown topic", To: 9, Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			r.Send(r.fetchOffsets(r.Name("g"), r.Name("none"), "none"))
		}},
		{Key: 9, Name: "unknown topic id", From: 10, Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			req := r.fetchOffsets(r.Name("g"), "", "")
			req.Groups[0].Topics[0].TopicID = [16]byte{5}
			r.Send(req)
		}},
		{Key: 9, Name: "empty group id", Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			r.Send(r.fetchOffsets("", r.Topic("t", 2), "t"))
		}},
		{Key: 9, Name: "stable offsets only", From: 7, Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Commit(r.Name("g"), t, 0, 42)
			req := r.fetchOffsets(r.Name("g"), t, "t")
			req.RequireStable = true
			r.Send(req)
		}},
		{Key: 9, Name: "two groups", From: 8, Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Commit(r.Name("g"), t, 0, 42)
			r.Commit(r.Name("h"), t, 1, 43)
			req := r.fetchOffsets(r.Name("g"), t, "t")
			req.Groups = append(req.Groups, r.fetchOffsets(r.Name("h"), t, "t").Groups...)
			r.Send(req)
		}},
		{Key: 9, Name: "with a member id the group does not have", From: 9, Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.fetchOffsets(g, t, "t")
			req.Groups[0].MemberID, req.Groups[0].MemberEpoch = kmsg.StringPtr("x"), 1
			r.Send(req)
		})},

		{Key: 47, Name: "committed offset", Run: func(r *Run) {
			t := r.Topic("t", 2)
			r.Commit(r.Name("g"), t, 0, 42)
			r.Send(offsetDelete(r.Name("g"), t, 0))
			r.Send(offsetDelete(r.Name("g"), t, 1))
		}},
		{Key: 47, Name: "unknown group", Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			r.Send(offsetDelete(r.Name("g"), r.Topic("t", 1), 0))
		}},
		{Key: 47, Name: "unknown topic", Run: func(r *Run) {
			r.Commit(r.Name("g"), r.Topic("t", 1), 0, 42)
			r.Send(offsetDelete(r.Name("g"), r.Name("none"), 0))
		}},
		{Key: 47, Name: "topic that a member has", Run: withMember(func(r *Run, g, t string, m Member) { r.Send(offsetDelete(g, t, 0)) })},
		{Key: 47, Name: "empty group id", Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			r.Send(offsetDelete("", r.Topic("t", 1), 0))
		}},
	}
}

func offsetDelete(group, topic string, partition int32) *kmsg.OffsetDeleteRequest {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	t := kmsg.NewOffsetDeleteRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: partition})
	req.Topics = append(req.Topics, t)
	return req
}
