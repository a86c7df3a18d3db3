package raftio

import (
	"math"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that come in, in the protocol's messages, and their replies.

// respond makes the protocol's reply of the core's; nil means that the node has ended.
type respond func(raft.Body) kmsg.Response

// decodeRequest takes a request apart. What does not even concern this quorum is
// refused without asking the core.
func decodeRequest(req kmsg.Request, o *Options) (raft.Body, respond, kmsg.Response) {
	switch r := req.(type) {
	case *kmsg.VoteRequest:
		return decodeVote(r, o)
	case *kmsg.BeginQuorumEpochRequest:
		return decodeBegin(r, o)
	case *kmsg.EndQuorumEpochRequest:
		return decodeEnd(r, o)
	case *kmsg.FetchRequest:
		return decodeFetch(r, o)
	case *kmsg.FetchSnapshotRequest:
		return decodeFetchSnapshot(r, o)
	case *kmsg.AddRaftVoterRequest:
		return decodeAdd(r, o)
	case *kmsg.RemoveRaftVoterRequest:
		return decodeRemove(r, o)
	case *kmsg.UpdateRaftVoterRequest:
		return decodeUpdate(r, o)
	}
	return nil, nil, req.ResponseKind()
}

func (o *Options) sameCluster(id *string) bool { return id == nil || *id == o.ClusterID }

func isMetadata(topic string, partition int32) bool {
	return topic == metadataPartition.Topic && partition == metadataPartition.Partition
}

// about finds the one partition that a request of the quorum names, or says why it
// concerns another quorum, or none: it names more, or one that is not ours.
func about[T, P any](o *Options, cluster *string, topics []T, of func(*T) []P, ours func(*T, *P) bool) (*P, raft.Code) {
	if !o.sameCluster(cluster) {
		return nil, raft.InconsistentCluster
	}
	if len(topics) != 1 {
		return nil, raft.InvalidRequest
	}
	t := &topics[0]
	if ps := of(t); len(ps) == 1 && ours(t, &ps[0]) {
		return &ps[0], raft.None
	}
	return nil, raft.InvalidRequest
}

// ended stands for the reply of a node that is shut down.
var ended = raft.LeaderInfo{Err: raft.BrokerNotAvailable, Leader: ids.NoNode}

// replyOr is the core's reply, or gone from a node that ended before it had one.
func replyOr[R raft.Body](b raft.Body, gone R) R {
	if r, ok := b.(R); ok {
		return r
	}
	return gone
}

// leaderAt picks the endpoint by which a reply names the leader: that of the quorum's listener.
func (o *Options) leaderAt(v *raft.LeaderInfo) (at raft.Endpoint, known bool) {
	if v.Leader < 0 || len(v.Endpoints) == 0 {
		return raft.Endpoint{}, false
	}
	for _, e := range v.Endpoints {
		if e.Name == o.ListenerName {
			return e, true
		}
	}
	return v.Endpoints[0], true
}

func decodeVote(r *kmsg.VoteRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.VoteResponse)
	p, code := about(o, r.ClusterID, r.Topics,
		func(t *kmsg.VoteRequestTopic) []kmsg.VoteRequestTopicPartition { return t.Partitions },
		func(t *kmsg.VoteRequestTopic, p *kmsg.VoteRequestTopicPartition) bool {
			return isMetadata(t.Topic, p.Partition)
		})
	if code != raft.None {
		resp.ErrorCode = int16(code)
		return nil, nil, resp
	}
	body := raft.VoteRequest{
		Candidate: raft.ReplicaKey{ID: ids.NodeID(p.CandidateID), Directory: p.CandidateDirectoryID}, Voter: voterKey(r.Version >= 1, r.VoterID, p.VoterDirectoryID),
		Epoch: ids.LeaderEpoch(p.CandidateEpoch), Last: ids.OffsetAndEpoch{Offset: ids.Offset(p.LastOffset), Epoch: ids.LeaderEpoch(p.LastOffsetEpoch)}, PreVote: p.PreVote,
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.VoteReply{LeaderInfo: ended})
		out := kmsg.NewVoteResponseTopicPartition()
		out.ErrorCode, out.LeaderID, out.LeaderEpoch, out.VoteGranted = int16(v.Err), int32(v.Leader), int32(v.Epoch), v.Granted
		resp.Topics = []kmsg.VoteResponseTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.VoteResponseTopicPartition{out}}}
		if e, ok := o.leaderAt(&v.LeaderInfo); ok && r.Version >= 1 {
			resp.NodeEndpoints = []kmsg.VoteResponseNodeEndpoint{{NodeID: int32(v.Leader), Host: e.Host, Port: e.Port}}
		}
		return resp
	}, nil
}

func voterKey(told bool, id int32, dir [16]byte) raft.ReplicaKey {
	if !told {
		return raft.ReplicaKey{ID: ids.NoNode}
	}
	return raft.ReplicaKey{ID: ids.NodeID(id), Directory: dir}
}

func decodeBegin(r *kmsg.BeginQuorumEpochRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.BeginQuorumEpochResponse)
	p, code := about(o, r.ClusterID, r.Topics,
		func(t *kmsg.BeginQuorumEpochRequestTopic) []kmsg.BeginQuorumEpochRequestTopicPartition {
			return t.Partitions
		},
		func(t *kmsg.BeginQuorumEpochRequestTopic, p *kmsg.BeginQuorumEpochRequestTopicPartition) bool {
			return isMetadata(t.Topic, p.Partition)
		})
	if code != raft.None {
		resp.ErrorCode = int16(code)
		return nil, nil, resp
	}
	body := raft.BeginEpochRequest{Leader: ids.NodeID(p.LeaderID), Epoch: ids.LeaderEpoch(p.LeaderEpoch), Voter: voterKey(r.Version >= 1, r.VoterID, p.VoterDirectoryID)}
	for _, e := range r.LeaderEndpoints {
		body.Endpoints = append(body.Endpoints, raft.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.BeginEpochReply{LeaderInfo: ended})
		out := kmsg.NewBeginQuorumEpochResponseTopicPartition()
		out.ErrorCode, out.LeaderID, out.LeaderEpoch = int16(v.Err), int32(v.Leader), int32(v.Epoch)
		resp.Topics = []kmsg.BeginQuorumEpochResponseTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.BeginQuorumEpochResponseTopicPartition{out}}}
		if e, ok := o.leaderAt(&v.LeaderInfo); ok && r.Version >= 1 {
			resp.NodeEndpoints = []kmsg.BeginQuorumEpochResponseNodeEndpoint{{NodeID: int32(v.Leader), Host: e.Host, Port: e.Port}}
		}
		return resp
	}, nil
}

func decodeEnd(r *kmsg.EndQuorumEpochRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.EndQuorumEpochResponse)
	p, code := about(o, r.ClusterID, r.Topics,
		func(t *kmsg.EndQuorumEpochRequestTopic) []kmsg.EndQuorumEpochRequestTopicPartition {
			return t.Partitions
		},
		func(t *kmsg.EndQuorumEpochRequestTopic, p *kmsg.EndQuorumEpochRequestTopicPartition) bool {
			return isMetadata(t.Topic, p.Partition)
		})
	if code != raft.None {
		resp.ErrorCode = int16(code)
		return nil, nil, resp
	}
	body := raft.EndEpochRequest{Leader: ids.NodeID(p.LeaderID), Epoch: ids.LeaderEpoch(p.LeaderEpoch)}
	for _, id := range p.PreferredSuccessors { // version 0
		body.Successors = append(body.Successors, raft.ReplicaKey{ID: ids.NodeID(id)})
	}
	for _, c := range p.PreferredCandidates {
		body.Successors = append(body.Successors, raft.ReplicaKey{ID: ids.NodeID(c.CandidateID), Directory: c.CandidateDirectoryID})
	}
	for _, e := range r.LeaderEndpoints {
		body.Endpoints = append(body.Endpoints, raft.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.EndEpochReply{LeaderInfo: ended})
		out := kmsg.NewEndQuorumEpochResponseTopicPartition()
		out.ErrorCode, out.LeaderID, out.LeaderEpoch = int16(v.Err), int32(v.Leader), int32(v.Epoch)
		resp.Topics = []kmsg.EndQuorumEpochResponseTopic{{Topic: metadataPartition.Topic, Partitions: []kmsg.EndQuorumEpochResponseTopicPartition{out}}}
		if e, ok := o.leaderAt(&v.LeaderInfo); ok && r.Version >= 1 {
			resp.NodeEndpoints = []kmsg.EndQuorumEpochResponseNodeEndpoint{{NodeID: int32(v.Leader), Host: e.Host, Port: e.Port}}
		}
		return resp
	}, nil
}

func decodeFetch(r *kmsg.FetchRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.FetchResponse)
	p, code := about(o, r.ClusterID, r.Topics,
		func(t *kmsg.FetchRequestTopic) []kmsg.FetchRequestTopicPartition { return t.Partitions },
		func(t *kmsg.FetchRequestTopic, p *kmsg.FetchRequestTopicPartition) bool {
			byName, byID := r.Version < 13 && t.Topic == metadataPartition.Topic, r.Version >= 13 && t.TopicID == metadataTopicID
			return p.Partition == metadataPartition.Partition && (byName || byID)
		})
	if code != raft.None {
		resp.ErrorCode = int16(code)
		return nil, nil, resp
	}
	id := r.ReplicaID
	if r.Version >= 15 {
		id = r.ReplicaState.ID
	}
	body := raft.FetchRequest{
		Replica: raft.ReplicaKey{ID: ids.NodeID(id), Directory: p.ReplicaDirectoryID}, Epoch: ids.LeaderEpoch(p.CurrentLeaderEpoch),
		Last:          ids.OffsetAndEpoch{Offset: ids.Offset(p.FetchOffset), Epoch: ids.LeaderEpoch(p.LastFetchedEpoch)},
		HighWatermark: ids.Offset(p.HighWatermark), MaxWait: int64(r.MaxWaitMillis), MaxBytes: r.MaxBytes,
	}
	if r.Version < 18 {
		body.HighWatermark = math.MaxInt64 // it does not tell: a new high watermark alone ends no wait
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.FetchReply{LeaderInfo: ended, HighWatermark: ids.NoOffset, LogStart: ids.NoOffset})
		fillFetch(resp, &v, o)
		return resp
	}, nil
}

func fillFetch(resp *kmsg.FetchResponse, v *raft.FetchReply, o *Options) {
	out := kmsg.NewFetchResponseTopicPartition()
	out.ErrorCode, out.HighWatermark, out.LogStartOffset = int16(v.Err), int64(v.HighWatermark), int64(v.LogStart)
	out.LastStableOffset = -1
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(v.Leader), int32(v.Epoch)
	if d := v.Diverging; d != nil {
		out.DivergingEpoch.Epoch, out.DivergingEpoch.EndOffset = int32(d.Epoch), int64(d.Offset)
	}
	if s := v.Snapshot; s != nil {
		out.SnapshotID.Epoch, out.SnapshotID.EndOffset = int32(s.Epoch), int64(s.Offset)
	}
	out.RecordBatches = v.Data
	if out.RecordBatches == nil {
		out.RecordBatches = []byte{}
	}
	resp.Topics = []kmsg.FetchResponseTopic{{Topic: metadataPartition.Topic, TopicID: metadataTopicID, Partitions: []kmsg.FetchResponseTopicPartition{out}}}
	if e, ok := o.leaderAt(&v.LeaderInfo); ok && resp.Version >= 17 {
		resp.Brokers = []kmsg.FetchResponseBroker{{NodeID: int32(v.Leader), Host: e.Host, Port: int32(e.Port)}}
	}
}

func decodeFetchSnapshot(r *kmsg.FetchSnapshotRequest, o *Options) (raft.Body, respond, kmsg.Response) {
	resp := r.ResponseKind().(*kmsg.FetchSnapshotResponse)
	p, code := about(o, r.ClusterID, r.Topics,
		func(t *kmsg.FetchSnapshotRequestTopic) []kmsg.FetchSnapshotRequestTopicPartition { return t.Partitions },
		func(*kmsg.FetchSnapshotRequestTopic, *kmsg.FetchSnapshotRequestTopicPartition) bool { return true })
	if code != raft.None {
		resp.ErrorCode = int16(code)
		return nil, nil, resp
	}
	if !isMetadata(r.Topics[0].Topic, p.Partition) { // answered where the partition is
		fillSnapshot(resp, r.Topics[0].Topic, p.Partition, &raft.SnapshotReply{LeaderInfo: raft.LeaderInfo{Err: unknownTopicOrPartition, Leader: ids.NoNode}}, o)
		return nil, nil, resp
	}
	body := raft.SnapshotRequest{
		Replica: raft.ReplicaKey{ID: ids.NodeID(r.ReplicaID), Directory: p.ReplicaDirectoryID}, Epoch: ids.LeaderEpoch(p.CurrentLeaderEpoch),
		ID:       ids.OffsetAndEpoch{Offset: ids.Offset(p.SnapshotID.EndOffset), Epoch: ids.LeaderEpoch(p.SnapshotID.Epoch)},
		Position: p.Position, MaxBytes: r.MaxBytes,
	}
	return body, func(b raft.Body) kmsg.Response {
		v := replyOr(b, raft.SnapshotReply{LeaderInfo: ended})
		fillSnapshot(resp, metadataPartition.Topic, 0, &v, o)
		return resp
	}, nil
}

const unknownTopicOrPartition raft.Code = 3

const unknownText = "This server does not host this topic-partition."

func fillSnapshot(resp *kmsg.FetchSnapshotResponse, topic string, partition int32, v *raft.SnapshotReply, o *Options) {
	out := kmsg.NewFetchSnapshotResponseTopicPartition()
	out.Partition, out.ErrorCode, out.Size, out.Position, out.Bytes = partition, int16(v.Err), v.Size, v.Position, v.Data
	if out.Bytes == nil {
		out.Bytes = []byte{}
	}
	out.SnapshotID.EndOffset, out.SnapshotID.Epoch = int64(v.ID.Offset), int32(v.ID.Epoch)
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(v.Leader), int32(v.Epoch)
	resp.Topics = []kmsg.FetchSnapshotResponseTopic{{Topic: topic, Partitions: []kmsg.FetchSnapshotResponseTopicPartition{out}}}
	if e, ok := o.leaderAt(&v.LeaderInfo); ok && resp.Version >= 1 {
		resp.NodeEndpoints = []kmsg.FetchSnapshotResponseNodeEndpoint{{NodeID: int32(v.Leader), Host: e.Host, Port: e.Port}}
	}
}
