package image

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// world draws records that fit what was drawn before. It keeps only names and
// counts, so that it cannot share a mistake with the image.
type world struct {
	t       *rapid.T
	topics  []worldTopic
	brokers map[ids.NodeID]int64
	next    uint16
	pid     int64
	acls    []ids.UUID
	scram   []string
	tokens  []string
}

type worldTopic struct {
	name  string
	id    ids.TopicID
	parts int32
}

func newWorld(t *rapid.T) *world { return &world{t: t, brokers: map[ids.NodeID]int64{}} }

func (w *world) n(max int, what string) int { return rapid.IntRange(0, max).Draw(w.t, what) }

func (w *world) fresh() uint16 { w.next++; return w.next }

func (w *world) nodes() []ids.NodeID {
	out := []ids.NodeID{}
	for i := w.n(3, "replicas"); i >= 0; i-- {
		out = append(out, ids.NodeID(i*w.n(2, "node")+1))
	}
	return out
}

func (w *world) maybeNodes() []ids.NodeID {
	if w.n(1, "nil") == 0 {
		return nil
	}
	return w.nodes()[w.n(1, "empty"):]
}

// step draws the records of one operation. The first sets the latest metadata
// version, as every log does, so that the newest record versions may be written.
func (w *world) step() []records.Versioned {
	if w.next == 0 {
		w.fresh()
		return []records.Versioned{{Record: &records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: int16(LatestMetadataVersion)}},
			{Record: &records.FeatureLevelRecord{Name: ELRVersionFeature, FeatureLevel: 1}}}
	}
	switch w.n(9, "op") {
	case 0, 1:
		return w.createTopic()
	case 2, 3, 4:
		return w.changeTopic()
	case 5, 6:
		return w.node()
	case 7:
		return w.config()
	case 8:
		w.pid += int64(w.n(1000, "pids"))
		return one(&records.ProducerIDsRecord{NextProducerID: w.pid}, 0)
	}
	return w.security()
}

func one(r records.Record, v int16) []records.Versioned {
	return []records.Versioned{{Record: r, Version: v}}
}

func (w *world) createTopic() []records.Versioned {
	n := w.fresh()
	topic := worldTopic{name: fmt.Sprintf("t%d", n), id: ids.TopicID{byte(n >> 8), byte(n), 9: byte(n)}}
	if w.n(3, "again") == 0 && len(w.topics) > 0 {
		old := w.topics[0]
		w.topics = w.topics[1:]
		topic.name = old.name
		out := one(&records.RemoveTopicRecord{TopicID: old.id}, 0)
		return append(out, w.fill(topic)...)
	}
	return w.fill(topic)
}

func (w *world) fill(topic worldTopic) []records.Versioned {
	out := one(&records.TopicRecord{Name: topic.name, TopicID: topic.id}, 0)
	for i := w.n(3, "partitions"); i >= 0; i-- {
		out = append(out, w.partition(&topic))
	}
	w.topics = append(w.topics, topic)
	return out
}

func (w *world) partition(topic *worldTopic) records.Versioned {
	r := &records.PartitionRecord{PartitionID: topic.parts, TopicID: topic.id, Replicas: w.nodes(), ISR: w.nodes(), Leader: 1,
		AddingReplicas: w.maybeNodes(), EligibleLeaderReplicas: w.maybeNodes(), LeaderRecoveryState: int8(w.n(1, "recovering"))}
	for range r.Replicas {
		r.Directories = append(r.Directories, ids.DirectoryID{byte(w.n(2, "dir")), 3})
	}
	topic.parts++
	return records.Versioned{Record: r, Version: 2}
}

func (w *world) changeTopic() []records.Versioned {
	if len(w.topics) == 0 {
		return w.createTopic()
	}
	topic := &w.topics[w.n(len(w.topics)-1, "topic")]
	switch w.n(5, "change") {
	case 0:
		return []records.Versioned{w.partition(topic)}
	case 1:
		return one(&records.ClearELRRecord{TopicName: []string{"", topic.name}[w.n(1, "all")]}, 0)
	}
	r := &records.PartitionChangeRecord{TopicID: topic.id, PartitionID: int32(w.n(int(topic.parts)-1, "partition")), ISR: w.maybeNodes(),
		Leader: ids.NodeID(w.n(4, "leader") - 2), LeaderRecoveryState: int8(w.n(2, "recovery") - 1),
		EligibleLeaderReplicas: w.maybeNodes(), LastKnownELR: w.maybeNodes(), RemovingReplicas: w.maybeNodes()}
	if w.n(2, "move") == 0 {
		r.Replicas = w.nodes()
		r.Directories = make([]ids.DirectoryID, len(r.Replicas))
	}
	return one(r, 2)
}

func (w *world) node() []records.Versioned {
	id := ids.NodeID(w.n(3, "broker"))
	epoch, registered := w.brokers[id]
	if !registered || w.n(3, "register") == 0 {
		w.brokers[id] = int64(w.fresh())
		r := &records.RegisterBrokerRecord{BrokerID: id, BrokerEpoch: w.brokers[id], Fenced: true, LogDirs: []ids.DirectoryID{{9}, {5}},
			EndPoints: []records.BrokerEndpoint{{Name: "PLAINTEXT", Host: "h", Port: 9092}},
			Features:  []records.BrokerFeature{{Name: "z", MaxSupportedVersion: 2}, {Name: "a"}}}
		return one(r, 4)
	}
	switch w.n(5, "change") {
	case 0:
		delete(w.brokers, id)
		return one(&records.UnregisterBrokerRecord{BrokerID: id, BrokerEpoch: epoch}, 0)
	case 1:
		return one(&records.FenceBrokerRecord{ID: id, Epoch: epoch}, 0)
	case 2:
		return one(&records.UnfenceBrokerRecord{ID: id, Epoch: epoch}, 0)
	case 3:
		return one(&records.RegisterControllerRecord{ControllerID: id, EndPoints: []records.ControllerEndpoint{{Name: "C"}}}, 0)
	}
	return one(&records.BrokerRegistrationChangeRecord{BrokerID: id, BrokerEpoch: epoch, Fenced: int8(w.n(2, "fenced") - 1),
		InControlledShutdown: int8(w.n(1, "shutdown")), CordonedLogDirs: []ids.DirectoryID{{7}}}, 3)
}

func (w *world) config() []records.Versioned {
	r := &records.ConfigRecord{ResourceType: []int8{TopicResource, BrokerResource, GroupResource}[w.n(2, "type")],
		ResourceName: []string{"", "t2", "t3"}[w.n(2, "resource")], Name: []string{"a", "b"}[w.n(1, "key")]}
	if v := fmt.Sprint(w.n(2, "value")); v != "0" {
		r.Value = &v
	}
	return one(r, 0)
}

func (w *world) security() []records.Versioned {
	n := w.fresh()
	name := fmt.Sprintf("u%d", n%5)
	switch w.n(6, "security") {
	case 0:
		id := ids.UUID{byte(n >> 8), byte(n)}
		w.acls = append(w.acls, id)
		return one(&records.AccessControlEntryRecord{ID: id, Principal: name}, 0)
	case 1:
		if len(w.acls) > 0 {
			id := w.acls[0]
			w.acls = w.acls[1:]
			return one(&records.RemoveAccessControlEntryRecord{ID: id}, 0)
		}
	case 2:
		w.scram = append(w.scram, fmt.Sprint("s", n))
		return one(&records.UserScramCredentialRecord{Name: fmt.Sprint("s", n), Mechanism: 1, Salt: []byte{1}, StoredKey: []byte{2}, ServerKey: []byte{3}}, 0)
	case 3:
		if len(w.scram) > 0 {
			s := w.scram[0]
			w.scram = w.scram[1:]
			return one(&records.RemoveUserScramCredentialRecord{Name: s, Mechanism: 1}, 0)
		}
	case 4:
		w.tokens = append(w.tokens, fmt.Sprint("k", n))
		return one(&records.DelegationTokenRecord{TokenID: fmt.Sprint("k", n), Owner: name, Renewers: []string{"a"}}, 0)
	case 5:
		if len(w.tokens) > 0 {
			s := w.tokens[0]
			w.tokens = w.tokens[1:]
			return one(&records.RemoveDelegationTokenRecord{TokenID: s}, 0)
		}
	}
	return one(&records.ClientQuotaRecord{Entity: []records.EntityData{{EntityType: "user", EntityName: &name}, {EntityType: "client-id"}},
		Key: []string{"rate", "pct"}[w.n(1, "key")], Value: float64(n), Remove: w.n(2, "remove") == 0}, 0)
}
