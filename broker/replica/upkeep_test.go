package replica

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/compact"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/throttle"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// keyed is a batch with one record.
func keyed(key, value string) []byte {
	b := batch.NewBuilder(batch.Options{})
	b.Append(1_700_000_000_000, []byte(key), []byte(value), nil)
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

func compactedConfig(name string) []records.Record {
	var out []records.Record
	for k, v := range map[string]string{"cleanup.policy": "compact", "internal.segment.bytes": "1500", "min.cleanable.dirty.ratio": "0.01"} {
		out = append(out, &records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: name, Name: k, Value: &v})
	}
	return out
}

// The manager compacts by itself, a log that is damaged stops nothing, and
// Close ends it.
func TestManagerRunsTheCleaner(t *testing.T) {
	w := newWorld(t)
	values, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "controller.listener.names": "C", "log.cleaner.backoff.ms": "1"})
	if err != nil {
		t.Fatal(err)
	}
	w.m.SetBroker(values)
	for _, name := range []string{"bad", "good"} {
		w.create(name, 1, 1, 1)
		w.apply(compactedConfig(name)...)
		for i := range 60 {
			w.m.Append(tp(name, 0), keyed(fmt.Sprint(i%3), string(make([]byte, 100))), all, func(r AppendResult) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
			})
		}
	}
	f, err := w.fs.OpenFile("/data/bad-0/00000000000000000000.log", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 100); err != nil {
		t.Fatal(err)
	}
	told := make(chan ids.TopicPartition, 10)
	w.m.log = tellPartitions(told)
	w.m.Start()
	log, dir, _ := w.logs.Partition(tp("good", 0))
	for dir.CleanerOffset(tp("good", 0)) == 0 {
		runtime.Gosched()
	}
	if got := <-told; got != tp("bad", 0) {
		t.Errorf("set aside %v", got)
	}
	w.m.Close()
	if log.Size() > 3500 || log.EndOffset() != 60 || log.StartOffset() != 0 {
		t.Errorf("%d bytes, offsets %d to %d", log.Size(), log.StartOffset(), log.EndOffset())
	}
	if len(told) != 0 {
		t.Error("one bad log is reported more than once")
	}
}

func TestCleanerIsOffWhenToldSo(t *testing.T) {
	for key, value := range map[string]string{"log.cleaner.enable": "false", "log.cleaner.threads": "0"} {
		v, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "controller.listener.names": "C", key: value})
		if err != nil || cleans(v) {
			t.Error(key, err)
		}
	}
	v, _ := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker"})
	if want := (compact.Limits{MaxKeys: 5033164, Slots: 5592405, Buffer: 262144}); !cleans(v) || cleanerLimits(v) != want {
		t.Error("defaults", cleans(v), cleanerLimits(v))
	}
	v, _ = configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "log.cleaner.threads": "4",
		"log.cleaner.dedupe.buffer.size": "2400", "log.cleaner.io.buffer.load.factor": "0.5", "log.cleaner.io.buffer.size": "8000"})
	if want := (compact.Limits{MaxKeys: 12, Slots: 25, Buffer: 1000}); cleanerLimits(v) != want {
		t.Error("a thread's share", cleanerLimits(v))
	}
}

// log.cleaner.threads acts at once, up and down.
func TestCleanerThreads(t *testing.T) {
	w := newWorld(t)
	set := func(threads string) {
		t.Helper()
		v, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "controller.listener.names": "C",
			"log.cleaner.backoff.ms": "1", "log.cleaner.threads": threads})
		if err != nil {
			t.Fatal(err)
		}
		w.m.SetBroker(v)
	}
	c := &cleaners{Cleaner: &compact.Cleaner{Set: w.logs, Stable: w.m.stable, Stopped: w.m.stopping, Throttle: &throttle.Throttle{Pause: w.m.pause}}}
	set("1")
	c.running.Store(1)
	w.m.stopped.Add(1)
	go w.m.cleanerThread(c, 0)
	for _, n := range []int32{3, 1, 2} {
		for set(fmt.Sprint(n)); c.running.Load() != n; {
			runtime.Gosched()
		}
	}
	w.m.Close()
}

// Logs that nobody asks for after a restart are opened when retention has
// something to do in them, by age, by size or by a start offset, or the cleaner
// has, and not before; a changed configuration acts too.
func TestFoundLogsAreRetained(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 4, 1)
	w.alter("t", "internal.segment.bytes", "100")
	for range 5 {
		for i := range int32(4) {
			w.mustAppend(tp("t", i), 1)
		}
	}
	deleted, err := w.m.Get(tp("t", 3))
	if err == nil {
		_, err = deleted.DeleteRecords(3)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.logs.Close(9, w.m.committed); err != nil {
		t.Fatal(err)
	}
	w.reopen("t", 4)
	w.m.MarkStrays()
	rest := w.m.atRest()
	if len(rest) != 4 || rest[0].p.TP() != tp("t", 0) {
		t.Fatal(rest)
	}
	step := func(what string, want ...int32) {
		t.Helper()
		w.m.openSome(rest)
		var got []int32
		for _, r := range rest {
			if r.p != nil {
				got = append(got, r.p.TP().Partition)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v are not open", what, got)
		}
	}
	step("records below the start", 0, 1, 2)
	step("nothing to do", 0, 1, 2)
	w.alter("t", "retention.bytes", "100000")
	step("all fit", 0, 1, 2)
	if _, err := rest[1].p.opened(); err != nil {
		t.Fatal(err)
	}
	step("opened by somebody", 0, 2)
	w.alter("t", "retention.bytes", "100")
	w.m.openSome(rest[:1])
	step("too large")
	later := int64(1_700_000_000_000 + 30*24*3600*1000)
	w.logs.Tick(later, w.m.committed)
	w.logs.Each(func(tp ids.TopicPartition, l *partlog.Log, _ *logdir.Dir) {
		if l.StartOffset() != 5 || l.EndOffset() != 5 {
			t.Errorf("%v still has %d to %d", tp, l.StartOffset(), l.EndOffset())
		}
	})
}

// A log that is not open is opened when its oldest segment is due by time, and
// openFound ends when none is left.
func TestFoundLogsExpire(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.mustAppend(tp("t", 0), 1)
	if err := w.logs.Close(9, w.m.committed); err != nil {
		t.Fatal(err)
	}
	w.reopen("t", 1)
	w.m.MarkStrays()
	rest := w.m.atRest()
	if w.m.openSome(rest); rest[0].p == nil {
		t.Fatal("opened before it is due")
	}
	w.late.Store(30 * 24 * 3600 * 1000)
	w.m.stopped.Add(1)
	w.m.openFound() // returns: there is nothing left to do
	if got := w.logs.Unopened(); len(got) != 0 {
		t.Fatalf("%v are not open", got)
	}
}

// reopen is a restart of the broker on the same metadata.
func (w *world) reopen(name string, parts int) {
	w.t.Helper()
	w.open()
	w.img = image.Empty()
	recs := []records.Record{&records.TopicRecord{Name: name, TopicID: idOf(name, 1)}}
	for i := range parts {
		recs = append(recs, &records.PartitionRecord{PartitionID: int32(i), TopicID: idOf(name, 1), Replicas: []ids.NodeID{1}, ISR: []ids.NodeID{1},
			Leader: 1, Directories: []ids.DirectoryID{homeDir}})
	}
	w.apply(recs...)
}

// tellPartitions is a logger that sends the partition of every error.
func tellPartitions(to chan<- ids.TopicPartition) *zap.Logger {
	return zap.New(partitionSink{zapcore.NewNopCore(), to})
}

type partitionSink struct {
	zapcore.Core
	to chan<- ids.TopicPartition
}

func (s partitionSink) Enabled(l zapcore.Level) bool { return l >= zapcore.ErrorLevel }

func (s partitionSink) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Enabled(e.Level) {
		return ce.AddCore(e, s)
	}
	return ce
}

func (s partitionSink) Write(_ zapcore.Entry, fields []zapcore.Field) error {
	for _, f := range fields {
		if tp, ok := f.Interface.(ids.TopicPartition); ok {
			s.to <- tp
		}
	}
	return nil
}

// Scrubbing reaches every partition's sealed segments, at its pace, and ends
// when the manager stops; damage is told of and changes nothing else.
func TestScrubAll(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b"} {
		w.create(name, 1, 1, 1)
		w.apply(compactedConfig(name)...)
		for i := range 40 {
			w.m.Append(tp(name, 0), keyed(fmt.Sprint(i), string(make([]byte, 100))), all, func(AppendResult) {})
		}
	}
	f, err := w.fs.OpenFile("/data/b-0/00000000000000000000.log", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 100); err != nil {
		t.Fatal(err)
	}
	w.m.scrubAll(func(time.Duration) bool { return true })
	for name, want := range map[string]int{"a": 0, "b": 1} {
		if log, _, _ := w.logs.Partition(tp(name, 0)); log.Damages() != want || log.Err() != nil {
			t.Errorf("%s: %d damaged places, %v", name, log.Damages(), log.Err())
		}
	}
	if _, err := w.m.Read(tp("b", 0), ReadOptions{MaxBytes: 1000, MinOneBatch: true, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch}); !errors.Is(err, partlog.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
}
