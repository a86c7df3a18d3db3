package compact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const start = 1_760_000_000_000

// maxRecords are in a batch.
const maxRecords = 4

// rec is what the model knows of a record.
type rec struct {
	key     string
	value   string // "" = tombstone
	aborted bool
}

type walk struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	fs   *vfs.Mem
	cfg  partlog.Config
	l    *partlog.Log
	now  int64
	all  map[ids.Offset]rec
	// what the last cleaning covered, and when tombstones were first met
	dirty   ids.Offset
	horizon map[ids.Offset]int64
	seq     map[int64]int32
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 3)), fs: vfs.NewMem(), cfg: partlog.DefaultConfig(), now: start,
		all: map[ids.Offset]rec{}, horizon: map[ids.Offset]int64{}, seq: map[int64]int32{}}
	w.cfg.Compact, w.cfg.Delete, w.cfg.SegmentBytes, w.cfg.IndexIntervalBytes = true, false, 1500, 200
	w.must(w.fs.MkdirAll("/d"))
	w.must(w.fs.SyncDir("/"))
	w.open(0)
	return w
}

func (w *walk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
}

func (w *walk) open(point ids.Offset) {
	w.t.Helper()
	l, err := partlog.Open(partlog.Options{FS: w.fs, Dir: "/d/t-0", TP: ids.TopicPartition{Topic: "t"}, TopicID: ids.TopicID{1}, Config: &w.cfg,
		Env: &partlog.Env{Clock: func() int64 { return w.now }, ProducerExpirationMs: 1 << 50}, RecoveryPoint: point})
	w.must(err)
	w.l = l
}

// send appends n records; pid 0 is none.
func (w *walk) send(pid int64, aborted bool) {
	o := batch.Options{Codec: batch.Codec(w.r.IntN(5))}
	n := 1 + w.r.IntN(maxRecords)
	if pid > 0 {
		o.Producer, o.Transactional = &batch.Producer{ID: pid, Sequence: w.seq[pid]}, true
		w.seq[pid] += int32(n)
	}
	b := batch.NewBuilder(o)
	off := w.l.EndOffset()
	for range n {
		m := rec{key: fmt.Sprintf("key-%d", w.r.IntN(12)), aborted: aborted}
		var value []byte
		if w.r.IntN(4) > 0 {
			m.value = fmt.Sprintf("value of %d", off)
			value = []byte(m.value)
		}
		b.Append(w.now, []byte(m.key), value, nil)
		w.all[off] = m
		off++
	}
	v, err := b.Bytes()
	w.must(err)
	_, err = w.l.AppendAsLeader(v, 1, partlog.Client, w.now)
	w.must(err)
}

func (w *walk) transaction() {
	pid, abort := int64(1+w.r.IntN(3)), w.r.IntN(2) == 0
	for range 1 + w.r.IntN(3) {
		w.send(pid, abort)
		if w.r.IntN(2) == 0 {
			w.send(0, false)
		}
	}
	b := batch.NewBuilder(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: pid, Sequence: -1}})
	kind := uint16(1)
	if abort {
		kind = 0
	}
	b.Append(w.now, binary.BigEndian.AppendUint16([]byte{0, 0}, kind), []byte{0, 0, 0, 0, 0, 0}, nil)
	v, err := b.Bytes()
	w.must(err)
	_, err = w.l.AppendAsLeader(v, 1, partlog.Coordinator, w.now)
	w.must(err)
}

func (w *walk) clean() {
	max := 0
	if w.r.IntN(2) == 0 {
		max = 8
	}
	st, err := Clean(w.l, Options{FirstDirty: w.dirty, Stable: w.l.EndOffset(), Now: w.now, MaxKeys: max})
	w.must(err)
	if st.FirstDirty < w.dirty {
		w.t.Fatalf("seed %d: first dirty went from %d to %d", w.seed, w.dirty, st.FirstDirty)
	}
	for off := range ids.Offset(st.FirstDirty) {
		if _, seen := w.horizon[off]; !seen {
			w.horizon[off] = w.now + w.cfg.DeleteRetentionMs
		}
	}
	w.dirty = st.FirstDirty
}

// check compares the log with the model: a record is there unless it was
// aborted, superseded within the cleaned range, or a tombstone past its time.
func (w *walk) check() {
	w.t.Helper()
	newest, known := map[string]ids.Offset{}, map[string]ids.Offset{}
	for off, m := range w.all {
		if off < w.dirty && !m.aborted && off >= newest[m.key] {
			newest[m.key] = off
		}
		// The map may have filled up in the middle of the batch behind the range, and
		// what was aborted in front of that batch be gone.
		if off < w.dirty+4*maxRecords && !m.aborted && off >= known[m.key] {
			known[m.key] = off
		}
	}
	got := w.read()
	for off, m := range w.all {
		r, there := got[off]
		if there && r != m.value {
			w.t.Fatalf("seed %d: offset %d is %q, was written as %q", w.seed, off, r, m.value)
		}
		required := off >= w.dirty && !m.aborted || off < w.dirty && !m.aborted && known[m.key] == off && (m.value != "" || w.now < w.horizon[off])
		if required && !there {
			w.t.Fatalf("seed %d: offset %d (%+v) is lost; cleaned up to %d", w.seed, off, m, w.dirty)
		}
		if there && off < w.dirty && (m.aborted || newest[m.key] > off) {
			w.t.Fatalf("seed %d: offset %d (%+v) should be gone; the newest is %d", w.seed, off, m, newest[m.key])
		}
	}
}

func (w *walk) read() map[ids.Offset]string {
	w.t.Helper()
	out := map[ids.Offset]string{}
	last := ids.Offset(-1)
	for from := w.l.StartOffset(); from < w.l.EndOffset(); {
		s, err := w.l.Read(from, 1<<20, w.l.EndOffset(), true)
		w.must(err)
		b := make([]byte, s.Len)
		if s.Len == 0 {
			return out
		}
		_, err = s.ReadAt(b, 0)
		w.must(err)
		s.Release()
		for rest := b; len(rest) > 0; {
			v, tail, err := batch.Next(rest)
			w.must(err)
			w.must(v.VerifyCRC())
			recs, err := v.Records(nil, 1<<20)
			w.must(err)
			for _, r := range recs {
				if r.Offset <= last {
					w.t.Fatalf("seed %d: offset %d after %d", w.seed, r.Offset, last)
				}
				last = r.Offset
				if !v.IsControl() {
					out[r.Offset] = string(r.Value)
				}
			}
			rest, from = tail, v.NextOffset()
		}
	}
	return out
}

// TestAgainstModel cleans random logs again and again, restarts them, cuts the
// power, and compares with what must and must not be there.
func TestAgainstModel(t *testing.T) {
	n := uint64(150)
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		w := newWalk(t, seed)
		for range 6 {
			for range 20 {
				if w.r.IntN(4) == 0 {
					w.transaction()
				} else {
					w.send(0, false)
				}
			}
			w.now += int64(w.r.IntN(int(w.cfg.DeleteRetentionMs)))
			w.clean()
			w.check()
			switch w.r.IntN(4) {
			case 0:
				w.must(w.l.Close(false))
				w.open(w.l.RecoveryPoint())
				w.check()
			case 1:
				point := w.l.EndOffset()
				w.must(w.l.Flush())
				w.fs = w.fs.CrashClone([]float64{0, 0.5, 1}[w.r.IntN(3)], w.r)
				w.open(point)
				w.check()
			}
		}
		w.checkAborted()
	}
}

// checkAborted: whoever filters by the index sees no aborted record.
func (w *walk) checkAborted() {
	aborted, err := w.l.AbortedTxns(nil, 0, w.l.EndOffset())
	w.must(err)
	for off := range w.read() {
		m := w.all[off]
		if m.aborted && len(aborted) == 0 {
			w.t.Fatalf("seed %d: aborted record at %d without an index entry", w.seed, off)
		}
	}
}

// TestCrashWhileReplacing cuts the power between any two steps of a replacement.
func TestCrashWhileReplacing(t *testing.T) {
	for fail := range 12 {
		for _, op := range []vfs.Op{vfs.OpRename, vfs.OpSyncDir, vfs.OpRemove} {
			w := newWalk(t, uint64(fail))
			faulty := vfs.NewFaulty(w.fs)
			w.must(w.l.Close(true))
			mem := w.fs
			l, err := partlog.Open(partlog.Options{FS: faulty, Dir: "/d/t-0", TP: ids.TopicPartition{Topic: "t"}, Config: &w.cfg,
				Env: &partlog.Env{Clock: func() int64 { return w.now }, ProducerExpirationMs: 1 << 50}})
			w.must(err)
			w.l = l
			for range 40 {
				w.send(0, false)
			}
			w.must(w.l.Flush())
			point := w.l.EndOffset()
			faulty.Set(vfs.Fault{Op: op, Skip: fail, Err: vfs.ErrNoSpace})
			st, err := Clean(w.l, Options{Stable: point, Now: w.now})
			if err == nil {
				w.dirty = st.FirstDirty
			}
			for seed := range uint64(20) {
				w.fs = mem.CrashClone(0.5, rand.New(rand.NewPCG(seed, uint64(fail))))
				w.open(point)
				w.checkComplete(err == nil)
			}
		}
	}
}

// checkComplete: the newest record of every key is there whatever happened.
func (w *walk) checkComplete(cleaned bool) {
	w.t.Helper()
	if cleaned {
		w.check()
		return
	}
	newest := map[string]ids.Offset{}
	for off, m := range w.all {
		newest[m.key] = max(newest[m.key], off)
	}
	got := w.read()
	for key, off := range newest {
		if _, there := got[off]; !there {
			w.t.Fatalf("seed %d: the newest record of %s at %d is lost", w.seed, key, off)
		}
	}
}

// newSet makes a data directory with nothing in it.
func newSet(t *testing.T, fs vfs.FS, clock func() int64) *logdir.Set {
	t.Helper()
	if err := fs.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	if err := logdir.WriteMeta(fs, "/d", logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200}}); err != nil {
		t.Fatal(err)
	}
	set, err := logdir.Open(logdir.Options{FS: fs, Dirs: []string{"/d"}, Env: &partlog.Env{Clock: clock, ProducerExpirationMs: 1 << 50,
		Random: func(n int64) int64 { return n - 1 }}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestCleaner picks the dirtiest log, keeps the checkpoint, and gives up a
// log that cannot be cleaned without stopping.
func TestCleaner(t *testing.T) {
	fs := vfs.NewMem()
	set := newSet(t, fs, func() int64 { return start })
	cfg := partlog.DefaultConfig()
	cfg.Compact, cfg.Delete, cfg.SegmentBytes = true, false, 1500
	tps := []ids.TopicPartition{{Topic: "bad"}, {Topic: "good"}}
	var logs []*partlog.Log
	for _, tp := range tps {
		l, _, err := set.OpenPartition(tp, ids.TopicID{1}, nil, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
		for i := range 60 {
			b := batch.NewBuilder(batch.Options{})
			b.Append(start, fmt.Appendf(nil, "k%d", i%5), make([]byte, 100), nil)
			v, _ := b.Bytes()
			if _, err := l.AppendAsLeader(v, 1, partlog.Client, start); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, err := fs.OpenFile("/d/bad-0/00000000000000000000.log", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 100); err != nil {
		t.Fatal(err)
	}
	var failed []ids.TopicPartition
	c := Cleaner{Set: set, Limits: Limits{MaxKeys: 1000},
		Stable: func(tp ids.TopicPartition) (ids.Offset, bool) {
			l, _, _ := set.Partition(tp)
			return l.EndOffset(), true
		},
		Failed: func(tp ids.TopicPartition, err error) {
			if !errors.Is(err, segment.ErrCorrupt) {
				t.Error(err)
			}
			failed = append(failed, tp)
		}}
	rounds := 0
	for c.Round(start, nil) {
		rounds++
	}
	if rounds != 2 || len(failed) != 1 || failed[0] != tps[0] {
		t.Fatalf("%d rounds, failed %v", rounds, failed)
	}
	if logs[1].Size() > 3500 {
		t.Fatalf("%d bytes are left", logs[1].Size())
	}
	o, err := logdir.ReadOffsets(fs, "/d", logdir.CleanerFile)
	if err != nil || o[tps[1]] == 0 {
		t.Fatal(o, err)
	}
}

// TestPanicInACleaning: whatever lies in one log, a panic over it is that log's, and
// the others are cleaned.
func TestPanicInACleaning(t *testing.T) {
	cfg := partlog.DefaultConfig()
	compacting(&cfg)
	w := newTrial(t, &cfg)
	good, _, err := w.set.OpenPartition(ids.TopicPartition{Topic: "good"}, ids.TopicID{2}, nil, &cfg)
	w.must(err)
	for _, l := range []*partlog.Log{w.l, good} {
		w.l = l
		for i := range 40 {
			w.must(w.send(fmt.Appendf(nil, "%d", i%3), 0))
		}
		w.must(l.Roll())
	}
	first := true
	var failed []ids.TopicPartition
	c := Cleaner{Set: w.set, Stable: func(ids.TopicPartition) (ids.Offset, bool) { return 40, true },
		Failed: func(tp ids.TopicPartition, _ error) { failed = append(failed, tp) },
		Stopped: func() bool {
			if first {
				first = false
				panic("a batch that nobody foresaw")
			}
			return false
		}}
	for c.Round(w.now, nil) {
	}
	if len(failed) != 1 {
		t.Fatal(failed)
	}
	for _, tp := range []ids.TopicPartition{{Topic: "t"}, {Topic: "good"}} {
		l, _, _ := w.set.Partition(tp)
		if small := l.Size() < 4000; small == (tp == failed[0]) {
			t.Fatalf("%v: %d bytes, failed %v", tp, l.Size(), failed)
		}
	}
}
