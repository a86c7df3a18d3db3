package logdir

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Save writes the recovery-point, log-start and replication checkpoints of all
// directories. Partitions that were not opened keep what the files said.
func (s *Set) Save(hw HighWatermarks) error {
	return s.checkpoint(s.Dirs(), true, hw)
}

// Checkpoint is Save for the directories in which a log was in use since
// the last call; an idle broker writes nothing. Recovery points and log starts are
// written when Options.RecoveryIntervalMs have passed: they only save reading
// after a crash, high watermarks say what is committed.
func (s *Set) Checkpoint(hw HighWatermarks) error {
	now := s.o.Env.Clock()
	changed := s.awake.changed()
	s.mu.Lock()
	for d := range changed {
		d.unsaved = true
	}
	all := now-s.saved >= s.o.RecoveryIntervalMs
	var dirs []*Dir
	for _, d := range s.Dirs() {
		if changed[d] || all && d.unsaved {
			dirs = append(dirs, d)
		}
		d.unsaved = d.unsaved && !all
	}
	if all {
		s.saved = now
	}
	s.mu.Unlock()
	return s.checkpoint(dirs, all, hw)
}

func (s *Set) checkpoint(dirs []*Dir, all bool, hw HighWatermarks) error {
	if len(dirs) == 0 {
		return nil
	}
	var errs []error
	entries := s.snapshot()
	for _, d := range dirs {
		var err error
		if all {
			err = s.checkpointRecovery(d)
		}
		if err == nil {
			err = s.checkpointWatermarks(d, entries, hw)
		}
		if err != nil && ioFailure(err) {
			s.FailDir(d, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkpointRecovery writes recovery points and log starts, those of copies included.
func (s *Set) checkpointRecovery(d *Dir) error {
	d.checkpointMu.Lock()
	defer d.checkpointMu.Unlock()
	recovery, starts := Offsets{}, Offsets{}
	keep := func(tp ids.TopicPartition) {
		if off, ok := d.recovery[tp]; ok {
			recovery[tp] = off
		}
		if off, ok := d.starts[tp]; ok {
			starts[tp] = off
		}
	}
	s.mu.Lock()
	for tp, in := range s.found {
		if in == d || s.twins[tp] == d {
			keep(tp)
		}
	}
	for tp, f := range s.futures {
		if f.dir == d && f.log == nil {
			keep(tp)
		}
	}
	s.mu.Unlock()
	for _, e := range s.everything() {
		if e.dir != d || !e.log.Made() {
			continue
		}
		recovery[e.log.TP()] = e.log.RecoveryPoint()
		if start := e.log.StartOffset(); start > e.log.FirstSegmentBase() {
			starts[e.log.TP()] = start
		}
	}
	if err := WriteOffsets(d.fs, d.Path, RecoveryFile, recovery); err != nil {
		return err
	}
	d.recovery, d.starts = recovery, starts
	return WriteOffsets(d.fs, d.Path, StartFile, starts)
}

func (s *Set) checkpointWatermarks(d *Dir, entries map[ids.TopicPartition]*entry, hw HighWatermarks) error {
	out := Offsets{}
	s.mu.Lock()
	for tp, in := range s.found {
		if off, ok := s.watermark[tp]; ok && in == d {
			out[tp] = off
		}
	}
	s.mu.Unlock()
	for tp, e := range entries {
		if e.dir != d || !e.log.Made() {
			continue
		}
		off, ok := ids.Offset(0), false
		if hw != nil {
			off, ok = hw(tp)
		}
		if !ok {
			off = s.HighWatermark(tp)
		}
		out[tp] = off
	}
	if err := WriteOffsets(d.fs, d.Path, ReplicationFile, out); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for tp, off := range out {
		s.watermark[tp] = off
	}
	return nil
}
