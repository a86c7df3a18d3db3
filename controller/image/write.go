package image

import (
	"iter"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Records yields the whole image as records of a snapshot, in the order in which
// Kafka writes them: metadata.version first, because it says how to read the
// rest, then the other features, nodes, topics, configurations, quotas,
// producer ids, ACLs, credentials and tokens. Record versions are those of the
// image's metadata.version; what that version cannot say is left out. A record of
// a partition is valid until the next is asked for.
func (i *Image) Records() iter.Seq[records.Versioned] {
	return func(yield func(records.Versioned) bool) {
		w := &writer{yield: yield, mv: i.Features.MetadataVersion(), elr: i.Features.ELR()}
		if w.mv < MinMetadataVersion {
			w.mv = MinMetadataVersion
		}
		i.write(w)
	}
}

// writer passes records on until the reader has had enough.
type writer struct {
	yield func(records.Versioned) bool
	mv    MetadataVersion
	elr   bool
	done  bool
	// partition is what all partitions are told with.
	partition records.PartitionRecord
}

// put returns false when no more records are wanted, as the Each functions expect.
func (w *writer) put(rec records.Record, version int16) bool {
	if !w.done && !w.yield(records.Versioned{Record: rec, Version: version}) {
		w.done = true
	}
	return !w.done
}

func (i *Image) write(w *writer) {
	i.Features.write(w)
	i.Cluster.EachBroker(func(b *Broker) bool { return w.put(b.Record(w.mv), w.mv.RegisterBrokerVersion()) })
	if w.mv.SupportsControllerRegistration() {
		i.Cluster.EachController(func(c *Controller) bool { return w.put(c.Record(), 0) })
	}
	i.Topics.Each(func(t *Topic) bool { return t.write(w) })
	i.Configs.Each(func(r Resource, values map[string]string) bool {
		for _, name := range sortedKeys(values) {
			value := values[name]
			if !w.put(&records.ConfigRecord{ResourceType: r.Type, ResourceName: r.Name, Name: name, Value: &value}, 0) {
				return false
			}
		}
		return true
	})
	i.ClientQuotas.Each(func(q *Quota) bool { return q.write(w) })
	if i.ProducerIDs.Next > 0 {
		w.put(&records.ProducerIDsRecord{BrokerID: ids.NoNode, BrokerEpoch: -1, NextProducerID: i.ProducerIDs.Next}, 0)
	}
	i.writeSecurity(w)
}

func (i *Image) writeSecurity(w *writer) {
	i.ACLs.Each(func(a *ACL) bool {
		return w.put(&records.AccessControlEntryRecord{
			ID: a.ID, ResourceType: a.ResourceType, ResourceName: a.ResourceName, PatternType: a.PatternType,
			Principal: a.Principal, Host: a.Host, Operation: a.Operation, PermissionType: a.Permission,
		}, 0)
	})
	if w.mv.SupportsScram() {
		i.Scram.Each(func(c *ScramCredential) bool {
			return w.put(&records.UserScramCredentialRecord{
				Name: c.User, Mechanism: c.Mechanism, Salt: c.Salt, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Iterations: c.Iterations,
			}, 0)
		})
	}
	if w.mv.SupportsTokens() {
		i.Tokens.Each(func(t *Token) bool {
			return w.put(&records.DelegationTokenRecord{
				Owner: t.Owner, Requester: t.Requester, Renewers: t.Renewers, TokenID: t.ID,
				IssueTimestamp: t.IssueTime, MaxTimestamp: t.MaxTime, ExpirationTimestamp: t.ExpiryTime,
			}, 0)
		})
	}
}

func (f *Features) write(w *writer) {
	if mv := f.Level(MetadataVersionFeature); mv > 0 {
		w.put(&records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: mv}, 0)
	}
	f.Each(func(name string, level int16) bool {
		return name == MetadataVersionFeature || w.put(&records.FeatureLevelRecord{Name: name, FeatureLevel: level}, 0)
	})
}

// Record is the registration as a record for metadata version mv.
func (b *Broker) Record(mv MetadataVersion) *records.RegisterBrokerRecord {
	r := &records.RegisterBrokerRecord{
		BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch, Rack: b.Rack,
		Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown,
	}
	if mv.SupportsDirectories() {
		r.LogDirs = b.Directories
	}
	if mv.SupportsCordonedDirs() {
		r.CordonedLogDirs = b.CordonedDirs
	}
	for _, e := range b.Endpoints {
		r.EndPoints = append(r.EndPoints, records.BrokerEndpoint{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.SecurityProtocol})
	}
	for _, f := range b.Features {
		r.Features = append(r.Features, records.BrokerFeature{Name: f.Feature, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	return r
}

// Record is the registration as a record.
func (c *Controller) Record() *records.RegisterControllerRecord {
	r := &records.RegisterControllerRecord{ControllerID: c.ID, IncarnationID: c.Incarnation, ZKMigrationReady: c.ZKMigrationReady}
	for _, e := range c.Endpoints {
		r.EndPoints = append(r.EndPoints, records.ControllerEndpoint{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.SecurityProtocol})
	}
	for _, f := range c.Features {
		r.Features = append(r.Features, records.ControllerFeature{Name: f.Feature, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	return r
}

func (t *Topic) write(w *writer) bool {
	if !w.put(&records.TopicRecord{Name: t.Name, TopicID: t.ID}, 0) {
		return false
	}
	for i, p := range t.Partitions {
		p.record(&w.partition, t.ID, int32(i), w.mv, w.elr)
		if !w.put(&w.partition, w.mv.PartitionVersion()) {
			return false
		}
	}
	return true
}

// Record is the partition as a record for metadata version mv; elr tells
// whether eligible leaders are kept.
func (p *Partition) Record(topic ids.TopicID, index int32, mv MetadataVersion, elr bool) *records.PartitionRecord {
	r := &records.PartitionRecord{}
	p.record(r, topic, index, mv, elr)
	return r
}

func (p *Partition) record(r *records.PartitionRecord, topic ids.TopicID, index int32, mv MetadataVersion, elr bool) {
	*r = records.PartitionRecord{
		PartitionID: index, TopicID: topic, Replicas: p.Replicas, ISR: p.ISR,
		RemovingReplicas: p.Removing, AddingReplicas: p.Adding,
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
	}
	if p.Recovering {
		r.LeaderRecoveryState = recovering
	}
	if mv.SupportsDirectories() {
		r.Directories = p.Directories
	}
	if elr && len(p.ELR) > 0 {
		r.EligibleLeaderReplicas = p.ELR
	}
	if elr && len(p.LastKnownELR) > 0 {
		r.LastKnownELR = p.LastKnownELR
	}
}

func (q *Quota) write(w *writer) bool {
	var entity []records.EntityData
	for _, p := range q.Entity {
		entity = append(entity, records.EntityData{EntityType: p.Type, EntityName: p.Name})
	}
	for _, k := range sortedKeys(q.Values) {
		if !w.put(&records.ClientQuotaRecord{Entity: entity, Key: k, Value: q.Values[k]}, 0) {
			return false
		}
	}
	return true
}
