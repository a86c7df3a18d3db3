package image

import (
	"fmt"
	"sort"
)

// The features of Apache Kafka 4.3.1.
const (
	MetadataVersionFeature    = "metadata.version"
	KRaftVersionFeature       = "kraft.version"
	TransactionVersionFeature = "transaction.version"
	GroupVersionFeature       = "group.version"
	ELRVersionFeature         = "eligible.leader.replicas.version"
	ShareVersionFeature       = "share.version"
	StreamsVersionFeature     = "streams.version"
)

// FeatureLevel is one level of a feature.
type FeatureLevel struct {
	Level int16
	// Since is the metadata version from which a new cluster gets this level by default.
	Since MetadataVersion
	// NeedsMetadataVersion is the level of metadata.version without which this one cannot be set.
	NeedsMetadataVersion MetadataVersion
}

// Feature is a feature and its levels, lowest first.
type Feature struct {
	Name   string
	Levels []FeatureLevel
}

func levels(since ...MetadataVersion) []FeatureLevel {
	out := []FeatureLevel{{0, MinMetadataVersion, 0}}
	for i, v := range since {
		out = append(out, FeatureLevel{int16(i + 1), v, MinMetadataVersion})
	}
	return out
}

// features is the one table of what this version of gregor supports besides
// metadata.version, in the order of names. Everything that names features is
// derived from it: registrations, ApiVersions, UpdateFeatures, `gregor format`.
var features = []Feature{
	{ELRVersionFeature, []FeatureLevel{{0, MinMetadataVersion, 0}, {1, 26, 23}}},
	{GroupVersionFeature, levels(22)},
	{KRaftVersionFeature, levels(21)},
	{ShareVersionFeature, levels(28)},
	{StreamsVersionFeature, levels(29)},
	{TransactionVersionFeature, levels(24, 24)},
}

// FeatureTable lists all features but metadata.version, by name. Read-only.
func FeatureTable() []Feature { return features }

// FeatureByName finds a feature of the table.
func FeatureByName(name string) (Feature, bool) {
	for _, f := range features {
		if f.Name == name {
			return f, true
		}
	}
	return Feature{}, false
}

// Max is the highest level.
func (f Feature) Max() int16 { return f.Levels[len(f.Levels)-1].Level }

// Default is the level a cluster gets that is formatted at metadata version v.
func (f Feature) Default(v MetadataVersion) int16 {
	level := int16(0)
	for _, l := range f.Levels {
		if l.Since > v {
			break
		}
		level = l.Level
	}
	return level
}

// Needs says why level cannot be set beside the given levels of all features;
// nil when it can. The words are those of Apache Kafka.
func (f Feature) Needs(level int16, all func(name string) int16) error {
	if level < 1 {
		return nil
	}
	mv := MetadataVersion(all(MetadataVersionFeature))
	if mv < MinMetadataVersion {
		return fmt.Errorf("%s could not be set to %d because it depends on metadata.version=%d (%s)", f.Name, level, MinMetadataVersion, MinMetadataVersion)
	}
	for _, l := range f.Levels {
		if l.Level == level && mv < l.NeedsMetadataVersion {
			return fmt.Errorf("%s could not be set to %d because it depends on %s level %d", f.Name, level, MetadataVersionFeature, l.NeedsMetadataVersion)
		}
	}
	return nil
}

// SupportedFeatures are the ranges this version of gregor supports, by name,
// metadata.version among them: what brokers and controllers register and what
// ApiVersions tells.
func SupportedFeatures() []VersionRange {
	out := []VersionRange{{MetadataVersionFeature, int16(MinMetadataVersion), int16(LatestMetadataVersion)}}
	for _, f := range features {
		out = append(out, VersionRange{f.Name, 0, f.Max()})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Feature < out[j].Feature })
	return out
}

// NamedLevel is a feature at a level.
type NamedLevel struct {
	Name  string
	Level int16
}

// DefaultFeatureLevels are the levels above 0 that a cluster gets that is
// formatted at metadata version v, by name, without metadata.version and
// kraft.version (which no FeatureLevelRecord carries).
func DefaultFeatureLevels(v MetadataVersion) []NamedLevel {
	var out []NamedLevel
	for _, f := range features {
		if l := f.Default(v); l > 0 && f.Name != KRaftVersionFeature {
			out = append(out, NamedLevel{f.Name, l})
		}
	}
	return out
}
