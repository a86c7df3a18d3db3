package api

import (
	"slices"
	"sync"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Metadata, versions 0 to 13: brokers, topics and who leads their partitions,
// as the clients of the listener that was asked see them.
//
// v1 null = all topics, empty = none (v0: empty = all); racks, controller, internal
// v2 cluster id  v3 throttle  v4 allow auto creation (before: always allowed)
// v5 offline replicas  v6 LISTENER_NOT_FOUND  v7 leader epochs  v8 authorized operations
// v9 flexible  v10 topic ids in answers  v11 no cluster operations  v12 topics by id
// v13 error code of the whole answer
type metadata struct {
	cluster *Cluster
	config  *Config
	creator *forward.TopicCreator
}

func metadataHandler(cluster *Cluster, config *Config, creator *forward.TopicCreator) Handle {
	if cluster == nil {
		return nil
	}
	m := &metadata{cluster, config, creator}
	return Typed(m.handle)
}

func (m *metadata) handle(c *conn.Call, r *kmsg.MetadataRequest) {
	if bad := refuseMetadata(r); bad != nil {
		c.Reply(bad)
		return
	}
	img := m.cluster.Image()
	v := m.cluster.view(img, c.Listener)
	topicOps, clusterOps := int32(noOperations), int32(noOperations)
	if r.Version >= 8 && r.IncludeTopicAuthorizedOperations {
		topicOps = topicOperations
	}
	if r.Version >= 8 && r.IncludeClusterAuthorizedOperations {
		clusterOps = clusterOperations
	}
	if wantsAllTopics(r) {
		c.Reply(m.cluster.allTopics(img, v, fullKey{c.Listener, r.Version, topicOps, clusterOps}))
		return
	}
	w := newMetadataWriter(r.Version, v, topicOps)
	w.brokers(m.cluster.ID)
	w.controller(v.anyAlive())
	if byID := requestedIDs(r); len(byID) > 0 {
		writeByID(w, img, byID)
	} else {
		m.writeByName(w, img, c, r)
	}
	w.end(clusterOps)
	c.Reply(&encoded{Response: r.ResponseKind(), body: w.b})
}

func wantsAllTopics(r *kmsg.MetadataRequest) bool {
	return r.Topics == nil || r.Version == 0 && len(r.Topics) == 0
}

// refuseMetadata answers requests that say what their version cannot.
func refuseMetadata(r *kmsg.MetadataRequest) kmsg.Response {
	byID := r.Version >= 12 && slices.ContainsFunc(r.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.TopicID != [16]byte{} })
	for i := range r.Topics {
		t := &r.Topics[i]
		switch {
		case r.Version < 12 && (t.Topic == nil || t.TopicID != [16]byte{}):
			return metadataError(r, kerr.InvalidRequest.Code)
		case t.Topic == nil && !byID: // Kafka runs into a null
			return metadataError(r, kerr.UnknownServerError.Code)
		}
	}
	return nil
}

func metadataError(r *kmsg.MetadataRequest, code int16) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.MetadataResponse)
	resp.ControllerID = int32(ids.NoNode)
	for i := range r.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.ErrorCode, t.Topic, t.TopicID = code, r.Topics[i].Topic, r.Topics[i].TopicID
		if t.Topic == nil {
			t.Topic = new(string)
		}
		resp.Topics = append(resp.Topics, t)
	}
	resp.ErrorCode = code
	return resp
}

// requestedIDs are the distinct ids asked for. When there is one, names are ignored.
func requestedIDs(r *kmsg.MetadataRequest) (out []ids.TopicID) {
	if r.Version < 12 {
		return nil
	}
	for i := range r.Topics {
		id := ids.TopicID(r.Topics[i].TopicID)
		if !id.IsZero() {
			out = append(out, id)
		}
	}
	return distinct(out)
}

func writeByID(w *metadataWriter, img *image.Image, byID []ids.TopicID) {
	w.arrayLen(len(byID))
	for _, id := range byID {
		if t := img.Topics.ByID(id); t != nil {
			w.topic(t)
		} else {
			w.missing(kerr.UnknownTopicID.Code, nil, id)
		}
	}
}

// writeByName writes the topics asked for, each once. Those that do not exist
// begin to be created if that is allowed; either way the client is told that
// they are unknown and asks again.
func (m *metadata) writeByName(w *metadataWriter, img *image.Image, c *conn.Call, r *kmsg.MetadataRequest) {
	names := distinctNames(r)
	w.arrayLen(len(names))
	var create []string
	for i := range names {
		name := &names[i]
		if t := img.Topics.ByName(*name); t != nil {
			w.topic(t)
		} else if configs.CheckTopicName(*name) != nil {
			w.missing(kerr.InvalidTopicException.Code, name, ids.TopicID{})
		} else {
			w.missing(kerr.UnknownTopicOrPartition.Code, name, ids.TopicID{})
			create = append(create, *name)
		}
	}
	allowed := r.Version < 4 || r.AllowAutoTopicCreation
	if len(create) > 0 && allowed && m.creator != nil && m.config.Now().Bool("auto.create.topics.enable") {
		from := forward.OriginOf(c)
		m.creator.Create(create, &from)
	}
}

func distinctNames(r *kmsg.MetadataRequest) []string {
	names := make([]string, 0, len(r.Topics))
	for i := range r.Topics {
		names = append(names, *r.Topics[i].Topic)
	}
	return distinct(names)
}

// distinct keeps the first of equal elements, in place. A list that a client
// makes as long as it likes must not be compared with itself.
func distinct[T comparable](list []T) []T {
	if len(list) < 2 {
		return list
	}
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(list, func(x T) bool {
		again := seen[x]
		seen[x] = true
		return again
	})
}

// encoded is a response whose body is written already.
type encoded struct {
	kmsg.Response
	body, rest []byte
}

// AppendTo implements kmsg.Response.
func (e *encoded) AppendTo(dst []byte) []byte {
	dst = slices.Grow(dst, len(e.body)+len(e.rest))
	return append(append(dst, e.body...), e.rest...)
}

// fullAnswers are the answers about all topics of one image. They are dropped
// together when topics or brokers change.
type fullAnswers struct {
	topics  *image.Topics
	cluster *image.Cluster

	mu    sync.Mutex
	byKey map[fullKey]*fullAnswer
}

type fullKey struct {
	listener             string
	version              int16
	topicOps, clusterOps int32
}

// fullAnswer is an answer without the controller's id, which comes between.
type fullAnswer struct{ before, after []byte }

// maxFullAnswers bounds the answers kept: a cluster's clients speak few versions.
const maxFullAnswers = 8

func (c *Cluster) allTopics(img *image.Image, v *view, key fullKey) kmsg.Response {
	full := c.full.Load()
	if full == nil || full.topics != img.Topics || full.cluster != img.Cluster {
		full = &fullAnswers{topics: img.Topics, cluster: img.Cluster, byKey: map[fullKey]*fullAnswer{}}
		c.full.Store(full)
	}
	a := full.answer(key, func() *fullAnswer { return c.encodeAll(img, v, key) })
	w := newMetadataWriter(key.version, v, key.topicOps)
	w.b = slices.Grow(append([]byte(nil), a.before...), 4)
	w.controller(v.anyAlive())
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = key.version
	return &encoded{Response: resp, body: w.b, rest: a.after}
}

// answer returns the answer of key. Many clients ask at once after a change;
// the lock is held while the first of them encodes, so that it is done once.
func (f *fullAnswers) answer(key fullKey, encode func() *fullAnswer) *fullAnswer {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.byKey[key]
	if a == nil {
		if len(f.byKey) >= maxFullAnswers {
			clear(f.byKey)
		}
		a = encode()
		f.byKey[key] = a
	}
	return a
}

func (c *Cluster) encodeAll(img *image.Image, v *view, key fullKey) *fullAnswer {
	w := newMetadataWriter(key.version, v, key.topicOps)
	w.brokers(c.ID)
	before := w.b
	w.b = make([]byte, 0, 64*(img.Topics.Len()+img.Topics.PartitionCount()))
	w.arrayLen(img.Topics.Len())
	img.Topics.Each(func(t *image.Topic) bool {
		w.topic(t)
		return true
	})
	w.end(key.clusterOps)
	return &fullAnswer{before, slices.Clip(w.b)}
}
