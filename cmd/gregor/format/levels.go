package format

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
)

// Levels are the feature levels a cluster starts with, by feature name;
// metadata.version and kraft.version are always among them.
type Levels map[string]int16

// ParseFeatures reads --feature name=level arguments.
func ParseFeatures(args []string) (Levels, error) {
	out := Levels{}
	for _, a := range args {
		name, level, ok := strings.Cut(a, "=")
		n, err := strconv.ParseInt(strings.TrimSpace(level), 10, 16)
		if name = strings.TrimSpace(name); !ok || err != nil || name == "" {
			return nil, fmt.Errorf("--feature %q: write it as name=level, such as group.version=1", a)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("feature %s is given twice", name)
		}
		out[name] = int16(n)
	}
	return out, nil
}

// NewLevels completes given with the defaults of release ("" is the newest).
// dynamic says that the quorum's voters are not static, and the node is
// formatted with or without an initial voter set.
func NewLevels(given Levels, release string, dynamic bool) (Levels, error) {
	mv, err := metadataVersion(given, release)
	if err != nil {
		return nil, err
	}
	out := Levels{image.MetadataVersionFeature: int16(mv)}
	for _, f := range image.FeatureTable() {
		out[f.Name] = f.Default(mv)
	}
	out[image.KRaftVersionFeature] = 0
	if dynamic {
		out[image.KRaftVersionFeature] = 1
	}
	for name, level := range given {
		if name == image.MetadataVersionFeature {
			continue
		}
		f, ok := image.FeatureByName(name)
		if !ok {
			return nil, fmt.Errorf("unsupported feature %s: it must be one of %s", name, featureNames())
		}
		if level < 0 || level > f.Max() {
			return nil, fmt.Errorf("feature %s has no level %d: the levels are 0 to %d", name, level, f.Max())
		}
		if name == image.KRaftVersionFeature && (level > 0) != dynamic {
			return nil, fmt.Errorf("kraft.version can't be %d here: level 1 needs a dynamic quorum (no controller.quorum.voters, and --standalone, --initial-controllers or --no-initial-controllers), level 0 a static one", level)
		}
		out[name] = level
	}
	return out, out.check()
}

func metadataVersion(given Levels, release string) (image.MetadataVersion, error) {
	level, isGiven := given[image.MetadataVersionFeature]
	switch {
	case isGiven && release != "":
		return 0, fmt.Errorf("use --release-version instead of --feature metadata.version=%d: both at once are ambiguous", level)
	case isGiven:
		mv := image.MetadataVersion(level)
		if !mv.Known() {
			return 0, fmt.Errorf("unknown metadata.version %d: the levels are %d to %d", level, image.MinMetadataVersion, image.LatestMetadataVersion)
		}
		return mv, nil
	case release != "":
		return image.ParseMetadataVersion(release)
	default:
		return image.LatestMetadataVersion, nil
	}
}

// check holds every level against what it needs of the others.
func (l Levels) check() error {
	for _, f := range image.FeatureTable() {
		if err := f.Needs(l[f.Name], func(name string) int16 { return l[name] }); err != nil {
			return err
		}
	}
	return nil
}

// MetadataVersion is the level of metadata.version.
func (l Levels) MetadataVersion() image.MetadataVersion {
	return image.MetadataVersion(l[image.MetadataVersionFeature])
}

// records are the bootstrap records: metadata.version first, the others by
// name; level 0 and kraft.version, which is the quorum's own, have none.
func (l Levels) records() []records.Record {
	out := []records.Record{&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: l[image.MetadataVersionFeature]}}
	for _, f := range image.FeatureTable() {
		if level := l[f.Name]; level > 0 && f.Name != image.KRaftVersionFeature {
			out = append(out, &records.FeatureLevelRecord{Name: f.Name, FeatureLevel: level})
		}
	}
	return out
}

func featureNames() string {
	names := []string{image.MetadataVersionFeature}
	for _, f := range image.FeatureTable() {
		names = append(names, f.Name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
