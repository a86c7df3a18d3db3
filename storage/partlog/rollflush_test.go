package partlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// interrupting is a disk that does something else in the middle of one sync.
type interrupting struct {
	vfs.FS
	meanwhile func()
	synced    []string // names, of files and directories
}

type interruptedFile struct {
	vfs.File
	fs *interrupting
}

func (i *interrupting) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := i.FS.OpenFile(name, flag)
	return &interruptedFile{f, i}, err
}

func (i *interrupting) SyncDir(name string) error {
	i.synced = append(i.synced, name)
	return i.FS.SyncDir(name)
}

func (f *interruptedFile) Sync() error {
	f.fs.synced = append(f.fs.synced, f.Name())
	if do := f.fs.meanwhile; do != nil && strings.HasSuffix(f.Name(), segment.LogSuffix) {
		f.fs.meanwhile = nil
		do()
	}
	return f.File.Sync()
}

func smallSegments(t *testing.T) (*interrupting, *vfs.Mem, *Log) {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data"), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	disk := &interrupting{FS: mem}
	cfg := DefaultConfig()
	cfg.SegmentBytes = 300 // two batches of appendOne
	return disk, mem, mustOpen(t, testOptions(disk, quietEnv(), &cfg))
}

// TestRollWhileTheFlushRuns: a flush that has begun makes no name durable yet. A
// roll in its middle waits for the one before all the same, so that no power cut
// leaves a segment without the one below it.
func TestRollWhileTheFlushRuns(t *testing.T) {
	disk, mem, l := smallSegments(t)
	for range 3 {
		appendOne(t, l, false)
	}
	interrupted := false
	disk.meanwhile = func() {
		interrupted = true
		for range 2 {
			appendOne(t, l, false)
		}
		for seed := range uint64(50) {
			gapless(t, mem.CrashClone(0.5, rand.New(rand.NewPCG(seed, 1))))
		}
	}
	if err := l.Flush(); err != nil || !interrupted {
		t.Fatal(err, interrupted)
	}
}

func gapless(t *testing.T, mem *vfs.Mem) {
	t.Helper()
	entries, err := mem.ReadDir("/data/orders-3")
	if err != nil {
		return // nothing of it is there
	}
	var there []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name, segment.LogSuffix) {
			there = append(there, e.Name)
		}
	}
	slices.Sort(there)
	for i, name := range there {
		if want := fmt.Sprintf("%020d.log", 2*i); name != want {
			t.Fatalf("%v: %s is not there", there, want)
		}
	}
}

// TestRollSyncsOnlyItsDirectory: partition.metadata and the directory's own entry
// are made durable once and not by every roll; a change of either counts again.
func TestRollSyncsOnlyItsDirectory(t *testing.T) {
	disk, _, l := smallSegments(t)
	for range 5 {
		appendOne(t, l, false)
	}
	count := map[string]int{}
	for _, name := range disk.synced {
		count[name]++
	}
	if count["/data"] != 1 || count["/data/orders-3/"+MetadataFile] != 1 || count["/data/orders-3"] != 2 {
		t.Fatalf("synced %v", disk.synced)
	}
}

// TestReadingSyncsNothing: a sealed segment that was read, and is let go of, was
// durable before; so was a log that rests.
func TestReadingSyncsNothing(t *testing.T) {
	disk, _, l := smallSegments(t)
	for range 5 {
		appendOne(t, l, false)
	}
	if err := errors.Join(l.Flush(), l.Tick(testNow), l.Tick(testNow)); err != nil {
		t.Fatal(err)
	}
	disk.synced = nil
	readAll(t, l, 0, 1<<20)
	hot := l.segs[0].Hot()
	if err := errors.Join(l.Tick(testNow), l.Tick(testNow)); err != nil || !hot || l.segs[0].Hot() {
		t.Fatal(err, hot, l.segs[0].Hot())
	}
	if len(disk.synced) > 0 {
		t.Fatalf("synced %v", disk.synced)
	}
}

// TestCompactedLogsAreFlushedAhead: what the next roll of a compacted log would
// sync while producers wait is flushed by Tick; other logs sync behind the roll.
func TestCompactedLogsAreFlushedAhead(t *testing.T) {
	for _, compacted := range []bool{true, false} {
		cfg := DefaultConfig()
		cfg.Compact = compacted
		l := mustOpen(t, testOptions(vfs.NewMem(), quietEnv(), &cfg))
		for range 9 {
			if _, err := l.AppendAsLeader(makeBatch(1, testNow, 1<<20-100, 1, batch.Options{}), 1, Client, testNow); err != nil {
				t.Fatal(err)
			}
			if err := l.Tick(testNow); err != nil {
				t.Fatal(err)
			}
		}
		want := ids.Offset(0)
		if compacted {
			want = 9 // the batch that makes it 8 MiB is the ninth
		}
		if got := l.RecoveryPoint(); got != want || l.RecoveryPoint() > l.EndOffset() {
			t.Fatalf("compacted %v: flushed to %d, not %d", compacted, got, want)
		}
	}
}
