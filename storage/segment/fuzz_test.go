package segment

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

func put(t testing.TB, fsys vfs.FS, name string, b []byte) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// someBatches is a log of n batches with three records each.
func someBatches(n int) []byte {
	var log []byte
	for i := range n {
		log = append(log, testBatch(ids.Offset(3*i), 1, 3)...)
	}
	return log
}

// FuzzRecover: whatever lies in a .log file, recovery keeps a prefix of it that
// is whole batches in order, valid but for those below the flushed offset that it
// reports, at least up to that offset or not at all, and finds nothing more to do when it is run again.
func FuzzRecover(f *testing.F) {
	log := someBatches(6)
	f.Add(log, int64(0))
	f.Add(log[:len(log)-7], int64(9))
	f.Add(append(bytes.Clone(log), log[:200]...), int64(18)) // stale bytes of an older life
	f.Add(append(bytes.Clone(log), make([]byte, 4096)...), int64(18))
	flipped := bytes.Clone(log)
	flipped[len(flipped)/2] ^= 1
	f.Add(flipped, int64(18))
	f.Fuzz(func(t *testing.T, b []byte, flushed int64) {
		fsys := vfs.NewMem()
		d := &Dir{FS: fsys}
		put(t, fsys, d.name(0, LogSuffix), b)
		o := RecoverOptions{Interval: 100, Flushed: ids.Offset(flushed), Epoch: ids.NoEpoch}
		got, err := Existing(d, 0, 1).Recover(o)
		left, _ := vfs.ReadFile(fsys, d.name(0, LogSuffix), 1<<30)
		if err != nil {
			if !bytes.Equal(left, b) {
				t.Fatal("damage was reported and the log was cut nevertheless")
			}
			return
		}
		if !bytes.HasPrefix(b, left) || got.Next < o.Flushed && len(left) < len(b) {
			t.Fatalf("%d of %d bytes are left, next %d, flushed %d", len(left), len(b), got.Next, flushed)
		}
		next := ids.Offset(0)
		for rest := left; len(rest) > 0; {
			v, tail, err := batch.Next(rest)
			if err == nil {
				err = v.VerifyCRC()
			}
			damaged := slices.ContainsFunc(got.Damaged, func(d *CorruptError) bool { return d.Pos == int64(len(left)-len(rest)) })
			if (err != nil) != damaged || v.BaseOffset() < next || damaged && v.NextOffset() > o.Flushed {
				t.Fatalf("kept batch %d: %v, flushed %d", v.BaseOffset(), err, flushed)
			}
			next, rest = v.NextOffset(), tail
		}
		again, err := Existing(d, 0, 1).Recover(o)
		if err != nil || again.Truncated != 0 || again.Next != got.Next {
			t.Fatalf("recovered once more: %+v after %+v, %v", again, got, err)
		}
	})
}

// FuzzDamage overwrites a log somewhere: what passes Verify is what was written,
// but for leader epochs, which nothing vouches for.
func FuzzDamage(f *testing.F) {
	log := someBatches(12)
	f.Add(uint16(100), []byte{1})
	f.Add(uint16(len(log)-10), []byte("damage"))
	f.Add(uint16(0), make([]byte, 61))
	f.Add(uint16(len(testBatch(0, 1, 3))), []byte(testBatch(0, 1, 3))) // the first batch in the place of the second
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		b := bytes.Clone(log)
		copy(b[int(at)%len(b):], with)
		file := newFile(put(t, vfs.NewMem(), "/x", b))
		err := Extent{File: file, Next: 36, Size: int64(len(b))}.Verify(nil, 0, int64(len(b)))
		if err == nil && !bytes.Equal(noEpochs(b), noEpochs(log)) {
			t.Fatal("damage was not found")
		}
		if err != nil && bytes.Equal(b, log) {
			t.Fatal(err)
		}
	})
}

func noEpochs(log []byte) []byte {
	b := bytes.Clone(log)
	for at := 0; at+16 <= len(b); {
		clear(b[at+12 : at+16])
		at += 12 + int(binary.BigEndian.Uint32(b[at+8:]))
	}
	return b
}

// FuzzSearch: in the entries that count of any index file, every search finds
// what a walk through them finds.
func FuzzSearch(f *testing.F) {
	f.Add(golden(f, "kafka.index"), golden(f, "kafka.timeindex"), int64(3400))
	f.Add([]byte{}, []byte{}, int64(0))
	f.Add(make([]byte, 80), make([]byte, 120), int64(7))
	f.Fuzz(func(t *testing.T, b, tb []byte, at int64) {
		const base = 3366
		x := OffsetIndex(b)[:OffsetIndex(b).valid(base, 1<<30, 1<<50)]
		byOffset, byPosition, behind := OffsetAt{base, 0}, OffsetAt{base, 0}, int64(99)
		for i := x.Len() - 1; i >= 0; i-- {
			if x.At(base, i).Position > at {
				behind = x.At(base, i).Position
			}
		}
		for i := range x.Len() {
			if e := x.At(base, i); int64(e.Offset) <= at {
				byOffset = e
			}
			if e := x.At(base, i); e.Position <= at {
				byPosition = e
			}
		}
		e1, _ := x.ByOffset(base, ids.Offset(at))
		e2, _ := x.ByPosition(base, at)
		if e1 != byOffset || e2 != byPosition || at >= 0 && at < 1<<40 && x.Behind(base, at, 99) != behind {
			t.Fatal(at, e1, byOffset, e2, byPosition, x.Behind(base, at, 99), behind)
		}
		tx := TimeIndex(tb)[:TimeIndex(tb).valid(base, 1<<50)]
		byTime := TimeAt{-1, base}
		for i := range tx.Len() {
			if e := tx.At(base, i); e.Timestamp <= at {
				byTime = e
			}
		}
		if e, _ := tx.ByTime(base, at); e != byTime {
			t.Fatal(at, e, byTime)
		}
	})
}

// FuzzTxnIndex: what is read of a transaction index is its longest prefix of
// entries that can be, and is written as it was read.
func FuzzTxnIndex(f *testing.F) {
	f.Add(golden(f, "kafka.txnindex"))
	f.Add(golden(f, "kafka.txnindex")[:50])
	f.Add(make([]byte, 70))
	f.Fuzz(func(t *testing.T, b []byte) {
		txns, err := ParseAbortedTxns("x", b)
		var again []byte
		last := ids.Offset(-1)
		for _, a := range txns {
			if a.First < 0 || a.First > a.Last || a.Last <= last {
				t.Fatalf("%+v after %d", a, last)
			}
			again, last = AppendAbortedTxn(again, a), a.Last
		}
		if !bytes.HasPrefix(b, again) || err == nil && len(again) != len(b) {
			t.Fatalf("%d of %d bytes: %v", len(again), len(b), err)
		}
	})
}
