package image

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Loader replays a whole snapshot. What it makes of millions of partitions it
// cuts from slabs, and lists that repeat are kept once.
type Loader struct {
	delta  *Delta
	reader records.Reader
}

// NewLoader replaces base by what Add is given.
func NewLoader(base *Image) *Loader {
	d := NewSnapshotDelta(base)
	d.topicsEdit.memory = &memory{}
	return &Loader{delta: d}
}

// Add takes the next framed record.
func (l *Loader) Add(raw []byte) error {
	rec, _, err := l.reader.Parse(raw)
	if err != nil {
		return err
	}
	return l.delta.Replay(rec)
}

// Finish returns the delta, to be applied.
func (l *Loader) Finish() (*Delta, error) { return l.delta, l.delta.FinishSnapshot() }

// Sizes of slabs, in elements. A slab lives as long as anything that was cut
// from it, so that they are small beside what a snapshot needs them for.
const (
	partitionSlab = 64
	listSlab      = 1024
	known         = 1 << 12
)

// memory is where the partitions of a snapshot come from. A nil memory makes
// each piece by itself, and keeps the slices of records as they are.
type memory struct {
	partitions []Partition
	nodes      lists[ids.NodeID]
	dirs       lists[ids.DirectoryID]
}

func (m *memory) partition() *Partition {
	if m == nil {
		return &Partition{}
	}
	if len(m.partitions) == 0 {
		m.partitions = make([]Partition, partitionSlab)
	}
	p := &m.partitions[0]
	m.partitions = m.partitions[1:]
	return p
}

func (m *memory) keepNodes(s []ids.NodeID) []ids.NodeID {
	if m == nil {
		return s
	}
	h := uint32(2166136261)
	for _, n := range s {
		h = (h ^ uint32(n)) * 16777619
	}
	return m.nodes.keep(s, h)
}

func (m *memory) keepDirs(s []ids.DirectoryID) []ids.DirectoryID {
	if m == nil {
		return s
	}
	h := uint32(2166136261)
	for i := range s {
		for _, b := range s[i][:4] { // ids are drawn: four bytes tell them apart
			h = (h ^ uint32(b)) * 16777619
		}
	}
	return m.dirs.keep(s, h)
}

// lists copies lists into slabs and remembers some of them by their hash.
type lists[T comparable] struct {
	slab  []T
	known [known][]T
}

func (l *lists[T]) keep(s []T, hash uint32) []T {
	at := &l.known[(hash^hash>>16)%known]
	if slices.Equal(*at, s) {
		return *at
	}
	if len(l.slab) < len(s) {
		l.slab = make([]T, max(listSlab, len(s)))
	}
	c := l.slab[:len(s):len(s)]
	l.slab = l.slab[len(s):]
	copy(c, s)
	*at = c
	return c
}
