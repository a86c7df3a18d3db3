package runtime_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
)

// register is a machine: a map that is the replay of its log.
type register struct {
	values   map[string]string
	unloaded bool
	alarm    int64
	rang     int
}

func (m *register) Replay(e runtime.Entry, loading bool) error {
	if string(e.Value) == "poison" {
		return errors.New("poisoned")
	}
	if e.Value == nil {
		delete(m.values, string(e.Key))
		return nil
	}
	m.values[string(e.Key)] = string(e.Value)
	return nil
}

func (m *register) EndTransaction(id int64, committed bool) {
	m.values[fmt.Sprint("txn", id)] = fmt.Sprint(committed)
}
func (m *register) Loaded(int64) runtime.Outcome { return runtime.Outcome{} }
func (m *register) Deadline() (int64, bool)      { return m.alarm, m.alarm != 0 }
func (m *register) Expire(int64) runtime.Outcome {
	m.alarm = 0
	m.rang++
	return runtime.Outcome{Records: []runtime.Record{{Key: []byte("rang"), Value: fmt.Append(nil, m.rang)}}}
}
func (m *register) Shift(ms int64) {
	if m.alarm != 0 {
		m.alarm += ms
	}
}
func (m *register) Unloaded() { m.unloaded = true }

type bench struct {
	log   *runtimetest.Log
	clock *runtimetest.Clock
	rt    *runtime.Runtime[*register]
	last  *register
}

func newBench() *bench { return newBenchWith(batch.None) }

func newBenchWith(codec batch.Codec) *bench {
	b := &bench{log: &runtimetest.Log{}, clock: runtimetest.NewClock(1_000_000)}
	b.rt = runtime.New(runtime.Options[*register]{
		NewMachine: func(int32) *register {
			b.last = &register{values: map[string]string{}}
			return b.last
		},
		Log: b.log, Clock: b.clock, Logger: zap.NewNop(), CommitTimeout: 5000, LoadBytes: 100, Loads: 1, Codec: codec,
	})
	b.log.OnCommit = b.rt.Committed
	return b
}

// set queues a write; its end is told by the result.
func (b *bench) set(key, value string) *result {
	r := &result{}
	b.rt.Do(0, key, func(m *register, _ int64) runtime.Outcome {
		r.before = m.values[key]
		return runtime.Outcome{
			Records: []runtime.Record{{Key: []byte(key), Value: []byte(value)}},
			Done:    func(_ int64, err error) { r.ends++; r.err = err },
		}
	}, func(err error) { r.ends++; r.err = err })
	return r
}

// get queues a read.
func (b *bench) get(key string) *result {
	r := &result{}
	b.rt.Do(0, key, func(m *register, _ int64) runtime.Outcome {
		r.before = m.values[key]
		return runtime.Outcome{Done: func(_ int64, err error) { r.ends++; r.err = err }}
	}, func(err error) { r.ends++; r.err = err })
	return r
}

type result struct {
	before string
	ends   int
	err    error
}

func (r *result) want(t *testing.T, ends int, err error) {
	t.Helper()
	if r.ends != ends || !errors.Is(r.err, err) {
		t.Fatalf("ended %d times with %v, want %d times with %v", r.ends, r.err, ends, err)
	}
}

func TestOneAppendServesAllThatQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.rt.Lead(0, 1)
		synctest.Wait()
		stop := make(chan struct{})
		b.rt.Do(0, "x", func(*register, int64) runtime.Outcome { <-stop; return runtime.Outcome{} }, nil)
		synctest.Wait() // x is taken alone, so that all that follows is taken together
		var all []*result
		for i := range 100 {
			all = append(all, b.set(fmt.Sprint("key", i), "v"))
		}
		twice := b.set("key5", "w") // must see the first write, so it needs another append
		close(stop)
		synctest.Wait()
		for _, r := range all {
			r.want(t, 1, nil)
		}
		twice.want(t, 1, nil)
		if twice.before != "v" || b.log.Appends(0) != 2 {
			t.Fatalf("%d appends, second write of a key saw %q", b.log.Appends(0), twice.before)
		}
		b.rt.Close()
	})
}

func TestRepliesWaitForTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Hold = true
		b.rt.Lead(0, 1)
		synctest.Wait()
		w, other := b.set("a", "1"), b.get("b")
		synctest.Wait()
		read := b.get("a")
		synctest.Wait()
		w.want(t, 0, nil)
		read.want(t, 0, nil)
		other.want(t, 0, nil)
		b.log.Commit(0)
		synctest.Wait()
		w.want(t, 1, nil)
		read.want(t, 1, nil)
		other.want(t, 1, nil)
		if read.before != "1" {
			t.Fatalf("read %q", read.before)
		}
		late := b.set("a", "2")
		synctest.Wait()
		b.clock.Advance(5000)
		synctest.Wait()
		late.want(t, 1, runtime.ErrCommitTimeout)
		b.log.Commit(0)
		synctest.Wait()
		late.want(t, 1, runtime.ErrCommitTimeout)
		b.rt.Close()
	})
}

func TestWhatIsNotAppendedIsNotApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.rt.Lead(0, 1)
		synctest.Wait()
		full := errors.New("disk full")
		b.log.Fail = func(int32) error { return full }
		w, r := b.set("a", "1"), b.get("other")
		synctest.Wait()
		w.want(t, 1, full)
		r.want(t, 1, nil)
		b.log.Fail = nil
		read := b.get("a")
		synctest.Wait()
		if read.before != "" {
			t.Fatalf("read %q, which was never appended", read.before)
		}
		big := b.set("a", string(make([]byte, 2<<20)))
		synctest.Wait()
		big.want(t, 1, runtime.ErrTooLarge)
		b.rt.Close()
	})
}

func TestLoadingRefusesAndLeadershipEndsAnswerAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.get("a").want(t, 1, runtime.ErrNotCoordinator)
		b.log.Blocked = make(chan struct{})
		b.rt.Lead(0, 3)
		b.get("a").want(t, 1, runtime.ErrLoading)
		close(b.log.Blocked)
		synctest.Wait()
		b.log.Hold = true
		w := b.set("a", "1")
		synctest.Wait()
		b.rt.Resign(0, 2) // of an older leadership: not ours
		w.want(t, 0, nil)
		b.rt.Resign(0, 3)
		synctest.Wait()
		w.want(t, 1, runtime.ErrNotCoordinator)
		if !b.last.unloaded {
			t.Fatal("machine was not told")
		}
		b.get("a").want(t, 1, runtime.ErrNotCoordinator)
		b.log.Hold = false
		b.rt.Lead(0, 4)
		synctest.Wait()
		read := b.get("a")
		synctest.Wait()
		read.want(t, 0, nil) // appended, not committed: the next leader commits it
		b.log.Commit(0)
		synctest.Wait()
		read.want(t, 1, nil)
		if read.before != "1" {
			t.Fatalf("read %q after the reload", read.before)
		}
		b.rt.Close()
	})
}

func TestRenewedEpochKeepsTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.rt.Lead(0, 1)
		synctest.Wait()
		first := b.last
		b.set("a", "1")
		synctest.Wait()
		b.rt.Lead(0, 2)
		synctest.Wait()
		if b.last != first {
			t.Fatal("reloaded although nobody else wrote")
		}
		if _, err := b.log.Append(0, 3, appended(t, "a", "theirs")); err != nil {
			t.Fatal(err)
		}
		b.rt.Lead(0, 4)
		synctest.Wait()
		if b.last == first || b.last.values["a"] != "theirs" {
			t.Fatal("not reloaded although another leader wrote")
		}
		b.rt.Close()
	})
}

func TestFailedLoadStaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		if _, err := b.log.Append(0, 1, appended(t, "a", "poison")); err != nil {
			t.Fatal(err)
		}
		b.rt.Lead(0, 2)
		synctest.Wait()
		b.get("a").want(t, 1, runtime.ErrNotCoordinator)
		b.rt.Close()
	})
}

func TestTimersWriteRecordsAndIdleShardsHaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for p := range int32(50) {
			b.rt.Lead(p, 1)
		}
		synctest.Wait()
		if n := b.clock.Timers(); n != 0 {
			t.Fatalf("%d timers of 50 idle shards", n)
		}
		b.rt.Do(0, "x", func(m *register, now int64) runtime.Outcome {
			m.alarm = now + 100
			return runtime.Outcome{}
		}, nil)
		synctest.Wait()
		b.clock.Advance(100)
		synctest.Wait()
		got := b.get("rang")
		synctest.Wait()
		if got.before != "1" || b.clock.Timers() != 0 {
			t.Fatalf("rang %q, %d timers left", got.before, b.clock.Timers())
		}
		b.rt.Close()
	})
}

// The wall clock may be set, by an hour and more, while deadlines run: they are as
// far away as before.
func TestDeadlinesWhenTheClockIsSet(t *testing.T) {
	for _, jump := range []int64{-3_600_000, 3_600_000} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			b.rt.Lead(0, 1)
			synctest.Wait()
			b.log.Hold = true
			r := b.set("a", "1")
			b.rt.Do(0, "", func(m *register, now int64) runtime.Outcome {
				m.alarm = now + 1_000
				return runtime.Outcome{}
			}, nil)
			synctest.Wait()
			b.clock.Set(jump)
			b.get("a")
			b.clock.Advance(999)
			synctest.Wait()
			if b.last.rang != 0 {
				t.Fatalf("set by %d ms: early", jump)
			}
			b.clock.Advance(1)
			synctest.Wait()
			if b.last.rang != 1 {
				t.Fatalf("set by %d ms: rang %d times", jump, b.last.rang)
			}
			b.clock.Set(-jump)
			b.clock.Advance(3_999)
			synctest.Wait()
			r.want(t, 0, nil)
			b.clock.Advance(1)
			synctest.Wait()
			r.want(t, 1, runtime.ErrCommitTimeout)
			b.rt.Close()
		})
	}
}

func TestLoadIsTheReplayOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.rt.Lead(0, 1)
		synctest.Wait()
		for i := range 300 {
			b.set(fmt.Sprint(i%7), fmt.Sprint(i))
		}
		b.log.AppendRaw(0, marker(t, 77, true))
		synctest.Wait()
		want := maps.Clone(b.last.values)
		want["txn77"] = "true"
		b.rt.Resign(0, ids.NoEpoch)
		b.log.Compact(0, nil)
		synctest.Wait()
		b.rt.Lead(0, 2)
		synctest.Wait()
		if !maps.Equal(b.last.values, want) {
			t.Fatalf("loaded %v, want %v", b.last.values, want)
		}
		b.rt.Close()
	})
}

func TestSplitOutcomesFitTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.MaxBatch = 2000
		b.rt.Lead(0, 1)
		synctest.Wait()
		r := &result{}
		b.rt.Do(0, "", func(*register, int64) runtime.Outcome {
			var out []runtime.Record
			for i := range 500 {
				out = append(out, runtime.Record{Key: fmt.Append(nil, i), Value: []byte("v")})
			}
			return runtime.Outcome{Records: out, Split: true, Done: func(_ int64, err error) { r.ends++; r.err = err }}
		}, nil)
		synctest.Wait()
		r.want(t, 1, nil)
		if len(b.last.values) != 500 || b.log.Appends(0) < 2 {
			t.Fatalf("%d records in %d appends", len(b.last.values), b.log.Appends(0))
		}
		b.rt.Close()
	})
}

// What has to be one batch and is too large for one is refused, unless it fits
// compressed; nobody who asks with it suffers for it.
// Of an outcome in several batches there is always a beginning in the log: the end of
// one says what the beginning means.
func TestWhatIsBehindAFailedBatchIsNotAppended(t *testing.T) {
	for fails := range 3 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			b.log.MaxBatch = 2000
			b.rt.Lead(0, 1)
			synctest.Wait()
			appends := 0
			b.log.Fail = func(int32) error {
				if appends++; appends == fails+1 {
					return kerr.NotEnoughReplicas
				}
				return nil
			}
			r := &result{}
			b.rt.Do(0, "", func(*register, int64) runtime.Outcome {
				var out []runtime.Record
				for i := range 300 {
					out = append(out, runtime.Record{Key: fmt.Append(nil, i), Value: []byte("v")})
				}
				return runtime.Outcome{Records: out, Split: true, Done: func(_ int64, err error) { r.ends++; r.err = err }}
			}, nil)
			after := b.set("after", "1")
			synctest.Wait()
			r.want(t, 1, kerr.NotEnoughReplicas)
			after.want(t, 1, nil)
			n := len(b.last.values) - 1
			for i := range n {
				if b.last.values[fmt.Sprint(i)] == "" {
					t.Fatalf("%d records are applied, and not the one numbered %d", n, i)
				}
			}
			if appends != fails+2 || n > 0 != (fails > 0) {
				t.Fatalf("%d appends, %d records", appends, n)
			}
			b.rt.Close()
		})
	}
}

func TestOneBatchOrNone(t *testing.T) {
	for codec, fits := range map[batch.Codec]bool{batch.None: false, batch.Zstd: true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchWith(codec)
			b.log.MaxBatch = 2000
			b.rt.Lead(0, 1)
			synctest.Wait()
			noise := make([]byte, 3000)
			random := rand.New(rand.NewPCG(1, 2))
			for i := range noise {
				noise[i] = byte(random.Uint32())
			}
			before, plain, wild, after := b.set("before", "1"), b.set("plain", strings.Repeat("x", 3000)), b.set("wild", string(noise)), b.set("after", "1")
			synctest.Wait()
			before.want(t, 1, nil)
			after.want(t, 1, nil)
			wild.want(t, 1, runtime.ErrTooLarge)
			if fits {
				plain.want(t, 1, nil)
			} else {
				plain.want(t, 1, runtime.ErrTooLarge)
			}
			if _, there := b.last.values["wild"]; there || len(b.last.values["plain"]) > 0 != fits {
				t.Fatalf("codec %v: applied %d values", codec, len(b.last.values))
			}
			b.rt.Close()
		})
	}
}
