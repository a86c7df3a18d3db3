package partlog

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/vfs"
)

func TestValidation(t *testing.T) {
	good := func() batch.View { return makeBatch(3, testNow, 10, 1, batch.Options{}) }
	cases := []struct {
		name string
		cfg  func(*Config)
		buf  func() []byte
		want error
	}{
		{"empty", nil, func() []byte { return nil }, ErrInvalidRecord},
		{"cut short", nil, func() []byte { return good()[:70] }, ErrInvalidRecord},
		{"checksum", nil, func() []byte { b := good(); b[80] ^= 1; return b }, ErrCorrupt},
		{"old format", nil, func() []byte { b := good(); b[16] = 1; return b }, ErrInvalidRecord},
		{"two batches", nil, func() []byte { return append(good(), good()...) }, ErrInvalidRecord},
		{"base offset", nil, func() []byte { b := good(); b.SetBaseOffset(5); return b }, ErrInvalidRecord},
		{"too large", func(c *Config) { c.MaxMessageBytes = 100 }, func() []byte { return good() }, ErrMessageTooLarge},
		{"larger than a segment", func(c *Config) { c.SegmentBytes = 100 }, func() []byte { return good() }, ErrSegmentTooSmall},
		{"control", nil, func() []byte { return makeBatch(1, testNow, 10, 1, batch.Options{Control: true}) }, ErrInvalidRecord},
		{"future", nil, func() []byte { return makeBatch(1, testNow+3600001, 10, 1, batch.Options{}) }, ErrInvalidTimestamp},
		{"past", func(c *Config) { c.TimestampBeforeMaxMs = 10 }, func() []byte { return makeBatch(1, testNow-11, 10, 1, batch.Options{Codec: batch.Lz4}) }, ErrInvalidTimestamp},
		{"null key", func(c *Config) { c.Compact = true }, func() []byte {
			b := batch.NewBuilder(batch.Options{Codec: batch.Zstd})
			b.Append(testNow, []byte("k"), nil, nil)
			b.Append(testNow, nil, []byte("v"), nil)
			v, _ := b.Bytes()
			return v
		}, ErrInvalidRecord},
	}
	for _, c := range cases {
		cfg := DefaultConfig()
		if c.cfg != nil {
			c.cfg(&cfg)
		}
		l := mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), &cfg))
		info, err := l.AppendAsLeader(c.buf(), 1, Client, testNow)
		if !errors.Is(err, c.want) || l.EndOffset() != 0 {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "null key" && (len(info.RecordErrors) != 1 || info.RecordErrors[0].BatchIndex != 1) {
			t.Errorf("null key: %v", info.RecordErrors)
		}
	}
}

func TestConfigActsAtOnce(t *testing.T) {
	cfg := DefaultConfig()
	l := mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), &cfg))
	read := func(off ids.Offset) batch.Record {
		t.Helper()
		s, err := l.Read(off, 1<<20, l.EndOffset(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		v := make(batch.View, s.Len)
		s.ReadAt(v, 0)
		rs, err := v.Records(nil, 1<<20)
		if err != nil || len(rs) != 1 {
			t.Fatal(rs, err)
		}
		return rs[0]
	}
	send := func() AppendInfo {
		info, err := l.AppendAsLeader(makeBatch(1, 5, 500, 1, batch.Options{Codec: batch.Gzip}), 1, Client, testNow)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	send()
	if r := read(0); r.Timestamp != 5 {
		t.Fatal(r.Timestamp)
	}
	changed := cfg
	changed.LogAppendTime, changed.Recompress, changed.Codec = true, true, batch.Zstd
	l.SetConfig(&changed)
	if info := send(); info.LogAppendTime != testNow || info.MaxTimestamp != testNow {
		t.Fatal(info)
	}
	if r := read(1); r.Timestamp != testNow || len(r.Value) != 500 {
		t.Fatal(r)
	}
}

func marker(pid int64, epoch int16, commit bool) batch.View {
	b := batch.NewBuilder(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: pid, Epoch: epoch, Sequence: -1}})
	kind := uint16(0)
	if commit {
		kind = 1
	}
	b.Append(testNow, binary.BigEndian.AppendUint16([]byte{0, 0}, kind), []byte{0, 0, 0, 0, 0, 7}, nil)
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// TestProducersAcrossRestarts: duplicates, open and aborted transactions are
// the same after a clean restart, a kill and a truncation.
func TestProducersAcrossRestarts(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := vfs.NewMem()
		cfg := DefaultConfig()
		cfg.SegmentBytes = 600
		o := testOptions(fs, testEnv(t), &cfg)
		l := mustOpen(t, o)
		data := func(pid int64, seq int32, txn bool) (AppendInfo, error) {
			return l.AppendAsLeader(makeBatch(2, testNow, 10, 1, batch.Options{Producer: &batch.Producer{ID: pid, Sequence: seq}, Transactional: txn}), 1, Client, testNow)
		}
		must := func(_ AppendInfo, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(data(1, 0, true)) // 0-1
		must(data(2, 0, true)) // 2-3
		must(data(3, 0, false))
		must(data(3, 2, false)) // 4-7
		must(l.AppendAsLeader(marker(1, 0, false), 1, Coordinator, testNow))
		check := func() {
			t.Helper()
			if off, ok := l.FirstUnstableOffset(); !ok || off > 2 {
				t.Fatal(off, ok)
			}
			l.SetHighWatermark(l.EndOffset())
			if off, ok := l.FirstUnstableOffset(); !ok || off != 2 {
				t.Fatal(off, ok)
			}
			if a, err := l.AbortedTxns(nil, 0, 100); err != nil || len(a) != 1 || a[0] != (AbortedTxn{1, 0}) {
				t.Fatal(a, err)
			}
			if info, err := data(3, 2, false); err != nil || !info.Duplicate || info.FirstOffset != 6 {
				t.Fatal(info, err)
			}
			if _, err := data(3, 7, false); !errors.Is(err, producers.ErrOutOfOrderSequence) {
				t.Fatal(err)
			}
		}
		check()
		if err := l.Close(clean); err != nil {
			t.Fatal(err)
		}
		o.CleanShutdown, o.RecoveryPoint = clean, l.RecoveryPoint()
		l = mustOpen(t, o)
		check()
		if err := l.TruncateTo(8); err != nil { // the marker goes, the transaction is open again
			t.Fatal(err)
		}
		l.SetHighWatermark(100)
		if off, ok := l.FirstUnstableOffset(); !ok || off != 0 {
			t.Fatal(off, ok)
		}
		if a, _ := l.AbortedTxns(nil, 0, 100); len(a) != 0 {
			t.Fatal(a)
		}
	}
}

// TestWatermarkBeforeState: after a kill the high watermark is told before anybody
// asks for the producer state, which then replays transactions that are over.
func TestWatermarkBeforeState(t *testing.T) {
	cfg := DefaultConfig()
	o := testOptions(vfs.NewMem(), testEnv(t), &cfg)
	l := mustOpen(t, o)
	for seq := range int32(3) {
		b := makeBatch(1, testNow, 10, 1, batch.Options{Producer: &batch.Producer{ID: 1, Sequence: seq}, Transactional: true})
		_, err1 := l.AppendAsLeader(b, 1, Client, testNow)
		_, err2 := l.AppendAsLeader(marker(1, 0, seq == 1), 1, Coordinator, testNow)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	l.SetHighWatermark(4)
	if off, ok := l.FirstUnstableOffset(); !ok || off != 4 {
		t.Fatal(off, ok)
	}
	l.SetHighWatermark(l.EndOffset())
	if off, ok := l.FirstUnstableOffset(); ok {
		t.Fatalf("readers of committed records stop at offset %d of %d for ever", off, l.EndOffset())
	}
}

// TestConcurrentUse appends, reads, flushes, truncates and rolls at once; the
// race detector and the batches' checksums judge.
func TestConcurrentUse(t *testing.T) {
	cfg := DefaultConfig()
	cfg.SegmentBytes, cfg.FileDeleteDelayMs, cfg.FlushMessages = 4000, 0, 50
	l := mustOpen(t, testOptions(vfs.NewMem(), quietEnv(), &cfg))
	var wg sync.WaitGroup
	done := make(chan struct{})
	loop := func(seed uint64, f func(r *rand.Rand)) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 4))
			for {
				select {
				case <-done:
					return
				default:
					f(r)
				}
			}
		})
	}
	ok := func(err error) {
		if err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
			t.Error(err)
		}
	}
	for i := range uint64(2) {
		loop(i, func(r *rand.Rand) {
			from := l.StartOffset()
			if n := int(l.EndOffset() - from); n > 0 {
				from += ids.Offset(r.IntN(n))
			}
			s, err := l.Read(from, r.IntN(3000), l.EndOffset(), true)
			ok(err)
			defer s.Release()
			if s.Len == 0 {
				return
			}
			b := make([]byte, s.Len)
			if _, err := s.ReadAt(b, 0); err != nil {
				t.Error(err)
			}
			for v, rest, err := batch.Next(b); len(rest) > 0; v, rest, err = batch.Next(rest) {
				if err != nil || v.VerifyCRC() != nil {
					t.Error("not a whole batch", err)
				}
			}
		})
	}
	loop(5, func(*rand.Rand) { ok(l.Flush()) })
	loop(6, func(*rand.Rand) {
		_, err := l.ApplyRetention(testNow, l.EndOffset())
		ok(errors.Join(err, l.Tick(testNow+1)))
		_, _, err = l.OffsetForTimestamp(testNow)
		ok(err)
		_, err = l.Rest(testNow+100, 1)
		ok(err)
	})
	for i := range 3000 {
		_, err := l.AppendAsLeader(makeBatch(1+i%3, testNow, 50, int64(i), batch.Options{}), 1, Client, testNow)
		ok(err)
		if i%200 == 199 {
			_, err := l.AdvanceStartOffset(l.EndOffset() - 50)
			ok(err)
		}
	}
	close(done)
	wg.Wait()
}

// TestSteadyStateAllocatesNothing: an append and a read of a warm log.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	cfg := DefaultConfig()
	fs := vfs.OS
	o := testOptions(fs, quietEnv(), &cfg)
	o.Dir = t.TempDir() + "/orders-3"
	l := mustOpen(t, o)
	defer l.Close(false)
	b := makeBatch(1, testNow, 100, 1, batch.Options{})
	work := make([]byte, len(b))
	appendOne := func() {
		copy(work, b)
		if _, err := l.AppendAsLeader(work, 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
	}
	appendOne()
	if n := testing.AllocsPerRun(200, appendOne); n >= 1 { // index memory grows now and then
		t.Errorf("%v allocations an append", n)
	}
	if n := testing.AllocsPerRun(200, func() {
		s, err := l.Read(l.EndOffset()-1, 1<<20, l.EndOffset(), true)
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
	}); n >= 1 {
		t.Errorf("%v allocations a read", n)
	}
}
