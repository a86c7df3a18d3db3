package partlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// txnEnd is the end of a producer's transaction.
func txnEnd(pid int64, epoch int16, abort bool, coordinator int32) []byte {
	b := batch.NewBuilder(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: pid, Epoch: epoch, Sequence: -1}})
	kind := batch.ControlCommit
	if abort {
		kind = batch.ControlAbort
	}
	b.AppendControl(testNow, kind, batch.EndTxnMarker{CoordinatorEpoch: coordinator}.AppendTo(nil))
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// everything is what can be asked of a log.
type everything struct {
	Bytes   []byte
	Times   []ids.Offset
	Aborted []AbortedTxn
	State   []ProducerState
}

func askAll(t *testing.T, l *Log) (e everything) {
	t.Helper()
	e.Bytes = readAll(t, l, l.StartOffset(), 2000)
	for ts := int64(testNow - 1); ts < testNow+1200; ts += 50 {
		found, ok, err := l.OffsetForTimestamp(ts)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			found.Offset = -1
		}
		e.Times = append(e.Times, found.Offset)
	}
	for off := ids.Offset(0); off < l.EndOffset(); off += 37 {
		got, err := l.AbortedTxns(nil, off, off+40)
		if err != nil {
			t.Fatal(err)
		}
		e.Aborted = append(append(e.Aborted, got...), AbortedTxn{-1, off})
	}
	var err error
	if e.State, err = l.ActiveProducers(); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRepair loses, empties, cuts and damages each kind of file that can be made
// from the log, below the recovery point too, and opens the log after a clean
// stop and after a kill: every question has the answer that it had.
func TestRepair(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 6000, 200
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	if err := mem.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, testOptions(mem, quietEnv(), &cfg))
	r := rand.New(rand.NewPCG(1, 1))
	seq := map[int64]int32{}
	for i := range 150 {
		pid := int64(r.IntN(4))
		o := batch.Options{Producer: &batch.Producer{ID: pid, Sequence: seq[pid]}, Transactional: true}
		b, origin := makeBatch(2, testNow+int64(r.IntN(1000)), 100, int64(i), o), Client
		if r.IntN(3) == 0 {
			b, origin = txnEnd(pid, 0, r.IntN(3) > 0, 1), Coordinator
		} else {
			seq[pid] += 2
		}
		if _, err := l.AppendAsLeader(b, 1, origin, testNow); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
	point, active := l.EndOffset(), l.segs[len(l.segs)-1].Base
	names, err := mem.ReadDir(l.Dir())
	if err != nil {
		t.Fatal(err)
	}
	open := func(fsys vfs.FS, clean bool) *Log {
		o := testOptions(fsys, quietEnv(), &cfg)
		o.CleanShutdown, o.RecoveryPoint = clean, point
		return mustOpen(t, o)
	}
	want := askAll(t, open(mem.CrashClone(0, r), true))
	if len(want.Aborted) < 20 || len(want.State) != 4 {
		t.Fatal("the log has too little to lose", len(want.Aborted), len(want.State))
	}
	for _, suffix := range []string{segment.IndexSuffix, segment.TimeSuffix, segment.TxnSuffix, segment.SnapshotSuffix, "every index", "leader-epoch-checkpoint"} {
		for _, how := range []string{"missing", "empty", "cut", "flipped", "zeros"} {
			for _, clean := range []bool{true, false} {
				// One without an entry is as good as any, unless the offset index is lost too: scrubbing
				// finds it, and who opens the log after a kill.
				scrub := suffix == segment.TxnSuffix && (how == "missing" || how == "empty" || how == "cut")
				if suffix == "every index" && how != "missing" {
					continue
				}
				t.Run(fmt.Sprint(suffix, how, clean), func(t *testing.T) {
					fsys := mem.CrashClone(0, r)
					n := 0
					for _, e := range names {
						index := strings.HasSuffix(e.Name, "index")
						if scrub && clean && strings.HasPrefix(e.Name, segment.FileName(active, "")) {
							continue
						}
						if strings.HasSuffix(e.Name, suffix) || suffix == "every index" && index {
							spoil(t, fsys, l.Dir()+"/"+e.Name, how, r)
							n++
						}
					}
					if n == 0 {
						t.Fatal("no such file")
					}
					again := open(fsys, clean)
					for at, more := (ScrubPoint{}), scrub; more; {
						var err error
						if at, _, more, err = again.Scrub(at, 5000); err != nil {
							t.Fatal(err)
						}
					}
					got := askAll(t, again)
					if !bytes.Equal(got.Bytes, want.Bytes) || !reflect.DeepEqual(got, want) {
						t.Fatalf("differs:\n%v\n%v\n%v\n%v\n%v\n%v", got.Times, want.Times, got.Aborted, want.Aborted, got.State, want.State)
					}
					if err := again.Close(true); err != nil {
						t.Fatal(err)
					}
					again = open(fsys, true)
					if got := askAll(t, again); !reflect.DeepEqual(got, want) || again.Damages() > 0 {
						t.Fatal("differs when it is opened once more")
					}
				})
			}
		}
	}
}

func spoil(t *testing.T, fsys vfs.FS, name, how string, r *rand.Rand) {
	t.Helper()
	b, err := vfs.ReadFile(fsys, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if how == "missing" {
		if err := fsys.Remove(name); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := fsys.OpenFile(name, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	switch {
	case how == "empty":
		err = f.Truncate(0)
	case len(b) == 0:
	case how == "cut" && strings.HasSuffix(name, segment.TxnSuffix): // between two entries
		err = f.Truncate(int64(len(b) - 34*(1+r.IntN(len(b)/34))))
	case how == "cut":
		err = f.Truncate(int64(len(b) - 1 - r.IntN(len(b))))
	case how == "flipped":
		pos := r.IntN(len(b))
		_, err = f.WriteAt([]byte{b[pos] ^ 1<<r.IntN(8)}, int64(pos))
	case how == "zeros":
		_, err = f.WriteAt(make([]byte, len(b)), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}
