package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// The topics that both cleaners clean. Those called again were cleaned once
// before by Apache Kafka, and so hold tombstones and markers with the time of
// their end, batches without records, and gaps.
var cleanedTopics = map[string][]string{
	"compact-fresh":       {"cleanup.policy=compact"},
	"compact-fresh-short": {"cleanup.policy=compact", "delete.retention.ms=1"},
	"compact-fresh-both":  {"cleanup.policy=compact,delete", "retention.ms=9000000000000"},
	"compact-again":       {"cleanup.policy=compact"},
	"compact-again-short": {"cleanup.policy=compact", "delete.retention.ms=1"},
	"compact-again-both":  {"cleanup.policy=compact,delete", "retention.ms=9000000000000", "delete.retention.ms=1"},
}

// compaction lets both cleaners clean copies of one folder and compares what is
// left, batch by batch and record by record.
func compaction(t *c) {
	m := t.mix(4<<20, 1<<20)
	defer m.end()
	m.log = append(m.log, fmt.Sprintf("seed %d", m.seed))
	theirs := m.single(m.home.Light())
	m.fillCleaned(theirs)
	m.stop(theirs)

	ours, err := node.New(m.ours, settings)
	m.check(err)
	m.servers = append(m.servers, ours)
	m.check(os.RemoveAll(ours.LogDir()))
	m.check(os.CopyFS(ours.LogDir(), os.DirFS(theirs.LogDir())))
	began := time.Now().UnixMilli()
	for _, n := range []*node.Server{theirs, ours} {
		m.srv = n
		m.check(n.Start())
		for topic := range cleanedTopics {
			m.configure(topic, "min.compaction.lag.ms", "0")
		}
		m.await("every log is cleaned by "+n.Name(), func() bool {
			for topic := range cleanedTopics {
				if !allCleaned(n, topic, 1) {
					return false
				}
			}
			return true
		})
		m.stop(n)
	}
	diffs := 0
	for topic := range cleanedTopics {
		diffs += m.compareLogs(theirs, ours, topic, began)
	}
	if diffs > 0 {
		m.fatalf("the cleaners differ in %d places", diffs)
	}
}

// fillCleaned writes the input: the same keys over and over, through all codecs and transactions.
func (m *mix) fillCleaned(n *node.Server) {
	for topic, configs := range cleanedTopics {
		m.topic(topic, 1, append([]string{"segment.bytes=1048576", "index.interval.bytes=512", "min.cleanable.dirty.ratio=0.01", frozen}, configs...)...)
		m.keysOf(topic)
		if strings.HasPrefix(topic, "compact-again") {
			m.configure(topic, "min.compaction.lag.ms", "0")
		}
	}
	m.await("half of the logs are cleaned", func() bool {
		for topic := range cleanedTopics {
			if strings.HasPrefix(topic, "compact-again") && !allCleaned(n, topic, 1) {
				return false
			}
		}
		return true
	})
	m.waves++
	for topic := range cleanedTopics {
		m.configure(topic, "min.compaction.lag.ms", strings.TrimPrefix(frozen, "min.compaction.lag.ms="))
		m.keysOf(topic)
	}
}

// keysOf writes to one topic through a client a codec, then through two transactional ones.
func (m *mix) keysOf(topic string) {
	ctx, cancel := patience()
	defer cancel()
	rnd := m.random(topic)
	record := func() *kgo.Record {
		r := &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", rnd.IntN(3000)), Value: payload(rnd, rnd.IntN(400)), Timestamp: time.Now().Add(-time.Duration(rnd.IntN(10_000)) * time.Millisecond)}
		switch rnd.IntN(10) {
		case 0:
			r.Value = nil
		case 1:
			r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "null"}}
		}
		return r
	}
	for _, codec := range clients.Codecs {
		cl := m.producer(codec)
		for range 40 {
			var rs []*kgo.Record
			for range 1 + rnd.IntN(60) {
				rs = append(rs, record())
			}
			m.check(cl.ProduceSync(ctx, rs...).FirstErr())
		}
		cl.Close()
	}
	var cls [2]*kgo.Client
	for i := range cls {
		cls[i] = m.producer([]string{"none", "lz4"}[i], kgo.TransactionalID(fmt.Sprintf("%s-%d", topic, i)), kgo.TransactionTimeout(time.Minute))
		m.check(cls[i].BeginTransaction())
	}
	for range 60 {
		cl := cls[rnd.IntN(2)]
		for range 1 + rnd.IntN(10) {
			m.check(cl.ProduceSync(ctx, record()).FirstErr())
		}
		if rnd.IntN(3) > 0 {
			m.check(cl.EndTransaction(ctx, kgo.TransactionEndTry(rnd.IntN(2) > 0)))
			m.check(cl.BeginTransaction())
		}
	}
	for _, cl := range cls {
		m.check(cl.EndTransaction(ctx, kgo.TryAbort))
		cl.Close()
	}
	m.roll(ctx, topic)
}

// roll writes until there is a new segment, so that all of the above can be cleaned.
func (m *mix) roll(ctx context.Context, topic string) {
	cl := m.producer("none")
	defer cl.Close()
	for i := range 20 {
		m.check(cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "roll-%d", i%3), Value: make([]byte, 100_000)}).FirstErr())
	}
}

// allCleaned tells whether a node's cleaner has been through all but the active
// segment of each of a topic's partitions.
func allCleaned(s *node.Server, topic string, partitions int) bool {
	for p := range partitions {
		if cleanedUpTo(s, topic, p) != activeBase(s, topic, p) {
			return false
		}
	}
	return true
}

// cleanedUpTo is what a node's cleaner has noted for a partition, -1 without.
func cleanedUpTo(s *node.Server, topic string, partition int) int64 {
	b, _ := os.ReadFile(filepath.Join(s.LogDir(), "cleaner-offset-checkpoint"))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == topic && f[1] == strconv.Itoa(partition) {
			n, _ := strconv.ParseInt(f[2], 10, 64)
			return n
		}
	}
	return -1
}

// activeBase is the offset that the last segment of a partition begins with.
func activeBase(s *node.Server, topic string, partition int) int64 {
	files := segmentsOf(s, topic, partition)
	if len(files) == 0 {
		return -2
	}
	n, _ := strconv.ParseInt(strings.TrimSuffix(filepath.Base(files[len(files)-1]), ".log"), 10, 64)
	return n
}

func segmentsOf(s *node.Server, topic string, partition int) []string {
	files, _ := filepath.Glob(filepath.Join(s.LogDir(), fmt.Sprintf("%s-%d", topic, partition), "*.log"))
	slices.Sort(files)
	return files
}

// compareLogs compares partition 0 of a topic in two folders.
func (m *mix) compareLogs(a, b *node.Server, topic string, began int64) (diffs int) {
	left, right := m.readLog(a, topic), m.readLog(b, topic)
	tell := func(format string, args ...any) {
		if diffs++; diffs <= 10 {
			m.log = append(m.log, topic+": "+fmt.Sprintf(format, args...))
		}
	}
	if x, y := bases(segmentsOf(a, topic, 0)), bases(segmentsOf(b, topic, 0)); !slices.Equal(x, y) {
		tell("segments of %s %v, of %s %v", a.Name(), x, b.Name(), y)
	}
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || len(left) > 0 && left[0].base < right[0].base:
			tell("only %s has %s", a.Name(), left[0].text)
			left = left[1:]
		case len(left) == 0 || right[0].base < left[0].base:
			tell("only %s has %s", b.Name(), right[0].text)
			right = right[1:]
		default:
			if !same(left[0], right[0], began) {
				tell("%s has\n%s horizon %d\n%s has\n%s horizon %d", a.Name(), left[0].text, left[0].horizon, b.Name(), right[0].text, right[0].horizon)
			}
			left, right = left[1:], right[1:]
		}
	}
	return diffs
}

func bases(files []string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = strings.TrimLeft(strings.TrimSuffix(filepath.Base(f), ".log"), "0")
	}
	return out
}

// left is what a cleaner left of a batch. A horizon that it set itself lies
// behind the begin of its run, and is not the other's.
type left struct {
	base    int64
	horizon int64
	text    string
}

func same(a, b left, began int64) bool {
	return a.text == b.text && (a.horizon == b.horizon || a.horizon >= began && b.horizon >= began)
}

func (m *mix) readLog(s *node.Server, topic string) (out []left) {
	for _, name := range segmentsOf(s, topic, 0) {
		f, err := vfs.OS.OpenFile(name, 0)
		m.check(err)
		size, err := f.Size()
		m.check(err)
		r := segment.NewReader(f, 0, size, nil)
		for {
			h, v, _, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			m.check(err)
			out = append(out, m.describe(&h, v))
		}
		m.check(f.Close())
	}
	return out
}

func (m *mix) describe(h *segment.Header, v batch.View) left {
	b := left{base: int64(h.Base), horizon: -1}
	base := h.BaseTimestamp
	if v.HasDeleteHorizon() {
		b.horizon, base = base, 0
	}
	var t strings.Builder
	fmt.Fprintf(&t, "batch %d-%d count %d epoch %d attributes %x timestamps %d %d producer %d/%d sequence %d:", h.Base, h.Last, h.Count, h.Epoch, h.Attributes, base, h.MaxTimestamp,
		h.ProducerID, h.ProducerEpoch, h.BaseSequence)
	rs, err := v.Records(nil, 64<<20)
	m.check(err)
	for _, r := range rs {
		fmt.Fprintf(&t, " [%d at %d key %.20q value %t %d headers %d]", r.Offset, r.Timestamp, r.Key, r.Value != nil, len(r.Value), len(r.Headers))
	}
	b.text = t.String()
	return b
}
