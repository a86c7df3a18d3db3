package decide

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testdata/kafka.txt holds what the active controller of Apache Kafka 4.3.1
// answers to the questions of questions_test.go: one freshly formatted
// combined node, id 1, with the topics "exists" (2 partitions) and "a.b". To ask
// again, start one and name its controller listener:
//
//	go test ./controller/decide -run Kafka -ask 127.0.0.1:9093
var ask = flag.String("ask", "", "host:port of the controller listener of an Apache Kafka to ask instead of testing")

const clusterID = "5L6g3nShT-eMCtK--X86sw"

const answersFile = "testdata/kafka.txt"

// normal is a response as text, without what differs from run to run, its
// elements in one order: Kafka's come out of hash maps.
func normal(t testing.TB, resp kmsg.Response) string {
	raw, err := json.Marshal(resp)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(strip(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range []string{"UnknownTags", "Version", "ThrottleMillis", "TopicID", "TopidID" /* so in kmsg */} {
			delete(v, k)
		}
		for k, x := range v {
			v[k] = strip(x)
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// TestAnswersAreKafkas asks the same questions here.
func TestAnswersAreKafkas(t *testing.T) {
	if *ask != "" {
		askKafka(t, *ask)
		return
	}
	raw, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, line := range strings.Split(string(raw), "\n") {
		if name, answer, ok := strings.Cut(line, "\t"); ok {
			want[name] = answer
		}
	}
	for _, q := range questions() {
		e := kafkaLike(t)
		resp, err := decideAny(e, q.req)
		got := ""
		if refused, ok := err.(*Error); ok {
			got = fmt.Sprintf("request refused: %d", refused.Code)
			want[q.name] = wholeError(want[q.name])
		} else if err != nil {
			got = err.Error()
		} else {
			again := q.req.ResponseKind()
			if err := again.ReadFrom(resp.AppendTo(nil)); err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			got = normal(t, again)
		}
		if diff := cmp.Diff(want[q.name], got); diff != "" {
			t.Errorf("%s (-kafka +here):\n%s", q.name, diff)
		}
	}
}

// wholeError shortens an answer in which every element has the same error, as
// an error for the whole request is sent.
func wholeError(answer string) string {
	var v map[string]any
	if json.Unmarshal([]byte(answer), &v) != nil {
		return answer
	}
	codes := map[float64]bool{}
	var walk func(any)
	walk = func(x any) {
		switch x := x.(type) {
		case map[string]any:
			if c, ok := x["ErrorCode"].(float64); ok {
				codes[c] = true
			}
			for _, y := range x {
				walk(y)
			}
		case []any:
			for _, y := range x {
				walk(y)
			}
		}
	}
	walk(v)
	if len(codes) == 1 {
		for c := range codes {
			return fmt.Sprintf("request refused: %d", int(c))
		}
	}
	return answer
}

func decideAny(e *Env, req kmsg.Request) (kmsg.Response, error) {
	var d Decision
	var err error
	switch r := req.(type) {
	case *kmsg.CreateTopicsRequest:
		d, err = CreateTopics(e, r)
	case *kmsg.DeleteTopicsRequest:
		d, err = DeleteTopics(e, r)
	case *kmsg.CreatePartitionsRequest:
		d, err = CreatePartitions(e, r)
	case *kmsg.IncrementalAlterConfigsRequest:
		d, err = IncrementalAlterConfigs(e, r)
	case *kmsg.AlterConfigsRequest:
		d, err = AlterConfigs(e, r)
	case *kmsg.UpdateFeaturesRequest:
		d, err = UpdateFeatures(e, r)
	case *kmsg.BrokerRegistrationRequest:
		d, err = RegisterBroker(e, r)
	case *kmsg.BrokerHeartbeatRequest:
		d, err = BrokerHeartbeat(e, r)
	case *kmsg.UnregisterBrokerRequest:
		d, err = UnregisterBroker(e, r)
	case *kmsg.AllocateProducerIDsRequest:
		d, err = AllocateProducerIDs(e, r)
	case *kmsg.ControllerRegistrationRequest:
		d, err = RegisterController(e, r)
	}
	if err == nil {
		checkReplays(e, d)
	}
	return d.Reply, err
}

// checkReplays: whatever is decided replays.
func checkReplays(e *Env, d Decision) *image.Image {
	delta := image.NewDelta(e.Image)
	for _, v := range d.Records {
		if err := delta.Replay(v.Record); err != nil {
			panic(err)
		}
		v.Append(nil)
	}
	return delta.Apply(image.Provenance{})
}

func askKafka(t *testing.T, addr string) {
	ctx := context.Background()
	c, err := conn.Dial(ctx, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}, "ask")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	setup := kmsg.NewPtrCreateTopicsRequest()
	setup.Version = 7
	setup.Topics = []kmsg.CreateTopicsRequestTopic{topic("exists", 2, 1), topic("a.b", 1, 1)}
	if _, err := c.Do(ctx, setup); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, q := range questions() {
		resp, err := c.Do(ctx, q.req)
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		fmt.Fprintf(&out, "%s\t%s\n", q.name, normal(t, resp))
	}
	if err := os.WriteFile(answersFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kafkaLike is the state of the Kafka that was asked.
func kafkaLike(t testing.TB) *Env {
	values, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker,controller", "log.dirs": "/d", "controller.listener.names": "CONTROLLER"})
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Node: Node{ID: 1, ClusterID: clusterID, Config: values}, Image: image.Empty(), Now: 1000, Rand: rand.New(rand.NewPCG(1, 2)), KRaftVersion: 1, Voters: []ids.NodeID{1}}
	e.Live = NewLiveness(e.Image, 9000, e.Now)
	mv := image.LatestMetadataVersion
	e.apply(t, Activate(e, NewBootstrap(mv, image.DefaultFeatureLevels(mv), nil, ""), false))
	e.join(t, 1, 1)
	for _, req := range []kmsg.CreateTopicsRequestTopic{topic("exists", 2, 1), topic("a.b", 1, 1)} {
		r := kmsg.NewPtrCreateTopicsRequest()
		r.Topics = append(r.Topics, req)
		d, err := CreateTopics(e, r)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
	}
	return e
}

// failer is a test, be it of testing or of rapid.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// apply does to e what the active controller does with a decision.
func (e *Env) apply(t failer, d Decision) {
	delta := image.NewDelta(e.Image)
	for _, v := range d.Records {
		rec, _, err := records.Parse(v.Append(nil))
		if err == nil {
			err = delta.Replay(rec)
		}
		if err != nil {
			t.Fatalf("%T: %v", v.Record, err)
		}
	}
	first := e.NextOffset
	e.NextOffset += ids.Offset(len(d.Records))
	e.Image = delta.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: e.NextOffset - 1}})
	if e.Members != nil {
		e.Members().Follow(e.Image.Topics, delta.Topics())
	}
	e.Live.Apply(d.Touch, first-1, e.NextOffset-1)
}

// join registers a broker and has it unfenced; returns its epoch.
func (e *Env) join(t testing.TB, id int32, incarnation byte) int64 {
	t.Helper()
	d, err := RegisterBroker(e, registrationOf(id, incarnation))
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	epoch := d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
	e.beat(t, id, epoch, nil)
	return epoch
}

func (e *Env) beat(t failer, id int32, epoch int64, change func(*kmsg.BrokerHeartbeatRequest)) *kmsg.BrokerHeartbeatResponse {
	t.Helper()
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = id, epoch, int64(e.NextOffset)-1
	if change != nil {
		change(req)
	}
	e.Live.Contact(ids.NodeID(id), epoch, e.Now)
	d, err := BrokerHeartbeat(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	return d.Reply.(*kmsg.BrokerHeartbeatResponse)
}

func registrationOf(id int32, incarnation byte) *kmsg.BrokerRegistrationRequest {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version, req.BrokerID, req.ClusterID, req.IncarnationID, req.PreviousBrokerEpoch = 4, id, clusterID, [16]byte{incarnation, byte(id)}, -1
	req.LogDirs = [][16]byte{{byte(id), 200}}
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "h", Port: 9092}}
	for _, f := range image.SupportedFeatures() {
		req.Features = append(req.Features, kmsg.BrokerRegistrationRequestFeature{Name: f.Feature, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	return req
}
