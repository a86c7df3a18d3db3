package api

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dataNode is a broker's data path without a controller: real logs in a real
// folder, a real manager and a real server on loopback; metadata is made by hand.
type dataNode struct {
	t        testing.TB
	dir      string
	logs     *logdir.Set
	replicas *replica.Manager
	img      *image.Image
	server   *conn.Server
	addr     string
	nextID   atomic.Int64
	records  int64
}

const testNode ids.NodeID = 1

var testDirectory = ids.DirectoryID{7: 7, 15: 9}

// Next implements ProducerIDs.
func (n *dataNode) Next(done func(int64, error)) { done(n.nextID.Add(1), nil) }

func newDataNode(t testing.TB) *dataNode {
	n := &dataNode{t: t, dir: filepath.Join(t.TempDir(), "data"), img: image.Empty()}
	fs := vfs.OS
	if err := fs.MkdirAll(n.dir); err != nil {
		t.Fatal(err)
	}
	meta := logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: testNode, HasNodeID: true, DirectoryID: testDirectory}
	if err := logdir.WriteMeta(fs, n.dir, meta); err != nil {
		t.Fatal(err)
	}
	n.start()
	return n
}

func (n *dataNode) start() {
	clock := func() int64 { return time.Now().UnixMilli() }
	env := &partlog.Env{Clock: clock, ProducerExpirationMs: 86400000, MaxTxnTimeoutMs: 900000, Random: func(m int64) int64 { return m / 2 }}
	var err error
	if n.logs, err = logdir.Open(logdir.Options{FS: vfs.OS, Dirs: []string{n.dir}, Env: env, ClusterID: "c", NodeID: testNode}); err != nil {
		n.t.Fatal(err)
	}
	values, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker"})
	if values == nil {
		n.t.Fatal(err)
	}
	n.replicas = replica.New(replica.Options{Node: testNode, FS: vfs.OS, Logs: n.logs, Clock: clock, Broker: values})
	h, err := New(Parts{Node: testNode, Replicas: n.replicas, Sessions: fetchsession.New(1000, clock), ProducerIDs: n})
	if err != nil {
		n.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.addr = l.Addr().String()
	n.server = conn.NewServer(conn.Options{})
	go n.server.Serve(l, "PLAINTEXT", h, conn.Limits{})
	n.t.Cleanup(func() {
		n.server.Close()
		n.replicas.Close()
		n.logs.Close(1, nil)
	})
}

// apply replays records and publishes what they change.
func (n *dataNode) apply(recs ...records.Record) {
	n.t.Helper()
	d := image.NewDelta(n.img)
	for _, r := range recs {
		if err := d.Replay(r); err != nil {
			n.t.Fatal(err)
		}
	}
	n.records += int64(len(recs))
	n.img = d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(n.records), Epoch: 1}})
	n.replicas.Apply(d, n.img)
}

func topicID(name string) ids.TopicID {
	id := ids.TopicID{6: 0x40, 8: 0x80}
	copy(id[9:], name)
	return id
}

// topic creates a topic led by this node, or by leader if given.
func (n *dataNode) topic(name string, partitions int, leader ...ids.NodeID) {
	n.t.Helper()
	on := testNode
	if len(leader) > 0 {
		on = leader[0]
	}
	recs := []records.Record{&records.TopicRecord{Name: name, TopicID: topicID(name)}}
	for i := range partitions {
		recs = append(recs, &records.PartitionRecord{PartitionID: int32(i), TopicID: topicID(name), Replicas: []ids.NodeID{on},
			ISR: []ids.NodeID{on}, Leader: on, LeaderEpoch: 3, Directories: []ids.DirectoryID{{}}})
	}
	n.apply(recs...)
}

// broker registers another broker, so that it can be named as a leader.
func (n *dataNode) broker(id ids.NodeID, port uint16) {
	n.apply(&records.RegisterBrokerRecord{BrokerID: id, BrokerEpoch: n.records, IncarnationID: ids.UUID{byte(id)},
		EndPoints: []records.BrokerEndpoint{{Name: "PLAINTEXT", Host: "h", Port: port}}})
}

func (n *dataNode) dial() *conn.Client {
	n.t.Helper()
	c, err := conn.Dial(context.Background(), func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", n.addr)
	}, "test")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

// do sends a request and returns its response, of type R.
func do[R kmsg.Response](t testing.TB, c *conn.Client, req kmsg.Request) R {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	resp, err := c.Do(ctx, req)
	if err != nil {
		t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return resp.(R)
}

// oneRecord is a batch of n records of size bytes.
func testBatch(n, size int, o batch.Options) []byte {
	b := batch.NewBuilder(o)
	for range n {
		b.Append(time.Now().UnixMilli(), nil, make([]byte, size), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return v
}

func produceRequest(version, acks int16, topic string, partition int32, b []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, acks, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, topicID(topic)
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, b
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// produceOne produces one batch and returns the partition's answer.
func (n *dataNode) produceOne(c *conn.Client, version, acks int16, topic string, partition int32, b []byte) kmsg.ProduceResponseTopicPartition {
	n.t.Helper()
	return do[*kmsg.ProduceResponse](n.t, c, produceRequest(version, acks, topic, partition, b)).Topics[0].Partitions[0]
}

func fetchRequest(version int16, topic string, offsets map[int32]int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.ReplicaID = version, 50<<20, 1, 0, -1
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, topicID(topic)
	for i := range int32(len(offsets)) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = i, offsets[i], 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func batches(t testing.TB, b []byte) (out []batch.View) {
	t.Helper()
	for len(b) > 0 {
		v, rest, err := batch.Next(b)
		if err != nil {
			t.Fatal(err)
		}
		out, b = append(out, v), rest
	}
	return out
}

// setCRC makes a tampered batch consistent again.
func setCRC(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func removeTopic(name string) records.Record {
	return &records.RemoveTopicRecord{TopicID: topicID(name)}
}
