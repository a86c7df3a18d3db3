package replica

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
)

// LogDir describes one data directory.
type LogDir struct {
	Path        string
	Offline     bool
	Cordoned    bool
	Total, Free int64 // bytes, -1 when unknown
	Partitions  []LogDirPartition
}

// LogDirPartition is a partition in a LogDir.
type LogDirPartition struct {
	TP   ids.TopicPartition
	Size int64
	// Lag is what a replica lacks to its high watermark, and the copy of a
	// partition that moves to the partition's end, in records.
	Lag    int64
	Future bool // a copy on its way (KIP-113)
}

// LogDirs describes every directory, in the order of log.dirs, with those of its
// partitions that want accepts (nil: all), in no order. Logs that were not in use
// are opened.
func (m *Manager) LogDirs(want func(ids.TopicPartition) bool) []LogDir {
	byID := map[ids.DirectoryID][]LogDirPartition{}
	m.Each(func(p *Partition) bool {
		if want == nil || want(p.TP()) {
			p.describe(byID)
		}
		return true
	})
	var out []LogDir
	for _, d := range m.opts.Logs.All() {
		if d.Err() != nil {
			out = append(out, LogDir{Path: d.Path, Offline: true, Total: -1, Free: -1})
			continue
		}
		out = append(out, m.describe(d, byID[d.ID()]))
	}
	return out
}

func (p *Partition) describe(byID map[ids.DirectoryID][]LogDirPartition) {
	log, err := p.opened()
	if err != nil {
		return
	}
	p.mu.Lock()
	dir, mv := p.dir, p.move
	var copied logOffsets
	if mv != nil && mv.log != nil {
		copied = logOffsets{mv.dir.ID(), mv.log.Size(), log.EndOffset() - mv.log.EndOffset()}
	}
	p.mu.Unlock()
	lag := max(p.highWatermark.Load()-int64(log.EndOffset()), 0)
	byID[dir] = append(byID[dir], LogDirPartition{TP: p.TP(), Size: log.Size(), Lag: lag})
	if copied.dir != (ids.DirectoryID{}) {
		byID[copied.dir] = append(byID[copied.dir], LogDirPartition{TP: p.TP(), Size: copied.size, Lag: int64(copied.behind), Future: true})
	}
}

// logOffsets is what there is to say of a copy.
type logOffsets struct {
	dir    ids.DirectoryID
	size   int64
	behind ids.Offset
}

func (m *Manager) describe(d *logdir.Dir, parts []LogDirPartition) LogDir {
	out := LogDir{Path: d.Path, Total: -1, Free: -1, Partitions: parts}
	if free, total, err := d.Space(); err == nil {
		out.Free, out.Total = free, total
	}
	out.Cordoned = d.Cordoned() && m.Image().Features.MetadataVersion().SupportsCordonedDirs()
	return out
}
