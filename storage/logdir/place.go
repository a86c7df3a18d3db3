package logdir

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// maxPreferred bounds the wishes that are kept for partitions that are not here.
const maxPreferred = 100_000

// DirByPath finds a directory that is online by its name in log.dirs:
// ErrUnknownDir, ErrOffline.
func (s *Set) DirByPath(path string) (*Dir, error) {
	for _, d := range s.dirs {
		if d.Path == path {
			return d, d.Err()
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownDir, path)
}

// Cordon says which directories get no new partition; "*" means all. Those that
// are named no more get some again.
func (s *Set) Cordon(paths []string) {
	for _, d := range s.dirs {
		d.cordoned.Store(slices.Contains(paths, d.Path) || slices.Contains(paths, "*"))
	}
}

// Cordoned tells whether the directory gets no new partition.
func (d *Dir) Cordoned() bool { return d.cordoned.Load() }

// Emptiest is the directory with the fewest partitions, as Kafka places new
// ones; nil when all are offline. Cordoned ones are passed over, unless all are:
// then the first takes what was given to this broker before it heard of that.
func (s *Set) Emptiest() *Dir {
	var best *Dir
	dirs := s.Dirs()
	for _, d := range dirs {
		if !d.Cordoned() && (best == nil || d.partitions.Load() < best.partitions.Load()) {
			best = d
		}
	}
	if best == nil && len(dirs) > 0 {
		return dirs[0]
	}
	return best
}

// Prefer notes where a partition that is not here yet shall be made. The wish
// goes before what the metadata says, and is used once.
func (s *Set) Prefer(tp ids.TopicPartition, d *Dir) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.preferred[tp]; again || len(s.preferred) < maxPreferred {
		s.preferred[tp] = d
	}
}

// choose is the directory for a partition that lies nowhere: the preferred one,
// that of the metadata (nil: it names none), the emptiest.
func (s *Set) choose(tp ids.TopicPartition, named *Dir) *Dir {
	s.mu.Lock()
	wish := s.preferred[tp]
	delete(s.preferred, tp)
	s.mu.Unlock()
	switch {
	case wish != nil && wish.Err() == nil:
		return wish
	case named != nil:
		return named
	}
	return s.Emptiest()
}
