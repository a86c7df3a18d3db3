package api

import (
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// leaderHints tells clients that asked the wrong broker which one is right
// (KIP-951), so that they need not ask for metadata first.
type leaderHints struct{ replicas *replica.Manager }

// of is the leader of a partition, named by id or, if that is zero, by name.
func (h leaderHints) of(name string, id ids.TopicID, partition int32) ids.LeaderAndEpoch {
	topics := h.replicas.Image().Topics
	t := topics.ByID(id)
	if t == nil && id.IsZero() {
		t = topics.ByName(name)
	}
	if t == nil || t.Partition(partition) == nil {
		return ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: ids.NoEpoch}
	}
	p := t.Partition(partition)
	return ids.LeaderAndEpoch{Leader: p.Leader, Epoch: p.LeaderEpoch}
}

// endpoint is where a living broker listens, as seen from one of our listeners.
func (h leaderHints) endpoint(node ids.NodeID, listener string) (e image.Endpoint, rack *string, ok bool) {
	b := h.replicas.Image().Cluster.Broker(node)
	if b == nil || b.Fenced {
		return e, nil, false
	}
	e, ok = b.Endpoint(listener)
	return e, b.Rack, ok
}
