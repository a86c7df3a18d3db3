package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// world is a manager over a file system in memory, with metadata made by hand.
type world struct {
	t    *testing.T
	fs   vfs.FS
	logs *logdir.Set
	m    *Manager
	img  *image.Image
	n    int64
	late atomic.Int64 // ms by which the clock is ahead
}

var homeDir = ids.DirectoryID{1: 1, 15: 200}

func newWorld(t *testing.T) *world {
	w := &world{t: t, fs: vfs.NewMem(), img: image.Empty()}
	if err := w.fs.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	if err := logdir.WriteMeta(w.fs, "/data", logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: homeDir}); err != nil {
		t.Fatal(err)
	}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	clock := func() int64 { return 1_700_000_000_000 + w.late.Load() }
	env := &partlog.Env{Clock: clock, ProducerExpirationMs: 1 << 40, MaxTxnTimeoutMs: 900000, Random: func(int64) int64 { return 0 }}
	var err error
	if w.logs, err = logdir.Open(logdir.Options{FS: w.fs, Dirs: []string{"/data"}, Env: env, ClusterID: "c", NodeID: 1}); err != nil {
		w.t.Fatal(err)
	}
	values, _ := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker"})
	w.m = New(Options{Node: 1, FS: w.fs, Logs: w.logs, Clock: clock, Broker: values})
}

func (w *world) apply(recs ...records.Record) {
	w.t.Helper()
	d := image.NewDelta(w.img)
	for _, r := range recs {
		if err := d.Replay(r); err != nil {
			w.t.Fatal(err)
		}
	}
	w.n++
	w.img = d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(w.n)}})
	w.m.Apply(d, w.img)
}

func idOf(name string, gen byte) ids.TopicID {
	id := ids.TopicID{6: 0x40, 8: 0x80, 9: gen}
	copy(id[10:], name)
	return id
}

func (w *world) create(name string, gen byte, parts int, isr ...ids.NodeID) {
	w.t.Helper()
	recs := []records.Record{&records.TopicRecord{Name: name, TopicID: idOf(name, gen)}}
	for i := range parts {
		recs = append(recs, &records.PartitionRecord{PartitionID: int32(i), TopicID: idOf(name, gen), Replicas: isr, ISR: isr, Leader: isr[0],
			Directories: make([]ids.DirectoryID, len(isr))})
	}
	w.apply(recs...)
}

// lead changes leader and ISR of a partition.
func (w *world) lead(name string, gen byte, leader ids.NodeID, isr ...ids.NodeID) {
	w.apply(&records.PartitionChangeRecord{TopicID: idOf(name, gen), Leader: leader, ISR: isr, LeaderRecoveryState: -1})
}

// names are what lies in the data directory.
func (w *world) names() (out []string) {
	entries, err := w.fs.ReadDir("/data")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name)
	}
	return out
}

func tp(name string, i int32) ids.TopicPartition {
	return ids.TopicPartition{Topic: name, Partition: i}
}

func oneBatch(n int) []byte {
	b := batch.NewBuilder(batch.Options{})
	for range n {
		b.Append(1_700_000_000_000, nil, []byte("value"), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

var all = AppendOptions{Acks: -1, Origin: partlog.Client, Epoch: ids.NoEpoch}

// append appends and returns the result if it came at once.
func (w *world) append(p ids.TopicPartition, n int, o AppendOptions) (res AppendResult, done bool) {
	w.m.Append(p, oneBatch(n), o, func(r AppendResult) { res, done = r, true })
	return res, done
}

func (w *world) mustAppend(p ids.TopicPartition, n int) {
	w.t.Helper()
	if r, done := w.append(p, n, all); !done || r.Err != nil {
		w.t.Fatalf("append to %v: %+v %v", p, r, done)
	}
}

func TestLifeOfAPartition(t *testing.T) {
	w := newWorld(t)
	var led []string
	w.m.OnLeadership("t", func(p int32, leader bool, e ids.LeaderEpoch) { led = append(led, fmt.Sprint(p, leader, e)) })
	var marks []ids.Offset
	w.m.OnHighWatermark("t", func(_ int32, hw ids.Offset) { marks = append(marks, hw) })
	if r, _ := w.append(tp("t", 0), 1, all); !errors.Is(r.Err, ErrUnknownPartition) {
		t.Fatalf("%+v", r)
	}
	w.create("t", 1, 1, 1)
	if slices.Contains(w.names(), "t-0") {
		t.Fatal("a partition without records has a directory")
	}
	w.mustAppend(tp("t", 0), 3)
	w.mustAppend(tp("t", 0), 2)
	res, err := w.m.Read(tp("t", 0), ReadOptions{MaxBytes: 1 << 20, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
	if err != nil || res.HighWatermark != 5 || res.LastStable != 5 || res.Slice.Len == 0 {
		t.Fatalf("%+v %v", res, err)
	}
	res.Slice.Release()

	w.lead("t", 1, 2, 2)
	if r, _ := w.append(tp("t", 0), 1, all); !errors.Is(r.Err, ErrNotLeader) || r.Leader.Leader != 2 {
		t.Fatalf("%+v", r)
	}
	if _, err := w.m.Read(tp("t", 0), ReadOptions{CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch}); !errors.Is(err, ErrNotLeader) {
		t.Fatal(err)
	}
	w.lead("t", 1, 1, 1)
	w.mustAppend(tp("t", 0), 1)
	if want := []string{"0 true 0", "0 false 1", "0 true 2"}; !slices.Equal(led, want) {
		t.Fatalf("leadership %v, want %v", led, want)
	}
	if !slices.Equal(marks, []ids.Offset{3, 5, 6}) {
		t.Fatalf("high watermarks %v", marks)
	}
	p, _ := w.m.Get(tp("t", 0))
	if end, err := p.EndOfEpoch(0, ids.NoEpoch); err != nil || end != (ids.OffsetAndEpoch{Offset: 5, Epoch: 0}) {
		t.Fatalf("end of epoch 0: %v %v", end, err)
	}

	w.apply(&records.RemoveTopicRecord{TopicID: idOf("t", 1)})
	if _, err := w.m.Get(tp("t", 0)); !errors.Is(err, ErrUnknownPartition) {
		t.Fatal(err)
	}
	var told error
	p.Append(oneBatch(1), all, func(r AppendResult) { told = r.Err })
	if !errors.Is(told, ErrNotLeader) {
		t.Fatalf("append to a deleted partition in hand: %v", told)
	}
	w.create("t", 2, 1, 1) // the same name, another topic
	w.mustAppend(tp("t", 0), 1)
	if _, hw, _, err := w.m.Offsets(tp("t", 0)); err != nil || hw != 1 {
		t.Fatalf("the new topic begins at %d, %v", hw, err)
	}
	if _, err := w.m.GetByID(idOf("t", 1), 0); !errors.Is(err, ErrUnknownTopicID) {
		t.Fatal(err)
	}
}

// With another replica in the ISR an append waits; the end of the leadership
// fails it, the end of that replica's membership completes it.
func TestAppendsWaitForTheISR(t *testing.T) {
	w := newWorld(t)
	var marks []ids.Offset
	w.m.OnHighWatermark("t", func(_ int32, hw ids.Offset) { marks = append(marks, hw) })
	w.create("t", 1, 1, 1, 2)
	var results []AppendResult
	wait := func() {
		w.m.Append(tp("t", 0), oneBatch(2), all, func(r AppendResult) { results = append(results, r) })
	}
	wait()
	wait()
	if len(results) != 0 {
		t.Fatalf("acknowledged without the follower: %+v", results)
	}
	res, err := w.m.Read(tp("t", 0), ReadOptions{MaxBytes: 1 << 20, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
	if err != nil || res.HighWatermark != 0 || res.Slice.Len != 0 {
		t.Fatalf("uncommitted records were read: %+v %v", res, err)
	}
	if info, err := mustGet(t, w.m).AppendLocal(oneBatch(1), AppendOptions{Acks: -1, Origin: partlog.Coordinator, Epoch: 0}); err != nil || info.LastOffset != 4 {
		t.Fatalf("local append: %+v %v", info, err)
	}
	w.lead("t", 1, 1, 1) // the same leader goes on alone: an epoch of its own
	if len(results) != 2 || results[0].Err != nil || results[1].Err != nil || results[1].FirstOffset != 2 {
		t.Fatalf("after the ISR shrank: %+v", results)
	}
	_, hw, _, _ := w.m.Offsets(tp("t", 0))
	if hw != 5 || !slices.Equal(marks, []ids.Offset{5}) {
		t.Fatalf("high watermark %d, told %v", hw, marks)
	}
	w.lead("t", 1, 1, 1, 2)
	results = nil
	wait()
	w.lead("t", 1, 2, 2)
	if len(results) != 1 || !errors.Is(results[0].Err, ErrNotLeader) {
		t.Fatalf("after the leadership ended: %+v", results)
	}
}

func mustGet(t *testing.T, m *Manager) *Partition {
	p, err := m.Get(tp("t", 0))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMinInSyncReplicas(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1, 2)
	w.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "t", Name: "min.insync.replicas", Value: ptr("2")})
	w.lead("t", 1, 1, 1)
	if r, _ := w.append(tp("t", 0), 1, all); !errors.Is(r.Err, ErrNotEnoughReplicas) {
		t.Fatalf("%+v", r)
	}
	if r, done := w.append(tp("t", 0), 1, AppendOptions{Acks: 1, Epoch: ids.NoEpoch}); !done || r.Err != nil {
		t.Fatalf("acks=1: %+v", r)
	}
}

func ptr(s string) *string { return &s }

func TestConfigReachesOpenLogs(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.mustAppend(tp("t", 0), 1)
	w.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "t", Name: "max.message.bytes", Value: ptr("80")})
	if r, _ := w.append(tp("t", 0), 10, all); !errors.Is(r.Err, partlog.ErrMessageTooLarge) {
		t.Fatalf("%+v", r)
	}
	if n := mustGet(t, w.m).MaxBatchBytes(); n != 80 {
		t.Fatalf("max batch %d", n)
	}
	w.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "t", Name: "max.message.bytes"})
	w.mustAppend(tp("t", 0), 10)
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 2, 1)
	w.create("gone", 1, 1, 1)
	w.mustAppend(tp("t", 1), 7)
	w.mustAppend(tp("gone", 0), 1)
	w.m.Start()
	w.m.Close()
	if err := w.logs.Close(9, nil); err != nil {
		t.Fatal(err)
	}
	img := w.img
	w.open()
	w.img = image.Empty()
	d := image.NewDelta(w.img)
	for _, r := range []records.Record{&records.TopicRecord{Name: "t", TopicID: idOf("t", 1)},
		&records.PartitionRecord{PartitionID: 0, TopicID: idOf("t", 1), Replicas: []ids.NodeID{1}, ISR: []ids.NodeID{1}, Leader: 1, LeaderEpoch: 1, Directories: make([]ids.DirectoryID, 1)},
		&records.PartitionRecord{PartitionID: 1, TopicID: idOf("t", 1), Replicas: []ids.NodeID{1}, ISR: []ids.NodeID{1}, Leader: 1, LeaderEpoch: 1, Directories: make([]ids.DirectoryID, 1)}} {
		if err := d.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	w.img = d.Apply(img.Provenance)
	w.m.Apply(d, w.img)
	w.m.MarkStrays()
	names := w.names()
	if slices.Contains(names, "gone-0") || !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "-stray") }) {
		t.Fatalf("stray: %v", names)
	}
	start, hw, end, err := w.m.Offsets(tp("t", 1))
	if err != nil || start != 0 || hw != 7 || end != 7 {
		t.Fatalf("after restart: %d %d %d %v", start, hw, end, err)
	}
	w.mustAppend(tp("t", 1), 1)
}

// Everything at once, for the race detector: appends, reads, leadership that
// comes and goes, deletion.
func TestConcurrency(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 2, 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range int32(2) {
		for range 2 {
			wg.Add(2)
			go func() {
				defer wg.Done()
				for range 200 {
					w.m.Append(tp("t", i), oneBatch(2), all, func(AppendResult) {})
				}
			}()
			go func() {
				defer wg.Done()
				for {
					select {
					case <-stop:
						return
					default:
					}
					res, err := w.m.Read(tp("t", i), ReadOptions{MaxBytes: 1 << 20, Isolation: Committed, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
					if err == nil && (res.LastStable > res.HighWatermark || res.LogStart > res.LastStable) {
						t.Errorf("%+v", res)
					}
					res.Slice.Release()
				}
			}()
		}
	}
	for range 20 {
		w.lead("t", 1, 2, 2)
		w.lead("t", 1, 1, 1)
	}
	w.apply(&records.RemoveTopicRecord{TopicID: idOf("t", 1)})
	close(stop)
	wg.Wait()
}
