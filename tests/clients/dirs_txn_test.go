package clients

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txns is a log that transactional producers wrote, and what is true of it.
type txns struct {
	*testing.T
	log       *partlog.Log
	now       int64
	seq       map[int64]int32      // next sequence of a producer
	open      map[int64]ids.Offset // first offset of what a producer has open
	state     map[ids.Offset]int64 // data: 0 decided or plain, else the producer whose transaction is open
	aborted   map[ids.Offset]bool
	committed []ids.Offset
	all       []ids.Offset // data, not markers
}

// send appends a batch of n records; a producer id of 0 is none.
func (w *txns) send(producer int64, n int) {
	w.Helper()
	o := batch.Options{}
	if producer != 0 {
		o.Transactional, o.Producer = true, &batch.Producer{ID: producer, Epoch: 0, Sequence: w.seq[producer]}
		w.seq[producer] += int32(n)
	}
	b := batch.NewBuilder(o)
	for range n {
		b.Append(w.now, nil, make([]byte, 300), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		w.Fatal(err)
	}
	info, err := w.log.AppendAsLeader(v, 0, partlog.Client, w.now)
	if err != nil {
		w.Fatal(err)
	}
	for off := info.FirstOffset; off <= info.LastOffset; off++ {
		w.all = append(w.all, off)
		w.state[off] = producer
	}
	if _, begun := w.open[producer]; producer != 0 && !begun {
		w.open[producer] = info.FirstOffset
	}
}

// end appends the marker of a producer's transaction.
func (w *txns) end(producer int64, commit bool) {
	w.Helper()
	b := batch.NewBuilder(batch.Options{Transactional: true, Control: true, Producer: &batch.Producer{ID: producer, Epoch: 0, Sequence: -1}})
	m := batch.EndTxnMarker{Commit: commit, CoordinatorEpoch: 3}
	b.AppendControl(w.now, m.Type(), m.AppendTo(nil))
	v, err := b.Bytes()
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.log.AppendAsLeader(v, 0, partlog.Coordinator, w.now); err != nil {
		w.Fatal(err)
	}
	delete(w.open, producer)
	for off, p := range w.state {
		if p == producer {
			w.state[off], w.aborted[off] = 0, w.aborted[off] || !commit
		}
	}
}

// stable is the last stable offset.
func (w *txns) stable() ids.Offset {
	stable := w.log.EndOffset()
	for _, first := range w.open {
		stable = min(stable, first)
	}
	return stable
}

// write makes a random history of four producers beside plain records.
func (w *txns) write(rng *rand.Rand) {
	for range 300 {
		p := int64(rng.IntN(5)) * 1000
		if _, open := w.open[p]; p != 0 && open && rng.IntN(4) == 0 {
			w.end(p, rng.IntN(2) == 0)
			continue
		}
		w.send(p, 1+rng.IntN(5))
	}
	for p := range w.seq { // the first half of the log must be decided, or nobody could read much
		if first, open := w.open[p]; open && first < w.log.EndOffset()*3/4 {
			w.end(p, false)
		}
	}
	w.send(1000, 3) // one at least is open at the end
	w.send(0, 2)
	for _, off := range w.all {
		if off < w.stable() && !w.aborted[off] {
			w.committed = append(w.committed, off)
		}
	}
}

// What transactional producers wrote is read as it should be: read_uncommitted
// sees every record, read_committed stops at the last stable offset and leaves out
// what was aborted, whatever the limits that cut a fetch inside a transaction;
// ListOffsets and DescribeProducers agree; and all of it again after kill -9.
func TestTransactionalDataIsReadRight(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	srv := start(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	adm := kadm.NewClient(client(t, srv))
	created, err := adm.CreateTopic(ctx, 1, 1, nil, "txn")
	if err != nil {
		t.Fatal(err)
	}
	if code, err := srv.Term(20 * time.Second); err != nil || code != 0 {
		t.Fatal(code, err)
	}
	w := writeFolder(t, srv, ids.TopicID(created.ID), rand.New(rand.NewPCG(seed, 7)))
	for _, how := range []string{"after a clean stop", "after a kill"} {
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int32{1 << 20, 5000, 700} {
			for level, want := range map[bool][]ids.Offset{false: w.all, true: w.committed} {
				if got := readTxns(t, ctx, srv, level, limit, want[len(want)-1]); !slices.Equal(got, want) {
					t.Errorf("%s, committed %v, %d bytes a fetch: %d records, want %d\n%v\n%v", how, level, limit, len(got), len(want), got, want)
				}
			}
		}
		w.ask(ctx, srv, how)
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeFolder writes the partition's directory as a broker would, with small segments.
func writeFolder(t *testing.T, srv *node.Server, id ids.TopicID, rng *rand.Rand) *txns {
	t.Helper()
	cfg := partlog.DefaultConfig()
	cfg.SegmentBytes = 60_000
	meta, err := logdir.ReadMeta(vfs.OS, srv.LogDir())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	set, err := logdir.Open(logdir.Options{FS: vfs.OS, Dirs: []string{srv.LogDir()}, ClusterID: meta.ClusterID, NodeID: meta.NodeID,
		Env: &partlog.Env{Clock: func() int64 { return now }, ProducerExpirationMs: 86_400_000, MaxTxnTimeoutMs: 900_000}})
	if err != nil {
		t.Fatal(err)
	}
	epoch := set.PreviousBrokerEpoch()
	log, _, err := set.OpenPartition(ids.TopicPartition{Topic: "txn"}, id, nil, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &txns{T: t, log: log, now: now, seq: map[int64]int32{}, open: map[int64]ids.Offset{}, state: map[ids.Offset]int64{}, aborted: map[ids.Offset]bool{}}
	w.write(rng)
	if log.Segments() < 3 {
		t.Fatalf("%d segments in %s", log.Segments(), filepath.Base(log.Dir()))
	}
	end := log.EndOffset()
	if err := set.Close(epoch, func(ids.TopicPartition) (ids.Offset, bool) { return end, true }); err != nil {
		t.Fatal(err)
	}
	return w
}

// readTxns reads with franz-go, whose fetches are sessions, until the record at last.
func readTxns(t *testing.T, ctx context.Context, srv *node.Server, committed bool, limit int32, last ids.Offset) (got []ids.Offset) {
	t.Helper()
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(srv.Addr()), kgo.FetchIsolationLevel(level), kgo.FetchMaxPartitionBytes(limit), kgo.FetchMaxBytes(limit),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"txn": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for len(got) == 0 || got[len(got)-1] < last {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Errorf("after %d records: %v", len(got), err)
			return got
		}
		fs.EachRecord(func(r *kgo.Record) { got = append(got, ids.Offset(r.Offset)) })
	}
	return got
}

// ask compares what ListOffsets and DescribeProducers say.
func (w *txns) ask(ctx context.Context, srv *node.Server, how string) {
	cl := client(w.T, srv)
	for level, want := range map[int8]ids.Offset{0: w.log.EndOffset(), 1: w.stable()} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, level
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = "txn"
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			w.Fatal(err)
		}
		if got := resp.Topics[0].Partitions[0]; got.ErrorCode != 0 || got.Offset != int64(want) {
			w.Errorf("%s: the latest offset at isolation %d is %d, want %d", how, level, got.Offset, want)
		}
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = "txn", []int32{0}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		w.Fatal(err)
	}
	got := map[int64]string{}
	for _, p := range resp.Topics[0].Partitions[0].ActiveProducers {
		got[p.ProducerID] = fmt.Sprintf("seq %d open from %d", p.LastSequence, p.CurrentTxnStartOffset)
	}
	for id, seq := range w.seq {
		first, open := w.open[id]
		if !open {
			first = -1
		}
		if want := fmt.Sprintf("seq %d open from %d", seq-1, first); got[id] != want {
			w.Errorf("%s: producer %d: %q, want %q", how, id, got[id], want)
		}
	}
	if len(got) != len(w.seq) {
		w.Errorf("%s: %d producers, want %d", how, len(got), len(w.seq))
	}
}
