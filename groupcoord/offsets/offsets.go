// Package offsets is what the groups of one shard have committed: one offset a
// group, topic and partition. It is pure: requests and time come in, records and
// responses go out, and only Replay changes anything.
//
// # Transactions
//
// A record of a transactional batch is pending under its producer until the
// marker of the transaction is found in the log. A commit then moves it to the
// offsets that can be fetched, unless a later record of the log got there first:
// compaction may keep the pending record and drop the marker's place, so it is
// the record's own log offset that decides. A tombstone ends pending ones too.
//
// # Invariants
//
//   - Offsets are the replay of the log, whatever order compaction left it in.
//   - open[k] holds a producer exactly if pending[producer] holds k.
//   - No map here is empty: a group, topic or producer without entries is gone.
package offsets

import (
	"maps"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Committed is one committed offset.
type Committed struct {
	Offset      ids.Offset      // the next record to read
	LeaderEpoch ids.LeaderEpoch // of the last record read, -1 not known
	Metadata    string
	CommitTime  int64       // ms
	ExpireTime  int64       // ms; -1: by the broker's retention
	TopicID     ids.TopicID // zero not known
	Record      ids.Offset  // of the log record that says so
}

// partitions is the offsets of one topic.
type partitions map[int32]Committed

// place names an offset.
type place struct {
	group, topic string
	partition    int32
}

// Store is the offsets of one shard.
type Store struct {
	groups  map[string]map[string]partitions
	pending map[int64]map[place]Committed // by producer id
	open    map[place]map[int64]struct{}  // producers with a pending offset
	openIn  map[string]int                // places with pending offsets, by group
	count   int
	last    lastUsed // nil partitions: none
}

// New makes an empty store.
func New() *Store {
	return &Store{
		groups: map[string]map[string]partitions{}, pending: map[int64]map[place]Committed{},
		open: map[place]map[int64]struct{}{}, openIn: map[string]int{},
	}
}

// Len is the number of committed offsets.
func (s *Store) Len() int { return s.count }

// Has tells whether the group has committed or pending offsets.
func (s *Store) Has(group string) bool { return s.groups[group] != nil || s.openIn[group] > 0 }

// Get is the committed offset of a place.
func (s *Store) Get(group, topic string, partition int32) (Committed, bool) {
	c, ok := s.groups[group][topic][partition]
	return c, ok
}

func (s *Store) put(p place, c Committed) {
	topics := s.groups[p.group]
	if topics == nil {
		topics = map[string]partitions{}
		s.groups[p.group] = topics
	}
	parts := topics[p.topic]
	if parts == nil {
		parts = partitions{}
		topics[p.topic] = parts
	}
	before := len(parts)
	parts[p.partition] = c
	s.count += len(parts) - before
}

func (s *Store) remove(p place) {
	topics := s.groups[p.group]
	parts := topics[p.topic]
	if _, ok := parts[p.partition]; !ok {
		return
	}
	s.count--
	s.last = lastUsed{} // it may be a map that is dropped below
	delete(parts, p.partition)
	if len(parts) == 0 {
		delete(topics, p.topic)
	}
	if len(topics) == 0 {
		delete(s.groups, p.group)
	}
}

// unstable tells whether a transaction that has not ended commits to the place.
func (s *Store) unstable(p place) bool { return len(s.open[p]) > 0 }

// topicsOf are the topics of a group, in order.
func (s *Store) topicsOf(group string) []string {
	return slices.Sorted(maps.Keys(s.groups[group]))
}

// numbers are the partitions, in order.
func (p partitions) numbers() []int32 { return slices.Sorted(maps.Keys(p)) }

// Places are the pending places of a group, in order; they are few.
func (s *Store) pendingOf(group string) []place {
	if s.openIn[group] == 0 {
		return nil
	}
	var out []place
	for p := range s.open {
		if p.group == group {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePlaces)
	return out
}
