package partlog

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

func benchLog(b *testing.B) *Log {
	cfg := DefaultConfig()
	o := testOptions(vfs.OS, quietEnv(), &cfg)
	o.Dir = b.TempDir() + "/orders-3"
	l := mustOpen(b, o)
	b.Cleanup(func() { _ = l.Close(false) })
	return l
}

// BenchmarkAppend1MiB is the leader's append of 1 MiB batches of 1 KiB records,
// idempotent: checksum, record walk, producer check, one write.
func BenchmarkAppend1MiB(b *testing.B) {
	l := benchLog(b)
	p := &batch.Producer{ID: 9}
	buf := batch.View(makeBatch(1000, testNow, 1000, 1, batch.Options{Producer: p}))
	work := make(batch.View, len(buf))
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	seq := int32(0)
	for b.Loop() {
		copy(work, buf)
		setSequence(work, seq)
		seq += buf.Count()
		if _, err := l.AppendAsLeader(work, 1, Client, testNow); err != nil {
			b.Fatal(err)
		}
		if l.EndOffset() > 500_000 {
			b.StopTimer()
			if err := l.TruncateTo(0); err != nil {
				b.Fatal(err)
			}
			seq = 0
			b.StartTimer()
		}
	}
}

func setSequence(v batch.View, seq int32) {
	v[53], v[54], v[55], v[56] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
	binary.BigEndian.PutUint32(v[17:], crc32.Checksum(v[21:], crc32.MakeTable(crc32.Castagnoli)))
}

// BenchmarkAppendSmall is one record of 100 bytes a batch.
func BenchmarkAppendSmall(b *testing.B) {
	l := benchLog(b)
	buf := makeBatch(1, testNow, 100, 1, batch.Options{})
	work := make([]byte, len(buf))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, buf)
		if _, err := l.AppendAsLeader(work, 1, Client, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadSequential is a consumer that reads 1 MiB at a time from the beginning.
func BenchmarkReadSequential(b *testing.B) {
	l := benchLog(b)
	buf := makeBatch(16, testNow, 1000, 1, batch.Options{})
	for range 10000 {
		v := append(batch.View(nil), buf...)
		v.SetBaseOffset(0)
		if _, err := l.AppendAsLeader(v, 1, Client, testNow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	var from ids.Offset
	for b.Loop() {
		s, err := l.Read(from, 1<<20, l.EndOffset(), true)
		if err != nil {
			b.Fatal(err)
		}
		from += ids.Offset(s.Len / len(buf) * 16)
		s.Release()
		if from >= l.EndOffset() {
			from = 0
		}
	}
}

// BenchmarkReadTail is a consumer at the end of the log.
func BenchmarkReadTail(b *testing.B) {
	l := benchLog(b)
	buf := makeBatch(1, testNow, 1000, 1, batch.Options{})
	for range 100 {
		if _, err := l.AppendAsLeader(append([]byte(nil), buf...), 1, Client, testNow); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := l.Read(l.EndOffset()-1, 1<<20, l.EndOffset(), true)
		if err != nil || s.Len != len(buf) {
			b.Fatal(s, err)
		}
		s.Release()
	}
}

// BenchmarkReadVerified is a consumer that reads a log from the beginning which
// another process wrote: every byte is verified, once. The floor beside it is the
// same without: what BenchmarkReadSequential does, and reading a pipe full.
func BenchmarkReadVerified(b *testing.B) {
	l := benchLog(b)
	buf := makeBatch(16, testNow, 1000, 1, batch.Options{})
	for range 10000 {
		v := append(batch.View(nil), buf...)
		v.SetBaseOffset(0)
		if _, err := l.AppendAsLeader(v, 1, Client, testNow); err != nil {
			b.Fatal(err)
		}
	}
	end, o := l.EndOffset(), testOptions(vfs.OS, quietEnv(), l.Config())
	if err := l.Close(true); err != nil {
		b.Fatal(err)
	}
	o.Dir, o.CleanShutdown, o.RecoveryPoint = l.Dir(), true, end
	b.SetBytes(int64(10000 * len(buf)))
	for b.Loop() {
		again := mustOpen(b, o)
		for from := ids.Offset(0); from < end; {
			s, err := again.Read(from, 1<<20, end, true)
			if err != nil {
				b.Fatal(err)
			}
			from += ids.Offset(s.Len / len(buf) * 16)
			s.Release()
		}
		_ = again.Close(false)
	}
}
