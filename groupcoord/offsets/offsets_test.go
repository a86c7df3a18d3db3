package offsets

import (
	"fmt"
	"maps"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"pgregory.net/rapid"
)

// entry is one thing in a log: an offset, a tombstone or a marker.
type entry struct {
	at        ids.Offset
	key       records.OffsetCommitKey
	value     *records.OffsetCommitValue
	producer  int64
	marker    bool
	committed bool
}

// replay makes the store of a log.
func replay(log []entry) *Store {
	s := New()
	for i := range log {
		e := &log[i]
		if e.marker {
			s.EndTransaction(e.producer, e.committed)
			continue
		}
		s.Replay(&e.key, e.value, e.at, e.producer)
	}
	return s
}

// naive is what is committed according to a log, told in the simplest way: the
// last record of a place counts, a transactional one only if its transaction was
// committed by a later marker before a tombstone.
func naive(log []entry) map[place]ids.Offset {
	winner, out := map[place]ids.Offset{}, map[place]ids.Offset{}
	for i, e := range log {
		if e.marker {
			continue
		}
		p := place{e.key.Group, e.key.Topic, e.key.Partition}
		if e.value == nil {
			continue
		}
		visible := e.producer == batch.NoProducerID
		for _, later := range log[i+1:] {
			if !later.marker && later.key == e.key && later.value == nil {
				visible = false
				goto decided
			}
			if !visible && later.marker && later.producer == e.producer {
				if !later.committed {
					break
				}
				visible = true
			}
			if !visible && !later.marker && later.key == e.key && later.producer == e.producer {
				break // the same transaction said something newer
			}
		}
	decided:
		if old, ok := winner[p]; visible && (!ok || e.at > old) {
			winner[p], out[p] = e.at, e.value.Offset
		}
	}
	return out
}

func (s *Store) all() map[place]ids.Offset {
	out := map[place]ids.Offset{}
	for g, topics := range s.groups {
		for t, parts := range topics {
			for n, c := range parts {
				out[place{g, t, n}] = c.Offset
			}
		}
	}
	return out
}

// check compares the store's bookkeeping with what it keeps.
func (s *Store) check() error {
	if n := len(s.all()); n != s.count {
		return fmt.Errorf("count is %d of %d", s.count, n)
	}
	openIn, pending := map[string]int{}, 0
	for p, producers := range s.open {
		openIn[p.group]++
		for id := range producers {
			if _, ok := s.pending[id][p]; !ok {
				return fmt.Errorf("%v is open for %d, which has nothing pending there", p, id)
			}
			pending++
		}
	}
	if !maps.Equal(openIn, s.openIn) {
		return fmt.Errorf("open in groups %v, noted %v", openIn, s.openIn)
	}
	for id, places := range s.pending {
		if len(places) == 0 {
			return fmt.Errorf("producer %d has nothing pending", id)
		}
		pending -= len(places)
	}
	if pending != 0 {
		return fmt.Errorf("%d pending offsets are not open", -pending)
	}
	return nil
}

func drawLog(t *rapid.T) []entry {
	var log []entry
	for i := range rapid.IntRange(0, 40).Draw(t, "records") {
		e := entry{at: ids.Offset(i), producer: batch.NoProducerID}
		e.key = records.OffsetCommitKey{Group: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group"), Topic: "t", Partition: int32(rapid.IntRange(0, 1).Draw(t, "partition"))}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
		case 1, 2:
			e.marker, e.committed = true, rapid.Bool().Draw(t, "commit")
			e.producer = rapid.Int64Range(1, 2).Draw(t, "producer")
		case 3:
			e.producer = rapid.Int64Range(1, 2).Draw(t, "producer")
			e.value = &records.OffsetCommitValue{Offset: ids.Offset(i) * 10, ExpireTimestamp: -1}
		default:
			e.value = &records.OffsetCommitValue{Offset: ids.Offset(i) * 10, ExpireTimestamp: -1}
		}
		log = append(log, e)
	}
	return log
}

func TestStoreIsTheReplayOfItsLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		s := replay(log)
		if want := naive(log); !maps.Equal(s.all(), want) {
			t.Fatalf("store has %v, the log says %v", s.all(), want)
		}
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
	})
}

// The cleaner keeps the last record of each key, and transactional ones until
// their markers go; a store loaded from that says the same.
func TestCompactionChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		for i := range log {
			log[i].producer = batch.NoProducerID
			log[i].marker = false
		}
		last := map[records.OffsetCommitKey]ids.Offset{}
		for _, e := range log {
			last[e.key] = e.at
		}
		var kept []entry
		for _, e := range log {
			if last[e.key] == e.at || rapid.Bool().Draw(t, "dirty") {
				kept = append(kept, e)
			}
		}
		if a, b := replay(log).all(), replay(kept).all(); !maps.Equal(a, b) {
			t.Fatalf("before %v, after %v", a, b)
		}
	})
}

func TestTombstonesEndEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := replay(drawLog(t))
		for _, g := range []string{"a", "b"} {
			for i, r := range s.DeleteAll(g) {
				k, err := records.ParseKey(r.Key)
				if err != nil || r.Value != nil {
					t.Fatalf("record %d: %v", i, err)
				}
				s.Replay(k.(*records.OffsetCommitKey), nil, 1000, batch.NoProducerID)
			}
			if s.Has(g) {
				t.Fatalf("group %s still has offsets", g)
			}
		}
		if err := s.check(); err != nil || len(s.pending) != 0 {
			t.Fatalf("%v, pending %v", err, s.pending)
		}
	})
}

func TestAging(t *testing.T) {
	s := New()
	put := func(topic string, commit, expire int64) {
		s.Replay(&records.OffsetCommitKey{Group: "g", Topic: topic}, &records.OffsetCommitValue{CommitTimestamp: commit, ExpireTimestamp: expire}, 1, batch.NoProducerID)
	}
	put("old", 100, -1)
	put("young", 900, -1)
	put("own", 100, 150)
	put("read", 100, -1)
	read := func(topic string) bool { return topic == "read" }
	for _, c := range []struct {
		aging Aging
		now   int64
		want  string
		all   bool
	}{
		{Aging{Since: -1, Retention: 500, Subscribed: read}, 599, "own", false},
		{Aging{Since: -1, Retention: 500, Subscribed: read}, 600, "old own", false},
		{Aging{Since: 550, Retention: 500, Subscribed: read}, 1049, "own", false},
		{Aging{Since: 550, Retention: 500, Subscribed: func(string) bool { return false }}, 1050, "old own read young", true},
	} {
		out, all := s.Expired("g", c.aging, c.now)
		got := ""
		for _, r := range out {
			k, _ := records.ParseKey(r.Key)
			got += " " + k.(*records.OffsetCommitKey).Topic
		}
		if got != " "+c.want || all != c.all {
			t.Errorf("at %d of %+v:%s (all %v), want %s (%v)", c.now, c.aging.Since, got, all, c.want, c.all)
		}
	}
	// An offset that a transaction is about to replace doesn't expire.
	s.Replay(&records.OffsetCommitKey{Group: "g", Topic: "old"}, &records.OffsetCommitValue{ExpireTimestamp: -1}, 9, 7)
	if out, all := s.Expired("g", Aging{Since: 0, Retention: 1, Subscribed: func(string) bool { return false }}, 9999); len(out) != 3 || all {
		t.Fatalf("%d expired, all %v", len(out), all)
	}
}

func BenchmarkReplay(b *testing.B) {
	s := New()
	keys := make([][]byte, 100_000)
	for i := range keys {
		keys[i] = key(place{fmt.Sprint("group-", i/10), "topic", int32(i % 10)})
	}
	value := records.AppendValue(nil, &records.OffsetCommitValue{ExpireTimestamp: -1, TopicID: ids.TopicID{1}}, valueLatest)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := runtime.Entry{Offset: ids.Offset(i), ProducerID: batch.NoProducerID, Key: keys[i%len(keys)], Value: value}
		s.ReplayRecord(&e, func([]byte) {})
	}
}
