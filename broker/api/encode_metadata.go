package api

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
)

// metadataWriter writes Metadata responses straight from an image. The answer
// about all topics is the largest that clients ask for often (every few minutes
// each, and all at once when a cluster restarts); building it from structs
// would cost three allocations a partition.
//
//	throttle   int32                        v3+
//	brokers    [id, host, port int32, rack v1+]
//	cluster id nullable string              v2+
//	controller int32                        v1+
//	topics     [error int16, name, id v10+, internal v1+, partitions, operations int32 v8+]
//	  partition: error int16, index, leader, epoch v7+, replicas, isr, offline v5+
//	operations int32                        v8 to v10
//	error      int16                        v13
//
// Strings and arrays are compact and every struct ends with its (no) tagged
// fields from v9 on.
type metadataWriter struct {
	b        []byte
	version  int16
	flexible bool
	view     *view
	topicOps int32
}

func newMetadataWriter(version int16, v *view, topicOps int32) *metadataWriter {
	return &metadataWriter{version: version, flexible: version >= 9, view: v, topicOps: topicOps}
}

func (w *metadataWriter) int32(n int32) { w.b = kbin.AppendInt32(w.b, n) }

func (w *metadataWriter) arrayLen(n int) {
	if w.flexible {
		w.b = kbin.AppendCompactArrayLen(w.b, n)
	} else {
		w.b = kbin.AppendArrayLen(w.b, n)
	}
}

func (w *metadataWriter) string(s string) {
	if w.flexible {
		w.b = kbin.AppendCompactString(w.b, s)
	} else {
		w.b = kbin.AppendString(w.b, s)
	}
}

func (w *metadataWriter) nullableString(s *string) {
	if w.flexible {
		w.b = kbin.AppendCompactNullableString(w.b, s)
	} else {
		w.b = kbin.AppendNullableString(w.b, s)
	}
}

func (w *metadataWriter) noTags() {
	if w.flexible {
		w.b = append(w.b, 0)
	}
}

// brokers writes everything up to the controller's id.
func (w *metadataWriter) brokers(clusterID string) {
	if w.version >= 3 {
		w.int32(0)
	}
	w.arrayLen(len(w.view.alive))
	for _, n := range w.view.alive {
		w.int32(int32(n.ID))
		w.string(n.endpoint.Host)
		w.int32(int32(n.endpoint.Port))
		if w.version >= 1 {
			w.nullableString(n.Rack)
		}
		w.noTags()
	}
	if w.version >= 2 {
		w.nullableString(&clusterID)
	}
}

// controller writes the controller's id, which changes from answer to answer.
func (w *metadataWriter) controller(id ids.NodeID) {
	if w.version >= 1 {
		w.int32(int32(id))
	}
}

// end writes what follows the topics.
func (w *metadataWriter) end(clusterOps int32) {
	if w.version >= 8 && w.version <= 10 {
		w.int32(clusterOps)
	}
	if w.version >= 13 {
		w.b = append(w.b, 0, 0)
	}
	w.noTags()
}

func (w *metadataWriter) topicHead(code int16, name *string, id ids.TopicID, internal bool, partitions int) {
	w.b = kbin.AppendInt16(w.b, code)
	switch {
	case w.version >= 12:
		w.nullableString(name)
	case name != nil:
		w.string(*name)
	default:
		w.string("")
	}
	if w.version >= 10 {
		w.b = append(w.b, id[:]...)
	}
	if w.version >= 1 {
		w.b = kbin.AppendBool(w.b, internal)
	}
	w.arrayLen(partitions)
}

func (w *metadataWriter) topicTail(ops int32) {
	if w.version >= 8 {
		w.int32(ops)
	}
	w.noTags()
}

func (w *metadataWriter) topic(t *image.Topic) {
	w.topicHead(0, &t.Name, t.ID, t.Internal(), len(t.Partitions))
	for i, p := range t.Partitions {
		w.partition(int32(i), p)
	}
	w.topicTail(w.topicOps)
}

// missing writes a topic that has nothing but an error.
func (w *metadataWriter) missing(code int16, name *string, id ids.TopicID) {
	w.topicHead(code, name, id, name != nil && image.IsInternalTopic(*name), 0)
	ops := w.topicOps
	if name == nil {
		ops = noOperations // nothing is told about a topic known by its id alone
	}
	w.topicTail(ops)
}

func (w *metadataWriter) partition(index int32, p *image.Partition) {
	leader := w.view.leader(p)
	w.b = kbin.AppendInt16(w.b, w.partitionError(p, leader))
	w.int32(index)
	w.int32(int32(leader))
	if w.version >= 7 {
		w.int32(int32(p.LeaderEpoch))
	}
	w.replicas(p.Replicas)
	w.replicas(p.ISR)
	if w.version >= 5 {
		w.offline(p)
	}
	w.noTags()
}

// partitionError: version 0 reports replicas that cannot be reached as an error
// and leaves them out, later versions list them all; before version 6 a leader
// without the listener looks like no leader.
func (w *metadataWriter) partitionError(p *image.Partition, leader ids.NodeID) int16 {
	if leader == ids.NoNode {
		if w.view.node(p.Leader) != nil && w.version >= 6 {
			return kerr.ListenerNotFound.Code
		}
		return kerr.LeaderNotAvailable.Code
	}
	if w.version == 0 && (w.countAlive(p.Replicas) < len(p.Replicas) || w.countAlive(p.ISR) < len(p.ISR)) {
		return kerr.ReplicaNotAvailable.Code
	}
	return 0
}

func (w *metadataWriter) countAlive(nodes []ids.NodeID) (n int) {
	for _, id := range nodes {
		if w.view.aliveNode(id) != nil {
			n++
		}
	}
	return n
}

func (w *metadataWriter) replicas(nodes []ids.NodeID) {
	if w.version == 0 {
		w.arrayLen(w.countAlive(nodes))
	} else {
		w.arrayLen(len(nodes))
	}
	for _, id := range nodes {
		if w.version > 0 || w.view.aliveNode(id) != nil {
			w.int32(int32(id))
		}
	}
}

func (w *metadataWriter) offline(p *image.Partition) {
	var few [8]ids.NodeID
	off := few[:0]
	for i, id := range p.Replicas {
		if w.view.offline(p, i) {
			off = append(off, id)
		}
	}
	w.arrayLen(len(off))
	for _, id := range off {
		w.int32(int32(id))
	}
}
