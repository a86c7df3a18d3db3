package image

import (
	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Features are the finalized feature levels. The zero value is empty.
type Features struct {
	levels btree.Map[string, int16]
	// Changed is the end of the step of the metadata that last changed a level, as
	// this node was told it; 0 before the first.
	Changed ids.Offset
}

// Level returns the finalized level of a feature, 0 when it is not finalized.
func (f *Features) Level(name string) int16 {
	l, _ := f.levels.Get(name)
	return l
}

// MetadataVersion is the level of metadata.version; 0 before it was ever set.
func (f *Features) MetadataVersion() MetadataVersion {
	return MetadataVersion(f.Level(MetadataVersionFeature))
}

// Each goes through all finalized features by name, metadata.version among
// them, until f returns false.
func (f *Features) Each(fn func(name string, level int16) bool) { f.levels.Scan(fn) }

// IsEmpty tells whether nothing is finalized.
func (f *Features) IsEmpty() bool { return f.levels.Len() == 0 }

// ELR tells whether eligible leader replicas are kept.
func (f *Features) ELR() bool { return f.Level(ELRVersionFeature) >= 1 }

// replayFeature refuses a metadata.version that is not known here: its records
// could not be understood. A level of kraft.version is passed over: the quorum's own
// records hold that, and what Apache Kafka 4.0 formatted has a copy here that never
// changes (KAFKA-18979).
func (d *Delta) replayFeature(r *records.FeatureLevelRecord) error {
	if r.Name == KRaftVersionFeature {
		return nil
	}
	if r.Name == MetadataVersionFeature && !MetadataVersion(r.FeatureLevel).Known() {
		return refuse("metadata.version %d is not supported", r.FeatureLevel)
	}
	if r.FeatureLevel < 0 {
		return refuse("level %d of %s", r.FeatureLevel, r.Name)
	}
	if r.FeatureLevel == 0 {
		d.levels.remove(r.Name)
	} else {
		d.levels.set(r.Name, r.FeatureLevel)
	}
	return nil
}
