package segment

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKafkaIndexes reads index files that Apache Kafka 4.3.1 wrote for a
// segment with base offset 3366.
func TestKafkaIndexes(t *testing.T) {
	x := OffsetIndex(golden(t, "kafka.index"))
	if n := x.valid(3366, 1<<20, 1<<40); n != len(x) || x.Len() != 65 {
		t.Fatalf("%d of %d bytes are valid", n, len(x))
	}
	var again []byte
	for i := range x.Len() {
		again = appendOffsetEntry(again, 3366, x.At(3366, i))
	}
	if !bytes.Equal(again, x) {
		t.Fatal("written differently")
	}
	padded := append(append(OffsetIndex(nil), x...), make([]byte, 4096)...)
	if n := padded.valid(3366, 1<<20, 1<<40); n != len(x) {
		t.Fatalf("padding of the active segment: %d", n)
	}
	tx := TimeIndex(golden(t, "kafka.timeindex"))
	if n := tx.valid(3366, 1<<40); n != len(tx) {
		t.Fatalf("time index: %d of %d", n, len(tx))
	}
	txns, err := ParseAbortedTxns("kafka.txnindex", golden(t, "kafka.txnindex"))
	if err != nil || len(txns) != 10 || txns[9] != (AbortedTxn{1000, 2214, 2224, 2225}) {
		t.Fatal(txns, err)
	}
}

func TestIndexLookup(t *testing.T) {
	var b []byte
	for i := range 10 {
		b = appendOffsetEntry(b, 100, OffsetAt{100 + ids.Offset(i*10), int64(i * 1000)})
	}
	x := OffsetIndex(b)
	for _, c := range []struct {
		off ids.Offset
		pos int64
	}{{99, 0}, {100, 0}, {109, 0}, {110, 1000}, {119, 1000}, {1000, 9000}} {
		if e, _ := x.ByOffset(100, c.off); e.Position != c.pos {
			t.Errorf("offset %d at %d, want %d", c.off, e.Position, c.pos)
		}
	}
	if e, ok := x.ByPosition(100, 2500); !ok || e.Offset != 120 {
		t.Errorf("position 2500: %v", e)
	}
}

func testBatch(base ids.Offset, epoch ids.LeaderEpoch, n int) batch.View {
	b := batch.NewBuilder(batch.Options{BaseOffset: base, LeaderEpoch: epoch})
	for i := range n {
		b.Append(1000+int64(base)+int64(i), nil, make([]byte, 50), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// fill makes a segment of 40 batches of two records, indexes saved.
func fill(t testing.TB, fsys vfs.FS) (*Segment, *Dir) {
	t.Helper()
	d := &Dir{FS: fsys, Path: "/p"}
	if err := fsys.MkdirAll("/p"); err != nil {
		t.Fatal(err)
	}
	s, err := Create(d, 0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		add(t, s, testBatch(ids.Offset(2*i), 1, 2))
	}
	if err := s.Save(true, true); err != nil {
		t.Fatal(err)
	}
	return s, d
}

func add(t testing.TB, s *Segment, v batch.View) {
	t.Helper()
	h, reason := ParseHeader(v)
	if reason != "" {
		t.Fatal(reason)
	}
	if err := s.Append(v); err != nil {
		t.Fatal(err)
	}
	s.Added(&h, 500)
}

func files(t testing.TB, d *Dir) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, suf := range Suffixes {
		b, err := vfs.ReadFile(d.FS, d.name(0, suf), 1<<20)
		if err == nil {
			out[suf] = string(b)
		}
	}
	return out
}

// TestRecoverRebuildsTheSameIndexes: for every place a log can be torn at, what
// recovery makes of it equals what appending made of the whole batches.
func TestRecoverRebuildsTheSameIndexes(t *testing.T) {
	for _, flushed := range []ids.Offset{0, 30} {
		fs := vfs.NewMem()
		s, d := fill(t, fs)
		whole := files(t, d)
		size := s.size
		for cut := size; cut > size*16/40; cut -= 37 {
			f, _ := fs.OpenFile(d.name(0, LogSuffix), os.O_RDWR)
			f.Truncate(cut)
			r := Existing(d, 0, 1)
			got, err := r.Recover(RecoverOptions{Interval: 500, Flushed: flushed, Epoch: ids.NoEpoch})
			if err != nil {
				t.Fatal(err)
			}
			batchSize := size / 40
			if want := ids.Offset(cut / batchSize * 2); got.Next != want || (got.Cause == nil) != (cut%batchSize == 0) {
				t.Fatalf("cut at %d: ends at %d, want %d (%v)", cut, got.Next, want, got.Cause)
			}
			if err := r.Save(true, true); err != nil {
				t.Fatal(err)
			}
			if now := files(t, d); len(whole[IndexSuffix]) < len(now[IndexSuffix]) || whole[IndexSuffix][:len(now[IndexSuffix])] != now[IndexSuffix] {
				t.Fatalf("cut at %d: another index", cut)
			}
			r.Cool()
			f.WriteAt([]byte(whole[LogSuffix]), 0)
			f.Close()
		}
		r := Existing(d, 0, 1)
		if _, err := r.Recover(RecoverOptions{Interval: 500, Flushed: flushed, Epoch: ids.NoEpoch}); err != nil {
			t.Fatal(err)
		}
		if err := r.Save(true, true); err != nil {
			t.Fatal(err)
		}
		if now := files(t, d); now[IndexSuffix] != whole[IndexSuffix] || now[TimeSuffix] != whole[TimeSuffix] {
			t.Fatal("recovery of the whole log makes other indexes")
		}
	}
}

func TestRecoverStopsAtStaleBytes(t *testing.T) {
	for name, stale := range map[string]batch.View{
		"offsets that go back": testBatch(10, 1, 2), "an older leader epoch": testBatch(80, 0, 2),
	} {
		s, _ := fill(t, vfs.NewMem())
		add(t, s, stale)
		r := Existing(s.dir, 0, 1)
		got, err := r.Recover(RecoverOptions{Interval: 500, Flushed: 20, Epoch: ids.NoEpoch})
		if err != nil || got.Next != 80 || got.Cause == nil {
			t.Fatalf("%s: ends at %d, %v %v", name, got.Next, got.Cause, err)
		}
	}
}

func TestDamageBelowTheRecoveryPointIsNotCut(t *testing.T) {
	s, d := fill(t, vfs.NewMem())
	f, _ := s.Log()
	f.WriteAt([]byte{0xff}, s.size-20)
	r := Existing(d, 0, 1)
	got, err := r.Recover(RecoverOptions{Interval: 500, Flushed: 80, Epoch: ids.NoEpoch})
	if last := s.size / 40 * 39; err != nil || got.Next != 80 || len(got.Damaged) != 1 || got.Damaged[0].Pos != last {
		t.Fatalf("want damage at the last batch, %d, got %+v %v", last, got, err)
	} else if _, _, doubtful := r.Doubtful(last, s.size); !doubtful {
		t.Fatal("the damaged batch is trusted")
	}
	f.WriteAt([]byte{0xff}, s.size/40*39+8) // now its size is not known
	var where *CorruptError
	_, err = Existing(d, 0, 1).Recover(RecoverOptions{Interval: 500, Flushed: 80, Epoch: ids.NoEpoch})
	if !errors.As(err, &where) || where.Pos != s.size/40*39 {
		t.Fatalf("want the position of the last batch, got %v", err)
	}
	if size, _ := f.Size(); size != s.size {
		t.Fatal("flushed bytes were cut off")
	}
	if got, err := Existing(d, 0, 1).Recover(RecoverOptions{Interval: 500, Flushed: 78, Epoch: ids.NoEpoch}); err != nil || got.Next != 78 {
		t.Fatalf("an unflushed tail is cut: %v %v", got, err)
	}
}

func FuzzIndexLoad(f *testing.F) {
	f.Add(golden(f, "kafka.index"), golden(f, "kafka.timeindex"), golden(f, "kafka.txnindex"))
	f.Add([]byte{1, 2, 3}, []byte{}, make([]byte, 34))
	f.Fuzz(func(t *testing.T, index, times, txns []byte) {
		fsys := vfs.NewMem()
		s, d := fill(t, fsys)
		want := files(t, d)[LogSuffix]
		s.Cool()
		for suf, b := range map[string][]byte{IndexSuffix: index, TimeSuffix: times, TxnSuffix: txns} {
			file, _ := fsys.OpenFile(d.name(0, suf), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
			file.WriteAt(b, 0)
			file.Close()
		}
		r := Existing(d, 0, 1)
		for off := range ids.Offset(80) { // whatever the index says, no batch is missed or made up
			h, _, ok, err := r.Position(off, 500)
			if err == nil && ok && h.Last < off {
				t.Fatalf("offset %d: batch %d-%d", off, h.Base, h.Last)
			}
		}
		r.Txns()
		got, err := Existing(d, 0, 1).Recover(RecoverOptions{Interval: 500, Flushed: 40, Epoch: ids.NoEpoch})
		if err != nil || got.Next != 80 || files(t, d)[LogSuffix] != want {
			t.Fatalf("recovery ends at %d: %v", got.Next, err)
		}
	})
}

func FuzzReader(f *testing.F) {
	whole := append(append([]byte(nil), testBatch(0, 1, 2)...), testBatch(2, 1, 3)...)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := vfs.NewMem()
		file, _ := fsys.OpenFile("/x", os.O_RDWR|os.O_CREATE)
		file.WriteAt(b, 0)
		rd := NewReader(file, 0, int64(len(b)), nil)
		total := 0
		for {
			h, v, pos, err := rd.Next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				break
			}
			if pos != int64(total) || h.Size != len(v) || v.VerifyCRC() != nil {
				t.Fatal("a batch that was not there")
			}
			total += h.Size
		}
		sc := NewScanner(file, 0, int64(len(b)))
		defer sc.Close()
		for {
			if _, _, err := sc.Next(); err != nil {
				return
			}
		}
	})
}
