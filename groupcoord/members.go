package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup handles versions 0–9. The reply comes when the rebalance goes on.
func (s *Service) JoinGroup(c Caller, req *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
	answer := func(r *kmsg.JoinGroupResponse) {
		r.Version = req.Version
		if r.Protocol == nil && req.Version < 7 { // not nullable before
			empty := ""
			r.Protocol = &empty
		}
		reply(r)
	}
	switch {
	case req.Group == "":
		answer(joinFailed(req.MemberID, kerr.InvalidGroupID.Code))
		return
	case req.SessionTimeoutMillis < s.cfg.GroupMinSessionTimeout || req.SessionTimeoutMillis > s.cfg.GroupMaxSessionTimeout:
		answer(joinFailed(req.MemberID, kerr.InvalidSessionTimeout.Code))
		return
	case req.Version == 0:
		req.RebalanceTimeoutMillis = req.SessionTimeoutMillis
	}
	detachProtocols(req.Protocols)
	s.do(req.Group, func(sh *shard, now int64) runtime.Outcome {
		j := classic.Join{Req: req, ClientID: c.ClientID, Host: c.Host}
		if req.MemberID == "" {
			j.Suffix = s.uuid()
		}
		return sh.join(s, j, answer, now)
	}, func(err error) { answer(joinFailed("", code(err))) })
}

// detachProtocols copies what a member keeps out of the request's buffer: into
// one piece, so that a member doesn't keep a whole frame.
func detachProtocols(protocols []kmsg.JoinGroupRequestProtocol) {
	n := 0
	for i := range protocols {
		n += len(protocols[i].Metadata)
	}
	buf := make([]byte, 0, n)
	for i := range protocols {
		at := len(buf)
		buf = append(buf, protocols[i].Metadata...)
		protocols[i].Metadata = buf[at:len(buf):len(buf)]
	}
}

// SyncGroup handles versions 0–5. The reply comes when the leader's assignment is stored.
func (s *Service) SyncGroup(req *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
	answer := func(r *kmsg.SyncGroupResponse) {
		r.Version = req.Version
		reply(r)
	}
	switch {
	case req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil):
		answer(syncFailed(kerr.InconsistentGroupProtocol.Code))
		return
	case req.Group == "":
		answer(syncFailed(kerr.InvalidGroupID.Code))
		return
	}
	for i := range req.GroupAssignment {
		a := &req.GroupAssignment[i]
		a.MemberAssignment = append([]byte{}, a.MemberAssignment...)
	}
	s.do(req.Group, func(sh *shard, now int64) runtime.Outcome {
		if g := sh.consumers.Get(req.Group); g != nil {
			return sh.syncInto(g, req, answer, now)
		}
		return sh.perform(sh.groups.Sync(req, sh.hold(held{sync: answer}), now), nil)
	}, func(err error) { answer(syncFailed(code(err))) })
}

// LeaveGroup handles versions 0–5; before version 3 it is one member that leaves.
func (s *Service) LeaveGroup(req *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
	members := req.Members
	if req.Version < 3 {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = req.MemberID
		members = []kmsg.LeaveGroupRequestMember{m}
	}
	answer := func(out []kmsg.LeaveGroupResponseMember, code int16) {
		r := kmsg.NewPtrLeaveGroupResponse()
		r.Version, r.ErrorCode = req.Version, code
		if req.Version >= 3 {
			r.Members = out
		} else if code == 0 && len(out) == 1 {
			r.ErrorCode = out[0].ErrorCode
		}
		reply(r)
	}
	if req.Group == "" {
		answer(nil, kerr.InvalidGroupID.Code)
		return
	}
	s.do(req.Group, func(sh *shard, now int64) runtime.Outcome {
		if g := sh.consumers.Get(req.Group); g != nil {
			out, d := sh.consumers.LeaveClassic(g, members, sh.moment(now))
			return sh.decided(d, func(err error) {
				if err != nil {
					out = nil
				}
				answer(out, code(err))
			})
		}
		out, effects := sh.groups.Leave(req.Group, members, now)
		return sh.perform(effects, func(err error) {
			if err != nil {
				out = nil
			}
			answer(out, code(err))
		})
	}, func(err error) { answer(nil, code(err)) })
}
