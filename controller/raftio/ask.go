package raftio

import (
	"fmt"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that go out, in the protocol's messages, and their replies.

// encodeRequest makes the protocol's request. A peer that lacks what the request
// needs gives the reply at once.
func encodeRequest(b raft.Body, o *Options, peer *peerVersions) (kmsg.Request, raft.Body) {
	cluster := &o.ClusterID
	switch r := b.(type) {
	case raft.VoteRequest:
		return encodeVote(r, cluster, peer)
	case raft.BeginEpochRequest:
		return encodeBegin(r, cluster, peer), nil
	case raft.EndEpochRequest:
		return encodeEnd(r, cluster, peer), nil
	case raft.FetchRequest:
		return encodeFetch(r, cluster, peer), nil
	case raft.SnapshotRequest:
		return encodeFetchSnapshot(r, cluster, peer), nil
	}
	req := encodeVoterChange(b, o)
	v, ok := peer.version(req, 0)
	if !ok {
		return nil, raft.VoterReply{LeaderInfo: raft.LeaderInfo{Err: raft.UnsupportedVersion, Leader: ids.NoNode}}
	}
	req.SetVersion(v)
	return req, nil
}

func encodeVote(r raft.VoteRequest, cluster *string, peer *peerVersions) (kmsg.Request, raft.Body) {
	req := kmsg.NewPtrVoteRequest()
	req.Version, _ = peer.version(req, 0)
	if r.PreVote && req.Version < 2 {
		return nil, raft.VoteReply{LeaderInfo: raft.LeaderInfo{Err: raft.UnsupportedVersion, Leader: ids.NoNode}}
	}
	req.ClusterID, req.VoterID = cluster, int32(r.Voter.ID)
	p := kmsg.NewVoteRequestTopicPartition()
	p.CandidateEpoch, p.CandidateID, p.CandidateDirectoryID = int32(r.Epoch), int32(r.Candidate.ID), r.Candidate.Directory
	p.VoterDirectoryID, p.PreVote = r.Voter.Directory, r.PreVote
	p.LastOffset, p.LastOffsetEpoch = int64(r.Last.Offset), int32(r.Last.Epoch)
	req.Topics = []kmsg.VoteRequestTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.VoteRequestTopicPartition{p}}}
	return req, nil
}

func encodeBegin(r raft.BeginEpochRequest, cluster *string, peer *peerVersions) kmsg.Request {
	req := kmsg.NewPtrBeginQuorumEpochRequest()
	req.Version, _ = peer.version(req, 0)
	req.ClusterID, req.VoterID = cluster, int32(r.Voter.ID)
	p := kmsg.NewBeginQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch, p.VoterDirectoryID = int32(r.Leader), int32(r.Epoch), r.Voter.Directory
	req.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{p}}}
	for _, e := range r.Endpoints {
		req.LeaderEndpoints = append(req.LeaderEndpoints, kmsg.BeginQuorumEpochRequestLeaderEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return req
}

func encodeEnd(r raft.EndEpochRequest, cluster *string, peer *peerVersions) kmsg.Request {
	req := kmsg.NewPtrEndQuorumEpochRequest()
	req.Version, _ = peer.version(req, 0)
	req.ClusterID = cluster
	p := kmsg.NewEndQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = int32(r.Leader), int32(r.Epoch)
	for _, s := range r.Successors {
		p.PreferredSuccessors = append(p.PreferredSuccessors, int32(s.ID))
		p.PreferredCandidates = append(p.PreferredCandidates, kmsg.EndQuorumEpochRequestTopicPartitionPreferredCandidate{CandidateID: int32(s.ID), CandidateDirectoryID: s.Directory})
	}
	req.Topics = []kmsg.EndQuorumEpochRequestTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{p}}}
	for _, e := range r.Endpoints {
		req.LeaderEndpoints = append(req.LeaderEndpoints, kmsg.EndQuorumEpochRequestLeaderEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return req
}

func encodeFetch(r raft.FetchRequest, cluster *string, peer *peerVersions) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.Version, _ = peer.version(req, 0)
	req.ClusterID, req.ReplicaID, req.ReplicaState.ID = cluster, int32(r.Replica.ID), int32(r.Replica.ID)
	req.MaxWaitMillis, req.MaxBytes, req.SessionEpoch = int32(r.MaxWait), r.MaxBytes, -1
	p := kmsg.NewFetchRequestTopicPartition()
	p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch = int32(r.Epoch), int64(r.Last.Offset), int32(r.Last.Epoch)
	p.LogStartOffset, p.PartitionMaxBytes, p.HighWatermark = -1, 0, int64(r.HighWatermark)
	p.ReplicaDirectoryID = r.Replica.Directory
	if req.Version < 17 {
		p.ReplicaDirectoryID = [16]byte{}
	}
	req.Topics = []kmsg.FetchRequestTopic{{Topic: metadataPartition.Topic, TopicID: metadataTopicID, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	return req
}

func encodeFetchSnapshot(r raft.SnapshotRequest, cluster *string, peer *peerVersions) kmsg.Request {
	req := kmsg.NewPtrFetchSnapshotRequest()
	req.Version, _ = peer.version(req, 0)
	req.ClusterID, req.ReplicaID, req.MaxBytes = cluster, int32(r.Replica.ID), r.MaxBytes
	p := kmsg.NewFetchSnapshotRequestTopicPartition()
	p.CurrentLeaderEpoch, p.Position = int32(r.Epoch), r.Position
	if req.Version >= 1 {
		p.ReplicaDirectoryID = r.Replica.Directory
	}
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch = int64(r.ID.Offset), int32(r.ID.Epoch)
	req.Topics = []kmsg.FetchSnapshotRequestTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.FetchSnapshotRequestTopicPartition{p}}}
	return req
}

func encodeVoterChange(b raft.Body, o *Options) kmsg.Request {
	switch r := b.(type) {
	case raft.AddVoterRequest:
		req := kmsg.NewPtrAddRaftVoterRequest()
		req.ClusterID, req.TimeoutMillis, req.AckWhenCommitted = &o.ClusterID, int32(r.Timeout), r.AckWhenCommitted
		req.VoterID, req.VoterDirectoryID = int32(r.Voter.ID), r.Voter.Directory
		for _, e := range r.Endpoints {
			req.Listeners = append(req.Listeners, kmsg.AddRaftVoterRequestListener{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		return req
	case raft.RemoveVoterRequest:
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.ClusterID, req.VoterID, req.VoterDirectoryID = &o.ClusterID, int32(r.Voter.ID), r.Voter.Directory
		return req
	case raft.UpdateVoterRequest:
		req := kmsg.NewPtrUpdateRaftVoterRequest()
		req.ClusterID, req.CurrentLeaderEpoch = &o.ClusterID, int32(r.Epoch)
		req.VoterID, req.VoterDirectoryID = int32(r.Voter.Key.ID), r.Voter.Key.Directory
		req.KRaftVersionFeature.MinSupportedVersion, req.KRaftVersionFeature.MaxSupportedVersion = r.Voter.MinKRaft, r.Voter.MaxKRaft
		for _, e := range r.Voter.Endpoints {
			req.Listeners = append(req.Listeners, kmsg.UpdateRaftVoterRequestListener{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		return req
	}
	panic(fmt.Sprintf("the core sends %T", b))
}

// topError is the reply of a node that refused the whole request.
func topError(code int16) raft.LeaderInfo {
	return raft.LeaderInfo{Err: raft.Code(code), Leader: ids.NoNode, Epoch: ids.NoEpoch}
}

func leaderInfo(code int16, leader, epoch int32) raft.LeaderInfo {
	return raft.LeaderInfo{Err: raft.Code(code), Leader: ids.NodeID(leader), Epoch: ids.LeaderEpoch(epoch)}
}

// endpointOf makes the leader's endpoints of what a reply names; the listener's name
// is not part of it.
func endpointOf(id, leader int32, host string, port int32) []raft.Endpoint {
	if id != leader || port <= 0 || port > 65535 {
		return nil
	}
	return []raft.Endpoint{{Host: host, Port: uint16(port)}}
}

// decodeResponse takes a reply apart. One that is about another partition is an
// error: the line is then as good as broken.
func decodeResponse(resp kmsg.Response) (raft.Body, error) {
	switch r := resp.(type) {
	case *kmsg.FetchResponse:
		return decodeFetched(r)
	case *kmsg.FetchSnapshotResponse:
		return decodeSnapshotPiece(r)
	case *kmsg.AddRaftVoterResponse:
		return raft.VoterReply{LeaderInfo: leaderInfo(r.ErrorCode, -1, 0)}, nil
	case *kmsg.RemoveRaftVoterResponse:
		return raft.VoterReply{LeaderInfo: leaderInfo(r.ErrorCode, -1, 0)}, nil
	case *kmsg.UpdateRaftVoterResponse:
		l := r.CurrentLeader
		info := leaderInfo(r.ErrorCode, l.LeaderID, l.LeaderEpoch)
		if l.Host != "" {
			info.Endpoints = endpointOf(l.LeaderID, l.LeaderID, l.Host, l.Port)
		}
		return raft.VoterReply{LeaderInfo: info}, nil
	}
	return decodeElection(resp)
}

func decodeElection(resp kmsg.Response) (raft.Body, error) {
	switch r := resp.(type) {
	case *kmsg.VoteResponse:
		if r.ErrorCode != 0 {
			return raft.VoteReply{LeaderInfo: topError(r.ErrorCode)}, nil
		}
		if len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 {
			p := r.Topics[0].Partitions[0]
			out := raft.VoteReply{LeaderInfo: leaderInfo(p.ErrorCode, p.LeaderID, p.LeaderEpoch), Granted: p.VoteGranted}
			for _, e := range r.NodeEndpoints {
				out.Endpoints = append(out.Endpoints, endpointOf(e.NodeID, p.LeaderID, e.Host, int32(e.Port))...)
			}
			return out, nil
		}
	case *kmsg.BeginQuorumEpochResponse:
		if r.ErrorCode != 0 {
			return raft.BeginEpochReply{LeaderInfo: topError(r.ErrorCode)}, nil
		}
		if len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 {
			p := r.Topics[0].Partitions[0]
			out := raft.BeginEpochReply{LeaderInfo: leaderInfo(p.ErrorCode, p.LeaderID, p.LeaderEpoch)}
			for _, e := range r.NodeEndpoints {
				out.Endpoints = append(out.Endpoints, endpointOf(e.NodeID, p.LeaderID, e.Host, int32(e.Port))...)
			}
			return out, nil
		}
	case *kmsg.EndQuorumEpochResponse:
		if r.ErrorCode != 0 {
			return raft.EndEpochReply{LeaderInfo: topError(r.ErrorCode)}, nil
		}
		if len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 {
			p := r.Topics[0].Partitions[0]
			out := raft.EndEpochReply{LeaderInfo: leaderInfo(p.ErrorCode, p.LeaderID, p.LeaderEpoch)}
			for _, e := range r.NodeEndpoints {
				out.Endpoints = append(out.Endpoints, endpointOf(e.NodeID, p.LeaderID, e.Host, int32(e.Port))...)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("%T is not about %s", resp, metadataPartition)
}

func decodeFetched(r *kmsg.FetchResponse) (raft.Body, error) {
	if r.ErrorCode != 0 {
		return raft.FetchReply{LeaderInfo: topError(r.ErrorCode), HighWatermark: ids.NoOffset}, nil
	}
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%T is not about %s", r, metadataPartition)
	}
	p := r.Topics[0].Partitions[0]
	out := raft.FetchReply{LeaderInfo: leaderInfo(p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch),
		HighWatermark: ids.Offset(p.HighWatermark), LogStart: ids.Offset(p.LogStartOffset), Data: p.RecordBatches}
	for _, b := range r.Brokers {
		out.Endpoints = append(out.Endpoints, endpointOf(b.NodeID, p.CurrentLeader.LeaderID, b.Host, b.Port)...)
	}
	if d := p.DivergingEpoch; d.Epoch >= 0 {
		out.Diverging = &ids.OffsetAndEpoch{Offset: ids.Offset(d.EndOffset), Epoch: ids.LeaderEpoch(d.Epoch)}
	}
	if s := p.SnapshotID; s.Epoch >= 0 || s.EndOffset >= 0 {
		out.Snapshot = &ids.OffsetAndEpoch{Offset: ids.Offset(s.EndOffset), Epoch: ids.LeaderEpoch(s.Epoch)}
	}
	return out, nil
}

func decodeSnapshotPiece(r *kmsg.FetchSnapshotResponse) (raft.Body, error) {
	if r.ErrorCode != 0 {
		return raft.SnapshotReply{LeaderInfo: topError(r.ErrorCode)}, nil
	}
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%T is not about %s", r, metadataPartition)
	}
	p := r.Topics[0].Partitions[0]
	out := raft.SnapshotReply{LeaderInfo: leaderInfo(p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch),
		ID:       ids.OffsetAndEpoch{Offset: ids.Offset(p.SnapshotID.EndOffset), Epoch: ids.LeaderEpoch(p.SnapshotID.Epoch)},
		Position: p.Position, Size: p.Size, Data: p.Bytes}
	for _, e := range r.NodeEndpoints {
		out.Endpoints = append(out.Endpoints, endpointOf(e.NodeID, p.CurrentLeader.LeaderID, e.Host, int32(e.Port))...)
	}
	return out, nil
}
