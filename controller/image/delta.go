package image

import "github.com/gregorbroker/gregor/protocol/ids"

// Delta collects what records change on top of a base image. After Apply it
// says what changed, old and new side by side.
//
// The part deltas are nil where nothing changed. Lists are valid after Apply
// and sorted, so that publishers act in the same order everywhere.
type Delta struct {
	base     *Image
	next     *Image
	topics   *TopicsDelta
	cluster  *ClusterDelta
	configs  *ConfigsDelta
	features *FeaturesDelta
}

// NewDelta opens a delta on base.
func NewDelta(base *Image) *Delta { return &Delta{base: base} }

// Base is the image the delta was opened on.
func (d *Delta) Base() *Image { return d.base }

// Topics says which topics and partitions changed; nil when none did.
func (d *Delta) Topics() *TopicsDelta { return d.topics }

// Cluster says which registrations changed; nil when none did.
func (d *Delta) Cluster() *ClusterDelta { return d.cluster }

// Configs says which resources' values changed; nil when none did.
func (d *Delta) Configs() *ConfigsDelta { return d.configs }

// Features says which levels changed; nil when none did.
func (d *Delta) Features() *FeaturesDelta { return d.features }

// TopicsDelta are the changed topics.
type TopicsDelta struct {
	// Changed are the topics created or altered, by name.
	Changed []TopicChange
	// Deleted are the topics (as they were) that are gone, by name. A topic
	// deleted and created again under its name is in both lists, with two ids:
	// handle Deleted first.
	Deleted []*Topic
}

// TopicChange is one topic before and after.
type TopicChange struct {
	Old *Topic // nil: created
	New *Topic
	// Partitions are those created or altered, by index.
	Partitions []PartitionChange
}

// PartitionChange is one partition before and after; Old nil: created.
type PartitionChange struct {
	Index    int32
	Old, New *Partition
}

// ClusterDelta are the changed registrations.
type ClusterDelta struct {
	Brokers     []BrokerChange     // by id
	Controllers []ControllerChange // by id
}

// BrokerChange is one broker before and after; Old nil: new, New nil: unregistered.
type BrokerChange struct{ Old, New *Broker }

// ControllerChange is one controller before and after.
type ControllerChange struct{ Old, New *Controller }

// ConfigsDelta are the resources whose values changed.
type ConfigsDelta struct {
	Changed []ConfigChange // by type and name
}

// ConfigChange is a resource's values before and after; nil: none.
type ConfigChange struct {
	Resource Resource
	Old, New map[string]string
}

// FeaturesDelta are the changed levels.
type FeaturesDelta struct {
	Changed []FeatureChange // by name
}

// FeatureChange is a level before and after; 0: not finalized.
type FeatureChange struct {
	Name     string
	Old, New int16
}

// LocalChanges is TopicsDelta seen by one broker.
type LocalChanges struct {
	// Deleted are the partitions the broker must drop: their topic is gone, or
	// it is no replica any more.
	Deleted []LocalPartition
	// Leaders and Followers are the partitions the broker must (go on to) lead
	// or follow with the new state, as far as anything changed.
	Leaders, Followers []LocalPartition
}

// LocalPartition is a partition of LocalChanges. Partition is its new state,
// for a deleted one the old.
type LocalPartition struct {
	Topic     *Topic
	Index     int32
	Partition *Partition
}

// Local says what the delta means for one broker.
func (t *TopicsDelta) Local(broker ids.NodeID) LocalChanges { return LocalChanges{} }
