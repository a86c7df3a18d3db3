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
	Lag  int64 // records between the high watermark and the log's end
}

// LogDirs describes every directory with those of its partitions that want
// accepts (nil: all), in no order. Logs that were not in use are opened.
func (m *Manager) LogDirs(want func(ids.TopicPartition) bool) []LogDir {
	byID := map[ids.DirectoryID][]LogDirPartition{}
	m.Each(func(p *Partition) bool {
		if want != nil && !want(p.TP()) {
			return true
		}
		if log, err := p.opened(); err == nil {
			p.mu.Lock()
			dir := p.dir
			p.mu.Unlock()
			lag := max(int64(log.EndOffset())-p.highWatermark.Load(), 0)
			byID[dir] = append(byID[dir], LogDirPartition{p.TP(), log.Size(), lag})
		}
		return true
	})
	var out []LogDir
	for _, d := range m.opts.Logs.Dirs() {
		out = append(out, m.describe(d, byID[d.Meta.DirectoryID]))
	}
	for _, path := range m.opts.Logs.Offline() {
		out = append(out, LogDir{Path: path, Offline: true, Total: -1, Free: -1})
	}
	return out
}

func (m *Manager) describe(d *logdir.Dir, parts []LogDirPartition) LogDir {
	out := LogDir{Path: d.Path, Total: -1, Free: -1, Partitions: parts}
	if free, total, err := m.opts.FS.Space(d.Path); err == nil {
		out.Free, out.Total = free, total
	}
	if b := m.Image().Cluster.Broker(m.opts.Node); b != nil {
		for _, id := range b.CordonedDirs {
			out.Cordoned = out.Cordoned || id == d.Meta.DirectoryID
		}
	}
	return out
}
