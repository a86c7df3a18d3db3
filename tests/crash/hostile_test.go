package crash

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// An attack is bytes that no client sends. Each must cost at most its own
// connection: the process lives, its memory stays within a bound, and a
// well-behaved producer beside it notices nothing.
type attack struct {
	name string
	// frames are written one after another on one connection, as they are.
	frames [][]byte
	// wantsAnswer demands that the broker answers instead of closing.
	wantsAnswer bool
}

// attackBound is how much the highest resident memory may grow by one attack,
// and memoryBound by all of them. A frame just below socket.request.max.bytes
// (100 MiB) is allowed to lie in memory while it arrives.
//
// The bounds are for memory that is needed, not for garbage that a slow machine
// has not collected yet: the broker runs under collectAt, a limit that makes
// the collector work harder and never refuses memory.
const (
	attackBound = 128 << 20
	memoryBound = 256 << 20
	collectAt   = "GOMEMLIMIT=96MiB"
)

// frugal is gregor under collectAt.
func frugal(bin string) node.Software {
	sw := node.Gregor(bin)
	server := sw.Server
	sw.Server = func(config string, overrides ...string) *exec.Cmd {
		cmd := server(config, overrides...)
		cmd.Env = append(os.Environ(), collectAt)
		return cmd
	}
	return sw
}

func TestHostileInput(t *testing.T) {
	bin, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := node.Run(frugal(bin), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	createTopic(t, ctx, srv.Addr(), "victim")
	createSqueezed(t, ctx, srv.Addr())
	produced, stopWitness := witness(t, ctx, srv.Addr())
	before := rss(t, srv.PID())
	for _, addr := range []string{srv.Addr(), srv.Controller()} {
		listener := "client"
		if addr == srv.Controller() {
			listener = "controller"
		}
		for _, a := range attacks() {
			t.Run(listener+"/"+a.name, func(t *testing.T) {
				was, held := produced.Load(), rss(t, srv.PID())
				run(t, addr, a, listener == "client")
				if now := rss(t, srv.PID()); now > held+attackBound {
					t.Errorf("resident memory grew from %d to %d MiB", held>>20, now>>20)
				}
				if !srv.Alive() {
					t.Fatalf("the process has ended:\n%s", srv.Output())
				}
				for end := time.Now().Add(10 * time.Second); produced.Load() <= was; time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("the producer beside it stands still")
					}
				}
			})
		}
	}
	if err := stopWitness(); err != nil {
		t.Errorf("the producer beside the attacks failed: %v", err)
	}
	if after := rss(t, srv.PID()); after > before+memoryBound {
		t.Errorf("resident memory grew from %d to %d MiB", before>>20, after>>20)
	}
	if strings.Contains(srv.Output(), "panic") || strings.Contains(srv.Output(), "goroutine ") {
		t.Errorf("a panic was logged:\n%s", srv.Output())
	}
}

// createSqueezed makes a topic whose broker must open every batch, because it compresses anew.
func createSqueezed(t *testing.T, ctx context.Context, addr string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, map[string]*string{"compression.type": kmsg.StringPtr("lz4")}, "squeezed"); err != nil {
		t.Fatal(err)
	}
}

// witness produces and counts until it is stopped.
func witness(t *testing.T, ctx context.Context, addr string) (*atomic.Int64, func() error) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("victim"), kgo.RecordRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		for run.Err() == nil {
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("fine")}).FirstErr(); err != nil {
				done <- err
				return
			}
			n.Add(1)
			time.Sleep(time.Millisecond) // a quiet neighbour, not a load
		}
		done <- nil
	}()
	return &n, func() error { stop(); err := <-done; cl.Close(); return err }
}

// run writes the frames and reads until the broker closes or has nothing more to say.
func run(t *testing.T, addr string, a attack, clientListener bool) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		for _, f := range a.frames {
			if _, err := c.Write(f); err != nil {
				return // closed on us, as it should be
			}
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}()
	n, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither an answer nor a closed connection in 10 s, though nothing more will come")
	}
	if a.wantsAnswer && clientListener && n == 0 {
		t.Error("no answer")
	}
}

func rss(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc on this system: memory is not measured")
	}
	_, after, ok := strings.Cut(string(b), "VmHWM:") // the highest it ever was
	var kib int64
	if _, err := fmt.Sscan(after, &kib); !ok || err != nil {
		t.Fatalf("no VmHWM in /proc: %v", err)
	}
	return kib << 10
}

func sized(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

func size(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// header is a request header v1, or v2 with no tags.
func header(key, version int16, flexible bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 1, 0xff, 0xff)
	if flexible {
		b = append(b, 0)
	}
	return b
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var hugeUvarint = []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // 2^32-1

func attacks() []attack {
	as := append(framing(), bodies()...)
	return append(as, batches()...)
}

func framing() []attack {
	big := bytes.Repeat([]byte{0xff}, 1<<20)
	tags := func(n int) []byte { // a header whose tag section claims or holds n tags
		b := header(18, 3, false)
		b = binary.AppendUvarint(b, uint64(n))
		for i := range n {
			b = binary.AppendUvarint(b, uint64(i))
			b = append(b, 0)
		}
		return b
	}
	return []attack{
		{name: "nothing"},
		{name: "size 0", frames: [][]byte{size(0)}},
		{name: "size 1", frames: [][]byte{size(1), {0}}},
		{name: "size minus one", frames: [][]byte{size(1<<32 - 1)}},
		{name: "size minus 2^31", frames: [][]byte{size(1 << 31)}},
		{name: "size 2^31-1", frames: [][]byte{size(1<<31 - 1), big}},
		{name: "size just above the limit", frames: [][]byte{size(100<<20 + 1), big}},
		{name: "a promise of 90 MiB and silence", frames: [][]byte{size(90 << 20), big}},
		{name: "HTTP", frames: [][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}},
		{name: "TLS hello", frames: [][]byte{{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, big[:512]}},
		{name: "header cut", frames: [][]byte{sized([]byte{0, 18, 0})}},
		{name: "client id longer than the frame", frames: [][]byte{sized([]byte{0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, 'x'})}},
		{name: "client id of length minus two", frames: [][]byte{sized([]byte{0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xfe})}},
		{name: "unknown key", frames: [][]byte{sized(header(999, 0, false))}},
		{name: "negative key", frames: [][]byte{sized(header(-1, 0, false))}},
		{name: "ApiVersions of the future", frames: [][]byte{sized(header(18, 32767, true))}, wantsAnswer: true},
		{name: "ApiVersions of a negative version", frames: [][]byte{sized(header(18, -1, false))}},
		{name: "Metadata of the future", frames: [][]byte{sized(header(3, 99, false))}},
		{name: "200,000 header tags", frames: [][]byte{sized(cat(tags(200_000), []byte{2, 'a', 2, 'b', 0}))}},
		{name: "header claims 2^32-1 tags", frames: [][]byte{sized(cat(header(18, 3, false), hugeUvarint))}},
		{name: "header tag larger than the frame", frames: [][]byte{sized(cat(header(18, 3, false), []byte{1, 0}, hugeUvarint))}},
		{name: "header tags out of order and twice", frames: [][]byte{sized(cat(header(18, 3, false), []byte{3, 5, 0, 5, 0, 1, 0}, []byte{2, 'a', 2, 'b', 0}))}},
		{name: "varint of eleven bytes", frames: [][]byte{sized(cat(header(18, 3, false), bytes.Repeat([]byte{0x80}, 11)))}},
		{name: "one mebibyte of zeros", frames: [][]byte{make([]byte, 1<<20)}},
		{name: "bytes after a good request", frames: [][]byte{sized(cat(header(18, 0, false), big[:100]))}},
		{name: "five thousand requests before reading", frames: [][]byte{bytes.Repeat(sized(header(18, 0, false)), 5000)}, wantsAnswer: true},
	}
}

// bodies lie about counts and lengths inside the body of each kind of field.
func bodies() []attack {
	i32 := func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	as := []attack{
		{name: "Metadata: 2^31-1 topics", frames: [][]byte{sized(cat(header(3, 1, false), i32(1<<31-1)))}},
		{name: "Metadata: minus 7 topics", frames: [][]byte{sized(cat(header(3, 1, false), i32(-7)))}},
		{name: "Metadata: compact 2^32-1 topics", frames: [][]byte{sized(cat(header(3, 12, true), hugeUvarint))}},
		{name: "Metadata: null name where none may be", frames: [][]byte{sized(cat(header(3, 1, false), i32(1), []byte{0xff, 0xff}))}},
		{name: "Metadata: name longer than the frame", frames: [][]byte{sized(cat(header(3, 1, false), i32(1), []byte{0x7f, 0xff, 'a'}))}},
		{name: "Metadata: body tags bomb", frames: [][]byte{sized(cat(header(3, 12, true), []byte{1, 0, 0}, hugeUvarint))}},
		{name: "Produce: 2^31-1 topics", frames: [][]byte{sized(cat(header(0, 7, false), []byte{0xff, 0xff, 0, 1, 0, 0, 0, 9}, i32(1<<31-1)))}},
		{name: "Fetch: 2^31-1 partitions", frames: [][]byte{sized(cat(header(1, 4, false), i32(-1), i32(0), i32(0), i32(1<<20), []byte{0}, i32(1), []byte{0, 1, 't'}, i32(1<<31-1)))}},
		{name: "OffsetFetch: 2^31-1 topics", frames: [][]byte{sized(cat(header(9, 1, false), []byte{0, 1, 'g'}, i32(1<<31-1)))}},
		{name: "JoinGroup: metadata longer than the frame", frames: [][]byte{sized(cat(header(11, 0, false), []byte{0, 1, 'g'}, i32(10000), []byte{0, 0}, []byte{0, 1, 'c'}, i32(1), []byte{0, 1, 'r'}, i32(1<<30)))}},
		{name: "CreateTopics: 2^31-1 assignments", frames: [][]byte{sized(cat(header(19, 2, false), i32(1), []byte{0, 1, 't'}, i32(1), []byte{0, 1}, i32(1<<31-1)))}},
		{name: "Vote with a null everything", frames: [][]byte{sized(cat(header(52, 0, true), []byte{0, 0, 0, 0}))}},
		{name: "FetchSnapshot without topics", frames: [][]byte{sized(cat(header(59, 0, true), i32(-1), i32(1000), []byte{1, 0}))}},
	}
	many := kmsg.NewPtrMetadataRequest()
	many.Version = 1
	for i := range 100_000 {
		many.Topics = append(many.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(fmt.Sprint("no-such-topic-", i))})
	}
	parts := kmsg.NewPtrCreateTopicsRequest()
	parts.Version, parts.TimeoutMillis = 5, 5000
	parts.Topics = append(parts.Topics, kmsg.CreateTopicsRequestTopic{Topic: "too-many", NumPartitions: 1<<31 - 1, ReplicationFactor: 1})
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.ReplicaID, fetch.SessionEpoch, fetch.MaxBytes, fetch.MaxWaitMillis = 12, -1, -1, 1<<31-1, 1
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic = "victim"
	for i := range 100_000 {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes = int32(i), 1<<31-1
		ft.Partitions = append(ft.Partitions, p)
	}
	fetch.Topics = append(fetch.Topics, ft)
	ids := kmsg.NewPtrMetadataRequest()
	ids.Version = 12
	for i := range 300_000 {
		ids.Topics = append(ids.Topics, kmsg.MetadataRequestTopic{TopicID: [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}})
	}
	keys := kmsg.NewPtrIncrementalAlterConfigsRequest()
	keys.Resources = append(keys.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBrokerLogger, ResourceName: "1"})
	for i := range 300_000 {
		keys.Resources[0].Configs = append(keys.Resources[0].Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: fmt.Sprintf("%x", i)})
	}
	described := kmsg.NewPtrDescribeConfigsRequest()
	described.IncludeSynonyms, described.IncludeDocumentation, described.Version = true, true, 3
	for range 100_000 { // each answer would be some 100 KiB
		described.Resources = append(described.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"})
	}
	for _, r := range []kmsg.Request{many, parts, fetch, ids, keys, described} {
		as = append(as, attack{name: fmt.Sprintf("%s v%d: far too many", kmsg.NameForKey(r.Key()), r.GetVersion()), wantsAnswer: true, frames: [][]byte{kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)}})
	}
	return as
}

// batches lie inside the records of a Produce request.
func batches() []attack {
	gz := func(n int) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.CopyN(w, zeros{}, int64(n))
		_ = w.Close()
		return b.Bytes()
	}
	enc, _ := zstd.NewWriter(nil)
	zs := enc.EncodeAll(make([]byte, 64<<20), nil)
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb8, 0x01, 0x00, 0x00} // a zstd frame that asks for a window of gigabytes
	lz4Bomb := append([]byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73}, bytes.Repeat([]byte{0x01, 0, 0, 0x80, 0}, 1000)...)
	xerial := append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 0x7f, 0xff, 0xff, 0xff, 1, 2, 3)
	snappyLie := []byte{0xff, 0xff, 0xff, 0xff, 0x07, 0, 0}
	cases := []struct {
		name  string
		attrs int16
		data  []byte
		count int32
	}{
		{"gzip bomb", 1, gz(256 << 20), 1}, {"gzip cut", 1, gz(1 << 20)[:500], 1}, {"zstd bomb", 4, zs, 1}, {"zstd window of gigabytes", 4, window, 1},
		{"zstd that is none", 4, []byte("nonsense"), 1}, {"lz4 of empty blocks", 3, lz4Bomb, 1}, {"lz4 that is none", 3, []byte("nonsense"), 1},
		{"snappy block longer than the data", 2, xerial, 1}, {"snappy that claims gigabytes", 2, snappyLie, 1}, {"unknown codec", 7, []byte("x"), 1},
		{"count 2^31-1", 0, []byte{0x02, 0, 0, 0, 0, 0}, 1<<31 - 1}, {"count minus one", 0, []byte{0x02, 0, 0, 0, 0, 0}, -1}, {"record length minus one", 0, []byte{0x01}, 1},
		{"record length of gigabytes", 0, []byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0}, 1}, {"header count of gigabytes", 0, []byte{0x16, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0}, 1},
		{"varint without an end", 0, bytes.Repeat([]byte{0x80}, 64), 1},
	}
	var as []attack
	for _, c := range cases {
		for _, compress := range []string{"victim", "squeezed"} {
			as = append(as, attack{name: "Produce: " + c.name + " to " + compress, wantsAnswer: true, frames: [][]byte{produceFrame(compress, recordBatch(c.attrs, c.count, c.data))}})
		}
	}
	lying := recordBatch(0, 1, []byte{0x0c, 0, 0, 0, 1, 0, 0})
	binary.BigEndian.PutUint32(lying[8:], 1<<30)
	short := recordBatch(0, 1, nil)[:30]
	return append(as,
		attack{name: "Produce: batch length of gigabytes", wantsAnswer: true, frames: [][]byte{produceFrame("victim", lying)}},
		attack{name: "Produce: half a header", wantsAnswer: true, frames: [][]byte{produceFrame("victim", short)}})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func recordBatch(attrs int16, count int32, records []byte) []byte {
	b := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, Attributes: attrs, LastOffsetDelta: max(count-1, 0), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: count, Records: records}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}

func produceFrame(topic string, records []byte) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, 1, 5000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.ProduceRequestTopicPartition{Records: records})
	req.Topics = append(req.Topics, t)
	return kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
}
