package logdir

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Found lists the partitions that lie in the directories and are not in use
// yet, with their topic ids, for the owner to find strays.
func (s *Set) Found() []Found {
	s.mu.Lock()
	out := make([]Found, 0, len(s.found))
	for tp, d := range s.found {
		if d.Err() == nil {
			out = append(out, Found{Dir: d, TP: tp})
		}
	}
	s.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		if out[i].TP.Topic != out[j].TP.Topic {
			return out[i].TP.Topic < out[j].TP.Topic
		}
		return out[i].TP.Partition < out[j].TP.Partition
	})
	s.parallel(len(out), func(i int) {
		f := &out[i]
		id, err := partlog.ReadMetadata(f.Dir.fs, f.Dir.Path+"/"+f.TP.String())
		if err != nil {
			s.FailDir(f.Dir, err)
			return
		}
		f.TopicID = id
	})
	return out
}

// Unopened are the partitions that lie in the directories and are not in use
// yet, sorted; it touches no disk.
func (s *Set) Unopened() []ids.TopicPartition {
	s.mu.Lock()
	out := make([]ids.TopicPartition, 0, len(s.found))
	for tp, d := range s.found {
		if d.Err() == nil {
			out = append(out, tp)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b ids.TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

// Emptiest is the directory with the fewest partitions, as Kafka places new
// ones; nil when all are offline.
func (s *Set) Emptiest() *Dir {
	var best *Dir
	for _, d := range s.Dirs() {
		if best == nil || d.partitions.Load() < best.partitions.Load() {
			best = d
		}
	}
	return best
}

// OpenPartition opens the partition where it lies, or makes it in dir (nil =
// Emptiest) without touching the disk. A directory of the same name that
// belongs to another topic id is set aside as stray. A partition that is open
// already is returned as it is.
func (s *Set) OpenPartition(tp ids.TopicPartition, id ids.TopicID, dir *Dir, c *partlog.Config) (*partlog.Log, *Dir, error) {
	s.mu.Lock()
	if e := s.logs[tp]; e != nil {
		s.mu.Unlock()
		return e.log, e.dir, nil
	}
	lies := s.found[tp]
	s.mu.Unlock()
	if lies != nil {
		dir = lies
	}
	if dir == nil {
		dir = s.Emptiest()
	}
	if dir == nil {
		return nil, nil, fmt.Errorf("partition %s: %w", tp, ErrOffline)
	}
	if err := dir.Err(); err != nil {
		return nil, nil, fmt.Errorf("partition %s: %w", tp, err)
	}
	var has ids.TopicID
	if lies != nil {
		var err error
		has, err = partlog.ReadMetadata(dir.fs, dir.Path+"/"+tp.String())
		if err != nil {
			s.FailDir(dir, err)
			return nil, nil, fmt.Errorf("partition %s: %w", tp, err)
		}
		if !has.IsZero() && !id.IsZero() && has != id {
			if err := s.MarkStray(tp); err != nil {
				return nil, nil, err
			}
			lies, has = nil, ids.TopicID{}
		}
	}
	log, err := s.openIn(dir, tp, id, has, c, lies != nil)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.logs[tp]; e != nil { // somebody else was faster; both only read
		_ = log.Close(false)
		return e.log, e.dir, nil
	}
	s.logs[tp] = &entry{log, dir}
	if s.found[tp] == nil {
		dir.partitions.Add(1)
	}
	delete(s.found, tp)
	return log, dir, nil
}

func (s *Set) openIn(d *Dir, tp ids.TopicPartition, id, onDisk ids.TopicID, c *partlog.Config, lies bool) (*partlog.Log, error) {
	o := partlog.Options{
		FS: d.fs, Dir: d.Path + "/" + tp.String(), TP: tp, TopicID: id, OnDisk: onDisk, Config: c, Env: s.o.Env, Full: &d.full,
		Lowered: func() error { return s.checkpointRecovery(d) },
		Failed:  func(err error) { s.FailDir(d, err) },
	}
	d.checkpointMu.Lock()
	_, noted := d.recovery[tp]
	if lies {
		o.LogStartOffset, o.RecoveryPoint, o.CleanShutdown = d.starts[tp], d.recovery[tp], d.clean
	} else {
		delete(d.recovery, tp)
		delete(d.starts, tp)
	}
	d.checkpointMu.Unlock()
	if !lies && noted {
		// The name had an owner before: its recovery point must not count for the new one.
		if err := s.checkpointRecovery(d); err != nil {
			return nil, err
		}
	}
	log, err := partlog.Open(o)
	if err != nil && ioFailure(err) {
		s.FailDir(d, err)
	}
	return log, err
}

// Partition returns an open partition.
func (s *Set) Partition(tp ids.TopicPartition) (*partlog.Log, *Dir, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.logs[tp]
	if e == nil {
		return nil, nil, false
	}
	return e.log, e.dir, true
}

// DeletePartition takes the partition out of use and renames its directory
// at once; Tick removes the files after file.delete.delay.ms.
func (s *Set) DeletePartition(tp ids.TopicPartition) error {
	return s.putAside(tp, deleteSuffix)
}

// MarkStray sets a partition's directory aside under another name; its files
// stay until the operator removes them.
func (s *Set) MarkStray(tp ids.TopicPartition) error { return s.putAside(tp, straySuffix) }

func (s *Set) putAside(tp ids.TopicPartition, suffix string) error {
	s.mu.Lock()
	e, d := s.logs[tp], s.found[tp]
	delete(s.logs, tp)
	delete(s.found, tp)
	delete(s.watermark, tp)
	s.mu.Unlock()
	delay := int64(60000)
	if e != nil {
		d, delay = e.dir, e.log.Config().FileDeleteDelayMs
	}
	if d == nil {
		return fmt.Errorf("partition %s: %w", tp, ErrUnknownPartition)
	}
	d.partitions.Add(-1)
	to := d.Path + "/" + renamed(tp, suffix)
	if err := errors.Join(s.moveAside(e, d, tp, to), d.forgetCleaner(tp)); err != nil {
		s.FailDir(d, err)
		return err
	}
	if suffix == deleteSuffix {
		s.mu.Lock()
		s.trash = append(s.trash, trash{d, to, s.o.Env.Clock() + delay})
		s.mu.Unlock()
	}
	return nil
}

func (s *Set) moveAside(e *entry, d *Dir, tp ids.TopicPartition, to string) error {
	if e == nil {
		if err := d.fs.Rename(d.Path+"/"+tp.String(), to); err != nil {
			return err
		}
		return d.fs.SyncDir(d.Path)
	}
	if err := e.log.Close(false); err != nil {
		return err
	}
	if !e.log.Made() {
		return nil
	}
	return e.log.MoveTo(to)
}

// HighWatermark is the partition's high watermark as checkpointed, 0 if unknown.
func (s *Set) HighWatermark(tp ids.TopicPartition) ids.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watermark[tp]
}

// Each calls f for every open partition.
func (s *Set) Each(f func(tp ids.TopicPartition, log *partlog.Log, dir *Dir)) {
	for tp, e := range s.snapshot() {
		f(tp, e.log, e.dir)
	}
}

func (s *Set) snapshot() map[ids.TopicPartition]*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[ids.TopicPartition]*entry, len(s.logs))
	for tp, e := range s.logs {
		out[tp] = e
	}
	return out
}
