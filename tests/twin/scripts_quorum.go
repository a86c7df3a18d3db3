package twin

import "github.com/twmb/franz-go/pkg/kmsg"

// metadataTopic is the quorum's own.
const metadataTopic = "__cluster_metadata"

func vote(cluster *string, topic string, candidate, epoch int32) *kmsg.VoteRequest {
	req := kmsg.NewPtrVoteRequest()
	req.ClusterID, req.VoterID = cluster, 1
	p := kmsg.NewVoteRequestTopicPartition()
	p.CandidateID, p.CandidateEpoch, p.CandidateDirectoryID = candidate, epoch, [16]byte{7}
	req.Topics = []kmsg.VoteRequestTopic{{Topic: topic, Partitions: []kmsg.VoteRequestTopicPartition{p}}}
	return req
}

func beginEpoch(cluster *string, topic string, leader, epoch int32) *kmsg.BeginQuorumEpochRequest {
	req := kmsg.NewPtrBeginQuorumEpochRequest()
	req.ClusterID, req.VoterID = cluster, 1
	p := kmsg.NewBeginQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = leader, epoch
	req.Topics = []kmsg.BeginQuorumEpochRequestTopic{{Topic: topic, Partitions: []kmsg.BeginQuorumEpochRequestTopicPartition{p}}}
	return req
}

func endEpoch(cluster *string, topic string, leader, epoch int32) *kmsg.EndQuorumEpochRequest {
	req := kmsg.NewPtrEndQuorumEpochRequest()
	req.ClusterID = cluster
	p := kmsg.NewEndQuorumEpochRequestTopicPartition()
	p.LeaderID, p.LeaderEpoch = leader, epoch
	req.Topics = []kmsg.EndQuorumEpochRequestTopic{{Topic: topic, Partitions: []kmsg.EndQuorumEpochRequestTopicPartition{p}}}
	return req
}

func snapshot(cluster *string, topic string, epoch int32, end int64) *kmsg.FetchSnapshotRequest {
	req := kmsg.NewPtrFetchSnapshotRequest()
	req.ClusterID, req.ReplicaID, req.MaxBytes = cluster, 77, 1<<20
	p := kmsg.NewFetchSnapshotRequestTopicPartition()
	p.CurrentLeaderEpoch, p.SnapshotID.EndOffset, p.SnapshotID.Epoch = epoch, end, 1
	req.Topics = []kmsg.FetchSnapshotRequestTopic{{Topic: topic, Partitions: []kmsg.FetchSnapshotRequestTopicPartition{p}}}
	return req
}

// quorumScripts ask the quorum's own requests. The node that is asked is the
// only voter and leads: what would depose it is not asked.
func quorumScripts() []Script {
	foreign := kmsg.StringPtr("another-cluster-id-0000")
	moving := []string{"LeaderEpoch"} // of the node's own life
	ask := func(key int16, name string, from int16, run func(r *Run)) Script {
		return Script{Key: key, Name: name, From: from, Controller: true, Hide: moving, Run: run}
	}
	return []Script{
		ask(52, "vote for another cluster", 0, func(r *Run) { r.Send(vote(foreign, metadataTopic, 2, 0)) }),
		ask(52, "vote in an old epoch", 0, func(r *Run) { r.Send(vote(nil, metadataTopic, 2, 0)) }),
		ask(52, "vote for a topic that has none", 0, func(r *Run) { r.Send(vote(nil, r.Name("t"), 2, 0)) }),
		ask(52, "nothing", 0, func(r *Run) { r.Send(kmsg.NewPtrVoteRequest()) }),
		ask(53, "leader of another cluster", 0, func(r *Run) { r.Send(beginEpoch(foreign, metadataTopic, 2, 0)) }),
		ask(53, "leader of an old epoch", 0, func(r *Run) { r.Send(beginEpoch(nil, metadataTopic, 2, 0)) }),
		ask(53, "leader of another topic", 0, func(r *Run) { r.Send(beginEpoch(nil, r.Name("t"), 2, 0)) }),
		ask(54, "end in another cluster", 0, func(r *Run) { r.Send(endEpoch(foreign, metadataTopic, 2, 0)) }),
		ask(54, "end of an old epoch", 0, func(r *Run) { r.Send(endEpoch(nil, metadataTopic, 2, 0)) }),
		ask(54, "end for another topic", 0, func(r *Run) { r.Send(endEpoch(nil, r.Name("t"), 2, 0)) }),
		ask(59, "snapshot of another cluster", 0, func(r *Run) { r.Send(snapshot(foreign, metadataTopic, 1, 7)) }),
		ask(58, "principal that is none", 0, func(r *Run) {
			req := kmsg.NewPtrEnvelopeRequest()
			req.RequestData, req.RequestPrincipal, req.ClientHostAddress = []byte{1, 2, 3}, []byte{9}, []byte{127, 0, 0, 1}
			r.Send(req)
		}),
		ask(64, "broker that never registered", 0, func(r *Run) {
			req := kmsg.NewPtrUnregisterBrokerRequest()
			req.BrokerID = 77
			r.Send(req)
		}),
		ask(70, "registration without listeners and features", 0, func(r *Run) {
			req := kmsg.NewPtrControllerRegistrationRequest()
			req.ControllerID, req.IncarnationID = 77, [16]byte{7}
			r.Send(req)
		}),
	}
}
