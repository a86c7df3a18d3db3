package api

import (
	"errors"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// AlterReplicaLogDirs (v1–v2)
//
// Behaviour: begins to move partitions to another directory of this broker, or
// calls a move off by naming the directory in which they lie (KIP-113). The
// answer says that a move has begun, not that it is done: DescribeLogDirs shows
// it. For a partition that is not here the wish is kept until it is made, and
// the answer is REPLICA_NOT_AVAILABLE. A partition named under several
// directories goes to the last.
//
// Versions: 2 flexible.

type alterReplicaLogDirs struct {
	replicas *replica.Manager
	log      *zap.Logger
}

func newAlterReplicaLogDirs(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	h := alterReplicaLogDirs{p.Replicas, p.Logger}
	if h.log == nil {
		h.log = zap.NewNop()
	}
	return Typed(h.handle)
}

func (h alterReplicaLogDirs) handle(c *conn.Call, req *kmsg.AlterReplicaLogDirsRequest) {
	resp := req.ResponseKind().(*kmsg.AlterReplicaLogDirsResponse)
	var wishes lastWishes[string]
	for _, d := range req.Dirs {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				wishes.add(ids.TopicPartition{Topic: t.Topic, Partition: p}, d.Dir)
			}
		}
	}
	wishes.each(func(topic string) {
		resp.Topics = append(resp.Topics, kmsg.AlterReplicaLogDirsResponseTopic{Topic: topic})
	}, func(at int, tp ids.TopicPartition, dir string) {
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions,
			kmsg.AlterReplicaLogDirsResponseTopicPartition{Partition: tp.Partition, ErrorCode: h.alter(tp, dir)})
	})
	c.Reply(resp)
}

func (h alterReplicaLogDirs) alter(tp ids.TopicPartition, dir string) int16 {
	err := h.replicas.AlterLogDir(tp, dir)
	if err == nil {
		return 0
	}
	h.log.Warn("a partition cannot be moved to another log directory", zap.Stringer("partition", tp), zap.String("dir", dir), zap.Error(err))
	if errors.Is(err, replica.ErrNotLeader) {
		return kerr.ReplicaNotAvailable.Code // what this request has always said
	}
	return Code(err)
}
