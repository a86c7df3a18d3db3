package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What Kafka says to these codes; kerr's words differ.
const (
	electionNotNeeded     = "Leader election not needed for topic partition."
	preferredNotAvailable = "The preferred leader was not available."
	eligibleNotAvailable  = "Eligible topic partition leaders are not available."
)

// ElectLeaders moves leadership to the preferred replicas, or finds a leader
// where no replica that holds every committed record is left (KIP-183, 460).
func ElectLeaders(e *Env, req *kmsg.ElectLeadersRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	d := Decision{Reply: resp}
	if req.Topics != nil && len(req.Topics) == 0 {
		return d, nil
	}
	how := preferred
	switch req.ElectionType {
	case 0:
	case 1:
		how = unclean
	default:
		return Decision{}, fail(kerr.InvalidRequest, "Unknown election type %d", req.ElectionType)
	}
	if req.Topics == nil {
		e.electAll(&d, resp, how)
	}
	for i := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = req.Topics[i].Topic
		topic := e.Image.Topics.ByName(out.Topic)
		for _, index := range req.Topics[i].Partitions {
			out.Partitions = append(out.Partitions, elected(index, e.electLeader(&d, topic, out.Topic, index, how)))
		}
		resp.Topics = append(resp.Topics, out)
	}
	if len(d.Records) > MaxRecords {
		return Decision{}, errTooMany()
	}
	return d, nil
}

// electAll elects in every partition of the cluster. Those that need none are
// not told of; their topics are.
func (e *Env) electAll(d *Decision, resp *kmsg.ElectLeadersResponse, how election) {
	e.Image.Topics.Each(func(t *image.Topic) bool {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = t.Name
		for i := range t.Partitions {
			if err := e.electLeader(d, t, t.Name, int32(i), how); err.code() != kerr.ElectionNotNeeded.Code {
				out.Partitions = append(out.Partitions, elected(int32(i), err))
			}
		}
		resp.Topics = append(resp.Topics, out)
		return len(d.Records) <= MaxRecords
	})
}

func elected(index int32, err *Error) kmsg.ElectLeadersResponseTopicPartition {
	out := kmsg.NewElectLeadersResponseTopicPartition()
	out.Partition, out.ErrorCode, out.ErrorMessage = index, err.code(), err.message()
	return out
}

func (e *Env) electLeader(d *Decision, topic *image.Topic, name string, index int32, how election) *Error {
	if topic == nil {
		return fail(kerr.UnknownTopicOrPartition, "No such topic as %s", name)
	}
	p := topic.Partition(index)
	if p == nil {
		return fail(kerr.UnknownTopicOrPartition, "No such partition as %s-%d", name, index)
	}
	if how == preferred && p.Leader == p.Preferred() || how == unclean && p.HasLeader() {
		return fail(kerr.ElectionNotNeeded, "%s", electionNotNeeded)
	}
	c := e.newChange(p, e.minISR(topic), e.active)
	c.election = how
	r := c.record(topic.ID, index)
	switch {
	case r != nil:
		d.add(r, e.mv().PartitionVersion())
		return nil
	case how == preferred:
		return fail(kerr.PreferredLeaderNotAvailable, "%s", preferredNotAvailable)
	}
	return fail(kerr.EligibleLeadersNotAvailable, "%s", eligibleNotAvailable)
}
