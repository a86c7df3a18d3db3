package api

import (
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch (v2–v4)
//
// Behaviour: where the largest epoch not above the one asked for ends in the
// leader's log; by it a client finds that its log or position was truncated
// away (KIP-279, KIP-320). -1 when no such epoch is known.
//
// Versions: 3 replica id, 4 flexible.

type offsetForLeaderEpoch struct{ replicas *replica.Manager }

func newOffsetForLeaderEpoch(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	return Typed(offsetForLeaderEpoch{p.Replicas}.handle)
}

func (h offsetForLeaderEpoch) handle(c *conn.Call, req *kmsg.OffsetForLeaderEpochRequest) {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			r := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			end, err := h.end(ids.TopicPartition{Topic: t.Topic, Partition: p.Partition}, p)
			r.Partition, r.ErrorCode = p.Partition, Code(err)
			r.LeaderEpoch, r.EndOffset = int32(end.Epoch), int64(end.Offset)
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.Reply(resp)
}

func (h offsetForLeaderEpoch) end(tp ids.TopicPartition, p *kmsg.OffsetForLeaderEpochRequestTopicPartition) (ids.OffsetAndEpoch, error) {
	part, err := h.replicas.Get(tp)
	if err != nil {
		return ids.OffsetAndEpoch{Offset: ids.NoOffset, Epoch: ids.NoEpoch}, err
	}
	return part.EndOfEpoch(ids.LeaderEpoch(p.LeaderEpoch), ids.LeaderEpoch(p.CurrentLeaderEpoch))
}
