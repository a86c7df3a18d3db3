package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// adminWorld is a broker's API over the wire, on an image that a test makes,
// with a controller that a test plays.
type adminWorld struct {
	t       testing.TB
	img     atomic.Pointer[image.Image]
	config  *Config
	forward *forward.Client
	loggers fakeLoggers
	dial    conn.DialFunc
	asked   chan kmsg.Request // what the controller was asked, unwrapped
	answer  func(kmsg.Request) kmsg.Response
}

type fakeLoggers map[string]string

func (l fakeLoggers) Levels() map[string]string   { return l }
func (l fakeLoggers) SetLevel(name, level string) { l[name] = level }
func (l fakeLoggers) UnsetLevel(name string)      { l[name] = l["root"] }

var kafkaProps = map[string]string{
	"process.roles": "broker,controller", "node.id": "1",
	"listeners":                        "PLAINTEXT://127.0.0.1:21600,CONTROLLER://127.0.0.1:21601,SECOND://127.0.0.1:21602",
	"advertised.listeners":             "PLAINTEXT://127.0.0.1:21600,SECOND://localhost:21602,CONTROLLER://127.0.0.1:21601",
	"listener.security.protocol.map":   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECOND:PLAINTEXT",
	"controller.listener.names":        "CONTROLLER",
	"controller.quorum.voters":         "1@127.0.0.1:21601",
	"log.dirs":                         "/tmp/kafka-data",
	"offsets.topic.replication.factor": "3",
	"num.partitions":                   "2",
	"unknown.key.x":                    "1",
}

func newAdminWorld(t testing.TB, recs ...records.Record) *adminWorld {
	t.Helper()
	w := &adminWorld{t: t, asked: make(chan kmsg.Request, 100), loggers: fakeLoggers{"root": "INFO", "raft": "WARN"}}
	w.img.Store(imageOf(t, recs...))
	static, err := configs.Resolve(kafkaProps)
	if err != nil {
		t.Fatal(err)
	}
	w.config = NewConfig(static, 1, w.img.Load)
	controller := w.serve("CONTROLLER", conn.HandlerFunc(w.control))
	w.forward = forward.New(forward.Options{RequestTimeout: 200 * time.Millisecond, Dial: func(ctx context.Context, _ ids.NodeID) (forward.Peer, error) {
		return conn.Dial(ctx, controller, "1")
	}})
	t.Cleanup(w.forward.Close)
	w.forward.SetLeader(ids.LeaderAndEpoch{Leader: 1, Epoch: 1})
	spec := func(topic string) forward.TopicSpec { return forward.SpecOf(w.config.Now(), topic) }
	s, err := New(Parts{Node: 1, Config: w.config, Forward: w.forward, Loggers: w.loggers,
		Cluster: &Cluster{ID: "5L6g3nShT-eMCtK--X86sw", Image: w.img.Load, KRaftVersion: func() int16 { return 0 }},
		Topics:  forward.NewTopicCreator(w.forward, spec, func() int { return 1 }, nil)})
	if err != nil {
		t.Fatal(err)
	}
	w.dial = w.serve("PLAINTEXT", s)
	return w
}

func (w *adminWorld) serve(name string, h conn.Handler) conn.DialFunc {
	l, dial := conn.Pipe()
	s := conn.NewServer(conn.Options{})
	go s.Serve(l, name, h, conn.Limits{MaxFrame: 1 << 20})
	w.t.Cleanup(func() { s.Close() })
	return dial
}

// control plays the controller: it opens envelopes and answers with w.answer,
// or not at all when that returns nil.
func (w *adminWorld) control(c *conn.Call) {
	outer, err := c.Request()
	if err != nil {
		c.Close(err)
		return
	}
	envelope, wrapped := outer.(*kmsg.EnvelopeRequest)
	req, h := outer, c.Header
	if wrapped {
		var body []byte
		if h, body, err = frame.ParseHeader(envelope.RequestData); err == nil {
			req, err = frame.DecodeRequest(h, body)
		}
		if err != nil {
			w.t.Errorf("envelope: %v", err)
		}
	}
	w.asked <- req
	resp := w.answer(req)
	switch {
	case resp == nil: // stays silent
	case wrapped:
		out := envelope.ResponseKind().(*kmsg.EnvelopeResponse)
		out.ResponseData = frame.AppendResponse(nil, h.Key, h.Version, h.CorrelationID, resp)[4:]
		c.Reply(out)
	default:
		c.Reply(resp)
	}
}

// exchange sends a body as key and version and returns the answer's frame
// without its size.
func (w *adminWorld) exchange(key, version int16, body []byte) []byte {
	w.t.Helper()
	nc, err := w.dial(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	return exchange(w.t, nc, req.IsFlexible(), key, version, body)
}

func exchange(t testing.TB, nc net.Conn, flexible bool, key, version int16, body []byte) []byte {
	t.Helper()
	b := make([]byte, 4, 64+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 7, 0, 5)
	b = append(b, "probe"...)
	if flexible {
		b = append(b, 0)
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(nc, size[:]); err != nil {
		t.Fatalf("key %d version %d: %v", key, version, err)
	}
	out := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(nc, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// do sends a request and decodes its answer.
func (w *adminWorld) do(version int16, req kmsg.Request) kmsg.Response {
	w.t.Helper()
	req.SetVersion(version)
	out := w.exchange(req.Key(), version, req.AppendTo(nil))
	resp, err := frame.DecodeResponse(req, out)
	if err != nil {
		w.t.Fatalf("key %d version %d: %v", req.Key(), version, err)
	}
	return resp
}

func imageOf(t testing.TB, recs ...records.Record) *image.Image {
	t.Helper()
	d := image.NewDelta(image.Empty())
	for _, r := range recs {
		if err := d.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: 1277, Epoch: 1}})
}

func brokerRecord(id ids.NodeID, fenced bool, endpoints ...records.BrokerEndpoint) records.Record {
	return &records.RegisterBrokerRecord{BrokerID: id, BrokerEpoch: 5, Fenced: fenced, EndPoints: endpoints}
}

func endpoint(name, host string, port uint16) records.BrokerEndpoint {
	return records.BrokerEndpoint{Name: name, Host: host, Port: port}
}

// topicRecords is a topic whose id is written in hex, one partition for each
// leader, replicated on the brokers.
func topicRecords(name, id string, replicas []ids.NodeID, leaders ...ids.NodeID) []records.Record {
	var topicID ids.TopicID
	raw, _ := hex.DecodeString(id)
	copy(topicID[:], raw)
	out := []records.Record{&records.TopicRecord{Name: name, TopicID: topicID}}
	for i, leader := range leaders {
		out = append(out, &records.PartitionRecord{TopicID: topicID, PartitionID: int32(i), Replicas: replicas, ISR: replicas, Leader: leader,
			Directories: make([]ids.DirectoryID, len(replicas))})
	}
	return out
}

func configRecord(typ int8, resource, name, value string) records.Record {
	return &records.ConfigRecord{ResourceType: typ, ResourceName: resource, Name: name, Value: &value}
}

// kafkaWorld is what the Apache Kafka had whose answers are in testdata.
func kafkaWorld() []records.Record {
	recs := []records.Record{brokerRecord(1, false, endpoint("PLAINTEXT", "127.0.0.1", 21600), endpoint("SECOND", "localhost", 21602))}
	one := []ids.NodeID{1}
	recs = append(recs, topicRecords("a", "05b1010c371c4ecc97138997adb339c2", one, 1, 1)...)
	recs = append(recs, topicRecords("auto1", "50a1370715f84da08df629abb68daa5b", one, 1, 1)...)
	recs = append(recs, topicRecords("b", "4468291b1d5249079e4fcab8bc490479", one, 1, 1)...)
	return append(recs,
		configRecord(2, "a", "retention.ms", "5000"), configRecord(2, "a", "cleanup.policy", "compact,delete"),
		configRecord(4, "", "min.insync.replicas", "1"), configRecord(4, "", "message.max.bytes", "2000000"),
		configRecord(4, "", "log.retention.ms", "66666666"), configRecord(4, "1", "log.retention.ms", "77777777"),
		configRecord(4, "1", "num.io.threads", "9"), configRecord(4, "1", "listener.name.second.ssl.keystore.type", "PEM"),
		configRecord(4, "1", "leader.replication.throttled.rate", "1000"), configRecord(4, "1", "odd.key", "v"),
		configRecord(32, "g", "consumer.session.timeout.ms", "50000"), configRecord(16, "s", "interval.ms", "1000"))
}
