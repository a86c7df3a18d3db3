package logdir

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// dir is a directory of the set by path.
func (n *node) dir(path string) *Dir {
	n.t.Helper()
	d, err := n.s.DirByPath(path)
	n.must(err)
	return d
}

// copyAll makes the copy of tp in dst whole.
func (n *node) copyAll(tp ids.TopicPartition, id ids.TopicID, dst *Dir) error {
	src, _, _ := n.s.Partition(tp)
	f, _, err := n.s.OpenFuture(tp, id, dst, &n.cfg)
	for err == nil && f.EndOffset() < src.EndOffset() {
		var s partlog.Slice
		if s, err = src.Read(f.EndOffset(), 1<<20, src.EndOffset(), true); err == nil {
			b := make([]byte, s.Len)
			_, err = s.ReadAt(b, 0)
			s.Release()
			if err == nil {
				_, err = f.AppendAsFollower(b, 1)
			}
		}
	}
	return err
}

// names are the partition directories in a path, their random parts cut out.
func (n *node) names(path string) string {
	entries, err := n.fs.ReadDir(path)
	n.must(err)
	var out []string
	for _, e := range entries {
		if _, suffix, ok := parseName(e.Name); ok && e.IsDir {
			name, _, _ := strings.Cut(e.Name, ".")
			out = append(out, name+suffix)
		}
	}
	return strings.Join(out, " ")
}

func TestMove(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/a", "/b")
	l := n.log(tp0, id1)
	for range 10 {
		n.must(n.append(l))
	}
	n.must(n.dir("/a").SetCleanerOffset(tp0, 3))
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	if d := n.s.FutureDir(tp0); d == nil || d.Path != "/b" || n.names("/b") != "my-topic-0-future" {
		t.Fatal(d, n.names("/b"))
	}
	if n.dir("/a").partitions.Load() != 1 || n.dir("/b").partitions.Load() != 1 {
		t.Fatal("a copy counts where it is made")
	}
	held, err := l.Read(0, 1<<20, 10, true)
	n.must(err)
	moved, d, err := n.s.Promote(tp0)
	n.must(err)
	if d.Path != "/b" || moved.EndOffset() != 10 || moved.RecoveryPoint() != 10 || n.names("/b") != "my-topic-0" || n.names("/a") != "my-topic-0-delete" {
		t.Fatal(d.Path, moved.EndOffset(), moved.RecoveryPoint(), n.names("/a"), n.names("/b"))
	}
	if got, in, ok := n.s.Partition(tp0); !ok || got != moved || in != d || n.s.FutureDir(tp0) != nil || d.CleanerOffset(tp0) != 3 {
		t.Fatal(got, in, ok, d.CleanerOffset(tp0))
	}
	if _, err := held.ReadAt(make([]byte, held.Len), 0); err != nil {
		t.Fatal("who holds the old log may finish", err)
	}
	held.Release()
	if s, err := l.Read(0, 1<<20, 10, true); err != nil {
		t.Fatal("who knows the old log may read it", err)
	} else {
		s.Release()
	}
	n.must(n.append(moved))
	n.now += 61_000
	n.s.Tick(n.now, n.hw)
	if n.names("/a") != "" {
		t.Fatal(n.names("/a"))
	}
	n.must(n.s.Close(1, n.hw))
	if o, _ := ReadOffsets(n.fs, "/a", RecoveryFile); len(o) != 0 {
		t.Fatal(o)
	}
	n.s = n.open("/a", "/b")
	if l := n.log(tp0, id1); l.EndOffset() != 11 {
		t.Fatal(l.EndOffset())
	}
}

func TestMoveGoesOnAfterARestart(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/a", "/b")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	n.must(n.append(l))
	n.s.Abandon()
	n.s = n.open("/a", "/b")
	l = n.log(tp0, id1)
	if d := n.s.FutureDir(tp0); l.EndOffset() != 2 || d == nil || d.Path != "/b" {
		t.Fatal(l.EndOffset(), d)
	}
	f, _, err := n.s.OpenFuture(tp0, id1, n.dir("/b"), &n.cfg)
	if err != nil || f.EndOffset() != 1 {
		t.Fatal(err, f.EndOffset())
	}
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	n.must(n.s.DropFuture(tp0))
	if n.s.FutureDir(tp0) != nil || n.names("/b") != "my-topic-0-delete" || n.dir("/b").partitions.Load() != 0 {
		t.Fatal(n.names("/b"))
	}
	// A topic of the same name is another one: its copy does not count.
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	n.must(n.s.DeletePartition(tp0))
	if n.names("/a") != "my-topic-0-delete" || n.names("/b") != "my-topic-0-delete my-topic-0-delete" {
		t.Fatal(n.names("/a"), n.names("/b"))
	}
}

// Whatever is killed in the middle of Promote, the partition has all its records
// after the next start, in the directory that the metadata names.
func TestMoveSurvivesEveryStep(t *testing.T) {
	steps := 0
	for _, op := range []vfs.Op{vfs.OpOpen, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpRemove, vfs.OpSyncDir} {
		for skip := range 12 {
			mem := vfs.NewMem()
			faulty := vfs.NewFaulty(mem)
			n := newNode(t, faulty, "/a", "/b")
			n.s.o.OnFailure = nil
			l := n.log(tp0, id1)
			for range 5 {
				n.must(n.append(l))
			}
			n.must(l.Flush())
			n.must(n.s.Save(n.hw))
			n.must(n.copyAll(tp0, id1, n.dir("/b")))
			faulty.Set(vfs.Fault{Op: op, Skip: skip, Err: errors.New("killed")})
			_, _, err := n.s.Promote(tp0)
			for seed := range uint64(4) {
				clone := mem.CrashClone(float64(seed)/3, rand.New(rand.NewPCG(seed, uint64(skip))))
				n := &node{t: t, fs: clone, now: n.now, cfg: n.cfg, lost: make(chan string, 9)}
				n.s = n.open("/a", "/b")
				l, in, err := n.s.OpenPartition(tp0, id1, n.dir("/b"), &n.cfg)
				if err != nil || l.EndOffset() != 5 {
					t.Fatalf("op %d skip %d seed %d: %v; a: %s; b: %s", op, skip, seed, err, n.names("/a"), n.names("/b"))
				}
				if again, where := n.s.twins[tp0], fmt.Sprint(n.names("/a"), n.names("/b")); again != nil || in.Err() != nil {
					t.Fatal(where)
				}
				n.s.Abandon()
			}
			if err != nil {
				steps++
			}
			n.s.Abandon()
		}
	}
	if steps < 4 {
		t.Fatalf("only %d steps can fail", steps)
	}
}

func TestPartitionInTwoDirectories(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/a", "/b")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	n.s.Abandon()
	entries, _ := n.fs.ReadDir("/b")
	for _, e := range entries {
		if strings.HasSuffix(e.Name, futureSuffix) {
			n.must(n.fs.Rename("/b/"+e.Name, "/b/my-topic-0"))
		}
	}
	n.s = n.open("/a", "/b")
	if _, _, err := n.s.OpenPartition(tp0, id1, nil, &n.cfg); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "lies in /a and in /b") {
		t.Fatal("nobody can tell which one is meant", err)
	}
	if _, in, err := n.s.OpenPartition(tp0, id1, n.dir("/b"), &n.cfg); err != nil || in.Path != "/b" || n.names("/a") != "my-topic-0-stray" {
		t.Fatal(err, in, n.names("/a"))
	}
}

func TestCopyWithoutOriginal(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/a", "/b")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	n.must(n.copyAll(tp0, id1, n.dir("/b")))
	n.s.Abandon()
	n.s = n.open("/a", "/b")
	n.s.FailDir(n.dir("/a"), errors.New("EIO"))
	<-n.lost
	if _, _, err := n.s.OpenPartition(tp0, id1, n.dir("/b"), &n.cfg); !errors.Is(err, ErrOffline) {
		t.Fatal("the original may have newer records", err)
	}
	n.s.Abandon()
	n.s = n.open("/b")
	l, in, err := n.s.OpenPartition(tp0, id1, n.dir("/b"), &n.cfg)
	if err != nil || in.Path != "/b" || l.EndOffset() != 1 || n.names("/b") != "my-topic-0" {
		t.Fatal("the operator took the original away", err, n.names("/b"))
	}
}

func TestPlacement(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "/a", "/b", "/c")
	where := func(p int32, named *Dir) string {
		_, d, err := n.s.OpenPartition(ids.TopicPartition{Topic: "t", Partition: p}, id1, named, &n.cfg)
		n.must(err)
		return d.Path
	}
	if got := where(0, nil) + where(1, nil) + where(2, nil) + where(3, nil); got != "/a/b/c/a" {
		t.Fatal("new partitions go where the fewest are", got)
	}
	n.s.Cordon([]string{"/b"})
	if got := where(4, nil) + where(5, nil) + where(6, n.dir("/b")); got != "/c/a/b" {
		t.Fatal("a cordoned directory gets none but what the metadata puts there", got)
	}
	n.s.Prefer(ids.TopicPartition{Topic: "t", Partition: 7}, n.dir("/b"))
	if got := where(7, n.dir("/c")); got != "/b" {
		t.Fatal("a wish goes first", got)
	}
	n.s.Cordon([]string{"*"})
	if got := where(8, nil); got != "/a" {
		t.Fatal("with all cordoned the first is taken", got)
	}
	if _, err := n.s.DirByPath("/x"); !errors.Is(err, ErrUnknownDir) {
		t.Fatal(err)
	}
	n.s.FailDir(n.dir("/c"), errors.New("EIO"))
	if _, err := n.s.DirByPath("/c"); !errors.Is(err, ErrOffline) {
		t.Fatal(err)
	}
}

// Upkeep looks at logs in use only, and an idle broker writes nothing.
func TestUpkeepGoesByWhatIsInUse(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem())
	n := newNode(t, faulty, "/d")
	var logs []*partlog.Log
	for i := range int32(20) {
		l := n.log(ids.TopicPartition{Topic: "t", Partition: i}, id1)
		n.must(n.append(l))
		logs = append(logs, l)
	}
	n.s.Tick(n.now, n.hw)
	n.now += 31_000
	n.s.Tick(n.now, n.hw)
	n.must(n.s.Checkpoint(n.hw))
	n.now += 61_000
	n.must(n.s.Checkpoint(n.hw))
	if got := len(n.s.awake.list()); got != 0 {
		t.Fatalf("%d logs are looked after that rest", got)
	}
	faulty.Set(vfs.Fault{Op: vfs.OpOpen, Err: errors.New("nothing is to be written")})
	n.now += 61_000
	n.must(n.s.Checkpoint(n.hw))
	faulty.Set()
	n.must(n.append(logs[3]))
	if got := n.s.awake.list(); len(got) != 1 || got[0].log != logs[3] {
		t.Fatal(got)
	}
	n.must(n.s.Checkpoint(n.hw))
	if o, err := ReadOffsets(n.fs, "/d", ReplicationFile); err != nil || o[logs[3].TP()] != 2 || len(o) != 20 {
		t.Fatal(o, err)
	}
}

func TestFilesRunOut(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem())
	n := newNode(t, faulty, "/d")
	n.s.o.MaxAwake = 5
	for i := range int32(8) {
		n.must(n.append(n.log(ids.TopicPartition{Topic: "t", Partition: i}, id1)))
	}
	n.s.Tick(n.now, n.hw)
	n.now += 1000
	n.s.Tick(n.now, n.hw)
	if got := len(n.s.awake.list()); got != 0 {
		t.Fatal("more logs are open than may be, and none was closed:", got)
	}
	l, _, _ := n.s.Partition(ids.TopicPartition{Topic: "t"})
	faulty.Set(vfs.Fault{Op: vfs.OpOpen, Err: syscall.EMFILE})
	if err := n.append(l); !errors.Is(err, partlog.ErrTooManyFiles) {
		t.Fatal(err)
	}
	if _, err := l.Read(0, 100, 1, true); !errors.Is(err, partlog.ErrTooManyFiles) {
		t.Fatal(err)
	}
	n.s.Tick(n.now, n.hw)
	_ = n.s.Save(n.hw)
	faulty.Set()
	n.s.Tick(n.now, n.hw)
	n.must(n.append(l))
	if len(n.s.Offline()) != 0 || l.Err() != nil {
		t.Fatal("a lack of files is no failing disk", n.s.Offline(), l.Err())
	}
}

// A full disk refuses appends, rolls and checkpoints, and takes nothing offline.
func TestFullDiskTakesNothingOffline(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpOpen, vfs.OpWrite, vfs.OpRename} {
		for skip := range 10 {
			faulty := vfs.NewFaulty(vfs.NewMem())
			n := newNode(t, faulty, "/d")
			n.cfg.SegmentBytes = 300
			l := n.log(tp0, id1)
			n.must(n.append(l))
			faulty.Set(vfs.Fault{Op: op, Skip: skip, Err: vfs.ErrNoSpace})
			done := ids.Offset(1)
			for range 20 {
				if n.append(l) == nil {
					done++
				}
				n.s.Tick(n.now, n.hw)
				_ = n.s.Save(n.hw)
			}
			faulty.Set()
			n.s.Tick(n.now, n.hw)
			if err := n.append(l); err != nil || l.EndOffset() != done+1 || len(n.s.Offline()) != 0 {
				t.Fatalf("op %d skip %d: %v, end %d after %d, offline %v", op, skip, err, l.EndOffset(), done+1, n.s.Offline())
			}
			n.must(l.Flush())
			n.s.Abandon()
			n.s = n.open("/d")
			if l := n.log(tp0, id1); l.EndOffset() != done+1 {
				t.Fatalf("op %d skip %d: %d records after a restart, %d acknowledged", op, skip, l.EndOffset(), done+1)
			}
		}
	}
}
