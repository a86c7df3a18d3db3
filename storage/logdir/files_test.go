package logdir

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// fewFiles is a file system on which only so many files may be open.
type fewFiles struct {
	vfs.FS
	mu         sync.Mutex
	open, most int
}

type countedFile struct {
	vfs.File
	fs *fewFiles
}

func (f *fewFiles) OpenFile(name string, flag int) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open >= f.most {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
	}
	file, err := f.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	f.open++
	return &countedFile{file, f}, nil
}

func (c *countedFile) Close() error {
	c.fs.mu.Lock()
	defer c.fs.mu.Unlock()
	c.fs.open--
	return c.File.Close()
}

// More logs are written than files may be open: some appends are refused, and
// sent again they are taken, because logs that rest are closed.
func TestFewFiles(t *testing.T) {
	few := &fewFiles{FS: vfs.NewMem(), most: 30}
	n := newNode(t, few, "/d")
	refused := 0
	for i := range int32(100) {
		for tries := 0; ; tries++ {
			l, _, err := n.s.OpenPartition(ids.TopicPartition{Topic: "t", Partition: i}, id1, nil, &n.cfg)
			if err == nil {
				err = n.append(l)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, partlog.ErrTooManyFiles) || tries > 5 {
				t.Fatalf("partition %d, try %d: %v", i, tries, err)
			}
			refused++
			n.now += 1000
			n.s.Tick(n.now, n.hw)
		}
	}
	if refused == 0 || len(n.s.Offline()) != 0 {
		t.Fatal(refused, n.s.Offline())
	}
}

// slowSyncs is a disk that takes its time for a sync.
type slowSyncs struct {
	vfs.FS
	now *atomic.Int64
}

type slowFile struct {
	vfs.File
	now *atomic.Int64
}

func (f slowSyncs) OpenFile(name string, flag int) (vfs.File, error) {
	file, err := f.FS.OpenFile(name, flag)
	return slowFile{file, f.now}, err
}

func (f slowFile) Sync() error {
	f.now.Add(4)
	return f.File.Sync()
}

// TestIdleLogsHoldNoFile: thousands of logs that were written are closed, memory
// and all, within one Tick of the time when they may, on a quick disk; on a slow
// one in as many as the syncs take half of each, and no Tick takes much longer.
func TestIdleLogsHoldNoFile(t *testing.T) {
	for _, slow := range []bool{false, true} {
		const logs = 3000
		few := &fewFiles{FS: vfs.NewMem(), most: 1 << 20}
		n := newNode(t, few, "/d")
		var clock atomic.Int64
		n.s.o.Env.Clock = clock.Load
		if slow {
			few.FS = slowSyncs{few.FS, &clock}
		}
		n.s.Tick(clock.Load(), n.hw)
		quiet := few.open
		for i := range int32(logs) {
			n.must(n.append(n.log(ids.TopicPartition{Topic: "t", Partition: i}, id1)))
		}
		if few.open < quiet+logs {
			t.Fatalf("%d files are open while %d logs are written", few.open, logs)
		}
		n.s.Tick(clock.Load(), n.hw)
		clock.Add(restAfterMs)
		ticks := 0
		for ; few.open > quiet; ticks++ {
			began := clock.Load()
			n.s.Tick(began, n.hw)
			// A log has a few files to sync, and some are under way when the time is over.
			if took := clock.Load() - began; took > restForMs+restAtOnce*100 {
				t.Fatalf("a Tick took %d ms", took)
			}
			if clock.Store(max(clock.Load(), began+tickMs)); ticks > 1000 {
				t.Fatalf("%d files stay open", few.open-quiet)
			}
		}
		if !slow && ticks != 1 || slow && ticks > 8*4*logs/restForMs || len(n.s.awake.list()) > 0 {
			t.Fatalf("slow %v: %d ticks, %d logs awake", slow, ticks, len(n.s.awake.list()))
		}
	}
}

// TestClosingNeedsNoFile: when not one more file can be opened, logs that were
// flushed and rest are closed all the same, a read does not take what they give
// back before appends are taken again, and nothing is lost by what could not be saved.
func TestClosingNeedsNoFile(t *testing.T) {
	few := &fewFiles{FS: vfs.NewMem(), most: 1 << 20}
	n := newNode(t, few, "/d")
	n.cfg.IndexIntervalBytes, n.cfg.SegmentBytes = 1, 200
	var logs []*partlog.Log
	for i := range int32(10) {
		l := n.log(ids.TopicPartition{Topic: "t", Partition: i}, id1)
		for range 5 {
			n.must(n.append(l))
		}
		n.must(l.Flush())
		logs = append(logs, l)
	}
	n.s.Tick(n.now, n.hw)
	few.most = 0
	cold := n.log(ids.TopicPartition{Topic: "t", Partition: 99}, id1)
	if err := n.append(cold); !errors.Is(err, partlog.ErrTooManyFiles) {
		t.Fatal(err)
	}
	n.now += pressedMs
	if next := n.s.Tick(n.now, n.hw); next != n.now+pressedMs {
		t.Fatal("the next Tick comes in", next-n.now)
	}
	if few.open > 1 { // the lock
		t.Fatalf("%d files are open", few.open)
	}
	few.most = 1 << 20 // but no Tick has seen it yet
	if _, err := logs[0].Read(0, 100, 1, true); !errors.Is(err, partlog.ErrTooManyFiles) {
		t.Fatal("a read opens files while appends wait for them:", err)
	}
	n.s.Tick(n.now, n.hw)
	for _, l := range logs {
		n.must(n.append(l))
		for off := range ids.Offset(6) {
			s, err := l.Read(off, 1, 6, true)
			n.must(err)
			s.Release()
		}
	}
	n.must(n.s.Close(1, n.hw))
	if few.open > 1 {
		t.Fatalf("%d files are open", few.open)
	}
	n.s = n.open("/d")
	for _, l := range logs {
		if end := n.log(l.TP(), id1).EndOffset(); end != 6 {
			t.Fatal(l.TP(), end)
		}
	}
}
