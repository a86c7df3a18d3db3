package image

import (
	"fmt"
	"strings"
)

// MetadataVersion is a level of metadata.version, KRaft's own feature: it says
// which records and record versions may be written.
type MetadataVersion int16

// The bounds of metadata.version.
const (
	MinMetadataVersion    MetadataVersion = 7  // 3.3-IV3
	LatestMetadataVersion MetadataVersion = 30 // 4.3-IV0
)

// release names the levels from MinMetadataVersion on; a star marks the levels
// with which the set of records that may be written grew, so that going back
// below them would lose metadata.
var release = strings.Fields(`3.3-IV3* 3.4-IV0* 3.5-IV0 3.5-IV1 3.5-IV2* 3.6-IV0 3.6-IV1* 3.6-IV2* 3.7-IV0* 3.7-IV1
	3.7-IV2* 3.7-IV3 3.7-IV4 3.8-IV0 3.9-IV0 4.0-IV0 4.0-IV1* 4.0-IV2 4.0-IV3 4.1-IV0 4.1-IV1 4.2-IV0 4.2-IV1 4.3-IV0*`)

// Known tells whether v is a level this version of gregor can run at.
func (v MetadataVersion) Known() bool { return MinMetadataVersion <= v && v <= LatestMetadataVersion }

// String is the release and its internal version, as "4.3-IV0".
func (v MetadataVersion) String() string {
	if !v.Known() {
		return fmt.Sprintf("unknown(%d)", int16(v))
	}
	return strings.TrimSuffix(release[v-MinMetadataVersion], "*")
}

// ParseMetadataVersion reads "4.3-IV0", "4.3" (the last level of that release)
// or anything whose first two numbers are that, as "4.3.1".
func ParseMetadataVersion(s string) (MetadataVersion, error) {
	key := s
	if parts := strings.SplitN(s, ".", 3); len(parts) == 3 {
		key = parts[0] + "." + parts[1]
	}
	for v := LatestMetadataVersion; v >= MinMetadataVersion; v-- {
		if name := v.String(); name == key || strings.HasPrefix(name, key+"-") {
			return v, nil
		}
	}
	return 0, fmt.Errorf("Unknown metadata.version '%s'. Supported metadata.version are: %s", s, MetadataVersionNames())
}

// MetadataVersionNames lists all levels, oldest first.
func MetadataVersionNames() string { return strings.ReplaceAll(strings.Join(release, ", "), "*", "") }

// LosesMetadata tells whether going from v down to lower may lose metadata.
func (v MetadataVersion) LosesMetadata(lower MetadataVersion) bool {
	for ; v > lower; v-- {
		if strings.HasSuffix(release[v-MinMetadataVersion], "*") {
			return true
		}
	}
	return false
}

// What the levels brought (KIP-631 and after).

// LeaderEpochBumpOnISRShrink: brokers before 3.6 miss an ISR shrink without it.
func (v MetadataVersion) LeaderEpochBumpOnISRShrink() bool { return v < 12 }

// SupportsScram tells whether SCRAM credentials may be stored (3.5-IV2).
func (v MetadataVersion) SupportsScram() bool { return v >= 11 }

// SupportsTransactions tells whether records may be grouped into metadata transactions (3.6-IV1).
func (v MetadataVersion) SupportsTransactions() bool { return v >= 13 }

// SupportsTokens tells whether delegation tokens may be stored (3.6-IV2).
func (v MetadataVersion) SupportsTokens() bool { return v >= 14 }

// SupportsControllerRegistration tells whether controllers register (3.7-IV0, KIP-919).
func (v MetadataVersion) SupportsControllerRegistration() bool { return v >= 15 }

// SupportsDirectories tells whether replicas know their log directory (3.7-IV2, KIP-858).
func (v MetadataVersion) SupportsDirectories() bool { return v >= 17 }

// SupportsELR tells whether eligible leader replicas may be stored (4.0-IV1, KIP-966).
func (v MetadataVersion) SupportsELR() bool { return v >= 23 }

// SupportsCordonedDirs tells whether log directories can be cordoned (4.3-IV0, KIP-1066).
func (v MetadataVersion) SupportsCordonedDirs() bool { return v >= 30 }

// RegisterBrokerVersion is the version of RegisterBrokerRecord to write.
func (v MetadataVersion) RegisterBrokerVersion() int16 {
	switch {
	case v.SupportsCordonedDirs():
		return 4
	case v.SupportsDirectories():
		return 3
	case v >= 8: // 3.4-IV0
		return 2
	}
	return 1
}

// PartitionVersion is the version of PartitionRecord and PartitionChangeRecord to write.
func (v MetadataVersion) PartitionVersion() int16 {
	switch {
	case v.SupportsELR():
		return 2
	case v.SupportsDirectories():
		return 1
	}
	return 0
}
