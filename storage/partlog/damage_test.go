package partlog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// flip inverts a bit of a file, durably, as a disk does: behind everybody's back.
func flip(t testing.TB, fsys vfs.FS, name string, pos int64, bit byte) {
	t.Helper()
	f, err := fsys.OpenFile(name, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, pos); err != nil {
		t.Fatal(err)
	}
	b[0] ^= bit
	if _, err := f.WriteAt(b, pos); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// TestDamageIsNotServed flips a random bit of a log that was closed cleanly, or
// of one of its offset indexes, and reads from every batch on: what is served is
// what was written, the damaged batch is refused and all others can be had,
// nothing is cut off, and the place is told of once.
func TestDamageIsNotServed(t *testing.T) {
	t.Parallel()
	seeds(t, 200, func(t *testing.T, seed uint64) {
		w := newWalk(t, seed)
		for range 30 + w.r.IntN(60) {
			switch w.r.IntN(10) {
			case 0:
				w.m.epoch++
			case 1:
				w.must(w.l.Roll())
			default:
				w.append()
			}
		}
		if w.m.end == w.m.start {
			return
		}
		w.must(w.l.Close(true))
		w.checkpoint()
		clean := w.r.IntN(2) == 0
		file, pos, bit := w.flipSomewhere()
		if file == "" {
			return // no segment has two batches
		}
		damaged := strings.HasSuffix(file, segment.LogSuffix)
		w.trace("flip %s:%d bit %d", file, pos, bit)
		told := 0
		o := testOptions(w.fs, quietEnv(), &w.cfg)
		o.CleanShutdown, o.RecoveryPoint, o.LogStartOffset = clean, w.point, w.startPoint
		o.Env.Warn = func(_ ids.TopicPartition, msg string, err error) {
			if errors.Is(err, segment.ErrCorrupt) && strings.Contains(msg, "damaged") {
				told++
			}
		}
		l, err := Open(o)
		if !clean && errors.Is(err, segment.ErrCorrupt) {
			return // where the next batch begins is not known
		}
		w.must(err)
		w.l = l
		w.readDamaged(damaged)
		if !damaged && told > 0 {
			w.failf("%s flipped, but damage of the log was told %d times", file, told)
		}
		if damaged {
			w.readDamaged(damaged)
			if told != w.l.Damages() {
				w.failf("damage was told %d times, of %d places", told, w.l.Damages())
			}
		}
	})
}

// flipSomewhere inverts one bit in front of a segment's last batch, the base
// offset of which nothing but the next segment's name vouches for.
func (w *walk) flipSomewhere() (file string, pos int64, bit byte) {
	for range 30 {
		s := w.l.segs[w.r.IntN(len(w.l.segs))]
		suffix := []string{segment.LogSuffix, segment.LogSuffix, segment.LogSuffix, segment.IndexSuffix}[w.r.IntN(4)]
		file = w.l.dir.Path + "/" + segment.FileName(s.Base, suffix)
		b, err := vfs.ReadFile(w.fs, file, 1<<30)
		if err != nil || len(b) == 0 {
			continue
		}
		limit := len(b)
		if suffix == segment.LogSuffix {
			last := 0
			for at := 0; at < len(b); {
				h, _ := segment.ParseHeader(b[at:])
				last, at = at, at+h.Size
			}
			if limit = last; last == 0 {
				continue
			}
		}
		pos, bit = int64(w.r.IntN(limit)), 1<<w.r.IntN(8)
		flip(w.t, w.fs, file, pos, bit)
		return file, pos, bit
	}
	return "", 0, 0
}

// readDamaged reads from every offset.
func (w *walk) readDamaged(damaged bool) {
	w.t.Helper()
	refused := map[ids.Offset]bool{} // base offsets
	for _, b := range w.m.batches {
		for off := b.BaseOffset(); off <= b.LastOffset(); off++ {
			size := []int{1, 200, 3000, 1 << 20}[w.r.IntN(4)]
			s, err := w.l.Read(off, size, w.m.end, true)
			if errors.Is(err, ErrCorrupt) {
				refused[b.BaseOffset()] = true
				continue
			}
			w.must(err)
			got := make([]byte, s.Len)
			if _, err := s.ReadAt(got, 0); err != nil {
				w.failf("read %d: %v", off, err)
			}
			s.Release()
			if len(got) == 0 || !bytes.HasPrefix(w.m.bytesFrom(off), got) {
				w.failf("read %d, %d bytes: %d bytes that were not written so", off, size, len(got))
			}
		}
	}
	if w.l.EndOffset() != w.m.end || w.l.StartOffset() != w.m.start {
		w.failf("log [%d, %d), want [%d, %d)", w.l.StartOffset(), w.l.EndOffset(), w.m.start, w.m.end)
	}
	if !damaged && len(refused) > 0 {
		w.failf("%d batches are refused although the log is whole", len(refused))
	}
	if damaged && len(refused) == 0 {
		w.failf("nothing is refused")
	}
}

// TestFailedSync: after a sync that failed nothing of the log is written, synced
// or served any more: what the page cache shows need not be what the disk has.
func TestFailedSync(t *testing.T) {
	mem := vfs.NewMem()
	fsys := vfs.NewFaulty(mem)
	if err := fsys.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
	if _, err := l.AppendAsLeader(makeBatch(3, testNow, 100, 1, batch.Options{}), 1, Client, testNow); err != nil {
		t.Fatal(err)
	}
	fsys.Set(vfs.Fault{Op: vfs.OpSync, Name: ".log", Times: 1, Err: errors.New("medium error")})
	if err := l.Flush(); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if _, err := l.Read(0, 1000, 3, true); !errors.Is(err, ErrFailed) {
		t.Fatalf("read after a failed sync: %v", err)
	}
	if _, err := l.AppendAsLeader(makeBatch(3, testNow, 100, 1, batch.Options{}), 1, Client, testNow); !errors.Is(err, ErrFailed) {
		t.Fatalf("append after a failed sync: %v", err)
	}
	if err := l.Flush(); !errors.Is(err, ErrFailed) {
		t.Fatalf("a second sync: %v", err)
	}
}

// TestScrub: damage among bytes that were read and found good before is found by
// scrubbing, in sealed segments, told of once, and refused from then on; the
// batches behind it are scrubbed too.
func TestScrub(t *testing.T) {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 20000, 500
	told := 0
	env := quietEnv()
	env.Warn = func(ids.TopicPartition, string, error) { told++ }
	l := mustOpen(t, testOptions(mem, env, &cfg))
	for i := range 200 {
		if _, err := l.AppendAsLeader(makeBatch(1, testNow, 300, int64(i), batch.Options{}), 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
	}
	scrub := func() (total int64) {
		t.Helper()
		for at, more := (ScrubPoint{}), true; more; {
			var n int64
			var err error
			if at, n, more, err = l.Scrub(at, 3000); err != nil {
				t.Fatal(err)
			}
			total += n
		}
		return total
	}
	readAll(t, l, 0, 5000)
	sealed, err := l.Sealed()
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, s := range sealed.Segments {
		size += s.Size
	}
	if n := scrub(); n != size || told != 0 {
		t.Fatalf("%d of %d bytes scrubbed, %d places told", n, size, told)
	}
	one := int64(len(makeBatch(1, testNow, 300, 11, batch.Options{})))
	for _, at := range []int64{one*3 + 100, one*30 + 8} {
		flip(t, mem, l.Dir()+"/"+segment.FileName(sealed.Segments[1].Base, segment.LogSuffix), at, 4)
	}
	for range 2 {
		if scrub(); told != 2 || l.Damages() != 2 {
			t.Fatalf("%d places told, %d known", told, l.Damages())
		}
	}
	refused := 0
	for off := range l.EndOffset() {
		s, err := l.Read(off, 100, l.EndOffset(), true)
		if errors.Is(err, ErrCorrupt) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
	}
	if refused != 2 {
		t.Fatalf("%d batches are refused", refused)
	}
}

// countingFS counts the syncs of directories.
type countingFS struct {
	vfs.FS
	dirs map[string]int
}

func (f *countingFS) SyncDir(name string) error {
	f.dirs[name]++
	return f.FS.SyncDir(name)
}

// TestFirstFlush: the first flush of a new log syncs its directory and the one
// above it once; one that has nothing but records to flush syncs none.
func TestFirstFlush(t *testing.T) {
	f := &countingFS{vfs.NewMem(), map[string]int{}}
	if err := f.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	l := mustOpen(t, testOptions(f, quietEnv(), &cfg))
	for i, want := range []int{1, 0} {
		if _, err := l.AppendAsLeader(makeBatch(1, testNow, 10, 1, batch.Options{}), 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if f.dirs[l.Dir()] != want || f.dirs["/data"] != want || len(f.dirs) != 2*want {
			t.Fatalf("flush %d: %v", i, f.dirs)
		}
		clear(f.dirs)
	}
}

// TestFailedSyncBeforeRestart: a sync fails, the process ends, and its successor
// finds records in the cache that the disk never got. It must not make a sync of
// its own the proof of them: whatever it says is flushed survives a power cut.
func TestFailedSyncBeforeRestart(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		mem := vfs.NewMem()
		fsys := vfs.NewFaulty(mem)
		for _, err := range []error{fsys.MkdirAll("/data"), fsys.SyncDir("/")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		cfg := DefaultConfig()
		cfg.IndexIntervalBytes = 1000
		l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
		fill := func(l *Log, n int) {
			t.Helper()
			for i := range n {
				if _, err := l.AppendAsLeader(makeBatch(1, testNow, 1+r.IntN(2000), int64(i), batch.Options{}), 1, Client, testNow); err != nil {
					t.Fatal(err)
				}
			}
		}
		fill(l, r.IntN(20))
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		o := testOptions(mem, quietEnv(), &cfg)
		o.RecoveryPoint = l.RecoveryPoint()
		fill(l, 1+r.IntN(20))
		fsys.Set(vfs.Fault{Op: vfs.OpSync, Name: ".log", Times: 1, Err: errors.New("medium error")})
		if err := l.Flush(); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
		_ = l.Close(true)
		l = mustOpen(t, o)
		fill(l, r.IntN(3))
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		end, want := l.EndOffset(), readAll(t, l, 0, 1<<20)
		o.FS, o.RecoveryPoint = mem.CrashClone(0, r), l.RecoveryPoint()
		again := mustOpen(t, o)
		if again.EndOffset() != end || !bytes.Equal(readAll(t, again, 0, 1<<20), want) {
			t.Fatalf("seed %d: %d was flushed, the log ends at %d", seed, end, again.EndOffset())
		}
	}
}
