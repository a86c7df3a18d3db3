package raftio

import (
	"fmt"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Changes of the voter set and DescribeQuorum.

func (o *Options) wrongCluster(id *string) *string {
	text := fmt.Sprintf("the cluster id %q is not that of this cluster, %q", *id, o.ClusterID)
	return &text
}

// text is the message of a reply: nil with None, never empty with an error.
func text(v *raft.VoterReply) *string {
	switch {
	case v.Err == raft.None:
		return nil
	case v.Text != "":
		return &v.Text
	}
	s := fmt.Sprintf("error %d; the leader of epoch %d is %d", v.Err, v.Epoch, v.Leader)
	return &s
}

func decodeAdd(r *kmsg.AddRaftVoterRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.AddRaftVoterResponse)
	if !o.sameCluster(r.ClusterID) {
		resp.ErrorCode, resp.ErrorMessage = int16(raft.InconsistentCluster), o.wrongCluster(r.ClusterID)
		return nil, nil, resp
	}
	body := raft.AddVoterRequest{
		Voter: raft.ReplicaKey{ID: ids.NodeID(r.VoterID), Directory: r.VoterDirectoryID}, Timeout: int64(r.TimeoutMillis),
		AckWhenCommitted: r.AckWhenCommitted || r.Version < 1,
	}
	for _, l := range r.Listeners {
		body.Endpoints = append(body.Endpoints, raft.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	if !o.hasListener(body.Endpoints) {
		body.Endpoints = nil // the core refuses it
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.VoterReply{LeaderInfo: ended})
		resp.ErrorCode, resp.ErrorMessage = int16(v.Err), text(&v)
		return resp
	}, nil
}

// hasListener tells whether the quorum could be reached through es.
func (o *Options) hasListener(es []raft.Endpoint) bool {
	for _, e := range es {
		if e.Name == o.ListenerName {
			return true
		}
	}
	return o.ListenerName == "" && len(es) > 0
}

func decodeRemove(r *kmsg.RemoveRaftVoterRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.RemoveRaftVoterResponse)
	if !o.sameCluster(r.ClusterID) {
		resp.ErrorCode, resp.ErrorMessage = int16(raft.InconsistentCluster), o.wrongCluster(r.ClusterID)
		return nil, nil, resp
	}
	body := raft.RemoveVoterRequest{Voter: raft.ReplicaKey{ID: ids.NodeID(r.VoterID), Directory: r.VoterDirectoryID}}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.VoterReply{LeaderInfo: ended})
		resp.ErrorCode, resp.ErrorMessage = int16(v.Err), text(&v)
		return resp
	}, nil
}

func decodeUpdate(r *kmsg.UpdateRaftVoterRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.UpdateRaftVoterResponse)
	if !o.sameCluster(r.ClusterID) {
		resp.ErrorCode = int16(raft.InconsistentCluster)
		return nil, nil, resp
	}
	body := raft.UpdateVoterRequest{Epoch: ids.LeaderEpoch(r.CurrentLeaderEpoch), Voter: raft.Voter{
		Key:      raft.ReplicaKey{ID: ids.NodeID(r.VoterID), Directory: r.VoterDirectoryID},
		MinKRaft: r.KRaftVersionFeature.MinSupportedVersion, MaxKRaft: r.KRaftVersionFeature.MaxSupportedVersion,
	}}
	for _, l := range r.Listeners {
		body.Voter.Endpoints = append(body.Voter.Endpoints, raft.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	if !o.hasListener(body.Voter.Endpoints) {
		body.Voter.Endpoints = nil // the core refuses it
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.VoterReply{LeaderInfo: ended})
		resp.ErrorCode = int16(v.Err)
		resp.CurrentLeader.LeaderID, resp.CurrentLeader.LeaderEpoch = int32(v.Leader), int32(v.Epoch)
		if e, ok := o.leaderAt(&v.LeaderInfo); ok {
			resp.CurrentLeader.Host, resp.CurrentLeader.Port = e.Host, int32(e.Port)
		}
		return resp
	}, nil
}

// describe answers DescribeQuorum from the core as it is between two turns.
func (n *Node) describe(r *kmsg.DescribeQuorumRequest, reply func(kmsg.Response)) {
	resp := r.ResponseKind().(*kmsg.DescribeQuorumResponse)
	resp.ErrorMessage = new(string) // Kafka's text for no error is empty here
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || !isMetadata(r.Topics[0].Topic, r.Topics[0].Partitions[0].Partition) {
		for _, t := range r.Topics {
			out := kmsg.NewDescribeQuorumResponseTopic()
			out.Topic = t.Topic
			for _, p := range t.Partitions {
				bad := quorumError(p.Partition, unknownTopicOrPartition)
				bad.ErrorMessage = kmsg.StringPtr(unknownText)
				out.Partitions = append(out.Partitions, bad)
			}
			resp.Topics = append(resp.Topics, out)
		}
		reply(resp)
		return
	}
	answer := func(p kmsg.DescribeQuorumResponseTopicPartition) {
		resp.Topics = []kmsg.DescribeQuorumResponseTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.DescribeQuorumResponseTopicPartition{p}}}
		reply(resp)
	}
	refused := func(raft.Body) { answer(quorumError(0, raft.NotLeaderOrFollower)) }
	n.mu.Lock()
	n.calls++
	call := n.calls
	n.replies[call] = refused // for a node that ends before it looks
	n.mu.Unlock()
	if !n.later(func(c *raft.Core, now int64) {
		delete(n.replies, call)
		answer(n.quorum(c, now, resp))
	}) {
		n.mu.Lock()
		_, open := n.replies[call]
		delete(n.replies, call)
		n.mu.Unlock()
		if open {
			refused(nil)
		}
	}
}

// quorum is the leader's view; others do not have one.
func (n *Node) quorum(c *raft.Core, now int64, resp *kmsg.DescribeQuorumResponse) kmsg.DescribeQuorumResponseTopicPartition {
	voters, observers, leads := c.Describe(now)
	if !leads {
		return quorumError(0, raft.NotLeaderOrFollower)
	}
	shift := n.wall() - now // from the core's clock to ms since 1970
	la := c.LeaderAndEpoch()
	out := kmsg.NewDescribeQuorumResponseTopicPartition()
	out.LeaderID, out.LeaderEpoch, out.HighWatermark = int32(la.Leader), int32(la.Epoch), int64(c.HighWatermark())
	out.CurrentVoters, out.Observers = replicaStates(voters, shift), replicaStates(observers, shift)
	set, _ := c.Voters()
	resp.Nodes = quorumNodes(set)
	return out
}

func quorumError(partition int32, code raft.Code) kmsg.DescribeQuorumResponseTopicPartition {
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.Partition, p.ErrorCode = partition, int16(code)
	return p
}

func replicaStates(rs []raft.ReplicaStatus, shift int64) []kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
	wall := func(t int64) int64 {
		if t < 0 {
			return -1
		}
		return t + shift
	}
	out := make([]kmsg.DescribeQuorumResponseTopicPartitionReplicaState, 0, len(rs))
	for _, r := range rs {
		s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		s.ReplicaID, s.ReplicaDirectoryID, s.LogEndOffset = int32(r.Key.ID), r.Key.Directory, int64(r.End)
		s.LastFetchTimestamp, s.LastCaughtUpTimestamp = wall(r.LastFetch), wall(r.LastCaughtUp)
		out = append(out, s)
	}
	return out
}

func quorumNodes(set raft.VoterSet) []kmsg.DescribeQuorumResponseNode {
	var out []kmsg.DescribeQuorumResponseNode
	for _, v := range set.Voters() {
		node := kmsg.NewDescribeQuorumResponseNode()
		node.NodeID = int32(v.Key.ID)
		for _, e := range v.Endpoints {
			node.Listeners = append(node.Listeners, kmsg.DescribeQuorumResponseNodeListener{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		out = append(out, node)
	}
	return out
}
