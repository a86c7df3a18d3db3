package replica

import (
	"errors"
	"fmt"
	"runtime"
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
	c := &cleaners{Cleaner: &compact.Cleaner{Set: w.logs, Stable: w.m.stable, Stopped: w.m.stopping, Throttle: &compact.Throttle{Pause: w.m.pause}}}
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

// Logs that nobody asks for after a restart are opened by and by, so that
// retention reaches them; then the opener is gone.
func TestFoundLogsAreRetained(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 2, 1)
	w.alter("t", "internal.segment.bytes", "100")
	for range 5 {
		w.mustAppend(tp("t", 0), 1)
		w.mustAppend(tp("t", 1), 1)
	}
	hw := w.m.committed
	if err := w.logs.Close(9, hw); err != nil {
		t.Fatal(err)
	}
	w.reopen("t", 2)
	if got := w.logs.Unopened(); len(got) != 2 || got[0] != tp("t", 0) {
		t.Fatal(got)
	}
	w.m.MarkStrays()
	w.m.stopped.Add(1)
	w.m.openFound() // returns: there is nothing left to do
	if got := w.logs.Unopened(); len(got) != 0 {
		t.Fatalf("%v are not open", got)
	}
	later := int64(1_700_000_000_000 + 30*24*3600*1000)
	w.logs.Tick(later, w.m.committed)
	w.logs.Each(func(tp ids.TopicPartition, l *partlog.Log, _ *logdir.Dir) {
		if l.StartOffset() != 5 || l.EndOffset() != 5 {
			t.Errorf("%v still has %d to %d", tp, l.StartOffset(), l.EndOffset())
		}
	})
}

// reopen is a restart of the broker on the same metadata.
func (w *world) reopen(name string, parts int) {
	w.t.Helper()
	w.open()
	w.img = image.Empty()
	w.create(name, 1, parts, 1)
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
