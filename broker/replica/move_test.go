package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dirA and dirB are the directories of a world with two, /a and /b.
var dirA, dirB = ids.DirectoryID{1: 1, 15: 201}, ids.DirectoryID{1: 1, 15: 202}

// jbod is a world with two directories whose controller is asked by hand.
func jbod(t *testing.T, l *listener) *world {
	w := &world{t: t, fs: vfs.NewMem(), img: image.Empty()}
	for path, id := range map[string]ids.DirectoryID{"/a": dirA, "/b": dirB} {
		if err := errors.Join(w.fs.MkdirAll(path),
			logdir.WriteMeta(w.fs, path, logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: id})); err != nil {
			t.Fatal(err)
		}
	}
	w.openJBOD(l)
	return w
}

func (w *world) openJBOD(l *listener) {
	w.t.Helper()
	clock := func() int64 { return 1_700_000_000_000 }
	env := &partlog.Env{Clock: clock, ProducerExpirationMs: 1 << 40, MaxTxnTimeoutMs: 900000, Random: func(int64) int64 { return 0 }}
	var err error
	if w.logs, err = logdir.Open(logdir.Options{FS: w.fs, Dirs: []string{"/a", "/b"}, Env: env, ClusterID: "c", NodeID: 1}); err != nil {
		w.t.Fatal(err)
	}
	values, _ := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker"})
	l.dirs, l.alters = make(chan *kmsg.AssignReplicasToDirsRequest, 10), make(chan *kmsg.AlterPartitionRequest, 10)
	m := New(Options{Node: 1, FS: w.fs, Logs: w.logs, Clock: clock, Broker: values, Controller: l})
	w.m = m
	m.stopped.Add(1)
	go m.reports.run()
	w.t.Cleanup(m.Close)
	if w.n > 0 { // the metadata of the life before
		w.m.Apply(replayed(w.t, w.img), w.img)
		return
	}
	w.apply(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: int16(image.LatestMetadataVersion)},
		&records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7, LogDirs: []ids.DirectoryID{dirA, dirB}})
}

// replayed is the change from nothing to an image's topics.
func replayed(t *testing.T, img *image.Image) *image.Delta {
	d := image.NewDelta(image.Empty())
	img.Topics.Each(func(topic *image.Topic) bool {
		if err := d.Replay(&records.TopicRecord{Name: topic.Name, TopicID: topic.ID}); err != nil {
			t.Fatal(err)
		}
		for i, p := range topic.Partitions {
			if err := d.Replay(&records.PartitionRecord{PartitionID: int32(i), TopicID: topic.ID, Replicas: p.Replicas, ISR: p.ISR, Leader: p.Leader,
				LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Directories: p.Directories}); err != nil {
				t.Fatal(err)
			}
		}
		return true
	})
	d.Apply(image.Provenance{})
	return d
}

// agree is what a controller does with a report: the metadata says what the broker said.
func (w *world) agree(topic string, dir ids.DirectoryID) {
	w.apply(&records.PartitionChangeRecord{TopicID: idOf(topic, 1), Leader: -2, LeaderRecoveryState: -1, Directories: []ids.DirectoryID{dir}})
}

func numbered(n int) []byte {
	b := batch.NewBuilder(batch.Options{})
	b.Append(1_700_000_000_000, nil, binary.BigEndian.AppendUint64(nil, uint64(n)), nil)
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// numbers reads all records back.
func (w *world) numbers(p ids.TopicPartition) (out []int) {
	w.t.Helper()
	for from := ids.Offset(0); ; {
		res, err := w.m.Read(p, ReadOptions{From: from, MaxBytes: 1 << 16, MinOneBatch: true, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
		if err != nil {
			w.t.Fatal(err)
		}
		buf := make([]byte, res.Slice.Len)
		if len(buf) > 0 {
			if _, err := res.Slice.ReadAt(buf, 0); err != nil {
				w.t.Fatal(err)
			}
		}
		res.Slice.Release()
		if len(buf) == 0 {
			return out
		}
		for rest := buf; len(rest) > 0; {
			v, tail, err := batch.Next(rest)
			if err != nil {
				w.t.Fatal(err)
			}
			it, err := v.Iterate(1 << 20)
			if err != nil {
				w.t.Fatal(err)
			}
			var r batch.Record
			for it.Next(&r) {
				out = append(out, int(binary.BigEndian.Uint64(r.Value)))
			}
			it.Release()
			rest, from = tail, v.NextOffset()
		}
	}
}

func counted(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

func (w *world) send(p ids.TopicPartition, n int) {
	w.m.Append(p, numbered(n), all, func(r AppendResult) {
		if r.Err != nil {
			w.t.Errorf("record %d: %v", n, r.Err)
		}
	})
}

// shown is what DescribeLogDirs tells of a topic: directory, lag, future.
func (w *world) shown() (out []string) {
	for _, d := range w.m.LogDirs(nil) {
		for _, p := range d.Partitions {
			out = append(out, fmt.Sprint(d.Path, " ", p.TP, " ", p.Lag, " ", p.Future))
		}
	}
	return out
}

func TestMoveWhileWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := jbod(t, l)
		w.create("t", 1, 1, 1)
		w.send(tp("t", 0), 0)
		if got := <-l.dirs; got.Directories[0].ID != dirA {
			t.Fatal(got)
		}
		w.agree("t", dirA)
		n := 1
		var writer sync.WaitGroup
		stop := make(chan struct{})
		writer.Go(func() {
			for ; ; n++ {
				select {
				case <-stop:
					return
				default:
					w.send(tp("t", 0), n)
				}
				time.Sleep(time.Millisecond)
			}
		})
		time.Sleep(50 * time.Millisecond)
		if err := w.m.AlterLogDir(tp("t", 0), "/b"); err != nil {
			t.Fatal(err)
		}
		if got := <-l.dirs; len(got.Directories) != 1 || got.Directories[0].ID != dirB {
			t.Fatalf("told %+v", got)
		}
		time.Sleep(50 * time.Millisecond)
		if got := w.shown(); len(got) != 2 || got[0] != "/a t-0 0 false" {
			t.Fatalf("before the controller agreed: %v", got)
		}
		w.agree("t", dirB)
		time.Sleep(50 * time.Millisecond)
		close(stop)
		writer.Wait()
		synctest.Wait()
		if got := w.shown(); !slices.Equal(got, []string{"/b t-0 0 false"}) {
			t.Fatal(got)
		}
		if got := w.numbers(tp("t", 0)); !slices.Equal(got, counted(n)) || n < 100 {
			t.Fatalf("%d of %d records: %v", len(got), n, got)
		}
		if w.pending() != 0 || len(l.dirs) != 0 {
			t.Fatal("more to say than once", w.pending(), len(l.dirs))
		}
	})
}

func TestMoveIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := jbod(t, l)
		w.create("t", 1, 1, 1)
		w.send(tp("t", 0), 0)
		<-l.dirs
		w.agree("t", dirA)
		if err := w.m.AlterLogDir(tp("t", 0), "/b"); err != nil {
			t.Fatal(err)
		}
		if got := <-l.dirs; got.Directories[0].ID != dirB {
			t.Fatal(got)
		}
		if err := w.m.AlterLogDir(tp("t", 0), "/a"); err != nil {
			t.Fatal(err)
		}
		w.agree("t", dirB) // the controller had said yes
		if got := <-l.dirs; got.Directories[0].ID != dirA {
			t.Fatal("the controller is told of the old directory again", got)
		}
		w.agree("t", dirA)
		synctest.Wait()
		if got := w.shown(); !slices.Equal(got, []string{"/a t-0 0 false"}) || w.pending() != 0 {
			t.Fatal(got, w.pending())
		}
		w.send(tp("t", 0), 1)
		if got := w.numbers(tp("t", 0)); !slices.Equal(got, counted(2)) {
			t.Fatal(got)
		}
	})
}

func TestMoveGoesOnAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := jbod(t, l)
		w.create("t", 1, 1, 1)
		for i := range 10 {
			w.send(tp("t", 0), i)
		}
		<-l.dirs
		w.agree("t", dirA)
		if err := w.m.AlterLogDir(tp("t", 0), "/b"); err != nil {
			t.Fatal(err)
		}
		<-l.dirs
		for i := 10; i < 15; i++ { // in the log only
			w.send(tp("t", 0), i)
		}
		w.logs.Abandon()
		w.img = func() *image.Image { // the controller had agreed before the kill
			d := image.NewDelta(w.img)
			if err := d.Replay(&records.PartitionChangeRecord{TopicID: idOf("t", 1), Leader: -2, LeaderRecoveryState: -1, Directories: []ids.DirectoryID{dirB}}); err != nil {
				t.Fatal(err)
			}
			return d.Apply(image.Provenance{})
		}()
		w.openJBOD(l)
		synctest.Wait()
		if got := w.shown(); !slices.Equal(got, []string{"/b t-0 0 false"}) {
			t.Fatal(got)
		}
		if got := w.numbers(tp("t", 0)); !slices.Equal(got, counted(15)) {
			t.Fatal(got)
		}
	})
}

func TestAlterLogDirRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jbod(t, &listener{})
		w.create("t", 1, 1, 1)
		long := string(slices.Repeat([]byte("x"), 240))
		w.create(long, 1, 1, 1)
		for _, c := range []struct {
			p    ids.TopicPartition
			path string
			want error
		}{
			{tp(long, 0), "/nowhere", ErrNameTooLong},
			{tp("t", 0), "/nowhere", logdir.ErrUnknownDir},
			{tp("u", 0), "/a", ErrUnknownPartition},
			{tp("t", 1), "/a", ErrUnknownPartition},
			{tp("t", 0), "/a", nil},
		} {
			if err := w.m.AlterLogDir(c.p, c.path); !errors.Is(err, c.want) {
				t.Errorf("%v to %s: %v, want %v", c.p, c.path, err, c.want)
			}
		}
		w.logs.Cordon([]string{"/b"})
		if err := w.m.AlterLogDir(tp("t", 0), "/b"); !errors.Is(err, logdir.ErrCordoned) {
			t.Error(err)
		}
		w.logs.Cordon(nil)
		w.create("u", 1, 1, 1)
		w.send(tp("u", 0), 0)
		if got := w.shown(); !slices.Contains(got, "/a u-0 0 false") {
			t.Error("the wish of before it was made:", got)
		}
		d, _ := w.logs.DirByID(dirB)
		w.logs.FailDir(d, errors.New("EIO"))
		w.m.DirectoryFailed(dirB)
		if err := w.m.AlterLogDir(tp("t", 0), "/b"); !errors.Is(err, logdir.ErrOffline) {
			t.Error(err)
		}
	})
}

// One failing directory takes its partitions offline and nothing else.
func TestDirectoryFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := jbod(t, &listener{})
		w.create("t", 1, 4, 1)
		for i := range int32(4) {
			w.send(tp("t", i), 0)
		}
		lies := map[int32]string{}
		for _, d := range w.m.LogDirs(nil) {
			for _, p := range d.Partitions {
				lies[p.TP.Partition] = d.Path
			}
		}
		// acks=all waits for a replica that never fetches.
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("t", 1), PartitionID: 1, Leader: -2, LeaderRecoveryState: -1,
			Replicas: []ids.NodeID{1, 2}, ISR: []ids.NodeID{1, 2}, Directories: []ids.DirectoryID{dirB, ids.UnassignedDir}})
		var waits error
		w.m.Append(tp("t", 1), numbered(1), all, func(r AppendResult) { waits = r.Err })
		d, _ := w.logs.DirByID(dirB)
		w.logs.FailDir(d, errors.New("EIO"))
		w.m.DirectoryFailed(dirB)
		if lies[1] != "/b" || !errors.Is(waits, ErrOffline) {
			t.Fatal("who waits is told", lies, waits)
		}
		w.lead("t", 1, ids.NoNode) // what the controller makes of it, for partition 0 only
		for i := range int32(4) {
			r, _ := w.append(tp("t", i), 1, all)
			_, rerr := w.m.Read(tp("t", i), ReadOptions{MaxBytes: 100, CurrentEpoch: ids.NoEpoch, LastFetchedEpoch: ids.NoEpoch})
			_, _, lerr := w.m.ListOffset(tp("t", i), Latest, Uncommitted, ids.NoEpoch)
			var want error
			switch {
			case lies[i] == "/b":
				want = ErrOffline
			case i == 0:
				want = ErrNotLeader
			}
			if !errors.Is(r.Err, want) || !errors.Is(rerr, want) || !errors.Is(lerr, want) {
				t.Errorf("partition %d in %s: append %v, read %v, list %v; want %v", i, lies[i], r.Err, rerr, lerr, want)
			}
		}
		dirs := w.m.LogDirs(nil)
		if len(dirs) != 2 || dirs[0].Offline || !dirs[1].Offline || dirs[1].Total != -1 || len(dirs[1].Partitions) != 0 {
			t.Errorf("%+v", dirs)
		}
	})
}
