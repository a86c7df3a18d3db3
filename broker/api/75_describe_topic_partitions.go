package api

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTopicPartitions, version 0 (KIP-966): topics in the order of their
// names, page by page. A page begins at the cursor and holds at most as many
// partitions as the client asks for and max.request.partition.size.limit
// allows; the next cursor says where to go on.
func describeTopicPartitionsHandler(cluster *Cluster, config *Config) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeTopicPartitionsRequest) {
		if code := refuseDescribe(r); code != 0 {
			c.Reply(describeError(r, code))
			return
		}
		img := cluster.Image()
		limit := max(1, min(config.Now().Int("max.request.partition.size.limit"), r.ResponsePartitionLimit))
		p := &topicPage{view: cluster.view(img, c.Listener), resp: r.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse),
			cursor: r.Cursor, left: int(limit)}
		p.fill(img, r)
		c.Reply(p.resp)
	})
}

func refuseDescribe(r *kmsg.DescribeTopicPartitionsRequest) int16 {
	named := func(name string) bool {
		return slices.ContainsFunc(r.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool { return t.Topic == name })
	}
	switch {
	case r.Cursor != nil && len(r.Topics) > 0 && !named(r.Cursor.Topic):
		return kerr.InvalidRequest.Code
	case r.Cursor != nil && r.Cursor.Partition < 0:
		return kerr.InvalidRequest.Code
	case named("") && (r.Cursor == nil || r.Cursor.Topic == ""):
		return kerr.UnknownServerError.Code // Kafka has no resource without a name
	}
	return 0
}

func describeError(r *kmsg.DescribeTopicPartitionsRequest, code int16) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	for _, t := range r.Topics {
		d := kmsg.NewDescribeTopicPartitionsResponseTopic()
		d.ErrorCode, d.Topic = code, kmsg.StringPtr(t.Topic)
		d.AuthorizedOperations = noOperations
		resp.Topics = append(resp.Topics, d)
	}
	return resp
}

// topicPage is one answer as it fills.
type topicPage struct {
	view   *view
	resp   *kmsg.DescribeTopicPartitionsResponse
	cursor *kmsg.DescribeTopicPartitionsRequestCursor
	left   int // partitions that still fit
}

func (p *topicPage) fill(img *image.Image, r *kmsg.DescribeTopicPartitionsRequest) {
	from := ""
	if p.cursor != nil {
		from = p.cursor.Topic
	}
	if len(r.Topics) == 0 {
		img.Topics.EachFrom(from, func(t *image.Topic) bool { return p.add(t.Name, t) })
		return
	}
	names := make([]string, 0, len(r.Topics))
	for _, t := range r.Topics {
		if t.Topic >= from {
			names = append(names, t.Topic)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !p.add(name, img.Topics.ByName(name)) {
			return
		}
	}
}

// add appends a topic, as much of it as fits; false when the page is full.
func (p *topicPage) add(name string, t *image.Topic) bool {
	if p.left == 0 {
		p.next(name, 0)
		return false
	}
	d := kmsg.NewDescribeTopicPartitionsResponseTopic()
	d.Topic, d.IsInternal, d.AuthorizedOperations = &name, image.IsInternalTopic(name), topicOperations
	if t == nil {
		d.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if configs.CheckTopicName(name) != nil {
			d.ErrorCode = kerr.InvalidTopicException.Code
		}
		p.resp.Topics = append(p.resp.Topics, d)
		return true
	}
	d.TopicID = t.ID
	first := 0
	if p.cursor != nil && p.cursor.Topic == name {
		first = int(p.cursor.Partition)
	}
	end := min(len(t.Partitions), first+p.left)
	for i := first; i < end; i++ {
		d.Partitions = append(d.Partitions, p.partition(int32(i), t.Partitions[i]))
	}
	p.resp.Topics = append(p.resp.Topics, d)
	if end < len(t.Partitions) {
		p.next(name, int32(end))
		return false
	}
	p.left -= len(d.Partitions)
	return true
}

func (p *topicPage) next(topic string, partition int32) {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	p.resp.NextCursor = &c
}

func (p *topicPage) partition(index int32, part *image.Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	d := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	d.Partition = index
	d.LeaderID, d.LeaderEpoch = int32(p.view.leader(part)), int32(part.LeaderEpoch)
	d.Replicas, d.ISR = rawNodes(part.Replicas), rawNodes(part.ISR)
	d.EligibleLeaderReplicas, d.LastKnownELR = rawNodes(part.ELR), rawNodes(part.LastKnownELR)
	for i, id := range part.Replicas {
		if p.view.offline(part, i) {
			d.OfflineReplicas = append(d.OfflineReplicas, int32(id))
		}
	}
	return d
}

// rawNodes is never nil: on the wire null means that nothing is known.
func rawNodes(nodes []ids.NodeID) []int32 {
	out := make([]int32, len(nodes))
	for i, id := range nodes {
		out[i] = int32(id)
	}
	return out
}
