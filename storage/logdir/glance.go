package logdir

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Glance looks at a partition that lies in the directories and is not in use,
// see partlog.Glance, and tells the directory; ok is false for all others. A
// directory that cannot be read is taken offline.
func (s *Set) Glance(tp ids.TopicPartition, c *partlog.Config) (g partlog.Glimpse, in *Dir, ok bool) {
	s.mu.Lock()
	d := s.found[tp]
	s.mu.Unlock()
	if d == nil || d.Err() != nil {
		return g, nil, false
	}
	d.checkpointMu.Lock()
	start := d.starts[tp]
	d.checkpointMu.Unlock()
	var clean ids.Offset
	if c.Compact {
		clean = d.CleanerOffset(tp)
	}
	g, err := partlog.Glance(d.fs, d.Path+"/"+tp.String(), start, clean, c)
	if err != nil {
		if ioFailure(err) {
			s.FailDir(d, err)
		}
		return g, nil, false
	}
	return g, d, true
}
