package image

import "github.com/gregorbroker/gregor/protocol/ids"

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

// BrokerChange is one broker before and after; Old nil: new, New nil: unregistered.
type BrokerChange = Change[*Broker]

// ControllerChange is one controller before and after.
type ControllerChange = Change[*Controller]

// ClusterDelta are the changed registrations.
type ClusterDelta struct {
	Brokers     []BrokerChange     // by id
	Controllers []ControllerChange // by id
}

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

// Topics says which topics and partitions changed; nil when none did.
func (d *Delta) Topics() *TopicsDelta { return d.topics }

// Cluster says which registrations changed; nil when none did.
func (d *Delta) Cluster() *ClusterDelta { return d.cluster }

// Configs says which resources' values changed; nil when none did.
func (d *Delta) Configs() *ConfigsDelta { return d.configs }

// Features says which levels changed; nil when none did.
func (d *Delta) Features() *FeaturesDelta { return d.features }

// Quotas says which entities' limits changed, by entity.
func (d *Delta) Quotas() []Change[*Quota] { return d.other.quotas }

// ACLs says which entries came and went, by id.
func (d *Delta) ACLs() []Change[*ACL] { return d.other.acls }

// Scram says which credentials changed, by mechanism and user.
func (d *Delta) Scram() []Change[*ScramCredential] { return d.other.scram }

// Tokens says which delegation tokens changed, by id.
func (d *Delta) Tokens() []Change[*Token] { return d.other.tokens }

// LocalChanges is TopicsDelta seen by one broker. A partition is in at most one
// of the lists for one topic id.
type LocalChanges struct {
	// Deleted are the partitions the broker must drop: their topic is gone, or
	// it is no replica any more.
	Deleted []LocalPartition
	// Leaders and Followers are the partitions that changed and that the broker
	// leads or follows now. Old is nil when it was no replica before.
	Leaders, Followers []LocalPartition
}

// LocalPartition is a partition of LocalChanges. Topic and New are its new
// state; of a deleted one the last state (New is nil when its topic is gone).
type LocalPartition struct {
	Topic    *Topic
	Index    int32
	Old, New *Partition
}

// Local says what the delta means for one broker.
func (t *TopicsDelta) Local(broker ids.NodeID) LocalChanges {
	var out LocalChanges
	for _, topic := range t.Deleted {
		for i, p := range topic.Partitions {
			if p.Has(broker) {
				out.Deleted = append(out.Deleted, LocalPartition{topic, int32(i), p, nil})
			}
		}
	}
	for _, c := range t.Changed {
		for _, p := range c.Partitions {
			out.add(broker, c.New, p)
		}
	}
	return out
}

func (l *LocalChanges) add(broker ids.NodeID, topic *Topic, c PartitionChange) {
	p := LocalPartition{topic, c.Index, c.Old, c.New}
	if c.Old != nil && !c.Old.Has(broker) {
		p.Old = nil
	}
	switch {
	case c.New.Leader == broker:
		l.Leaders = append(l.Leaders, p)
	case c.New.Has(broker):
		l.Followers = append(l.Followers, p)
	case p.Old != nil:
		l.Deleted = append(l.Deleted, p)
	}
}
