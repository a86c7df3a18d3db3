package api

import (
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListOffsets (v1–v11)
//
// Behaviour: the offset that a timestamp means, per partition: the first record
// at or after it, or one of the special timestamps of package replica. Consumers
// (replica -1) see no further than the high watermark or the last stable offset;
// a record found beyond counts as none. A partition named twice is answered once,
// with INVALID_REQUEST.
//
// Versions: 2 isolation, 4 leader epoch (KIP-320), 6 flexible, 7 max timestamp
// (KIP-734), 8 earliest local (KIP-405), 9 latest tiered (KIP-1005), 10 timeout
// (KIP-1075), 11 earliest pending upload (KIP-1023).

type listOffsets struct{ replicas *replica.Manager }

func newListOffsets(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	return Typed(listOffsets{p.Replicas}.handle)
}

func (h listOffsets) handle(c *conn.Call, req *kmsg.ListOffsetsRequest) {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	repeats := repeated(req)
	at := make(map[string]int, len(req.Topics)) // a topic that is named twice is answered once
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.Partitions) == 0 {
			continue // and not answered
		}
		if _, again := at[t.Topic]; !again {
			at[t.Topic] = len(resp.Topics)
			resp.Topics = append(resp.Topics, kmsg.ListOffsetsResponseTopic{Topic: t.Topic})
		}
		out := &resp.Topics[at[t.Topic]]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			tp := ids.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			times := repeats[tp]
			if times != answered {
				out.Partitions = append(out.Partitions, h.partition(req, tp, p, times == twice))
			}
			if times == twice {
				repeats[tp] = answered
			}
		}
	}
	c.Reply(resp)
}

// naming tells how often a request names a partition.
type naming uint8

const (
	once     naming = iota
	twice           // or more often
	answered        // twice, and the one answer is given
)

// repeated finds the partitions that a request names more than once.
func repeated(req *kmsg.ListOffsetsRequest) map[ids.TopicPartition]naming {
	seen := map[ids.TopicPartition]naming{}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			tp := ids.TopicPartition{Topic: t.Topic, Partition: t.Partitions[j].Partition}
			if _, again := seen[tp]; again {
				seen[tp] = twice
			} else {
				seen[tp] = once
			}
		}
	}
	return seen
}

func (h listOffsets) partition(req *kmsg.ListOffsetsRequest, tp ids.TopicPartition, p *kmsg.ListOffsetsRequestTopicPartition, repeats bool) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.Timestamp, out.Offset, out.LeaderEpoch = p.Partition, -1, -1, -1
	switch {
	case repeats:
		out.ErrorCode = kerr.InvalidRequest.Code
		return out
	case !timestampKnown(p.Timestamp, req.Version):
		out.ErrorCode = kerr.UnsupportedVersion.Code
		return out
	}
	iso := replica.LogEnd
	if req.ReplicaID == -1 {
		iso = replica.Isolation(min(max(req.IsolationLevel, 0), 1))
	}
	found, ok, err := h.replicas.ListOffset(tp, p.Timestamp, iso, ids.LeaderEpoch(p.CurrentLeaderEpoch))
	if err != nil {
		out.ErrorCode = Code(err)
		if out.ErrorCode == kerr.OffsetNotAvailable.Code && req.Version < 5 {
			out.ErrorCode = kerr.LeaderNotAvailable.Code // those clients do not know the other
		}
	} else if ok {
		out.Timestamp, out.Offset, out.LeaderEpoch = found.Timestamp, int64(found.Offset), int32(found.LeaderEpoch)
	}
	return out
}

// timestampKnown tells whether a version has a special timestamp.
func timestampKnown(ts int64, version int16) bool {
	switch ts {
	case replica.Latest, replica.Earliest:
		return true
	case replica.MaxTimestamp:
		return version >= 7
	case replica.EarliestLocal:
		return version >= 8
	case replica.LatestTiered:
		return version >= 9
	case replica.EarliestPending:
		return version >= 11
	}
	return ts >= 0
}
