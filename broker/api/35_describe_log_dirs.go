package api

import (
	"sort"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeLogDirs (v1–v5)
//
// Behaviour: every data directory with its space and the partitions asked for
// (null: all) that live there, and the copies of those that move to another
// directory. A failed directory is KAFKA_STORAGE_ERROR. Lag is what a replica
// lacks to its high watermark, or a copy to what it is made of.
//
// Versions: 2 flexible, 3 error code, 4 space (KIP-827), 5 cordoned (KIP-1066).

type describeLogDirs struct{ replicas *replica.Manager }

func newDescribeLogDirs(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	return Typed(describeLogDirs{p.Replicas}.handle)
}

func (h describeLogDirs) handle(c *conn.Call, req *kmsg.DescribeLogDirsRequest) {
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	for _, d := range h.replicas.LogDirs(wanted(req)) {
		out := kmsg.NewDescribeLogDirsResponseDir()
		out.Dir, out.TotalBytes, out.UsableBytes, out.IsCordoned = d.Path, d.Total, d.Free, d.Cordoned
		if d.Offline {
			out.ErrorCode = kerr.KafkaStorageError.Code
		}
		out.Topics = logDirTopics(d.Partitions)
		resp.Dirs = append(resp.Dirs, out)
	}
	c.Reply(resp)
}

// wanted is the set of partitions asked for, nil for all.
func wanted(req *kmsg.DescribeLogDirsRequest) func(ids.TopicPartition) bool {
	if req.Topics == nil {
		return nil
	}
	set := map[ids.TopicPartition]bool{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			set[ids.TopicPartition{Topic: t.Topic, Partition: p}] = true
		}
	}
	return func(tp ids.TopicPartition) bool { return set[tp] }
}

func logDirTopics(parts []replica.LogDirPartition) (out []kmsg.DescribeLogDirsResponseDirTopic) {
	sort.Slice(parts, func(i, j int) bool {
		if a, b := parts[i].TP, parts[j].TP; a.Topic != b.Topic {
			return a.Topic < b.Topic
		}
		return parts[i].TP.Partition < parts[j].TP.Partition
	})
	for _, p := range parts {
		if n := len(out); n == 0 || out[n-1].Topic != p.TP.Topic {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = p.TP.Topic
			out = append(out, t)
		}
		r := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		r.Partition, r.Size, r.OffsetLag, r.IsFuture = p.TP.Partition, p.Size, p.Lag, p.Future
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, r)
	}
	return out
}
