package twin

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

func find(typ int8, keys ...string) *kmsg.FindCoordinatorRequest {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = typ, keys[0], keys
	return req
}

func heartbeat(group, member string, generation int32) *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	return req
}

func syncGroup(group, member string, generation int32) *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	return req
}

func leave(group string, members ...string) *kmsg.LeaveGroupRequest {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = group, members[0]
	for _, m := range members {
		lm := kmsg.NewLeaveGroupRequestMember()
		lm.MemberID = m
		req.Members = append(req.Members, lm)
	}
	return req
}

func describeGroups(groups ...string) *kmsg.DescribeGroupsRequest {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = groups
	return req
}

// joining sends a JoinGroup that change has altered; the coordinator is ready before.
func joining(change func(r *Run, q *kmsg.JoinGroupRequest)) func(*Run) {
	return func(r *Run) {
		g := r.Name("g")
		r.Coordinator(g)
		req := r.joinRequest(g, r.Topic("t", 1))
		change(r, req)
		if resp, ok := r.Send(req).(*kmsg.JoinGroupResponse); ok && resp.MemberID != "" {
			r.Call(resp.MemberID, "member")
		}
	}
}

// withMember asks something of a group with one stable member.
func withMember(ask func(r *Run, group, topic string, m Member)) func(*Run) {
	return func(r *Run) {
		t := r.Topic("t", 1)
		ask(r, r.Name("g"), t, r.Join(r.Name("g"), t))
	}
}

func groupScripts() []Script {
	return []Script{
		{Key: 10, Name: "a group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(find(0, r.Name("g"))) }},
		{Key: 10, Name: "two groups", From: 4, Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(find(0, r.Name("g"), r.Name("h"))) }},
		{Key: 10, Name: "empty group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(find(0, "")) }},
		{Key: 10, Name: "unknown type", From: 1, Run: func(r *Run) { r.Send(find(9, r.Name("g"))) }},
		{Key: 10, Name: "share key that is none", From: 6, Run: func(r *Run) { r.Send(find(2, "nonsense")) }},

		{Key: 11, Name: "whole life of one member", Run: life},
		{Key: 11, Name: "empty group id", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.Group = "" })},
		{Key: 11, Name: "session timeout too short", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis = 10 })},
		{Key: 11, Name: "session timeout too long", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis = 1 << 30 })},
		{Key: 11, Name: "unknown member", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.MemberID = "nobody" })},
		{Key: 11, Name: "no protocols", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.Protocols = nil })},
		{Key: 11, Name: "no protocol type", Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.ProtocolType = "" })},
		{Key: 11, Name: "static member", From: 5, Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("static-1") })},
		{Key: 11, Name: "static member in a version before", From: 1, To: 4, Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("static-1") })},
		{Key: 11, Name: "invalid instance id", From: 5, Run: joining(func(_ *Run, q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("..") })},
		{Key: 11, Name: "other protocol type than the group's", Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.joinRequest(g, t)
			req.ProtocolType = "connect"
			r.Send(req)
		})},
		{Key: 11, Name: "no protocol in common", Run: withMember(func(r *Run, g, t string, m Member) {
			req := r.joinRequest(g, t)
			req.Protocols[0].Name = "other"
			r.Send(req)
		})},

		{Key: 14, Name: "again by the stable leader", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(syncGroup(g, m.ID, m.Generation)) })},
		{Key: 14, Name: "unknown group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(syncGroup(r.Name("g"), "x", 1)) }},
		{Key: 14, Name: "unknown member", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(syncGroup(g, "x", m.Generation)) })},
		{Key: 14, Name: "wrong generation", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(syncGroup(g, m.ID, m.Generation+3)) })},
		{Key: 14, Name: "other protocol", From: 5, Run: withMember(func(r *Run, g, _ string, m Member) {
			req := syncGroup(g, m.ID, m.Generation)
			req.Protocol = kmsg.StringPtr("other")
			r.Send(req)
		})},
		{Key: 14, Name: "no protocol name", From: 5, Run: withMember(func(r *Run, g, _ string, m Member) {
			req := syncGroup(g, m.ID, m.Generation)
			req.Protocol = nil
			r.Send(req)
		})},
		{Key: 14, Name: "empty group id", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(syncGroup("", "x", 1)) }},

		{Key: 12, Name: "of a member", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(heartbeat(g, m.ID, m.Generation)) })},
		{Key: 12, Name: "unknown group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(heartbeat(r.Name("g"), "x", 1)) }},
		{Key: 12, Name: "unknown member", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(heartbeat(g, "x", m.Generation)) })},
		{Key: 12, Name: "wrong generation", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(heartbeat(g, m.ID, m.Generation-1)) })},
		{Key: 12, Name: "empty group id", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(heartbeat("", "x", 1)) }},
		{Key: 12, Name: "unknown static member", From: 3, Run: withMember(func(r *Run, g, _ string, m Member) {
			req := heartbeat(g, m.ID, m.Generation)
			req.InstanceID = kmsg.StringPtr("nobody")
			r.Send(req)
		})},

		{Key: 13, Name: "of a member", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(leave(g, m.ID)); r.Send(leave(g, m.ID)) })},
		{Key: 13, Name: "unknown group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(leave(r.Name("g"), "x")) }},
		{Key: 13, Name: "unknown member", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(leave(g, "x")) })},
		{Key: 13, Name: "known and unknown", From: 3, Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(leave(g, "x", m.ID)) })},
		{Key: 13, Name: "unknown instance", From: 3, Run: withMember(func(r *Run, g, _ string, m Member) {
			req := leave(g, "")
			req.Members[0].InstanceID = kmsg.StringPtr("nobody")
			r.Send(req)
		})},

		{Key: 15, Name: "stable group", Run: withMember(func(r *Run, g, _ string, m Member) { r.Send(describeGroups(g)) })},
		{Key: 15, Name: "empty group", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.Commit(r.Name("g"), t, 0, 1)
			r.Send(describeGroups(r.Name("g")))
		}},
		{Key: 15, Name: "unknown group", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(describeGroups(r.Name("g"))) }},
		{Key: 15, Name: "empty group id", Run: func(r *Run) { r.Coordinator(r.Name("g")); r.Send(describeGroups("")) }},
		{Key: 15, Name: "authorized operations", From: 3, Run: withMember(func(r *Run, g, _ string, m Member) {
			req := describeGroups(g)
			req.IncludeAuthorizedOperations = true
			r.Send(req)
		})},

		{Key: 16, Name: "all", Run: withMember(func(r *Run, _, _ string, _ Member) { r.Send(kmsg.NewPtrListGroupsRequest()) })},
		{Key: 16, Name: "by state", From: 4, Run: withMember(func(r *Run, _, _ string, _ Member) {
			req := kmsg.NewPtrListGroupsRequest()
			req.StatesFilter = []string{"Empty"}
			r.Send(req)
			req.StatesFilter = []string{"stable"}
			r.Send(req)
		})},
		{Key: 16, Name: "by type", From: 5, Run: withMember(func(r *Run, _, _ string, _ Member) {
			req := kmsg.NewPtrListGroupsRequest()
			req.TypesFilter = []string{"Classic"}
			r.Send(req)
			req.TypesFilter = []string{"consumer"}
			r.Send(req)
		})},

		{Key: 42, Name: "empty group", Run: func(r *Run) {
			r.Commit(r.Name("g"), r.Topic("t", 1), 0, 1)
			r.Send(deleteGroups(r.Name("g")))
			r.Send(deleteGroups(r.Name("g")))
		}},
		{Key: 42, Name: "group with a member", Run: withMember(func(r *Run, g, _ string, _ Member) { r.Send(deleteGroups(g)) })},
		{Key: 42, Name: "unknown and empty id", Run: func(r *Run) {
			r.Coordinator(r.Name("g"))
			r.Send(deleteGroups(r.Name("g"), ""))
		}},
	}
}

func deleteGroups(groups ...string) *kmsg.DeleteGroupsRequest {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = groups
	return req
}

// life joins, syncs, beats and leaves as one member; from version 4 on the
// first answer only hands out the id.
func life(r *Run) {
	t, g := r.Topic("t", 1), r.Name("g")
	r.Coordinator(g)
	req := r.joinRequest(g, t)
	resp := r.sendJoin(req)
	if resp != nil && resp.ErrorCode == 79 {
		req.MemberID = resp.MemberID
		resp = r.sendJoin(req)
	}
	if resp == nil || resp.ErrorCode != 0 {
		return
	}
	sync := syncGroup(g, resp.MemberID, resp.Generation)
	sync.Version = 3
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = resp.MemberID, assignment(t)
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	r.Send(sync)
	req.MemberID = resp.MemberID
	if again := r.sendJoin(req); again != nil && again.ErrorCode == 0 { // the leader joins again: a new generation
		hb := heartbeat(g, resp.MemberID, resp.Generation)
		hb.Version = 3
		r.Send(hb) // with the old one
	}
	l := leave(g, resp.MemberID)
	l.Version = 2
	r.Send(l)
}

// sendJoin is Send for a join, and gives the member that the answer names its name for what follows.
func (r *Run) sendJoin(req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	resp, _ := r.Send(req).(*kmsg.JoinGroupResponse)
	if resp != nil {
		r.Call(resp.MemberID, "member")
	}
	return resp
}
