package main

import (
	"context"
	be "encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/apache"
	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// mix is what a folder is filled with: topics of every kind, written by
// franz-go and by Java, in waves between which the folder changes hands.
type mix struct {
	*cluster
	seed    uint64
	bytes   int64 // of payload a wave writes, about
	segment int   // bytes of a segment
	waves   int
	began   int64 // ms
	small   bool  // a folder for the repository: compacted logs roll with every batch
}

// The kinds of topics, besides one a codec: appended has log append time,
// compacted is cleaned while it is written, txn holds transactions (Apache
// Kafka's: they need a coordinator).
const (
	appended  = "log-append-time"
	compacted = "log-compacted"
	txn       = "log-txn"
	open      = "log-open"
	java      = "log-java"
	groupName = "log-group"
)

func codecTopic(codec string) string { return "log-" + codec }

// frozen keeps the cleaner from the part of a log that two brokers are compared on.
const frozen = "min.compaction.lag.ms=9000000000000"

// settings of the brokers whose folders are compared: nothing is removed behind the comparison's back.
var settings = map[string]string{
	"log.cleaner.backoff.ms":                          "100",
	"log.cleaner.dedupe.buffer.size":                  "4194304",
	"log.retention.check.interval.ms":                 "3600000",
	"offsets.retention.check.interval.ms":             "3600000",
	"metadata.log.max.record.bytes.between.snapshots": "20000",
}

// topics creates them.
func (m *mix) topics() {
	seg := fmt.Sprintf("segment.bytes=%d", m.segment)
	for _, codec := range clients.Codecs {
		m.topic(codecTopic(codec), 2, seg)
	}
	m.topic(java, 2, seg)
	m.topic(appended, 1, seg, "message.timestamp.type=LogAppendTime")
	m.topic(txn, 2, seg, "index.interval.bytes=512")
	m.topic(open, 1)
	configs := []string{fmt.Sprintf("segment.bytes=%d", max(m.segment/32, 1<<20)), "cleanup.policy=compact", "min.cleanable.dirty.ratio=0.0001"}
	if m.small {
		configs = append(configs, "segment.ms=1")
	}
	m.topic(compacted, 2, configs...)
}

// wave writes once to everything; with transactions only where there is a coordinator.
func (m *mix) wave(transactions bool) {
	m.waves++
	share := m.bytes / int64(len(clients.Codecs)+2)
	for _, codec := range clients.Codecs {
		m.write(codecTopic(codec), 2, codec, share)
	}
	m.perf(share)
	m.write(appended, 1, "lz4", share/4)
	m.keys()
	if transactions {
		m.transactions(share / 2)
	}
	m.commits()
}

// random is one source a topic and wave, so that a failure can be run again.
func (m *mix) random(topic string) *rand.Rand {
	h := uint64(1469598103934665603)
	for _, b := range []byte(topic) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(m.seed, h+uint64(m.waves)))
}

// produce makes a client for codec that waits for every acknowledgement.
func (m *mix) producer(codec string, opts ...kgo.Opt) *kgo.Client {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	return m.kgo(append([]kgo.Opt{kgo.ProducerBatchCompression(codecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(2 * time.Millisecond), kgo.MaxBufferedRecords(20_000)}, opts...)...)
}

// write produces about bytes of payload through an idempotent producer.
func (m *mix) write(topic string, partitions int32, codec string, bytes int64) {
	cl := m.producer(codec)
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	rnd := m.random(topic)
	failed := make(chan error, 1)
	for n := 0; bytes > 0; n++ {
		r := someRecord(rnd, topic, rnd.Int32N(partitions), n)
		bytes -= int64(len(r.Key) + len(r.Value))
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) { tell(failed, err) })
	}
	m.check(cl.Flush(ctx))
	m.none(failed)
}

func tell(failed chan error, err error) {
	if err != nil {
		select {
		case failed <- err:
		default:
		}
	}
}

func (m *mix) none(failed chan error) {
	select {
	case err := <-failed:
		m.fatalf("produce: %v", err)
	default:
	}
}

// someRecord has null and empty keys and values, headers with null values, and
// timestamps that are not in order.
func someRecord(rnd *rand.Rand, topic string, partition int32, n int) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Timestamp: time.Now().Add(-time.Duration(rnd.IntN(3_600_000)) * time.Millisecond)}
	if rnd.IntN(4) > 0 {
		r.Key = fmt.Appendf(nil, "key-%d", rnd.IntN(1_000_000))
	}
	if rnd.IntN(50) > 0 {
		r.Value = payload(rnd, rnd.IntN(2048))
	}
	for i := range rnd.IntN(10) - 7 { // of three in ten none, one or two
		h := kgo.RecordHeader{Key: fmt.Sprintf("header-%d", i)}
		if rnd.IntN(3) > 0 {
			h.Value = fmt.Appendf(nil, "%d", n)
		}
		r.Headers = append(r.Headers, h)
	}
	return r
}

// payload compresses to about half.
func payload(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n, n+8)
	for i := 0; i+8 <= n; i += 16 {
		be.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	return b
}

// perf writes with Kafka's Java producer.
func (m *mix) perf(bytes int64) {
	out := m.tool("kafka-producer-perf-test.sh", "--topic", java, "--num-records", fmt.Sprint(max(bytes/1000, 1)), "--record-size", "1000", "--throughput", "-1",
		"--bootstrap-server", m.srv.Addr(), "--command-property", "compression.type="+clients.Codecs[m.waves%len(clients.Codecs)])
	m.clean(out)
}

// keys writes the same keys over and over, with tombstones among them.
func (m *mix) keys() {
	m.configure(compacted, "min.compaction.lag.ms", "0")
	cl := m.producer("none")
	defer cl.Close()
	ctx, cancel := patience()
	defer cancel()
	rnd := m.random(compacted)
	failed := make(chan error, 1)
	n := min(m.bytes/800, 200_000)
	for i := range n {
		if m.small && i%10 == 0 {
			m.check(cl.Flush(ctx))
		}
		r := &kgo.Record{Topic: compacted, Partition: rnd.Int32N(2), Key: fmt.Appendf(nil, "k%d", rnd.Int64N(min(n/3, 5000)+1)), Value: payload(rnd, rnd.IntN(600))}
		if rnd.IntN(10) == 0 {
			r.Value = nil
		}
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) { tell(failed, err) })
	}
	m.check(cl.Flush(ctx))
	m.none(failed)
}

// configure sets one key of a topic.
func (m *mix) configure(topic, key, value string) {
	ctx, cancel := patience()
	defer cancel()
	cl := m.kgo()
	defer cl.Close()
	res, err := kadm.NewClient(cl).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	m.check(err)
	for _, r := range res {
		m.check(r.Err)
	}
}

// transactions of several producers, interleaved: two thirds commit, the rest
// aborts. The last one stays open, in a topic of its own.
func (m *mix) transactions(bytes int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	rnd := m.random(txn)
	var cls [3]*kgo.Client
	for i := range cls {
		cls[i] = m.producer([]string{"none", "lz4", "zstd"}[i], kgo.TransactionalID(fmt.Sprintf("log-txn-%d", i)), kgo.TransactionTimeout(time.Minute))
		defer cls[i].Close()
		m.check(cls[i].BeginTransaction())
	}
	const rounds = 40
	for range rounds {
		m.writeInTransactions(ctx, cls[:], rnd, bytes/rounds)
		for _, cl := range cls {
			if rnd.IntN(3) > 0 { // else it goes on
				m.check(cl.EndTransaction(ctx, kgo.TransactionEndTry(rnd.IntN(3) > 0)))
				m.check(cl.BeginTransaction())
			}
		}
	}
	for _, cl := range cls {
		m.check(cl.EndTransaction(ctx, kgo.TryAbort))
	}
	m.leaveOpen(ctx)
}

// leaveOpen begins a transaction that nobody ends within 15 minutes: readers of
// committed records stop in front of it, whoever serves them.
func (m *mix) leaveOpen(ctx context.Context) {
	m.write(open, 1, "none", 10_000)
	cl := m.producer("none", kgo.TransactionalID(fmt.Sprintf("log-open-%d", m.waves)), kgo.TransactionTimeout(15*time.Minute))
	defer cl.Close()
	m.check(cl.BeginTransaction())
	m.check(cl.ProduceSync(ctx, &kgo.Record{Topic: open, Value: []byte("not yet")}).FirstErr())
	m.write(open, 1, "none", 10_000)
}

func (m *mix) writeInTransactions(ctx context.Context, cls []*kgo.Client, rnd *rand.Rand, bytes int64) {
	failed := make(chan error, 1)
	for n := 0; bytes > 0; n++ {
		r := someRecord(rnd, txn, rnd.Int32N(2), n)
		bytes -= int64(len(r.Key)+len(r.Value)) + 1
		cls[rnd.IntN(len(cls))].Produce(ctx, r, func(_ *kgo.Record, err error) { tell(failed, err) })
	}
	for _, cl := range cls {
		m.check(cl.Flush(ctx))
	}
	m.none(failed)
}

// commits commits offsets, some with metadata, of a group without members and of one with.
func (m *mix) commits() {
	ctx, cancel := patience()
	defer cancel()
	cl := m.kgo()
	defer cl.Close()
	os := kadm.Offsets{}
	for p := range int32(2) {
		for i, codec := range clients.Codecs {
			os.Add(kadm.Offset{Topic: codecTopic(codec), Partition: p, At: int64(m.waves*10 + i), LeaderEpoch: -1, Metadata: strings.Repeat("m", i)})
		}
	}
	m.check(kadm.NewClient(cl).CommitAllOffsets(ctx, groupName, os))
	leave := m.join(groupName+"-member", appended)
	leave()
}

// settle waits until the cleaner has nothing left to do on the compacted topic,
// and holds it off from then on: what is compared must stay.
func (m *mix) settle(s *node.Server) {
	m.await("the compacted topic is cleaned", func() bool { return allCleaned(s, compacted, 2) })
	m.configure(compacted, "min.compaction.lag.ms", strings.TrimPrefix(frozen, "min.compaction.lag.ms="))
}

// single starts the one node of a case.
func (k *cluster) single(sw node.Software) *node.Server {
	s, err := node.New(sw, settings)
	k.check(err)
	k.servers = append(k.servers, s)
	k.check(s.Start())
	k.srv = s
	return s
}

// light is Apache Kafka with room for a gigabyte of work.
func light(h apache.Home) node.Software { return h.Software("512m") }
