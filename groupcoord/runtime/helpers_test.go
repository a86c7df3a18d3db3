package runtime_test

import (
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/batch"
	"go.uber.org/zap"
)

func appended(t *testing.T, key, value string) []byte {
	t.Helper()
	b := batch.NewBuilder(batch.Options{})
	b.Append(1, []byte(key), []byte(value), nil)
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// marker is the end of a producer's transaction.
func marker(t *testing.T, producer int64, commit bool) batch.View {
	t.Helper()
	kind := byte(0)
	if commit {
		kind = 1
	}
	b := batch.NewBuilder(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: producer, Sequence: -1}})
	b.Append(1, []byte{0, 0, 0, kind}, []byte{0, 0, 0, 0, 0, 0}, nil)
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// BenchmarkDo is what one operation with a record costs, without a disk.
func BenchmarkDo(b *testing.B) {
	log := &runtimetest.Log{}
	rt := runtime.New(runtime.Options[*register]{
		NewMachine: func(int32) *register { return &register{values: map[string]string{}} },
		Log:        log, Clock: runtime.SystemClock{}, Logger: zap.NewNop(), CommitTimeout: 5000, LoadBytes: 1 << 20, Loads: 1,
	})
	log.OnCommit = rt.Committed
	rt.Lead(0, 1)
	for rt.Do(0, "", func(*register, int64) runtime.Outcome { return runtime.Outcome{} }, func(error) {}); ; {
		ready := make(chan error, 1)
		rt.Do(0, "", func(*register, int64) runtime.Outcome {
			return runtime.Outcome{Done: func(_ int64, err error) { ready <- err }}
		}, func(err error) { ready <- err })
		if <-ready == nil {
			break
		}
	}
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = string(rune('a'+i%26)) + string(rune(i))
	}
	value := make([]byte, 60)
	left := make(chan struct{}, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		left <- struct{}{}
		key := keys[i%len(keys)]
		rt.Do(0, key, func(*register, int64) runtime.Outcome {
			return runtime.Outcome{Records: []runtime.Record{{Key: []byte(key), Value: value}}, Done: func(int64, error) { <-left }}
		}, nil)
	}
	rt.Close()
}
