package image

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Partition is one partition's registration. The slices are read-only and may
// be shared with other partitions.
type Partition struct {
	// Replicas are the assigned brokers, the preferred leader first.
	Replicas []ids.NodeID
	// Directories[i] is the log directory of Replicas[i]; same length always
	// (UnassignedDir where the metadata version or the broker does not say).
	Directories []ids.DirectoryID
	// ISR ⊆ Replicas.
	ISR []ids.NodeID
	// Adding and Removing are the replicas a reassignment under way adds and removes.
	Adding, Removing []ids.NodeID
	// ELR and LastKnownELR: replicas out of the ISR that still hold every
	// committed record, and the last members before ISR and ELR ran empty (KIP-966).
	ELR, LastKnownELR []ids.NodeID
	// Leader is NoNode while there is none.
	Leader ids.NodeID
	// LeaderEpoch grows with every change of leader (and of ISR shrinks, as Kafka does).
	LeaderEpoch ids.LeaderEpoch
	// PartitionEpoch grows by one with every change.
	PartitionEpoch int32
	// Recovering: the leader was elected uncleanly and has not yet recovered.
	Recovering bool
}

// HasLeader tells whether the partition can be written to.
func (p *Partition) HasLeader() bool { return p.Leader != ids.NoNode }

// DirectoryOf returns the log directory in which broker keeps its replica, or
// false when the broker is none of the replicas.
func (p *Partition) DirectoryOf(broker ids.NodeID) (ids.DirectoryID, bool) {
	for i, r := range p.Replicas {
		if r == broker && i < len(p.Directories) {
			return p.Directories[i], true
		}
	}
	return ids.UnassignedDir, false
}

// Topic is one topic. Partitions[i] is partition i; an entry is nil only while
// a snapshot is being replayed out of order, never in an applied image of a
// sound log.
type Topic struct {
	Name       string
	ID         ids.TopicID
	Partitions []*Partition
}

// Internal tells whether the topic holds a coordinator's state.
func (t *Topic) Internal() bool { return IsInternalTopic(t.Name) }

// Partition returns partition i, or nil when there is none.
func (t *Topic) Partition(i int32) *Partition {
	if i < 0 || int(i) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[i]
}

// The coordinators' topics.
const (
	GroupTopic = "__consumer_offsets"
	TxnTopic   = "__transaction_state"
	ShareTopic = "__share_group_state"
)

// IsInternalTopic tells whether name is a coordinator's topic.
func IsInternalTopic(name string) bool {
	return name == GroupTopic || name == TxnTopic || name == ShareTopic
}

// Topics are all topics. The zero value is empty.
type Topics struct {
	byName btree.Map[string, *Topic]
	// byID is keyed by a 64-bit fold of the id, which orders and hashes faster
	// than 16 bytes; the slice holds the (practically never) several topics of one fold.
	byID btree.Map[uint64, []*Topic]
	// folded finds the names with '.' or '_' by their folded form, see Colliding.
	folded     btree.Map[string, []string]
	partitions int
}

func foldID(id ids.TopicID) uint64 {
	return binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
}

// ByName returns the topic of that name, or nil.
func (t *Topics) ByName(name string) *Topic {
	topic, _ := t.byName.Get(name)
	return topic
}

// ByID returns the topic with that id, or nil.
func (t *Topics) ByID(id ids.TopicID) *Topic {
	bucket, _ := t.byID.Get(foldID(id))
	for _, topic := range bucket {
		if topic.ID == id {
			return topic
		}
	}
	return nil
}

// Partition returns a partition by the topic's name, or nil.
func (t *Topics) Partition(tp ids.TopicPartition) *Partition {
	if topic := t.ByName(tp.Topic); topic != nil {
		return topic.Partition(tp.Partition)
	}
	return nil
}

// Each calls f for every topic in the order of names until f returns false.
func (t *Topics) Each(f func(*Topic) bool) {
	t.byName.Scan(func(_ string, topic *Topic) bool { return f(topic) })
}

// EachFrom is Each from the first name ≥ from.
func (t *Topics) EachFrom(from string, f func(*Topic) bool) {
	t.byName.Ascend(from, func(_ string, topic *Topic) bool { return f(topic) })
}

// Len is the number of topics.
func (t *Topics) Len() int { return t.byName.Len() }

// PartitionCount is the number of partitions of all topics.
func (t *Topics) PartitionCount() int { return t.partitions }

// copy is O(1); both sides copy the nodes they later write to.
func (t *Topics) copy() *Topics {
	return &Topics{byName: *t.byName.Copy(), byID: *t.byID.Copy(), folded: *t.folded.Copy(), partitions: t.partitions}
}

func (t *Topics) set(topic *Topic) {
	old, replaced := t.byName.Set(topic.Name, topic)
	t.partitions += len(topic.Partitions)
	switch {
	case replaced && old.ID == topic.ID:
		t.replaceID(old, topic)
		return
	case replaced:
		t.dropID(old)
	case folds(topic.Name):
		k := foldName(topic.Name)
		names, _ := t.folded.Get(k)
		t.folded.Set(k, append(names[:len(names):len(names)], topic.Name))
	}
	key := foldID(topic.ID)
	bucket, _ := t.byID.Get(key)
	t.byID.Set(key, append(bucket[:len(bucket):len(bucket)], topic))
}

// replaceID puts topic where old was, which has the same id.
func (t *Topics) replaceID(old, topic *Topic) {
	t.partitions -= len(old.Partitions)
	key := foldID(topic.ID)
	bucket, _ := t.byID.Get(key)
	bucket = slices.Clone(bucket)
	bucket[slices.Index(bucket, old)] = topic
	t.byID.Set(key, bucket)
}

func (t *Topics) remove(topic *Topic) {
	if cur, ok := t.byName.Get(topic.Name); ok && cur.ID == topic.ID {
		t.byName.Delete(topic.Name)
		t.dropID(cur)
		t.dropFolded(topic.Name)
	}
}

func (t *Topics) dropID(topic *Topic) {
	key := foldID(topic.ID)
	bucket, _ := t.byID.Get(key)
	var rest []*Topic
	for _, other := range bucket {
		if other.ID != topic.ID {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		t.byID.Delete(key)
	} else {
		t.byID.Set(key, rest)
	}
	t.partitions -= len(topic.Partitions)
}

// folds tells whether a name has characters that metric names cannot tell apart.
func folds(name string) bool { return strings.ContainsAny(name, "._") }

func foldName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// Colliding returns a topic whose name is the same as name in metrics, where
// '.' becomes '_'.
func (t *Topics) Colliding(name string) (string, bool) {
	if !folds(name) {
		return "", false
	}
	names, _ := t.folded.Get(foldName(name))
	if len(names) == 0 {
		return "", false
	}
	return names[0], true
}

func (t *Topics) dropFolded(name string) {
	if !folds(name) {
		return
	}
	k := foldName(name)
	names, _ := t.folded.Get(k)
	rest := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	if len(rest) == 0 {
		t.folded.Delete(k)
	} else {
		t.folded.Set(k, rest)
	}
}
