// Package crash kills gregor while clients produce with acks=all, restarts it,
// and proves that what was acknowledged is there: once, at its offset, whole.
//
// SIGKILL loses the process, not the page cache; what a power cut loses is
// tested in storage with crash clones of the file system.
package crash

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	kills      = 20
	partitions = 3
	valueBytes = 400
)

func TestMain(m *testing.M) {
	code := m.Run()
	node.Clean()
	os.Exit(code)
}

// acked is what the broker has promised: the number of each record by its place.
type acked struct {
	mu      sync.Mutex
	at      map[place]uint64
	refused map[string]int // by what the client said
}

type place struct {
	partition int32
	offset    int64
}

func (a *acked) add(r *kgo.Record, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.refused[fmt.Sprintf("partition %d: %T: %v", r.Partition, err, err)]++
		return
	}
	a.at[place{r.Partition, r.Offset}] = binary.BigEndian.Uint64(r.Value)
}

func (a *acked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}

// One producer a codec runs through all kills, as a real one does: it retries
// what was in flight, with the sequence numbers it had.
func TestAcknowledgedRecordsSurviveKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	bin, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := node.Run(node.Gregor(bin), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	promises := map[string]*acked{} // by codec
	producing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, codec := range clients.Codecs {
		createTopic(t, ctx, srv.Addr(), topicOf(codec))
		a := &acked{at: map[place]uint64{}, refused: map[string]int{}}
		promises[codec] = a
		wg.Add(1)
		go func() {
			defer wg.Done()
			produce(producing, ctx, t, srv.Addr(), codec, a)
		}()
	}
	for k := range kills {
		before := total(promises)
		time.Sleep(time.Duration(20+rng.IntN(150)) * time.Millisecond) // when to kill is the experiment itself
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Start(); err != nil {
			t.Fatalf("restart after kill %d: %v", k+1, err)
		}
		awaitProgress(t, ctx, promises, before)
	}
	stop()
	wg.Wait()
	for codec, a := range promises {
		t.Run(codec, func(t *testing.T) { verify(t, ctx, srv.Addr(), topicOf(codec), codec, a) })
	}
	if t.Failed() {
		srv.Keep()
		t.Logf("kept %s", srv.Dir())
	}
}

func topicOf(codec string) string { return "crash-" + codec }

func createTopic(t *testing.T, ctx context.Context, addr, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// produce sends until producing is over, then waits for what is in flight. A kill
// between a connection's first request and its answer looks to franz-go like a
// broker that wants TLS or SASL, on which it gives everything up by default.
func produce(producing, ctx context.Context, t *testing.T, addr, codec string, a *acked) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topicOf(codec)), kgo.ProducerBatchCompression(clients.Kgo[codec]),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxBufferedRecords(2000), kgo.ProducerLinger(time.Millisecond),
		kgo.AlwaysRetryEOF(), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Error(err)
		return
	}
	defer cl.Close()
	for n := uint64(0); producing.Err() == nil; n++ {
		cl.Produce(ctx, &kgo.Record{Value: value(n)}, a.add)
	}
	if err := cl.Flush(ctx); err != nil {
		t.Errorf("%s: flush: %v", codec, err)
	}
}

// value is record n: its number, then bytes that follow from it.
func value(n uint64) []byte {
	v := make([]byte, valueBytes)
	binary.BigEndian.PutUint64(v, n)
	for i := 8; i < len(v); i++ {
		v[i] = byte(n>>(i%5)) ^ byte(i)
	}
	return v
}

func total(ps map[string]*acked) (n int) {
	for _, a := range ps {
		n += a.count()
	}
	return n
}

// awaitProgress waits until records are acknowledged again.
func awaitProgress(t *testing.T, ctx context.Context, ps map[string]*acked, before int) {
	t.Helper()
	for total(ps) <= before+len(ps) {
		select {
		case <-ctx.Done():
			t.Fatalf("nothing is acknowledged any more: %d records", total(ps))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// verify reads the topic from the start to its end and compares.
func verify(t *testing.T, ctx context.Context, addr, topic, codec string, a *acked) {
	for what, n := range a.refused {
		t.Errorf("%d records were refused for good, %s", n, what)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	seen, problems := map[uint64]place{}, 0
	complain := func(format string, args ...any) {
		if problems++; problems <= 10 {
			t.Errorf(format, args...)
		}
	}
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%d records before the end: %v", left, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			left--
			n, at := binary.BigEndian.Uint64(r.Value), place{r.Partition, r.Offset}
			if string(r.Value) != string(value(n)) {
				complain("record at %v has changed", at)
			}
			if was, dup := seen[n]; dup {
				complain("record %d is at %v and at %v", n, was, at)
			}
			seen[n] = at
		})
	}
	for at, n := range a.at {
		if seen[n] != at {
			complain("record %d was acknowledged at %v: %s", n, at, found(seen, n))
		}
	}
	t.Logf("%s: %d acknowledged, %d in the log, %d problems", codec, len(a.at), len(seen), problems)
}

func found(seen map[uint64]place, n uint64) string {
	if at, ok := seen[n]; ok {
		return fmt.Sprintf("it is at %v", at)
	}
	return "it is lost"
}
