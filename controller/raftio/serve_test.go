package raftio

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// named makes each request of the quorum that names partitions, for count times the
// partition of a topic.
func named(cluster *string, topic string, id [16]byte, partition int32, count int) []kmsg.Request {
	vote, begin, end := kmsg.NewPtrVoteRequest(), kmsg.NewPtrBeginQuorumEpochRequest(), kmsg.NewPtrEndQuorumEpochRequest()
	fetch, byName, snapshot := kmsg.NewPtrFetchRequest(), kmsg.NewPtrFetchRequest(), kmsg.NewPtrFetchSnapshotRequest()
	vote.ClusterID, begin.ClusterID, end.ClusterID, fetch.ClusterID, byName.ClusterID, snapshot.ClusterID = cluster, cluster, cluster, cluster, cluster, cluster
	fetch.Version, byName.Version = 17, 12
	for range count {
		vote.Topics = append(vote.Topics, kmsg.VoteRequestTopic{Topic: topic, Partitions: []kmsg.VoteRequestTopicPartition{{Partition: partition}}})
		begin.Topics = append(begin.Topics, kmsg.BeginQuorumEpochRequestTopic{Topic: topic, Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{{Partition: partition}}})
		end.Topics = append(end.Topics, kmsg.EndQuorumEpochRequestTopic{Topic: topic, Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{{Partition: partition}}})
		fetch.Topics = append(fetch.Topics, kmsg.FetchRequestTopic{TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{{Partition: partition}}})
		byName.Topics = append(byName.Topics, kmsg.FetchRequestTopic{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{{Partition: partition}}})
		snapshot.Topics = append(snapshot.Topics, kmsg.FetchSnapshotRequestTopic{Topic: topic, Partitions: []kmsg.FetchSnapshotRequestTopicPartition{{Partition: partition}}})
	}
	return []kmsg.Request{vote, begin, end, fetch, byName, snapshot}
}

// outcome is a reply's error, the partition's if it names one.
func outcome(t *testing.T, resp kmsg.Response) (top, partition int16) {
	t.Helper()
	switch r := resp.(type) {
	case *kmsg.VoteResponse:
		if len(r.Topics) > 0 {
			partition = r.Topics[0].Partitions[0].ErrorCode
		}
		return r.ErrorCode, partition
	case *kmsg.BeginQuorumEpochResponse:
		if len(r.Topics) > 0 {
			partition = r.Topics[0].Partitions[0].ErrorCode
		}
		return r.ErrorCode, partition
	case *kmsg.EndQuorumEpochResponse:
		if len(r.Topics) > 0 {
			partition = r.Topics[0].Partitions[0].ErrorCode
		}
		return r.ErrorCode, partition
	case *kmsg.FetchResponse:
		if len(r.Topics) > 0 {
			partition = r.Topics[0].Partitions[0].ErrorCode
		}
		return r.ErrorCode, partition
	case *kmsg.FetchSnapshotResponse:
		if len(r.Topics) > 0 {
			partition = r.Topics[0].Partitions[0].ErrorCode
		}
		return r.ErrorCode, partition
	case *kmsg.AddRaftVoterResponse:
		return r.ErrorCode, 0
	case *kmsg.RemoveRaftVoterResponse:
		return r.ErrorCode, 0
	case *kmsg.UpdateRaftVoterResponse:
		return r.ErrorCode, 0
	}
	t.Fatalf("a reply of type %T", resp)
	return 0, 0
}

// What concerns another quorum, or no partition of it, never gets to the core.
func TestRequestsOfOtherQuorumsAreRefused(t *testing.T) {
	o := &Options{ClusterID: "ours", ListenerName: "CONTROLLER"}
	ours, theirs := "ours", "theirs"
	name, id := metadataPartition.Topic, [16]byte(metadataTopicID)
	for _, c := range []struct {
		what           string
		reqs           []kmsg.Request
		top, partition raft.Code
		snapshot       raft.Code // of FetchSnapshot, which answers beside the partition
	}{
		{"another cluster", named(&theirs, name, id, 0, 1), raft.InconsistentCluster, 0, 0},
		{"no partition", named(&ours, name, id, 0, 0), raft.InvalidRequest, 0, 0},
		{"two topics", named(&ours, name, id, 0, 2), raft.InvalidRequest, 0, 0},
		{"another topic", named(&ours, "t", [16]byte{1}, 0, 1), raft.InvalidRequest, 0, unknownTopicOrPartition},
		{"another partition", named(nil, name, id, 1, 1), raft.InvalidRequest, 0, unknownTopicOrPartition},
	} {
		for _, req := range c.reqs {
			body, _, resp := decodeRequest(req, o)
			if body != nil {
				t.Errorf("%s: %T version %d gets to the core", c.what, req, req.GetVersion())
				continue
			}
			wantTop, wantPartition := c.top, c.partition
			if _, ok := req.(*kmsg.FetchSnapshotRequest); ok && c.snapshot != 0 {
				wantTop, wantPartition = raft.None, c.snapshot
			}
			if top, partition := outcome(t, resp); top != int16(wantTop) || partition != int16(wantPartition) {
				t.Errorf("%s: %T version %d is answered %d, %d", c.what, req, req.GetVersion(), top, partition)
			}
		}
	}
	for _, req := range []kmsg.Request{&kmsg.AddRaftVoterRequest{ClusterID: &theirs}, &kmsg.RemoveRaftVoterRequest{ClusterID: &theirs}, &kmsg.UpdateRaftVoterRequest{ClusterID: &theirs}} {
		_, _, resp := decodeRequest(req, o)
		if resp == nil {
			t.Errorf("%T of another cluster gets to the core", req)
		} else if top, _ := outcome(t, resp); top != int16(raft.InconsistentCluster) {
			t.Errorf("%T of another cluster is answered %d", req, top)
		}
	}
}

// Who waits when a node ends is told that it is not available, whatever was asked.
func TestAnEndedNodeAnswersEverybody(t *testing.T) {
	o := &Options{ListenerName: "CONTROLLER"}
	reqs := append(named(nil, metadataPartition.Topic, metadataTopicID, 0, 1),
		&kmsg.AddRaftVoterRequest{}, &kmsg.RemoveRaftVoterRequest{}, &kmsg.UpdateRaftVoterRequest{})
	for _, req := range reqs {
		body, respond, refused := decodeRequest(req, o)
		if refused != nil || body == nil {
			t.Fatalf("%T is refused", req)
		}
		if top, partition := outcome(t, respond(nil)); top+partition != int16(raft.BrokerNotAvailable) {
			t.Errorf("%T is answered %d, %d", req, top, partition)
		}
	}
}

// Replies name the leader by the endpoint of the quorum's listener, from the version on that can.
func TestRepliesNameTheLeader(t *testing.T) {
	o := &Options{ListenerName: "CONTROLLER"}
	info := raft.LeaderInfo{Leader: 2, Epoch: 5, Endpoints: []raft.Endpoint{{Name: "EXTERNAL", Host: "e", Port: 1}, {Name: "CONTROLLER", Host: "c", Port: 2}}}
	for _, leader := range []ids.NodeID{2, ids.NoNode} {
		info.Leader = leader
		for version, names := range map[int16]bool{0: false, 1: leader >= 0} {
			req := named(nil, metadataPartition.Topic, metadataTopicID, 0, 1)[0].(*kmsg.VoteRequest)
			req.Version = version
			_, respond, _ := decodeRequest(req, o)
			got := respond(raft.VoteReply{LeaderInfo: info}).(*kmsg.VoteResponse).NodeEndpoints
			if names != (len(got) == 1) || names && (got[0].NodeID != 2 || got[0].Host != "c" || got[0].Port != 2) {
				t.Errorf("version %d, leader %d: %v", version, leader, got)
			}
		}
	}
}
