package image

import "github.com/tidwall/btree"

// Features are the finalized feature levels. The zero value is empty.
type Features struct {
	levels btree.Map[string, int16]
}

// Level returns the finalized level of a feature, 0 when it is not finalized.
func (f *Features) Level(name string) int16 {
	l, _ := f.levels.Get(name)
	return l
}

// Has tells whether a feature is finalized at all, be it at level 0.
func (f *Features) Has(name string) bool {
	_, ok := f.levels.Get(name)
	return ok
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
