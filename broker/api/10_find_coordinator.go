package api

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Key types of FindCoordinator.
const (
	groupKey       = 0
	transactionKey = 1
	shareKey       = 2
)

// FindCoordinator, versions 0 to 6: the broker that leads the partition which
// keeps the state of a group, transactional id or share partition.
//
// v1 key types, throttle, error message  v4 many keys at once
// v5 TRANSACTION_ABORTABLE may be answered  v6 share partitions (group:topic id:partition)
//
// A state topic that is missing begins to be created; until it is there the
// answer is COORDINATOR_NOT_AVAILABLE and clients ask again.
type findCoordinator struct {
	cluster *Cluster
	creator *forward.TopicCreator
}

func findCoordinatorHandler(cluster *Cluster, creator *forward.TopicCreator) Handle {
	if cluster == nil {
		return nil
	}
	f := &findCoordinator{cluster, creator}
	return Typed(f.handle)
}

func (f *findCoordinator) handle(c *conn.Call, r *kmsg.FindCoordinatorRequest) {
	resp := r.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if r.Version < 4 {
		n, err := f.find(c.Listener, r, r.CoordinatorKey)
		resp.NodeID, resp.Host, resp.Port = coordinates(n, err)
		text := "NONE" // Kafka's name of no error
		if err != nil {
			resp.ErrorCode, text = err.Code, err.Description
		}
		if r.Version >= 1 {
			resp.ErrorMessage = &text
		}
		c.Reply(resp)
		return
	}
	for _, key := range r.CoordinatorKeys {
		n, err := f.find(c.Listener, r, key)
		d := kmsg.NewFindCoordinatorResponseCoordinator()
		d.Key = key
		d.NodeID, d.Host, d.Port = coordinates(n, err)
		d.ErrorMessage = new(string)
		if err != nil {
			d.ErrorCode = err.Code
		}
		if r.CoordinatorType < groupKey || r.CoordinatorType > shareKey {
			d.ErrorMessage = &err.Description
		}
		resp.Coordinators = append(resp.Coordinators, d)
	}
	c.Reply(resp)
}

func coordinates(n *node, err *kerr.Error) (id int32, host string, port int32) {
	if err != nil {
		return int32(ids.NoNode), "", -1
	}
	return int32(n.ID), n.endpoint.Host, int32(n.endpoint.Port)
}

func (f *findCoordinator) find(listener string, r *kmsg.FindCoordinatorRequest, key string) (*node, *kerr.Error) {
	var name string
	switch r.CoordinatorType {
	case groupKey:
		name = image.GroupTopic
	case transactionKey:
		name = image.TxnTopic
	case shareKey:
		name = image.ShareTopic
		canonical, ok := shareCoordinatorKey(key)
		if r.Version < 6 || !ok {
			return nil, kerr.InvalidRequest
		}
		key = canonical
	default:
		return nil, kerr.InvalidRequest
	}
	img := f.cluster.Image()
	topic := img.Topics.ByName(name)
	if topic == nil || len(topic.Partitions) == 0 {
		if f.creator != nil {
			f.creator.Create([]string{name}, nil)
		}
		return nil, kerr.CoordinatorNotAvailable
	}
	partition := topic.Partitions[groupcoord.PartitionFor(key, int32(len(topic.Partitions)))]
	n := f.cluster.view(img, listener).aliveNode(partition.Leader)
	if n == nil {
		return nil, kerr.CoordinatorNotAvailable
	}
	return n, nil
}

// shareCoordinatorKey reads group:topicId:partition from the right, for group
// ids may have colons, and returns the form whose hash names the partition.
func shareCoordinatorKey(key string) (string, bool) {
	last := strings.LastIndexByte(key, ':')
	if last < 0 {
		return "", false
	}
	middle := strings.LastIndexByte(key[:last], ':')
	if middle < 0 {
		return "", false
	}
	group, topic, partition := key[:middle], key[middle+1:last], key[last+1:]
	if strings.TrimSpace(group) == "" {
		return "", false
	}
	id, err := ids.ParseUUID(topic)
	if err != nil {
		return "", false
	}
	n, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("%s:%s:%d", group, id, n), true
}
