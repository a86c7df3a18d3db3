package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions grows topics. Topics named twice are left alone.
func CreatePartitions(e *Env, req *kmsg.CreatePartitionsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	d := Decision{Atomic: true, Reply: resp}
	topics, twice := splitTwice(req.Topics, func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	answer := func(name string, err *Error) {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = name, err.code(), err.message()
		resp.Topics = append(resp.Topics, t)
	}
	for _, name := range twice {
		answer(name, fail(kerr.InvalidRequest, "Duplicate topic name."))
	}
	for _, t := range topics {
		answer(t.Topic, e.growTopic(&d, t))
	}
	if req.ValidateOnly {
		d.Records = nil
	}
	return d, nil
}

func (e *Env) growTopic(d *Decision, t *kmsg.CreatePartitionsRequestTopic) *Error {
	topic := e.Image.Topics.ByName(t.Topic)
	if topic == nil || topic.Partition(0) == nil {
		return &Error{Code: kerr.UnknownTopicOrPartition.Code}
	}
	have, want := len(topic.Partitions), int(t.Count)
	switch {
	case want == have:
		return fail(kerr.InvalidPartitions, "Topic already has %d partition(s).", have)
	case want < have:
		return fail(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, want)
	case t.Assignment != nil && len(t.Assignment) != want-have:
		return fail(kerr.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", want-have, len(t.Assignment))
	}
	if len(d.Records)+want-have > MaxRecords {
		return &Error{Code: kerr.UnknownServerError.Code} // as Kafka answers it here
	}
	if err := e.charge(want - have); err != nil {
		return err
	}
	parts, err := e.placeMore(topic, t, want-have)
	if err != nil {
		return err
	}
	for i, p := range parts {
		d.add(p.Record(topic.ID, int32(have+i), e.mv(), e.elr()), e.mv().PartitionVersion())
	}
	return nil
}

func (e *Env) placeMore(topic *image.Topic, t *kmsg.CreatePartitionsRequestTopic, more int) ([]*image.Partition, *Error) {
	factor := len(topic.Partition(0).Replicas)
	if t.Assignment == nil {
		parts, err := e.place(more, factor)
		if err != nil && err.Message == allFenced {
			return nil, fail(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): %s", factor, allFenced)
		}
		return parts, err
	}
	var parts []*image.Partition
	for i, a := range t.Assignment {
		replicas := nodes(a.Replicas)
		if err := e.checkAssignment(replicas, factor); err != nil {
			return nil, err
		}
		isr := e.activeOf(replicas)
		if len(isr) == 0 {
			return nil, fail(kerr.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", len(topic.Partitions)+i)
		}
		parts = append(parts, e.newPartition(replicas, isr))
	}
	return parts, nil
}
