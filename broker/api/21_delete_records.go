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
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			r := kmsg.NewDeleteRecordsResponseTopicPartition()
			start, err := h.delete(ids.TopicPartition{Topic: t.Topic, Partition: p.Partition}, ids.Offset(p.Offset))
			r.Partition, r.LowWatermark, r.ErrorCode = p.Partition, int64(start), Code(err)
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
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
