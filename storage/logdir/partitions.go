package logdir

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

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

// OpenPartition opens the partition where it lies, or makes it without touching
// the disk: where Prefer said, else in dir, else (nil) in the emptiest directory.
// A directory of the same name that belongs to another topic id is set aside as
// stray. A partition that is open already is returned as it is.
//
// dir is where the metadata has the partition. It settles which one counts of
// two directories that a killed move left.
func (s *Set) OpenPartition(tp ids.TopicPartition, id ids.TopicID, dir *Dir, c *partlog.Config) (*partlog.Log, *Dir, error) {
	if log, in, ok := s.Partition(tp); ok {
		return log, in, nil
	}
	lies, has, err := s.locate(tp, id, dir)
	if err != nil {
		return nil, nil, err
	}
	in := lies
	if in == nil {
		in = s.choose(tp, dir)
	}
	if in == nil {
		return nil, nil, fmt.Errorf("partition %s: %w", tp, ErrOffline)
	}
	if err := in.Err(); err != nil {
		return nil, nil, fmt.Errorf("partition %s: %w", tp, err)
	}
	log, err := s.openIn(in, tp, in.Path+"/"+tp.String(), id, has, c, lies != nil)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.logs[tp]; e != nil { // somebody else was faster; both only read
		_ = log.Close(false)
		return e.log, e.dir, nil
	}
	s.logs[tp] = &entry{log, in}
	if s.found[tp] == nil {
		in.partitions.Add(1)
	}
	delete(s.found, tp)
	return log, in, nil
}

// locate finds where the partition lies, nil if nowhere, and the topic id there.
func (s *Set) locate(tp ids.TopicPartition, id ids.TopicID, named *Dir) (lies *Dir, has ids.TopicID, err error) {
	if lies, err = s.pick(tp, named); err == nil && lies == nil {
		lies, err = s.adopt(tp, id)
	}
	if err != nil || lies == nil || lies.Err() != nil {
		return lies, has, err
	}
	has, err = partlog.ReadMetadata(lies.fs, lies.Path+"/"+tp.String())
	if err != nil {
		return nil, has, s.notOpened(tp, lies, err)
	}
	if !has.IsZero() && !id.IsZero() && has != id {
		return nil, ids.TopicID{}, s.MarkStray(tp)
	}
	return lies, has, nil
}

// openIn opens or makes a log at path. lies: it is there.
func (s *Set) openIn(d *Dir, tp ids.TopicPartition, path string, id, onDisk ids.TopicID, c *partlog.Config, lies bool) (*partlog.Log, error) {
	o := partlog.Options{
		FS: d.fs, Dir: path, TP: tp, TopicID: id, OnDisk: onDisk, Config: c, Env: s.o.Env, Room: &d.room,
		Lowered: d.hooks.lowered, Truncated: d.hooks.truncated, Failed: d.hooks.failed, Woken: d.hooks.woken,
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
			return nil, s.notOpened(tp, d, err)
		}
	}
	l, err := partlog.Open(o)
	if err != nil {
		return nil, s.notOpened(tp, d, err)
	}
	if l.Awake() {
		s.awake.add(l, d)
	}
	return l, nil
}

// Lies is the directory in which a partition was found that is not open yet, nil otherwise.
func (s *Set) Lies(tp ids.TopicPartition) *Dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[tp]
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
	delete(s.preferred, tp)
	s.mu.Unlock()
	copyErr := s.DropFuture(tp)
	if e == nil && d == nil {
		return errors.Join(copyErr, fmt.Errorf("partition %s: %w", tp, ErrUnknownPartition))
	}
	if e != nil {
		d = e.dir
	}
	d.partitions.Add(-1)
	if err := d.Err(); err != nil {
		return errors.Join(copyErr, fmt.Errorf("partition %s: %w", tp, err))
	}
	var log *partlog.Log
	if e != nil {
		log = e.log
		if err := log.Close(false); err != nil {
			return s.notOpened(tp, d, err)
		}
		s.awake.remove(log)
	}
	err := s.discard(d, tp, d.Path+"/"+tp.String(), log, suffix)
	if err == nil {
		if err = d.forgetCleaner(tp); err != nil {
			err = s.notOpened(tp, d, err)
		}
	}
	return errors.Join(copyErr, err)
}

// discard gives a partition's directory, which is log's if that is open, another
// name; one with the suffix of deletion is removed when its time has come. A
// log that has no directory only ends.
func (s *Set) discard(d *Dir, tp ids.TopicPartition, path string, log *partlog.Log, suffix string) error {
	delay := int64(60000)
	to := d.Path + "/" + renamed(tp, suffix)
	var err error
	switch {
	case log == nil:
		err = errors.Join(d.fs.Rename(path, to), d.fs.SyncDir(d.Path))
	case log.Made():
		delay = log.Config().FileDeleteDelayMs
		err = log.MoveTo(to)
	default:
		return log.Close(false)
	}
	if err != nil {
		return s.notOpened(tp, d, err)
	}
	if suffix == deleteSuffix {
		s.mu.Lock()
		s.trash = append(s.trash, trash{d, to, s.o.Env.Clock() + delay, log})
		s.mu.Unlock()
	}
	return nil
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

// everything are the open logs, copies included.
func (s *Set) everything() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*entry, 0, len(s.logs)+len(s.futures))
	for _, e := range s.logs {
		out = append(out, e)
	}
	for _, f := range s.futures {
		if f.log != nil {
			out = append(out, &entry{f.log, f.dir})
		}
	}
	return out
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
