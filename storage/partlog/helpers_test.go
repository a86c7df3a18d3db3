package partlog

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const testNow = 1_760_000_000_000

func testEnv(t testing.TB) *Env {
	return &Env{
		Clock: func() int64 { return testNow }, ProducerExpirationMs: 86400000, MaxTxnTimeoutMs: 900000,
		Warn: func(tp ids.TopicPartition, msg string, err error) { t.Logf("warn: %v: %s: %v", tp, msg, err) },
	}
}

func quietEnv() *Env {
	return &Env{Clock: func() int64 { return testNow }, ProducerExpirationMs: 86400000, MaxTxnTimeoutMs: 900000}
}

var testTP = ids.TopicPartition{Topic: "orders", Partition: 3}

func testOptions(fsys vfs.FS, env *Env, cfg *Config) Options {
	return Options{FS: fsys, Dir: "/data/orders-3", TP: testTP, TopicID: ids.TopicID{7, 1}, Config: cfg, Env: env}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

// makeBatch builds a batch of n records whose values are seeded by id.
func makeBatch(n int, ts int64, size int, id int64, o batch.Options) []byte {
	b := batch.NewBuilder(o)
	r := rand.New(rand.NewPCG(uint64(id), 1))
	for i := range n {
		v := make([]byte, size)
		for j := range v {
			v[j] = byte(r.Uint32())
		}
		b.Append(ts, fmt.Appendf(nil, "k%d", (id+int64(i))%50), v, nil)
	}
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// readAll reads [from, end) in slices of at most max bytes and returns the bytes.
func readAll(t testing.TB, l *Log, from ids.Offset, max int) []byte {
	t.Helper()
	var out []byte
	for from < l.EndOffset() {
		s, err := l.Read(from, max, l.EndOffset(), true)
		if err != nil {
			t.Fatalf("read %d: %v", from, err)
		}
		if s.Len == 0 {
			t.Fatalf("read %d of [%d, %d): nothing", from, l.StartOffset(), l.EndOffset())
		}
		b := make([]byte, s.Len)
		if _, err := s.ReadAt(b, 0); err != nil {
			t.Fatalf("read %d: %v", from, err)
		}
		s.Release()
		for rest := b; len(rest) > 0; {
			v, tail, err := batch.Next(rest)
			if err == nil {
				err = v.VerifyCRC()
			}
			if err != nil {
				t.Fatalf("read %d: not whole batches: %v", from, err)
			}
			if v.LastOffset() < from {
				t.Fatalf("read %d: batch %d-%d lies below", from, v.BaseOffset(), v.LastOffset())
			}
			rest, from = tail, v.NextOffset()
		}
		out = append(out, b...)
	}
	return out
}
