package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests of the classic protocol go to the classic group of that name, or to
// the consumer group if that has members; an empty consumer group becomes a
// classic one when somebody joins it so.

// join is a JoinGroup.
func (sh *shard) join(s *Service, j classic.Join, answer func(*kmsg.JoinGroupResponse), now int64) runtime.Outcome {
	g := sh.consumers.Get(j.Req.Group)
	if g != nil && !g.IsEmpty() {
		return sh.joinInto(g, &consumer.JoinClassic{Req: j.Req, ClientID: j.ClientID, Host: j.Host, NewID: newMemberID(s.uuid())}, answer, now)
	}
	j.Ticket = sh.hold(held{join: answer})
	out := sh.perform(sh.groups.Join(j, now), nil)
	if g != nil && len(out.Records) > 0 { // it made a group
		out.Records = append(g.Tombstones(), out.Records...)
	}
	return out
}

// joinInto is a JoinGroup to a consumer group with members. It waits for nobody.
func (sh *shard) joinInto(g *consumer.Group, j *consumer.JoinClassic, answer func(*kmsg.JoinGroupResponse), now int64) runtime.Outcome {
	joined, d, bad := sh.consumers.JoinClassic(g, j, sh.moment(now))
	o := sh.decided(d, nil)
	settle := o.Done
	o.Done = func(now int64, err error) {
		settle(now, err)
		switch {
		case err != nil:
			answer(joinFailed("", code(err)))
		case bad != nil:
			answer(joinFailed("", bad.Code))
		case joined.Code != nil:
			answer(joinFailed(joined.MemberID, joined.Code.Code))
		default:
			sh.consumers.JoinAnswered(g.ID, joined, now)
			r := kmsg.NewPtrJoinGroupResponse()
			kind := consumer.ProtocolType
			r.MemberID, r.Generation, r.ProtocolType, r.Protocol = joined.MemberID, joined.Generation, &kind, &joined.Protocol
			answer(r)
		}
	}
	return o
}

// syncInto is a SyncGroup to a consumer group.
func (sh *shard) syncInto(g *consumer.Group, req *kmsg.SyncGroupRequest, answer func(*kmsg.SyncGroupResponse), now int64) runtime.Outcome {
	assignment, bad := []byte(nil), kerr.UnknownMemberID
	if !g.IsEmpty() {
		assignment, bad = sh.consumers.SyncClassic(g, req, sh.moment(now))
	}
	return runtime.Outcome{Done: func(_ int64, err error) {
		switch {
		case err != nil:
			answer(syncFailed(code(err)))
		case bad != nil:
			answer(syncFailed(bad.Code))
		default:
			r := kmsg.NewPtrSyncGroupResponse()
			r.ProtocolType, r.Protocol, r.MemberAssignment = req.ProtocolType, req.Protocol, assignment
			answer(r)
		}
	}}
}

// TopicsChanged says that topics were made or altered or deleted; created is
// whether there is a new one among them.
func (s *Service) TopicsChanged(names []string, created bool) {
	for _, p := range s.rt.Partitions() {
		s.rt.Do(p, "", func(sh *shard, now int64) runtime.Outcome {
			sh.consumers.TopicsChanged(names, created, sh.moment(now))
			return runtime.Outcome{}
		}, func(error) {}) // a shard that loads looks at all topics afterwards
	}
}

// SettingsChanged says that groups have other settings than before.
func (s *Service) SettingsChanged() {
	for _, p := range s.rt.Partitions() {
		s.rt.Do(p, "", func(sh *shard, _ int64) runtime.Outcome {
			sh.consumers.SettingsChanged()
			return runtime.Outcome{}
		}, func(error) {}) // a shard that loads asks afterwards
	}
}
