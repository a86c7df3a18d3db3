package api

import (
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeProducers (v0)
//
// Behaviour: the idempotent and transactional producers that a partition's
// leader remembers (KIP-664).

type describeProducers struct{ replicas *replica.Manager }

func newDescribeProducers(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	return Typed(describeProducers{p.Replicas}.handle)
}

func (h describeProducers) handle(c *conn.Call, req *kmsg.DescribeProducersRequest) {
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	named := frame.Repeats[ids.TopicPartition]{}
	for _, t := range req.Topics {
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			if named.TooMany(ids.TopicPartition{Topic: t.Topic, Partition: p}) {
				refused := kmsg.NewDescribeProducersResponseTopicPartition()
				refused.Partition, refused.ErrorCode = p, kerr.InvalidRequest.Code
				out.Partitions = append(out.Partitions, refused)
				continue
			}
			out.Partitions = append(out.Partitions, h.partition(t.Topic, p))
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.Reply(resp)
}

func (h describeProducers) partition(topic string, index int32) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = index
	if err := configs.CheckTopicName(topic); err != nil {
		out.ErrorCode, out.ErrorMessage = kerr.InvalidTopicException.Code, kmsg.StringPtr(err.Error())
		return out
	}
	p, err := h.replicas.Get(ids.TopicPartition{Topic: topic, Partition: index})
	if err != nil {
		out.ErrorCode = Code(err)
		if h.replicas.Image().Topics.ByName(topic) == nil {
			out.ErrorMessage = kmsg.StringPtr(kerr.UnknownTopicOrPartition.Description)
		}
		return out
	}
	producers, err := p.Producers()
	out.ErrorCode = Code(err)
	for _, s := range producers {
		r := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		r.ProducerID, r.ProducerEpoch, r.LastSequence, r.LastTimestamp = s.ProducerID, s.ProducerEpoch, s.LastSequence, s.LastTimestamp
		r.CoordinatorEpoch, r.CurrentTxnStartOffset = s.CoordinatorEpoch, int64(s.CurrentTxnStartOffset)
		out.ActiveProducers = append(out.ActiveProducers, r)
	}
	return out
}
