package offsets

import (
	"cmp"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Replay applies one record, with its offset in the log and its producer if it is
// part of a transaction. A nil value is a tombstone.
func (s *Store) Replay(k *records.OffsetCommitKey, v *records.OffsetCommitValue, at ids.Offset, producer int64) {
	p := place{k.Group, k.Topic, k.Partition}
	if v == nil {
		s.remove(p)
		for id := range s.open[p] {
			s.unpend(p, id)
		}
		return
	}
	c := Committed{
		Offset: v.Offset, LeaderEpoch: v.LeaderEpoch, Metadata: v.Metadata, CommitTime: v.CommitTimestamp,
		ExpireTime: v.ExpireTimestamp, TopicID: v.TopicID, Record: at,
	}
	if producer != batch.NoProducerID {
		s.pend(p, c, producer)
		return
	}
	s.put(p, c)
}

func (s *Store) pend(p place, c Committed, producer int64) {
	if s.pending[producer] == nil {
		s.pending[producer] = map[place]Committed{}
	}
	s.pending[producer][p] = c
	if s.open[p] == nil {
		s.open[p] = map[int64]struct{}{}
		s.openIn[p.group]++
	}
	s.open[p][producer] = struct{}{}
}

func (s *Store) unpend(p place, producer int64) {
	if delete(s.pending[producer], p); len(s.pending[producer]) == 0 {
		delete(s.pending, producer)
	}
	if delete(s.open[p], producer); len(s.open[p]) > 0 {
		return
	}
	delete(s.open, p)
	if s.openIn[p.group]--; s.openIn[p.group] == 0 {
		delete(s.openIn, p.group)
	}
}

// EndTransaction applies the marker that ends the producer's transaction.
func (s *Store) EndTransaction(producer int64, committed bool) {
	for p, c := range s.pending[producer] {
		s.unpend(p, producer)
		if old, ok := s.Get(p.group, p.topic, p.partition); committed && (!ok || c.Record > old.Record) {
			s.put(p, c)
		}
	}
}

func comparePlaces(a, b place) int {
	return cmp.Or(strings.Compare(a.group, b.group), strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}
