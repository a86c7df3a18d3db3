package clients

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newestOf is what compaction must keep of a key.
type newestOf struct {
	offset int64
	value  string
}

// The broker compacts by itself: old records of a key go, the newest stay at
// their offsets, and so do a group's committed offsets, over a restart too.
func TestCompactionKeepsTheNewest(t *testing.T) {
	srv := start(t, map[string]string{"log.cleaner.backoff.ms": "50", "offsets.topic.num.partitions": "1",
		"offsets.topic.segment.bytes": "1048576", "log.cleaner.min.cleanable.ratio": "0.01"})
	ctx := patience(t)
	cl := client(t, srv, kgo.ProducerBatchCompression(kgo.NoCompression()))
	adm := kadm.NewClient(cl)
	policy, segment := "compact", "1048576"
	if _, err := adm.CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &policy, "segment.bytes": &segment}, "keyed"); err != nil {
		t.Fatal(err)
	}
	want, end := overwrite(t, ctx, cl, "keyed")
	commits(t, ctx, adm)
	awaitCleaned(t, ctx, srv, "keyed-0", end/2)
	awaitCleaned(t, ctx, srv, "__consumer_offsets-0", 1)
	for range 2 {
		got, n := newest(t, ctx, srv, "keyed", end)
		if !maps.Equal(got, want) {
			t.Errorf("newest records: %v, want %v", got, want)
		}
		if n >= end {
			t.Errorf("all %d records are still there", n)
		}
		offsets, err := adm.FetchOffsets(ctx, commitGroup)
		if err != nil {
			t.Fatal(err)
		}
		for p := range int32(commitPartitions) {
			if o, ok := offsets.Lookup("keyed", p); !ok || o.At != commitRounds {
				t.Fatalf("partition %d: committed %+v, want %d", p, o, commitRounds)
			}
		}
		restart(t, srv)
	}
}

// overwrite writes 5 MiB over ten keys, and returns the newest of each and the log's end.
func overwrite(t *testing.T, ctx context.Context, cl *kgo.Client, topic string) (map[string]newestOf, int64) {
	t.Helper()
	want := map[string]newestOf{}
	pad := strings.Repeat("x", 1000)
	var end int64
	for i := range 50 {
		var batch []*kgo.Record
		for j := range 100 {
			batch = append(batch, &kgo.Record{Topic: topic, Key: fmt.Append(nil, "key", (i+j)%10), Value: fmt.Append(nil, i, "-", j, pad)})
		}
		for _, r := range cl.ProduceSync(ctx, batch...) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			want[string(r.Record.Key)] = newestOf{r.Record.Offset, string(r.Record.Value)}
			end = max(end, r.Record.Offset+1)
		}
	}
	return want, end
}

const (
	commitPartitions = 200
	commitRounds     = 100
	commitGroup      = "a-group-whose-name-makes-the-offsets-topic-grow-fast-enough-for-a-test"
)

// commits fills more than one segment of the offsets topic.
func commits(t *testing.T, ctx context.Context, adm *kadm.Client) {
	t.Helper()
	if _, err := adm.UpdatePartitions(ctx, commitPartitions, "keyed"); err != nil {
		t.Fatal(err)
	}
	for round := range commitRounds {
		os := kadm.Offsets{}
		for p := range int32(commitPartitions) {
			os.AddOffset("keyed", p, int64(round+1), -1)
		}
		if err := adm.CommitAllOffsets(ctx, commitGroup, os); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitCleaned waits until the cleaner's checkpoint has passed an offset.
func awaitCleaned(t *testing.T, ctx context.Context, srv *node.Server, partition string, past int64) {
	t.Helper()
	for ctx.Err() == nil {
		o, err := logdir.ReadOffsets(vfs.OS, srv.LogDir(), logdir.CleanerFile)
		if err != nil {
			t.Fatal(err)
		}
		for tp, off := range o {
			if tp.String() == partition && off >= ids.Offset(past) {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	names, _ := filepath.Glob(filepath.Join(srv.LogDir(), partition, "*"))
	t.Fatalf("%s was not compacted: %v", partition, names)
}

// newest reads a topic to its end; n is how many records it still has.
func newest(t *testing.T, ctx context.Context, srv *node.Server, topic string, end int64) (got map[string]newestOf, n int64) {
	t.Helper()
	cl := client(t, srv, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	got = map[string]newestOf{}
	for next := int64(0); next < end; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset < next {
				t.Fatalf("offset %d after %d", r.Offset, next)
			}
			next = r.Offset + 1
			n++
			got[string(r.Key)] = newestOf{r.Offset, string(r.Value)}
		})
	}
	return got, n
}
