// Package groupcoord is the group coordinator: who is a member of which group,
// and how far each group has read.
//
// # Flow
//
//	broker/api ──▶ Service ──▶ runtime shard of the group's partition ──▶ classic, offsets (pure)
//	    ▲                          │ decide → append → replay → wait for commit
//	    └────── reply callback ────┘
//
// A group lives on one partition of __consumer_offsets (PartitionFor), with the
// leader of that partition. Lead and Resign say which partitions this broker
// leads, Committed how far they are replicated.
package groupcoord

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Topic is the name of the internal topic that groups are kept in.
const Topic = "__consumer_offsets"

// Options is what a Service needs from the house around it.
type Options struct {
	Config Config
	Log    Log
	Topics Topics
	Clock  Clock
	Logger *zap.Logger
}

// Service is the group coordinator of one broker. Its methods are safe for
// concurrent use and return at once; replies come on any goroutine, exactly one
// for each request.
type Service struct{ opts Options }

// New makes a Service that leads no partition yet.
func New(o Options) *Service { return &Service{opts: o} }

// Lead starts the coordinator of one partition of __consumer_offsets.
func (s *Service) Lead(partition int32, epoch ids.LeaderEpoch) {}

// Resign ends the coordinator of one partition when epoch is not older than the one it was started with.
func (s *Service) Resign(partition int32, epoch ids.LeaderEpoch) {}

// Committed says that a partition is replicated up to, not including, highWatermark.
func (s *Service) Committed(partition int32, highWatermark ids.Offset) {}

// TopicsDeleted drops the offsets committed for topics that are gone.
func (s *Service) TopicsDeleted(topics []DeletedTopic) {}

// Close ends all coordinators; parked requests are answered with NOT_COORDINATOR.
func (s *Service) Close() {}

// JoinGroup handles versions 0–9.
func (s *Service) JoinGroup(c Caller, req *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
}

// SyncGroup handles versions 0–5.
func (s *Service) SyncGroup(c Caller, req *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
}

// Heartbeat handles versions 0–4.
func (s *Service) Heartbeat(c Caller, req *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
}

// LeaveGroup handles versions 0–5.
func (s *Service) LeaveGroup(c Caller, req *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
}

// DescribeGroups handles versions 0–6.
func (s *Service) DescribeGroups(req *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
}

// ListGroups handles versions 0–5.
func (s *Service) ListGroups(req *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
}

// DeleteGroups handles versions 0–2.
func (s *Service) DeleteGroups(req *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
}

// OffsetCommit handles versions 2–10.
func (s *Service) OffsetCommit(c Caller, req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
}

// OffsetFetch handles versions 1–10.
func (s *Service) OffsetFetch(req *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse)) {
}

// OffsetDelete handles version 0.
func (s *Service) OffsetDelete(req *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
}
