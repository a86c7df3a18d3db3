package api

import (
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteRecords (v0–v2)
//
// Behaviour: moves a partition's start forward to an offset, -1 for the high
// watermark, and answers with the new start (KIP-107). Topics that are only
// compacted refuse it, as do the coordinators' topics.
//
// Versions: 2 flexible.

type deleteRecords struct{ replicas *replica.Manager }

func newDeleteRecords(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	return Typed(deleteRecords{p.Replicas}.handle)
}

func (h deleteRecords) handle(c *conn.Call, req *kmsg.DeleteRecordsRequest) {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	var wanted lastWishes[ids.Offset]
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			wanted.add(ids.TopicPartition{Topic: req.Topics[i].Topic, Partition: p.Partition}, ids.Offset(p.Offset))
		}
	}
	wanted.each(func(topic string) {
		resp.Topics = append(resp.Topics, kmsg.DeleteRecordsResponseTopic{Topic: topic})
	}, func(at int, tp ids.TopicPartition, before ids.Offset) {
		start, err := h.delete(tp, before)
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions,
			kmsg.DeleteRecordsResponseTopicPartition{Partition: tp.Partition, LowWatermark: int64(start), ErrorCode: Code(err)})
	})
	c.Reply(resp)
}

func (h deleteRecords) delete(tp ids.TopicPartition, before ids.Offset) (ids.Offset, error) {
	p, err := h.replicas.Get(tp)
	switch {
	case err == nil && image.IsInternalTopic(tp.Topic):
		return ids.NoOffset, kerr.InvalidTopicException
	case err != nil:
		return ids.NoOffset, err
	}
	return p.DeleteRecords(before)
}
