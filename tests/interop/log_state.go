package main

import (
	"context"
	"crypto/sha256"
	be "encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// state is all that clients see of a folder, one line a fact, so that a
// difference names what differs.
type state map[string]string

// observe asks the case's server for everything about its topics, once all have leaders.
func (m *mix) observe() state {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s := state{}
	cl := m.kgo()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	m.await("leaders of all partitions", func() bool {
		list, err := adm.ListEndOffsets(ctx)
		return err == nil && list.Error() == nil
	})
	topics, err := adm.ListTopics(ctx)
	m.check(err)
	names := slices.DeleteFunc(topics.Names(), func(n string) bool { return !strings.HasPrefix(n, "log-") })
	ends := m.offsets(ctx, s, adm, names)
	m.groups(ctx, s, adm)
	m.hashes(ctx, s, "read_uncommitted", kgo.ReadUncommitted(), ends, names)
	stable, err := adm.ListCommittedOffsets(ctx, names...)
	m.check(err)
	s.enter("last stable offset", stable)
	few := []string{txn, open, appended} // to read a gigabyte of the others again would show nothing new
	maps.DeleteFunc(stable, func(topic string, _ map[int32]kadm.ListedOffset) bool { return !slices.Contains(few, topic) })
	m.hashes(ctx, s, "read_committed", kgo.ReadCommitted(), stable, few)
	return s
}

// enter notes offsets. The epoch belongs to the record found; where there is
// none it is the leader's, which grows with every start.
func (s state) enter(what string, list kadm.ListedOffsets) {
	list.Each(func(o kadm.ListedOffset) {
		if o.Timestamp < 0 {
			o.LeaderEpoch = -1
		}
		s[fmt.Sprintf("%s of %s-%d", what, o.Topic, o.Partition)] = fmt.Sprintf("offset %d timestamp %d epoch %d: %v", o.Offset, o.Timestamp, o.LeaderEpoch, o.Err)
	})
}

// offsets asks for the first and last offset, that of the largest timestamp,
// and for those at moments between the smallest and the largest. The last is not
// asked of the compacted topic: Kafka takes a segment that compaction left empty for
// one that holds what it looks for, finds nothing in it and looks no further.
func (m *mix) offsets(ctx context.Context, s state, adm *kadm.Client, names []string) (ends kadm.ListedOffsets) {
	starts, err := adm.ListStartOffsets(ctx, names...)
	m.check(err)
	s.enter("start", starts)
	ends, err = adm.ListEndOffsets(ctx, names...)
	m.check(err)
	s.enter("end", ends)
	largest, err := adm.ListMaxTimestampOffsets(ctx, names...)
	m.check(err)
	s.enter("largest timestamp", largest)
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == compacted })
	for i := range 6 {
		at := m.began - 3_600_000 + int64(i)*720_000
		list, err := adm.ListOffsetsAfterMilli(ctx, at, names...)
		m.check(err)
		s.enter(fmt.Sprintf("first at %d", at), list)
	}
	return ends
}

// groups enters what the groups have committed.
func (m *mix) groups(ctx context.Context, s state, adm *kadm.Client) {
	for _, g := range []string{groupName, groupName + "-member"} {
		os, err := adm.FetchOffsets(ctx, g)
		m.check(err)
		os.Each(func(o kadm.OffsetResponse) {
			s[fmt.Sprintf("committed by %s in %s-%d", g, o.Topic, o.Partition)] = fmt.Sprintf("offset %d epoch %d metadata %q: %v", o.At, o.LeaderEpoch, o.Metadata, o.Err)
		})
	}
}

// reading is how far a partition was read.
type reading struct {
	h    hash.Hash
	n    int
	last int64 // offset of the last record in front of the end
	done bool
}

// hashes reads every partition up to its end and hashes each record with all
// that comes with it, markers too, so that there is always a last one.
func (m *mix) hashes(ctx context.Context, s state, name string, isolation kgo.IsolationLevel, ends kadm.ListedOffsets, names []string) {
	cl := m.kgo(kgo.ConsumeTopics(names...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(),
		kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxWait(100*time.Millisecond))
	defer cl.Close()
	parts, left := map[string]*reading{}, 0
	ends.Each(func(o kadm.ListedOffset) {
		parts[fmt.Sprintf("%s-%d", o.Topic, o.Partition)] = &reading{h: sha256.New(), last: o.Offset - 1, done: o.Offset == 0}
		if o.Offset > 0 {
			left++
		}
	})
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			m.fatalf("%s: %v; not read to their end: %s", name, err, unread(parts))
		}
		fs.EachError(func(t string, p int32, err error) { m.fatalf("%s: %s-%d: %v", name, t, p, err) })
		fs.EachPartition(func(p kgo.FetchTopicPartition) {
			if parts[fmt.Sprintf("%s-%d", p.Topic, p.Partition)].take(p.Records) {
				left--
			}
		})
	}
	for tp, p := range parts {
		s[name+" records of "+tp] = fmt.Sprintf("%d records, sha256 %s", p.n, hex.EncodeToString(p.h.Sum(nil)))
	}
}

// take hashes records up to the end and tells whether that was just reached.
func (p *reading) take(rs []*kgo.Record) bool {
	if p.done {
		return false
	}
	for _, r := range rs {
		if r.Offset > p.last {
			return false // written since
		}
		hashRecord(p.h, r)
		p.n++
		if p.done = r.Offset == p.last; p.done {
			return true
		}
	}
	return false
}

func unread(parts map[string]*reading) string {
	var list []string
	for tp, p := range parts {
		if !p.done {
			list = append(list, fmt.Sprintf("%s (%d records, the last at offset %d is missing)", tp, p.n, p.last))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func hashRecord(h hash.Hash, r *kgo.Record) {
	b := make([]byte, 0, 128)
	for _, n := range []int64{r.Offset, r.Timestamp.UnixMilli(), r.ProducerID, int64(r.ProducerEpoch), int64(r.LeaderEpoch), int64(r.Attrs.TimestampType()),
		int64(r.Attrs.CompressionType()), int64(len(r.Headers))} {
		b = be.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, yes(r.Attrs.IsTransactional()), yes(r.Attrs.IsControl()))
	b = appendBytes(appendBytes(b, r.Key), r.Value)
	for _, hd := range r.Headers {
		b = appendBytes(appendBytes(b, []byte(hd.Key)), hd.Value)
	}
	h.Write(b)
}

func yes(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendBytes(dst, b []byte) []byte {
	n := int64(len(b))
	if b == nil {
		n = -1
	}
	return append(be.BigEndian.AppendUint64(dst, uint64(n)), b...)
}

// same fails if two observations differ, and names what does.
func (m *mix) same(before, after state, when string) {
	var diffs []string
	for k, v := range before {
		if after[k] != v {
			diffs = append(diffs, fmt.Sprintf("%s: %s, before: %s", k, after[k], v))
		}
	}
	for k, v := range after {
		if _, ok := before[k]; !ok {
			diffs = append(diffs, fmt.Sprintf("%s: %s, before: nothing", k, v))
		}
	}
	slices.Sort(diffs)
	if len(diffs) > 0 {
		m.fatalf("%s %d of %d facts differ:\n%s", when, len(diffs), len(before), clip(strings.Join(diffs, "\n")))
	}
}
