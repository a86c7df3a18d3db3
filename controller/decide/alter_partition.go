package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterPartition lets leaders change the ISR of their partitions, and say that
// they have recovered from an unclean election (KIP-497, 704, 841, 903).
//
// A leader that knows more than this controller (a higher epoch) is not wrong:
// this controller is no longer the active one, and the leader is told to look
// for the one that is.
func AlterPartition(e *Env, req *kmsg.AlterPartitionRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.AlterPartitionResponse)
	d := Decision{Reply: resp}
	if len(req.Topics) == 0 {
		return d, nil // as Kafka, which does not even ask who it is
	}
	if _, refusal := e.checkEpoch(req.BrokerID, req.BrokerEpoch); refusal != nil {
		return Decision{}, refusal
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewAlterPartitionResponseTopic()
		out.TopidID = in.TopicID
		topic := e.Image.Topics.ByID(in.TopicID)
		for j := range in.Partitions {
			out.Partitions = append(out.Partitions, e.alterPartition(&d, req, topic, &in.Partitions[j]))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return d, nil
}

func (e *Env) alterPartition(d *Decision, req *kmsg.AlterPartitionRequest, topic *image.Topic, in *kmsg.AlterPartitionRequestTopicPartition) kmsg.AlterPartitionResponseTopicPartition {
	out := kmsg.NewAlterPartitionResponseTopicPartition()
	out.Partition = in.Partition
	if topic == nil {
		out.ErrorCode = kerr.UnknownTopicID.Code
		return out
	}
	p, isr := topic.Partition(in.Partition), wantedISR(req.Version, in)
	if err := e.checkAlteration(ids.NodeID(req.BrokerID), p, in, isr); err != nil {
		out.ErrorCode = err.Code
		return out
	}
	c := e.newChange(p, e.minISR(topic), e.active)
	if e.uncleanElection(topic.Name) {
		c.election = unclean
	}
	c.isr, c.recovering = isr.ids(), in.LeaderRecoveryState == recovering
	if r := c.record(topic.ID, in.Partition); r != nil {
		d.add(r, e.mv().PartitionVersion())
		next, err := p.Changed(r)
		if err != nil {
			out.ErrorCode = kerr.UnknownServerError.Code // replaying it will fail the request
			return out
		}
		p = next
		// The change ended a reassignment away from the leader. It is done all
		// the same; the leader is to learn the rest from its metadata.
		if r.Leader != noLeaderChange && r.Leader != ids.NodeID(req.BrokerID) {
			out.ErrorCode = kerr.NewLeaderElected.Code
			return out
		}
	}
	out.LeaderID, out.LeaderEpoch, out.PartitionEpoch = int32(p.Leader), int32(p.LeaderEpoch), p.PartitionEpoch
	for _, id := range p.ISR {
		out.ISR = append(out.ISR, int32(id))
	}
	if p.Recovering {
		out.LeaderRecoveryState = recovering
	}
	return out
}

// candidates are the members of an ISR that a leader asks for, with the epochs
// under which it knows them.
type candidates []kmsg.AlterPartitionRequestTopicPartitionNewEpochISR

// anyEpoch: the leader does not know under which epoch a replica fetches.
const anyEpoch = -1

// wantedISR is the ISR asked for; before version 3 it comes without epochs.
func wantedISR(version int16, in *kmsg.AlterPartitionRequestTopicPartition) candidates {
	if version >= 3 {
		return in.NewEpochISR
	}
	out := make(candidates, len(in.NewISR))
	for i, id := range in.NewISR {
		out[i].BrokerID, out[i].BrokerEpoch = id, anyEpoch
	}
	return out
}

func (c candidates) ids() []ids.NodeID {
	out := make([]ids.NodeID, len(c))
	for i := range c {
		out[i] = ids.NodeID(c[i].BrokerID)
	}
	return out
}

// checkAlteration refuses what a leader must not ask, in Kafka's order.
func (e *Env) checkAlteration(broker ids.NodeID, p *image.Partition, in *kmsg.AlterPartitionRequestTopicPartition, isr candidates) *kerr.Error {
	if p == nil {
		return kerr.UnknownTopicOrPartition
	}
	epoch := ids.LeaderEpoch(in.LeaderEpoch)
	switch {
	case epoch > p.LeaderEpoch, in.PartitionEpoch > p.PartitionEpoch:
		return kerr.NotController
	case epoch < p.LeaderEpoch:
		return kerr.FencedLeaderEpoch
	case broker != p.Leader:
		return kerr.InvalidRequest
	case in.PartitionEpoch < p.PartitionEpoch:
		return kerr.InvalidUpdateVersion
	}
	members, recovers := isr.ids(), in.LeaderRecoveryState == recovering
	switch {
	case in.LeaderRecoveryState != recovered && !recovers, !subset(members, p.Replicas), !slices.Contains(members, p.Leader):
		return kerr.InvalidRequest
	case recovers && (len(members) > 1 || !p.Recovering):
		// A leader that may lack records takes nobody in, and one that has
		// recovered cannot be made to have not.
		return kerr.InvalidRequest
	}
	for _, m := range isr {
		b := e.Image.Cluster.Broker(ids.NodeID(m.BrokerID))
		if b == nil || !b.Active() || m.BrokerEpoch != anyEpoch && m.BrokerEpoch != b.Epoch {
			return kerr.IneligibleReplica
		}
	}
	return nil
}

// subset tells whether the elements of s are of of, each once.
func subset(s, of []ids.NodeID) bool {
	for i, r := range s {
		if !slices.Contains(of, r) || slices.Contains(s[:i], r) {
			return false
		}
	}
	return true
}
