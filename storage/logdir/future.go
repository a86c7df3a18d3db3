package logdir

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// A partition moves to another directory by a copy that is a log of its own,
// <topic>-<partition>.<32 hex digits>-future, which takes the partition's name
// when it has caught up (KIP-113). What a kill at each step leaves:
//
//	before Promote            both: the copying goes on
//	the copy has the name     the partition lies twice, both whole: the metadata names
//	                          the copy's directory, and the other is set aside
//	the old one is -delete    the move is done; the old one is removed
//
// The copy is flushed before it takes the name: what was durable stays durable.

// future is a copy on its way. log is nil until it is opened.
type future struct {
	dir  *Dir
	path string
	log  *partlog.Log
}

// foundFuture notes a copy that an earlier process left. There is one at a
// time: of two, the second is what a failed directory kept of an older move.
func (s *Set) foundFuture(tp ids.TopicPartition, f *future) {
	if s.futures[tp] != nil {
		s.trash = append(s.trash, trash{dir: f.dir, path: f.path})
		return
	}
	s.futures[tp] = f
	f.dir.partitions.Add(1)
}

// FutureDir is where the copy of a partition that moves lies, nil when it does not move.
func (s *Set) FutureDir(tp ids.TopicPartition) *Dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.futures[tp]; f != nil {
		return f.dir
	}
	return nil
}

// OpenFuture opens the partition's copy, or makes one in dir. A copy of another
// topic of the same name is thrown away first. dir must not be that of the partition.
func (s *Set) OpenFuture(tp ids.TopicPartition, id ids.TopicID, dir *Dir, c *partlog.Config) (*partlog.Log, *Dir, error) {
	s.mu.Lock()
	f := s.futures[tp]
	s.mu.Unlock()
	if f != nil && f.log == nil {
		has, err := partlog.ReadMetadata(f.dir.fs, f.path)
		if err != nil {
			return nil, nil, s.notOpened(tp, f.dir, err)
		}
		if !has.IsZero() && !id.IsZero() && has != id {
			if err := s.DropFuture(tp); err != nil {
				return nil, nil, err
			}
			f = nil
		}
	}
	if f == nil {
		f = &future{dir: dir, path: dir.Path + "/" + futureName(tp)}
	}
	if f.log == nil {
		there := s.FutureDir(tp) != nil
		log, err := s.openIn(f.dir, tp, f.path, id, ids.TopicID{}, c, there)
		if err != nil {
			return nil, nil, err
		}
		if !there {
			f.dir.partitions.Add(1)
		}
		s.mu.Lock()
		f.log = log
		s.futures[tp] = f
		s.mu.Unlock()
	}
	return f.log, f.dir, nil
}

// notOpened reports a failing disk and says for which partition.
func (s *Set) notOpened(tp ids.TopicPartition, d *Dir, err error) error {
	if ioFailure(err) {
		s.FailDir(d, err)
	}
	return fmt.Errorf("partition %s: %w", tp, err)
}

// DropFuture gives a move up: the copy is deleted as a partition is. Without one it does nothing.
func (s *Set) DropFuture(tp ids.TopicPartition) error {
	s.mu.Lock()
	f := s.futures[tp]
	delete(s.futures, tp)
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	f.dir.partitions.Add(-1)
	if f.dir.Err() != nil {
		return nil // it stays where nobody can reach it
	}
	return s.discard(f.dir, tp, f.path, f.log, deleteSuffix)
}

// Promote puts the copy in the place of the log it was made from and returns
// it. The caller keeps both from being written and has seen that the copy ends
// where the log ends. The old log stays readable for those who hold it, until its
// directory is removed after file.delete.delay.ms.
//
// An error leaves everything as it was. That of the old directory comes too
// late to matter: it goes offline, and the partition lives on in the new one.
func (s *Set) Promote(tp ids.TopicPartition) (*partlog.Log, *Dir, error) {
	s.mu.Lock()
	f, e := s.futures[tp], s.logs[tp]
	s.mu.Unlock()
	if f == nil || f.log == nil || e == nil {
		return nil, nil, fmt.Errorf("partition %s: %w", tp, ErrUnknownPartition)
	}
	if err := f.log.Flush(); err != nil {
		return nil, nil, err
	}
	if err := s.moveCleaned(tp, e.dir, f.dir); err != nil {
		return nil, nil, s.notOpened(tp, f.dir, err)
	}
	if err := f.log.MoveTo(f.dir.Path + "/" + tp.String()); err != nil {
		return nil, nil, s.notOpened(tp, f.dir, err)
	}
	s.mu.Lock()
	s.logs[tp] = &entry{f.log, f.dir}
	delete(s.futures, tp)
	s.mu.Unlock()
	e.dir.partitions.Add(-1)
	if e.log.Made() {
		_ = s.discard(e.dir, tp, "", e.log, deleteSuffix)
	}
	for _, d := range []*Dir{f.dir, e.dir} {
		if d.Err() != nil {
			continue
		}
		if err := s.checkpointRecovery(d); err != nil && ioFailure(err) {
			s.FailDir(d, err)
		}
	}
	return f.log, f.dir, nil
}

// moveCleaned takes the cleaner's offset along: cleaning paused while the copy was made.
func (s *Set) moveCleaned(tp ids.TopicPartition, from, to *Dir) error {
	off := from.CleanerOffset(tp)
	if off == 0 {
		return to.forgetCleaner(tp)
	}
	return to.SetCleanerOffset(tp, off)
}

// adopt makes the copy the partition when there is nothing else of it: the
// process was killed when only the name was missing, or the operator has taken
// the directory with the original away. While a directory is offline the
// original may be in it, with newer records, and nothing is adopted.
func (s *Set) adopt(tp ids.TopicPartition, id ids.TopicID) (*Dir, error) {
	s.mu.Lock()
	f := s.futures[tp]
	s.mu.Unlock()
	if f == nil {
		return nil, nil
	}
	has, err := partlog.ReadMetadata(f.dir.fs, f.path)
	if err != nil {
		return nil, s.notOpened(tp, f.dir, err)
	}
	if has != id {
		return nil, s.DropFuture(tp)
	}
	if off := s.Offline(); len(off) > 0 {
		return nil, fmt.Errorf("partition %s: %w: the original of the copy in %s may lie in %v, which cannot be read; start without that directory to use the copy",
			tp, ErrOffline, f.dir.Path, off)
	}
	if err := errors.Join(f.dir.fs.Rename(f.path, f.dir.Path+"/"+tp.String()), f.dir.fs.SyncDir(f.dir.Path)); err != nil {
		return nil, s.notOpened(tp, f.dir, err)
	}
	s.mu.Lock()
	delete(s.futures, tp)
	s.found[tp] = f.dir
	s.mu.Unlock()
	return f.dir, nil
}

// pick settles where a partition lies that was found twice: where the metadata
// says. The other is set aside, for an operator to look at.
func (s *Set) pick(tp ids.TopicPartition, named *Dir) (*Dir, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.found[tp], s.twins[tp]
	switch {
	case b == nil:
		return a, nil
	case named == b:
		a, b = b, a
	case named != a:
		return nil, fmt.Errorf("partition %s: %w: it lies in %s and in %s, and the metadata names neither: move one of them away and start again",
			tp, ErrOffline, a.Path, b.Path)
	}
	s.found[tp] = a
	delete(s.twins, tp)
	b.partitions.Add(-1)
	to := b.Path + "/" + renamed(tp, straySuffix)
	if err := errors.Join(b.fs.Rename(b.Path+"/"+tp.String(), to), b.fs.SyncDir(b.Path)); err != nil {
		s.FailDir(b, err)
	}
	return a, nil
}
