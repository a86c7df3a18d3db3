package logdir

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

var (
	tp0 = ids.TopicPartition{Topic: "my-topic", Partition: 0}
	tp1 = ids.TopicPartition{Topic: "my-topic", Partition: 1}
	id1 = ids.TopicID{1}
)

type node struct {
	t    *testing.T
	fs   vfs.FS
	now  int64
	cfg  partlog.Config
	s    *Set
	lost chan string
}

func newNode(t *testing.T, fsys vfs.FS, dirs ...string) *node {
	t.Helper()
	n := &node{t: t, fs: fsys, now: 1_760_000_000_000, cfg: partlog.DefaultConfig(), lost: make(chan string, 9)}
	for i, d := range dirs {
		if _, err := ReadMeta(fsys, d); err == nil {
			continue
		}
		n.must(fsys.MkdirAll(d))
		n.must(fsys.SyncDir("/"))
		n.must(WriteMeta(fsys, d, MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200, byte(i)}}))
	}
	n.s = n.open(dirs...)
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) options(dirs ...string) Options {
	return Options{FS: n.fs, Dirs: dirs, ClusterID: "c", NodeID: 1,
		OnFailure: func(dir string, _ ids.DirectoryID, _ error) { n.lost <- dir },
		Env:       &partlog.Env{Clock: func() int64 { return n.now }, ProducerExpirationMs: 1 << 40}}
}

func (n *node) open(dirs ...string) *Set {
	n.t.Helper()
	s, err := Open(n.options(dirs...))
	n.must(err)
	return s
}

func (n *node) log(tp ids.TopicPartition, id ids.TopicID) *partlog.Log {
	n.t.Helper()
	l, _, err := n.s.OpenPartition(tp, id, nil, &n.cfg)
	n.must(err)
	return l
}

func (n *node) append(l *partlog.Log) error { return n.appendAs(l, partlog.Client) }

func (n *node) appendAs(l *partlog.Log, o partlog.Origin) error {
	b := batch.NewBuilder(batch.Options{})
	b.Append(n.now, []byte("k"), []byte("v"), nil)
	v, err := b.Bytes()
	n.must(err)
	_, err = l.AppendAsLeader(v, 1, o, n.now)
	return err
}

func (n *node) hw(tp ids.TopicPartition) (ids.Offset, bool) {
	l, _, ok := n.s.Partition(tp)
	if !ok {
		return 0, false
	}
	return l.EndOffset(), true
}

func TestFilesOfKafka(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m, err := ParseMeta(read("meta.properties"))
	if err != nil || m.ClusterID != "5L6g3nShT-eMCtK--X86sw" || m.NodeID != 1 || m.DirectoryID.String() != "McR9HQoJTIy_soctOgMIKg" || m.Version != 1 {
		t.Fatal(m, err)
	}
	if again, err := ParseMeta(EncodeMeta(m)); err != nil || again != m {
		t.Fatal(again, err)
	}
	o, err := ParseOffsets(read("recovery-point-offset-checkpoint"))
	if err != nil || len(o) != 6 || o[ids.TopicPartition{Topic: "txn"}] != 2225 {
		t.Fatal(o, err)
	}
	if again, err := ParseOffsets(EncodeOffsets(o)); err != nil || len(again) != len(o) {
		t.Fatal(again, err)
	}
	fsys := vfs.NewMem()
	f, _ := fsys.OpenFile("/"+CleanFile, os.O_RDWR|os.O_CREATE)
	f.WriteAt(read("kafka_cleanshutdown"), 0)
	if clean, epoch, err := takeClean(fsys, ""); !clean || epoch != 270 || err != nil {
		t.Fatal(clean, epoch, err)
	}
	if err := writeClean(fsys, "", 270); err != nil {
		t.Fatal(err)
	}
	if b, _ := vfs.ReadFile(fsys, "/"+CleanFile, 100); !bytes.Equal(b, read("kafka_cleanshutdown")) {
		t.Fatalf("%s", b)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"my-topic-0": "", "a.b-12": "", "x-0.0123456789abcdef0123456789abcdef-delete": "-delete",
		"x-1.0123456789abcdef0123456789abcdef-stray": "-stray", "x-1.0123456789abcdef0123456789abcdef-future": "-future", "t-delete-3": "",
	} {
		if _, suffix, ok := parseName(name); !ok || suffix != want {
			t.Errorf("%s: %q %v", name, suffix, ok)
		}
	}
	for _, name := range []string{"x", "-1", "x-", "x-01", "lost+found", "x-0-delete"} {
		if tp, _, ok := parseName(name); ok {
			t.Errorf("%s is %v", name, tp)
		}
	}
	long := ids.TopicPartition{Topic: strings.Repeat("x", 249), Partition: 12345}
	if n := renamed(long, deleteSuffix); len(n) > 255 {
		t.Error(len(n))
	} else if tp, suffix, ok := parseName(n); !ok || suffix != deleteSuffix || tp.Partition != 12345 {
		t.Error(n)
	}
}

func TestNothingOnDiskBeforeTheFirstAppend(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/d")
	l := n.log(tp0, id1)
	n.must(n.s.Save(n.hw))
	if _, err := n.fs.Stat("/d/my-topic-0"); err == nil || l.EndOffset() != 0 {
		t.Fatal("a partition without records has a directory")
	}
	n.must(n.append(l))
	b, err := vfs.ReadFile(n.fs, "/d/my-topic-0/partition.metadata", 100)
	if err != nil || string(b) != "version: 0\ntopic_id: "+id1.String() {
		t.Fatalf("%q %v", b, err)
	}
}

func TestRestart(t *testing.T) {
	for _, clean := range []bool{true, false} {
		n := newNode(t, vfs.NewMem(), "/d")
		for range 3 {
			n.must(n.append(n.log(tp0, id1)))
		}
		n.log(tp1, id1)
		if clean {
			n.must(n.s.Close(17, n.hw))
		} else {
			n.s.Abandon()
		}
		n.s = n.open("/d")
		if n.s.CleanShutdown() != clean || clean && n.s.PreviousBrokerEpoch() != 17 {
			t.Fatal(n.s.CleanShutdown(), n.s.PreviousBrokerEpoch())
		}
		if f := n.s.Unopened(); len(f) != 1 || f[0] != tp0 {
			t.Fatal(f)
		}
		if hw := n.s.HighWatermark(tp0); clean && hw != 3 {
			t.Fatal(hw)
		}
		if end := n.log(tp0, id1).EndOffset(); end != 3 {
			t.Fatalf("clean %v: ends at %d", clean, end)
		}
		n.must(n.append(n.log(tp0, id1)))
	}
}

// TestUnopenedPartitionsSurviveACleanCloseAfterAKill: the clean mark must hold
// for a partition that nobody opened since the kill.
func TestUnopenedPartitionsSurviveACleanCloseAfterAKill(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/d")
	n.must(n.append(n.log(tp0, id1)))
	n.must(n.log(tp0, id1).Flush())
	n.must(n.s.Save(n.hw))
	n.must(n.append(n.log(tp0, id1)))
	n.s.Abandon()
	n.s = n.open("/d")
	n.must(n.s.Close(1, n.hw))
	n.s = n.open("/d")
	if end := n.log(tp0, id1).EndOffset(); end != 2 || !n.s.CleanShutdown() {
		t.Fatalf("ends at %d", end)
	}
}

func TestRefusals(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/d")
	if _, err := Open(n.options("/d")); !errors.Is(err, vfs.ErrLocked) {
		t.Fatal(err)
	}
	n.s.Abandon()
	o := n.options("/d")
	o.NodeID = 2
	if _, err := Open(o); !errors.Is(err, ErrForeign) {
		t.Fatal(err)
	}
	n.must(n.fs.MkdirAll("/empty"))
	if _, err := Open(n.options("/d", "/empty")); !errors.Is(err, ErrUnformatted) {
		t.Fatal(err)
	}
	n.must(n.fs.MkdirAll("/twin"))
	n.must(WriteMeta(n.fs, "/twin", MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200, 0}}))
	if _, err := Open(n.options("/d", "/twin")); !errors.Is(err, ErrForeign) {
		t.Fatal(err)
	}
	n.s = n.open("/d") // every refusal gave the lock back
}

func TestDeleteAndCreateAgain(t *testing.T) {
	mem := vfs.NewMem()
	n := newNode(t, mem, "/d")
	for range 5 {
		n.must(n.append(n.log(tp0, id1)))
	}
	n.must(n.log(tp0, id1).Flush())
	n.must(n.s.Save(n.hw))
	n.must(n.s.DeletePartition(tp0))
	l := n.log(tp0, ids.TopicID{2})
	if l.EndOffset() != 0 {
		t.Fatal("the new topic has the old one's records")
	}
	n.must(n.append(l))
	n.must(l.Flush())
	// A crash now must not find the old recovery point beside the new log.
	o, err := ReadOffsets(mem.CrashClone(0, rand.New(rand.NewPCG(1, 1))), "/d", RecoveryFile)
	if err != nil || o[tp0] != 0 {
		t.Fatal(o, err)
	}
	n.s.Tick(n.now+61000, n.hw)
	es, _ := n.fs.ReadDir("/d")
	for _, e := range es {
		if strings.HasSuffix(e.Name, deleteSuffix) {
			t.Fatal(e.Name, "is still there")
		}
	}
}

func TestStrayOfAnotherTopicID(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/d")
	n.must(n.append(n.log(tp0, id1)))
	n.must(n.s.Close(1, n.hw))
	n.s = n.open("/d")
	if end := n.log(tp0, ids.TopicID{9}).EndOffset(); end != 0 {
		t.Fatalf("old data under the new id: end %d", end)
	}
	es, _ := n.fs.ReadDir("/d")
	for _, e := range es {
		if strings.HasSuffix(e.Name, straySuffix) {
			return
		}
	}
	t.Fatal("no stray directory", es)
}

func TestOneDirectoryFails(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem())
	n := newNode(t, faulty, "/a", "/b")
	la, lb := n.log(tp0, id1), n.log(tp1, id1)
	if la.Dir() == lb.Dir() || !strings.HasPrefix(la.Dir(), "/a") || !strings.HasPrefix(lb.Dir(), "/b") {
		t.Fatal("partitions go to the emptiest directory", la.Dir(), lb.Dir())
	}
	n.must(n.append(la))
	n.must(n.append(lb))
	faulty.Set(vfs.Fault{Op: vfs.OpSync, Name: "/b/", Err: errors.New("EIO")})
	if err := lb.Flush(); !errors.Is(err, partlog.ErrFailed) {
		t.Fatal(err)
	}
	if dir := <-n.lost; dir != "/b" {
		t.Fatal(dir)
	}
	faulty.Set()
	if err := n.append(lb); !errors.Is(err, partlog.ErrFailed) {
		t.Fatal("a log whose sync failed is not trusted again", err)
	}
	n.must(n.append(la))
	if off := n.s.Offline(); len(off) != 1 || off[0] != "/b" || len(n.s.Dirs()) != 1 {
		t.Fatal(off)
	}
	_ = n.s.Close(1, n.hw)
	n.s = n.open("/a", "/b")
	if n.s.CleanShutdown() {
		t.Fatal("the failed directory was not closed cleanly")
	}
}

func TestFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	n := newNode(t, mem, "/d")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	filler, err := mem.OpenFile("/filler", os.O_RDWR|os.O_CREATE)
	n.must(err)
	_, err = filler.WriteAt(make([]byte, 1<<20), 0)
	n.must(err)
	mem.SetCapacity(1<<20 + 90<<10) // below the reserve of 139 KiB, above its half
	n.s.Tick(n.now, n.hw)
	if err := n.append(l); !errors.Is(err, partlog.ErrDiskFull) {
		t.Fatal(err)
	}
	if err := n.appendAs(l, partlog.Coordinator); err != nil {
		t.Fatal("coordinators go on while half of the reserve is there", err)
	}
	mem.SetCapacity(1<<20 + 30<<10)
	n.s.Tick(n.now, n.hw)
	if err := n.appendAs(l, partlog.Coordinator); !errors.Is(err, partlog.ErrDiskFull) {
		t.Fatal(err)
	}
	if s, err := l.Read(0, 1000, 1, true); err != nil || s.Len == 0 {
		t.Fatal("reads go on", err)
	} else {
		s.Release()
	}
	mem.SetCapacity(1 << 40)
	n.s.Tick(n.now, n.hw)
	n.must(n.append(l))
}

func TestDiskFullInTheMiddleOfAnAppend(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem())
	n := newNode(t, faulty, "/d")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	faulty.Set(vfs.Fault{Op: vfs.OpWrite, Name: ".log", Short: true, Times: 1, Err: vfs.ErrNoSpace})
	if err := n.append(l); !errors.Is(err, partlog.ErrDiskFull) || l.EndOffset() != 1 {
		t.Fatal(err, l.EndOffset())
	}
	if err := n.append(l); !errors.Is(err, partlog.ErrDiskFull) {
		t.Fatal("nothing is tried until somebody has looked at the disk", err)
	}
	n.s.Tick(n.now, n.hw)
	n.must(n.append(l))
	n.s.Abandon()
	n.s = n.open("/d")
	if end := n.log(tp0, id1).EndOffset(); end != 2 {
		t.Fatal(end)
	}
}

func TestIdleLogsRest(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/d")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	n.s.Tick(n.now, n.hw)
	n.now += restAfterMs + 1
	n.s.Tick(n.now, n.hw)
	if l.RecoveryPoint() != 1 {
		t.Fatal("an idle log is flushed")
	}
	n.must(n.append(l))
	n.must(n.s.Close(1, n.hw))
	n.s = n.open("/d")
	if end := n.log(tp0, id1).EndOffset(); end != 2 {
		t.Fatal(end)
	}
}

func FuzzCheckpoints(f *testing.F) {
	for _, name := range []string{"meta.properties", "recovery-point-offset-checkpoint"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("0\n1\na 0 5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseMeta(b); err == nil {
			if _, err := ParseMeta(EncodeMeta(m)); err != nil && !strings.ContainsAny(m.ClusterID, "\r#!\\ \t") {
				t.Fatalf("%q: %v", EncodeMeta(m), err)
			}
		}
		if o, err := ParseOffsets(b); err == nil {
			if again, err := ParseOffsets(EncodeOffsets(o)); err != nil || len(again) != len(o) {
				t.Fatal(err)
			}
		}
		_, _ = partlog.ParseMetadata(b)
	})
}

// A log that is cut below what the cleaner noted is dirty from there.
func TestTruncationLowersTheCleaner(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	if err := WriteMeta(fs, "/d", MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200}}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{FS: fs, Dirs: []string{"/d"}, Env: &partlog.Env{Clock: func() int64 { return 1 }}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := partlog.DefaultConfig()
	tp := ids.TopicPartition{Topic: "t"}
	l, d, err := s.OpenPartition(tp, ids.TopicID{1}, nil, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b := batch.NewBuilder(batch.Options{})
		b.Append(1, []byte("k"), nil, nil)
		v, _ := b.Bytes()
		if _, err := l.AppendAsLeader(v, 1, partlog.Coordinator, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SetCleanerOffset(tp, 7); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ to, want ids.Offset }{{9, 7}, {4, 4}} {
		if err := l.TruncateTo(c.to); err != nil {
			t.Fatal(err)
		}
		on, err := ReadOffsets(fs, "/d", CleanerFile)
		if err != nil || d.CleanerOffset(tp) != c.want || on[tp] != c.want {
			t.Fatalf("cut at %d: clean up to %d, on disk %v %v", c.to, d.CleanerOffset(tp), on, err)
		}
	}
}
