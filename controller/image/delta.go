package image

import (
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// ErrReplay is wrapped by every error of Replay and FinishSnapshot: the records
// contradict the image. The log or the code is broken.
var ErrReplay = errors.New("metadata record does not fit the image")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrReplay, fmt.Sprintf(format, args...))
}

// Delta collects what records change on top of a base image. After Apply it
// says what changed, old and new side by side.
//
// The part deltas are nil where nothing changed. Lists are valid after Apply
// and sorted, so that publishers act in the same order everywhere.
type Delta struct {
	base     *Image
	snapshot bool

	topicsEdit  *topicsEdit
	brokers     *edit[ids.NodeID, *Broker]
	controllers *edit[ids.NodeID, *Controller]
	values      *edit[string, map[string]string]
	levels      *edit[string, int16]
	quotas      *edit[string, *Quota]
	acls        *edit[string, *ACL]
	scram       *edit[string, *ScramCredential]
	tokens      *edit[string, *Token]
	producerIDs ProducerIDs
	sawIDs      bool

	topics   *TopicsDelta
	cluster  *ClusterDelta
	configs  *ConfigsDelta
	features *FeaturesDelta
	other    otherChanges
}

type otherChanges struct {
	quotas []Change[*Quota]
	acls   []Change[*ACL]
	scram  []Change[*ScramCredential]
	tokens []Change[*Token]
}

// NewDelta opens a delta on base for records of the log.
func NewDelta(base *Image) *Delta {
	return &Delta{
		base:        base,
		topicsEdit:  newTopicsEdit(base.Topics, false),
		brokers:     newEdit(&base.Cluster.brokers),
		controllers: newEdit(&base.Cluster.controllers),
		values:      newEdit(&base.Configs.byResource),
		levels:      newEdit(&base.Features.levels),
		quotas:      newEdit(&base.ClientQuotas.byEntity),
		acls:        newEdit(&base.ACLs.byID),
		scram:       newEdit(&base.Scram.byUser),
		tokens:      newEdit(&base.Tokens.byID),
		producerIDs: base.ProducerIDs,
	}
}

// NewSnapshotDelta opens a delta on base for the records of a whole snapshot,
// which replaces base. FinishSnapshot must follow the last record.
func NewSnapshotDelta(base *Image) *Delta {
	d := NewDelta(base)
	d.snapshot = true
	d.topicsEdit = newTopicsEdit(base.Topics, true)
	return d
}

// Base is the image the delta was opened on.
func (d *Delta) Base() *Image { return d.base }

// IsSnapshot tells whether the delta stands for the step to a snapshot.
func (d *Delta) IsSnapshot() bool { return d.snapshot }

// FinishSnapshot removes what base has and the snapshot has not.
func (d *Delta) FinishSnapshot() error {
	d.brokers.removeUnseen()
	d.controllers.removeUnseen()
	d.values.removeUnseen()
	d.levels.removeUnseen()
	d.quotas.removeUnseen()
	d.acls.removeUnseen()
	d.scram.removeUnseen()
	d.tokens.removeUnseen()
	if !d.sawIDs {
		d.producerIDs = ProducerIDs{}
	}
	return d.topicsEdit.finishSnapshot()
}

// Apply makes the next image. The delta takes no more records.
func (d *Delta) Apply(p Provenance) *Image {
	next := *d.base
	next.Provenance = p
	next.ProducerIDs = d.producerIDs
	next.Topics, d.topics = d.topicsEdit.apply()
	d.applyCluster(&next)
	d.applyConfigs(&next)
	if len(d.quotas.to) > 0 {
		next.ClientQuotas = &ClientQuotas{}
		next.ClientQuotas.byEntity, d.other.quotas = d.quotas.apply(sameIf[*Quota](d.snapshot))
	}
	if len(d.acls.to) > 0 {
		next.ACLs = &ACLs{}
		next.ACLs.byID, d.other.acls = d.acls.apply(sameIf[*ACL](d.snapshot))
	}
	if len(d.scram.to) > 0 {
		next.Scram = &Scram{}
		next.Scram.byUser, d.other.scram = d.scram.apply(sameIf[*ScramCredential](d.snapshot))
	}
	if len(d.tokens.to) > 0 {
		next.Tokens = &Tokens{}
		next.Tokens.byID, d.other.tokens = d.tokens.apply(sameIf[*Token](d.snapshot))
	}
	return &next
}

// sameIf returns the comparison that keeps what a snapshot merely repeats from
// being shown as a change. Records of the log are changes even if they repeat.
func sameIf[V any](snapshot bool) func(a, b V) bool {
	if !snapshot {
		return nil
	}
	return func(a, b V) bool { return reflect.DeepEqual(a, b) }
}

func (d *Delta) applyCluster(next *Image) {
	if len(d.brokers.to)+len(d.controllers.to) == 0 {
		return
	}
	cluster, delta := &Cluster{}, &ClusterDelta{}
	cluster.brokers, delta.Brokers = d.brokers.apply(sameIf[*Broker](d.snapshot))
	cluster.controllers, delta.Controllers = d.controllers.apply(sameIf[*Controller](d.snapshot))
	next.Cluster = cluster
	if len(delta.Brokers)+len(delta.Controllers) > 0 {
		d.cluster = delta
	}
}

func (d *Delta) applyConfigs(next *Image) {
	if len(d.values.to) > 0 {
		configs, delta := &Configs{}, &ConfigsDelta{}
		for _, k := range sortedKeys(d.values.to) {
			if s := d.values.to[k]; s.present && len(s.v) == 0 {
				d.values.remove(k)
			}
		}
		var same func(a, b map[string]string) bool
		if d.snapshot {
			same = maps.Equal[map[string]string, map[string]string]
		}
		configs.byResource, _ = d.values.apply(same)
		for _, k := range sortedKeys(d.values.to) {
			old, _ := d.base.Configs.byResource.Get(k)
			now, _ := configs.byResource.Get(k)
			if old == nil && now == nil || d.snapshot && maps.Equal(old, now) {
				continue
			}
			delta.Changed = append(delta.Changed, ConfigChange{resourceOf(k), old, now})
		}
		next.Configs = configs
		if len(delta.Changed) > 0 {
			d.configs = delta
		}
	}
	if len(d.levels.to) > 0 {
		features, delta := &Features{Changed: next.Provenance.Last.Offset}, &FeaturesDelta{}
		features.levels, _ = d.levels.apply(nil)
		for _, k := range sortedKeys(d.levels.to) {
			if old, now := d.base.Features.Level(k), features.Level(k); old != now {
				delta.Changed = append(delta.Changed, FeatureChange{k, old, now})
			}
		}
		next.Features = features
		if len(delta.Changed) > 0 {
			d.features = delta
		}
	}
}

// Replay takes one record. Records that say nothing about metadata (NoOp, the
// marks of metadata transactions, ZooKeeper migration) are passed over: whoever
// reads the log keeps transactions back until they end.
func (d *Delta) Replay(rec records.Record) error {
	switch r := rec.(type) {
	case *records.TopicRecord:
		return d.topicsEdit.create(r)
	case *records.PartitionRecord:
		return d.topicsEdit.partition(r)
	case *records.PartitionChangeRecord:
		return d.topicsEdit.change(r)
	case *records.RemoveTopicRecord:
		return d.removeTopic(r)
	case *records.ClearELRRecord:
		return d.topicsEdit.clearELR(r.TopicName)
	case *records.ConfigRecord:
		return d.replayConfig(r)
	case *records.FeatureLevelRecord:
		return d.replayFeature(r)
	case *records.ProducerIDsRecord:
		return d.replayProducerIDs(r)
	case *records.NoOpRecord, *records.BeginTransactionRecord, *records.EndTransactionRecord,
		*records.AbortTransactionRecord, *records.ZKMigrationStateRecord:
		return nil
	}
	if known, err := d.replayNode(rec); known {
		return err
	}
	return d.replaySecurity(rec)
}

func (d *Delta) replayNode(rec records.Record) (known bool, err error) {
	switch r := rec.(type) {
	case *records.RegisterBrokerRecord:
		return true, d.registerBroker(r)
	case *records.UnregisterBrokerRecord:
		return true, d.unregisterBroker(r)
	case *records.FenceBrokerRecord:
		return true, d.fence(r.ID, r.Epoch, true)
	case *records.UnfenceBrokerRecord:
		return true, d.fence(r.ID, r.Epoch, false)
	case *records.BrokerRegistrationChangeRecord:
		return true, d.changeRegistration(r)
	case *records.RegisterControllerRecord:
		return true, d.registerController(r)
	}
	return false, nil
}

func (d *Delta) replaySecurity(rec records.Record) error {
	switch r := rec.(type) {
	case *records.ClientQuotaRecord:
		return d.replayQuota(r)
	case *records.AccessControlEntryRecord:
		return d.replayACL(r)
	case *records.RemoveAccessControlEntryRecord:
		return d.removeACL(r)
	case *records.UserScramCredentialRecord:
		return d.replayScram(r)
	case *records.RemoveUserScramCredentialRecord:
		return d.removeScram(r)
	case *records.DelegationTokenRecord:
		return d.replayToken(r)
	case *records.RemoveDelegationTokenRecord:
		return d.removeToken(r)
	}
	return refuse("unknown record %T", rec)
}
