package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterPartitionReassignments gives partitions other replicas, or gives up what
// is under way (KIP-455, 860). Each partition stands or falls by itself.
//
// A reassignment first makes the new replicas replicas, beside the old ones. It
// ends with the change of the ISR that has all of them in it (see
// change.completeReassignment): then the old ones go. Where nobody is new it
// ends at once.
func AlterPartitionReassignments(e *Env, req *kmsg.AlterPartitionAssignmentsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	d := Decision{Atomic: true, Reply: resp}
	if len(req.Topics) == 0 {
		resp.AllowReplicationFactorChange, resp.ErrorMessage = true, new(string) // as Kafka, which does not look further
	}
	for i := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			err := e.reassign(&d, out.Topic, p.Partition, p.Replicas, req.AllowReplicationFactorChange)
			r := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			r.Partition, r.ErrorCode, r.ErrorMessage = p.Partition, err.code(), err.message()
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return d, nil
}

// reassign appends the change of one partition; nil replicas cancel.
func (e *Env) reassign(d *Decision, name string, index int32, replicas []int32, otherFactor bool) *Error {
	topic := e.Image.Topics.ByName(name)
	if topic == nil {
		return fail(kerr.UnknownTopicOrPartition, "Unable to find a topic named %s.", name)
	}
	p := topic.Partition(index)
	if p == nil {
		return fail(kerr.UnknownTopicOrPartition, "Unable to find partition %s:%d.", name, index)
	}
	if len(d.Records) >= MaxRecords {
		return &Error{Code: kerr.UnknownServerError.Code}
	}
	c := e.newChange(p, e.minISR(topic), e.active)
	var err *Error
	if replicas == nil {
		err = e.revert(c, name, index)
	} else {
		err = e.retarget(c, nodes(replicas), otherFactor)
	}
	if err != nil {
		return err
	}
	if r := c.record(topic.ID, index); r != nil {
		d.add(r, e.mv().PartitionVersion())
	}
	return nil
}

// revert aims at the replicas there were before the reassignment. When all that
// are in sync came with it, going back loses records.
func (e *Env) revert(c *change, name string, index int32) *Error {
	if !c.p.Reassigning() {
		return &Error{Code: kerr.NoReassignmentInProgress.Code}
	}
	came := func(r ids.NodeID) bool { return slices.Contains(c.p.Adding, r) }
	c.replicas = slices.DeleteFunc(slices.Clone(c.replicas), came)
	c.isr = slices.DeleteFunc(slices.Clone(c.isr), came)
	c.adding, c.removing = nil, nil
	if e.uncleanElection(name) {
		c.election = unclean
	}
	if len(c.isr) > 0 {
		return nil
	}
	if len(c.replicas) == 0 {
		return fail(kerr.InvalidReplicaAssignment, "Invalid replica assignment: addingReplicas contains all replicas.")
	}
	c.isr = c.replicas[:1]
	if c.election != unclean {
		return fail(kerr.InvalidReplicaAssignment, "Unable to revert partition assignment for %s:%d because it would require an unclean leader election.", name, index)
	}
	return nil
}

// retarget aims at other replicas: first those wanted, behind them those to go.
func (e *Env) retarget(c *change, want []ids.NodeID, otherFactor bool) *Error {
	if err := e.checkAssignment(want, -1); err != nil {
		return err
	}
	if have := len(c.replicas) - len(c.removing); !otherFactor && have != len(want) {
		return fail(kerr.InvalidReplicationFactor, "The replication factor is changed from %d to %d", have, len(want))
	}
	gone, came := missing(c.replicas, want), missing(want, c.replicas)
	c.replicas = slices.Concat(want, gone)
	// What an earlier reassignment brings or takes stays noted unless this one
	// brings or takes something itself, as in Kafka.
	if len(gone) > 0 {
		c.removing = gone
	}
	if len(came) > 0 {
		c.adding = came
	}
	return nil
}

// missing are the members of s that other lacks, sorted.
func missing(s, other []ids.NodeID) []ids.NodeID {
	var out []ids.NodeID
	for _, r := range s {
		if !slices.Contains(other, r) {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}

// ListPartitionReassignments lists what is under way, of some topics or of all.
func ListPartitionReassignments(e *Env, req *kmsg.ListPartitionReassignmentsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	list := func(t *image.Topic, partitions []int32) {
		out := kmsg.NewListPartitionReassignmentsResponseTopic()
		out.Topic = t.Name
		for _, i := range partitions {
			if p := t.Partition(i); p != nil && p.Reassigning() {
				out.Partitions = append(out.Partitions, underWay(i, p))
			}
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		e.Image.Topics.Each(func(t *image.Topic) bool {
			var all []int32
			for i := range t.Partitions {
				all = append(all, int32(i))
			}
			list(t, all)
			return true
		})
	}
	for i := range req.Topics {
		if t := e.Image.Topics.ByName(req.Topics[i].Topic); t != nil {
			list(t, req.Topics[i].Partitions)
		}
	}
	return Decision{Reply: resp}, nil
}

func underWay(index int32, p *image.Partition) kmsg.ListPartitionReassignmentsResponseTopicPartition {
	out := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
	out.Partition, out.Replicas = index, numbers(p.Replicas)
	out.AddingReplicas, out.RemovingReplicas = numbers(p.Adding), numbers(p.Removing)
	return out
}

func numbers(in []ids.NodeID) []int32 {
	out := make([]int32, len(in))
	for i, n := range in {
		out[i] = int32(n)
	}
	return out
}
