package node

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Quorum is what a controller says of the quorum.
type Quorum struct {
	Leader        int
	Epoch         int32
	HighWatermark int64
	// Voters and Observers are the nodes' log ends by their ids.
	Voters, Observers map[int]int64
	// Directories are the voters' directory ids.
	Directories map[int][16]byte
	// Listed are the ids of voters and observers as they were listed, one twice if it was.
	Listed []int
}

// DescribeQuorum asks this node's controller, which must lead.
func (s *Server) DescribeQuorum(ctx context.Context) (Quorum, error) {
	return describeQuorum(ctx, s.Controller())
}

// DescribeQuorumOfBroker asks this node's broker, which asks the controller that leads.
func (s *Server) DescribeQuorumOfBroker(ctx context.Context) (Quorum, error) {
	return describeQuorum(ctx, s.Addr())
}

func describeQuorum(ctx context.Context, addr string) (Quorum, error) {
	var q Quorum
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0))
	if err != nil {
		return q, err
	}
	defer cl.Close()
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	r, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return q, err
	}
	resp := r.(*kmsg.DescribeQuorumResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return q, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return q, fmt.Errorf("an answer without the partition: %+v", resp)
	}
	p := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return q, err
	}
	q = Quorum{Leader: int(p.LeaderID), Epoch: p.LeaderEpoch, HighWatermark: p.HighWatermark,
		Voters: map[int]int64{}, Observers: map[int]int64{}, Directories: map[int][16]byte{}}
	for _, v := range p.CurrentVoters {
		q.Voters[int(v.ReplicaID)], q.Directories[int(v.ReplicaID)] = v.LogEndOffset, v.ReplicaDirectoryID
		q.Listed = append(q.Listed, int(v.ReplicaID))
	}
	for _, o := range p.Observers {
		q.Observers[int(o.ReplicaID)] = o.LogEndOffset
		q.Listed = append(q.Listed, int(o.ReplicaID))
	}
	return q, nil
}
