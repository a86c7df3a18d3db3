package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AssignReplicasToDirs notes in which of its log directories a broker keeps its
// replicas (KIP-858). A replica in a directory that the broker has lost leaves
// the ISR with the same request: the heartbeat that told of the loss could not
// know of it.
func AssignReplicasToDirs(e *Env, req *kmsg.AssignReplicasToDirsRequest) (Decision, error) {
	if !e.mv().SupportsDirectories() {
		return Decision{}, fail(kerr.UnsupportedVersion, "Directory assignment is not supported yet.")
	}
	b, refusal := e.checkEpoch(req.BrokerID, req.BrokerEpoch)
	if refusal != nil {
		return Decision{}, refusal
	}
	a := assignment{Env: e, broker: b}
	resp := req.ResponseKind().(*kmsg.AssignReplicasToDirsResponse)
	for i := range req.Directories {
		resp.Directories = append(resp.Directories, a.directory(&req.Directories[i]))
	}
	for _, l := range a.lost {
		c := e.newChange(l.p, e.minISR(l.topic), func(id ids.NodeID) bool { return id != b.ID && e.active(id) })
		if e.uncleanElection(l.topic.Name) {
			c.election = unclean
		}
		e.shiftLeader(&a.d, shift{leaves: b.ID, joins: ids.NoNode, lost: ids.NoNode}, c, l.topic.ID, l.index)
	}
	a.d.Reply = resp
	return a.d, nil
}

// assignment is one AssignReplicasToDirs being decided.
type assignment struct {
	*Env
	broker *image.Broker
	d      Decision
	lost   []lostReplica // told to be in a directory that is offline
}

type lostReplica struct {
	topic *image.Topic
	index int32
	p     *image.Partition
}

func (a *assignment) directory(in *kmsg.AssignReplicasToDirsRequestDirectory) kmsg.AssignReplicasToDirsResponseDirectory {
	out := kmsg.NewAssignReplicasToDirsResponseDirectory()
	out.ID = in.ID
	for i := range in.Topics {
		t := kmsg.NewAssignReplicasToDirsResponseDirectoryTopic()
		t.TopicID = in.Topics[i].TopicID
		topic := a.Image.Topics.ByID(t.TopicID)
		for _, p := range in.Topics[i].Partitions {
			r := kmsg.NewAssignReplicasToDirsResponseDirectoryTopicPartition()
			r.Partition, r.ErrorCode = p.Partition, a.partition(topic, p.Partition, in.ID)
			t.Partitions = append(t.Partitions, r)
		}
		out.Topics = append(out.Topics, t)
	}
	return out
}

func (a *assignment) partition(topic *image.Topic, index int32, dir ids.DirectoryID) (code int16) {
	if topic == nil {
		return kerr.UnknownTopicID.Code
	}
	p := topic.Partition(index)
	switch {
	case p == nil:
		return kerr.UnknownTopicOrPartition.Code
	case !p.Has(a.broker.ID):
		return kerr.NotLeaderForPartition.Code
	}
	c := a.newChange(p, a.minISR(topic), a.active)
	c.moved = &residence{a.broker.ID, dir}
	if r := c.record(topic.ID, index); r != nil {
		a.d.add(r, a.mv().PartitionVersion())
	}
	if !directoryOnline(a.broker, dir) {
		a.lost = append(a.lost, lostReplica{topic, index, p})
	}
	return 0
}
