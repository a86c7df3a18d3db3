//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// fileLimit is what the process may have open: 40 for itself, and the rest for
	// a third of the partitions.
	fileLimit      = 120
	filePartitions = 150
)

// limited is gregor in a process that may open only so many files, sockets included.
func limited(bin string, files int) node.Software {
	sw := node.Gregor(bin)
	server := sw.Server
	sw.Server = func(config string, overrides ...string) *exec.Cmd {
		cmd := server(config, overrides...)
		return exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)}, cmd.Args...)...)
	}
	return sw
}

// TestFilesRunOut writes twice as many partitions as the process has files for
// them, then takes all files that are left away with connections. What is refused
// is refused with KAFKA_STORAGE_ERROR and can be sent again; what is acknowledged is
// there, also after a kill; no directory goes offline, and with the connections gone
// the broker takes records and connections as before.
func TestFilesRunOut(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh to lower the limit with")
	}
	bin, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := node.Run(limited(bin, fileLimit), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	w := newFileWitness(t, ctx, srv)
	w.round("with few files")
	if w.refused == 0 {
		t.Errorf("all %d partitions could be written with %d files: nothing was tried", filePartitions, fileLimit)
	}
	taken := takeAllFiles(t, ctx, srv.Addr())
	w.try("without any")
	for _, c := range taken {
		c.Close()
	}
	w.round("with files again")
	w.online()
	w.verify()
	if err := errors.Join(srv.Kill(), srv.Start()); err != nil {
		t.Fatal(err)
	}
	w.verify()
	t.Logf("%d refused, %d connections took the rest of the files", w.refused, len(taken))
	if t.Failed() {
		srv.Keep()
		t.Logf("kept %s", srv.Dir())
	}
}

// fileWitness produces record by record over one connection, and remembers what was promised.
type fileWitness struct {
	t       *testing.T
	ctx     context.Context
	srv     *node.Server
	cl      *kgo.Client
	id      [16]byte
	acked   map[int32][]string // values by partition; the offset is the index
	refused int
}

const fileTopic = "many"

func newFileWitness(t *testing.T, ctx context.Context, srv *node.Server) *fileWitness {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(srv.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	created, err := kadm.NewClient(cl).CreateTopic(ctx, filePartitions, 1, nil, fileTopic)
	if err != nil {
		t.Fatal(err)
	}
	return &fileWitness{t: t, ctx: ctx, srv: srv, cl: cl, id: created.ID, acked: map[int32][]string{}}
}

// produce sends one record to a partition and returns the broker's error.
func (w *fileWitness) produce(partition int32, value string) error {
	w.t.Helper()
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, oneRecord(value)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = fileTopic, w.id, []kmsg.ProduceRequestTopicPartition{p}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.Topics = -1, 30_000, []kmsg.ProduceRequestTopic{topic}
	resp, err := req.RequestWith(w.ctx, w.cl)
	if err != nil {
		w.t.Fatalf("produce to partition %d: %v", partition, err)
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return err
	}
	if want := int64(len(w.acked[partition])); got.BaseOffset != want {
		w.t.Errorf("partition %d: acknowledged at offset %d, want %d: what was refused is there, or what was acknowledged is not", partition, got.BaseOffset, want)
	}
	w.acked[partition] = append(w.acked[partition], value)
	return nil
}

func oneRecord(value string) []byte {
	b := batch.NewBuilder(batch.Options{})
	b.Append(time.Now().UnixMilli(), nil, []byte(value), nil)
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

// try sends a record to every partition once and returns those that refused it.
func (w *fileWitness) try(when string) (again []int32) {
	w.t.Helper()
	for p := range int32(filePartitions) {
		switch err := w.produce(p, fmt.Sprint(when, p)); {
		case errors.Is(err, kerr.KafkaStorageError):
			again = append(again, p)
		case err != nil:
			w.t.Fatalf("%s, partition %d: %v", when, p, err)
		}
	}
	w.refused += len(again)
	return again
}

// round has every partition take a record, however often it has to be sent.
func (w *fileWitness) round(when string) {
	w.t.Helper()
	for again := w.try(when); len(again) > 0; {
		p := again[0]
		switch err := w.produce(p, fmt.Sprint(when, p)); {
		case err == nil:
			again = again[1:]
		case !errors.Is(err, kerr.KafkaStorageError):
			w.t.Fatalf("%s, partition %d: %v", when, p, err)
		default:
			w.refused++
			select { // the broker closes what rests once a second
			case <-w.ctx.Done():
				w.t.Fatalf("%s: %d partitions still refuse records\n%s", when, len(again), w.srv.Output())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// online asks whether the log directory is in use.
func (w *fileWitness) online() {
	w.t.Helper()
	dirs, err := kadm.NewClient(w.cl).DescribeAllLogDirs(w.ctx, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	dirs.Each(func(d kadm.DescribedLogDir) {
		if d.Err != nil {
			w.t.Errorf("%s: %v", d.Dir, d.Err)
		}
	})
}

// verify reads all partitions through a client of its own.
func (w *fileWitness) verify() {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.srv.Addr()), kgo.ConsumeTopics(fileTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	left := 0
	for _, list := range w.acked {
		left += len(list)
	}
	for left > 0 {
		fs := cl.PollFetches(w.ctx)
		if w.ctx.Err() != nil {
			w.t.Fatalf("%d records cannot be read\n%s", left, w.srv.Output())
		}
		fs.EachRecord(func(r *kgo.Record) {
			left--
			if list := w.acked[r.Partition]; r.Offset >= int64(len(list)) || list[r.Offset] != string(r.Value) {
				w.t.Errorf("partition %d offset %d: %q", r.Partition, r.Offset, r.Value)
			}
		})
	}
}

// takeAllFiles opens connections until the broker answers none any more.
func takeAllFiles(t *testing.T, ctx context.Context, addr string) (all []net.Conn) {
	t.Helper()
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			t.Fatal(err) // the kernel takes it, whether or not the broker does
		}
		all = append(all, c)
		if _, err := c.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}); err != nil { // ApiVersions v0
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(make([]byte, 4)); errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
	}
	t.Fatalf("%d connections, and the broker takes more", len(all))
	return nil
}
