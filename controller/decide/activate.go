package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
)

// Bootstrap is what a new cluster starts with: the records of bootstrap.checkpoint.
type Bootstrap struct {
	Records []records.Versioned
	// Source says in the log where they come from.
	Source string
}

// level is the last level the records give to a feature.
func (b Bootstrap) level(feature string) int16 {
	level := int16(0)
	for _, v := range b.Records {
		if f, ok := v.Record.(*records.FeatureLevelRecord); ok && f.Name == feature {
			level = f.FeatureLevel
		}
	}
	return level
}

// Activate says what a controller appends first when it becomes the active one.
// An empty log gets the bootstrap records, in one transaction so that nobody
// sees half of them. A transaction that a former active controller left open is
// aborted: nobody else can end it.
func Activate(e *Env, boot Bootstrap, openTransaction bool) Decision {
	reason := "Controller failover"
	var d Decision
	if mv := e.mv(); mv > 0 {
		if openTransaction {
			d.add(&records.AbortTransactionRecord{Reason: &reason}, 0)
		}
		return d
	}
	inTransaction := image.MetadataVersion(boot.level(image.MetadataVersionFeature)).SupportsTransactions()
	if openTransaction {
		d.add(&records.AbortTransactionRecord{Reason: &reason}, 0)
	}
	if inTransaction {
		name := "Bootstrap records"
		d.add(&records.BeginTransactionRecord{Name: &name}, 0)
	}
	d.Records = append(d.Records, boot.Records...)
	if boot.level(image.ELRVersionFeature) > 0 {
		value := e.staticMinISR()
		d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, Name: minISRKey, Value: &value}, 0)
	}
	if inTransaction {
		d.add(&records.EndTransactionRecord{}, 0)
	}
	d.Atomic = !inTransaction
	return d
}

// NewBootstrap makes the records for a cluster that is formatted at mv with the
// given features (DefaultFeatureLevels of mv unless told otherwise); extra
// records, SCRAM credentials for instance, come behind.
func NewBootstrap(mv image.MetadataVersion, features []image.NamedLevel, extra []records.Versioned, source string) Bootstrap {
	b := Bootstrap{Source: source}
	add := func(name string, level int16) {
		b.Records = append(b.Records, records.Versioned{Record: &records.FeatureLevelRecord{Name: name, FeatureLevel: level}})
	}
	add(image.MetadataVersionFeature, int16(mv))
	for _, f := range features {
		add(f.Name, f.Level)
	}
	b.Records = append(b.Records, extra...)
	return b
}
