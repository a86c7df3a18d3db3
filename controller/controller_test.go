package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/active"
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const clusterID = "5L6g3nShT-eMCtK--X86sw"

// node is a combined node's controller with a client on its listener, and the
// broker's side of it that a test drives by hand.
type node struct {
	t      testing.TB
	c      *Controller
	server *conn.Server
	client *conn.Client
	dialed chan struct{} // closed when client is there

	mu      sync.Mutex
	img     *image.Image
	changed chan struct{}
}

func open(t testing.TB, fs vfs.FS, dir string, props map[string]string) *node {
	t.Helper()
	all := map[string]string{"process.roles": "broker,controller", "node.id": "1", "log.dirs": dir, "metadata.max.idle.interval.ms": "0",
		"listeners": "PLAINTEXT://127.0.0.1:21410,CONTROLLER://127.0.0.1:21411", "controller.listener.names": "CONTROLLER"}
	for k, v := range props {
		all[k] = v
	}
	values, err := configs.Resolve(all)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, changed: make(chan struct{}, 1), dialed: make(chan struct{})}
	endpoint := raft.Endpoint{Name: "CONTROLLER", Host: "127.0.0.1", Port: 21411}
	n.c, err = New(Options{
		Raft: raftio.Options{FS: fs, Dir: filepath.Join(dir, "__cluster_metadata-0"), ClusterID: clusterID, DirectoryID: ids.DirectoryID{1: 7}, NodeID: 1, CanBeVoter: true,
			StaticVoters: []raft.Voter{{Key: raft.ReplicaKey{ID: 1}, Endpoints: []raft.Endpoint{endpoint}}},
			Endpoints:    []raft.Endpoint{endpoint}, ListenerName: "CONTROLLER", Seed: 3, Logger: zap.NewNop(), Failed: func(err error) { t.Errorf("failed: %v", err) }},
		Config: values, BootstrapPath: filepath.Join(dir, "bootstrap.checkpoint"), Incarnation: ids.UUID{9},
		Endpoints: []image.Endpoint{{Name: "CONTROLLER", Host: "127.0.0.1", Port: 21411}}, Publishers: []image.Publisher{n.publish}, Ask: n,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.c.Start(); err != nil {
		t.Fatal(err)
	}
	l, dial := conn.Pipe()
	n.server = conn.NewServer(conn.Options{})
	go n.server.Serve(l, "CONTROLLER", n.c.Handler(), conn.Limits{})
	if n.client, err = conn.Dial(context.Background(), dial, "test"); err != nil {
		t.Fatal(err)
	}
	close(n.dialed)
	return n
}

// Do is the node's Asker: it is the active controller itself.
func (n *node) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	<-n.dialed
	return n.client.Do(ctx, req)
}

func (n *node) publish(_ *image.Delta, img *image.Image) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.img = img
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// wait returns the first image for which ok holds.
func (n *node) wait(what string, ok func(*image.Image) bool) *image.Image {
	n.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		n.mu.Lock()
		img := n.img
		n.mu.Unlock()
		if img != nil && ok(img) {
			return img
		}
		select {
		case <-n.changed:
		case <-timeout:
			n.t.Fatalf("waited for %s", what)
		}
	}
}

func (n *node) close() {
	n.client.Close()
	n.server.Close()
	if err := n.c.Close(); err != nil {
		n.t.Error(err)
	}
}

func do[R kmsg.Response](n *node, req kmsg.Request) R {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	resp, err := n.client.Do(ctx, req)
	if err != nil {
		n.t.Fatalf("%T: %v", req, err)
	}
	return resp.(R)
}

// join registers a broker and has it unfenced, as broker/lifecycle does.
func (n *node) join(incarnation byte) int64 {
	n.t.Helper()
	n.wait("a leader that has bootstrapped", func(i *image.Image) bool { return i.Features.MetadataVersion() > 0 })
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version, req.BrokerID, req.ClusterID, req.IncarnationID, req.LogDirs, req.PreviousBrokerEpoch = 4, 1, clusterID, [16]byte{incarnation}, [][16]byte{{5: 1}}, -1
	req.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "127.0.0.1", Port: 21410}}
	for _, f := range image.SupportedFeatures() {
		req.Features = append(req.Features, kmsg.BrokerRegistrationRequestFeature{Name: f.Feature, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	resp := do[*kmsg.BrokerRegistrationResponse](n, req)
	for kerr.ErrorForCode(resp.ErrorCode) == kerr.NotController { // the image came from the log of an earlier life
		resp = do[*kmsg.BrokerRegistrationResponse](n, req)
	}
	if resp.ErrorCode != 0 {
		n.t.Fatalf("registration: %v", kerr.ErrorForCode(resp.ErrorCode))
	}
	img := n.wait("the registration", func(i *image.Image) bool {
		return int64(i.Provenance.Last.Offset) >= resp.BrokerEpoch && i.Cluster.Broker(1) != nil
	})
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.Version, beat.BrokerID, beat.BrokerEpoch, beat.CurrentMetadataOffset, beat.CordonedLogDirs = 2, 1, resp.BrokerEpoch, int64(img.Provenance.Last.Offset), [][16]byte{}
	if b := do[*kmsg.BrokerHeartbeatResponse](n, beat); b.ErrorCode != 0 || b.IsFenced || !b.IsCaughtUp {
		n.t.Fatalf("first heartbeat: %+v", b)
	}
	return resp.BrokerEpoch
}

func createRequest(first, topics, partitions int) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	for i := range topics {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("topic-%d", first+i), int32(partitions), 1
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestLifeOfANode(t *testing.T) {
	fs := vfs.NewMem()
	n := open(t, fs, "/data", nil)
	first := n.join(1)
	created := do[*kmsg.CreateTopicsResponse](n, createRequest(0, 3, 2))
	for _, topic := range created.Topics {
		if topic.ErrorCode != 0 || topic.NumPartitions != 2 || len(topic.Configs) == 0 {
			t.Fatalf("created %+v", topic)
		}
		// The answer comes after the image was published here.
		p := n.c.Image().Topics.Partition(ids.TopicPartition{Topic: topic.Topic, Partition: 1})
		if p == nil || p.Leader != 1 || p.Directories[0] != (ids.DirectoryID{5: 1}) {
			t.Fatalf("%s: %+v", topic.Topic, p)
		}
	}
	n.wait("the controller's own registration", func(i *image.Image) bool { return i.Cluster.Controller(1) != nil })
	n.close()

	n = open(t, fs, "/data", nil)
	defer n.close()
	if second := n.join(2); second <= first {
		t.Errorf("epoch %d after %d", second, first)
	}
	img := n.c.Image()
	if img.Topics.Len() != 3 || img.Topics.PartitionCount() != 6 || img.Configs.Of(image.Resource{Type: image.BrokerResource})["min.insync.replicas"] != "1" {
		t.Errorf("after the restart: %d topics", img.Topics.Len())
	}
	img.Topics.Each(func(topic *image.Topic) bool {
		for i, p := range topic.Partitions {
			if p.Leader != 1 {
				t.Errorf("%s-%d has no leader after the restart: %+v", topic.Name, i, p)
			}
		}
		return true
	})
}

func TestSnapshotsReplaceTheLog(t *testing.T) {
	fs := vfs.NewMem()
	props := map[string]string{"metadata.log.max.record.bytes.between.snapshots": "5000"}
	n := open(t, fs, "/data", props)
	n.join(1)
	for i := range 20 {
		do[*kmsg.CreateTopicsResponse](n, createRequest(i*10, 10, 3))
	}
	n.close()
	entries, err := fs.ReadDir("/data/__cluster_metadata-0")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range entries {
		found = found || filepath.Ext(e.Name) == ".checkpoint"
	}
	if !found {
		t.Fatal("no snapshot was written")
	}
	n = open(t, fs, "/data", props)
	defer n.close()
	n.join(2)
	if got := n.c.Image().Topics.PartitionCount(); got != 600 {
		t.Fatalf("%d partitions", got)
	}
}

func TestForwardedInAnEnvelope(t *testing.T) {
	n := open(t, vfs.NewMem(), "/data", nil)
	defer n.close()
	n.join(1)
	inner := createRequest(0, 1, 1)
	env := kmsg.NewPtrEnvelopeRequest()
	env.RequestPrincipal = []byte{0, 0, 5, 'U', 's', 'e', 'r', 2, 'x', 0, 0}
	env.ClientHostAddress = []byte{127, 0, 0, 1}
	env.RequestData = append([]byte{0, 19, 0, 7, 0, 0, 0, 42, 0, 1, 'c', 0}, inner.AppendTo(nil)...)
	resp := do[*kmsg.EnvelopeResponse](n, env)
	if resp.ErrorCode != 0 || len(resp.ResponseData) < 5 || resp.ResponseData[3] != 42 {
		t.Fatalf("%+v", resp)
	}
	out := inner.ResponseKind().(*kmsg.CreateTopicsResponse)
	if err := out.ReadFrom(resp.ResponseData[5:]); err != nil || len(out.Topics) != 1 || out.Topics[0].ErrorCode != 0 {
		t.Fatalf("%v %+v", err, out)
	}
	for name, c := range map[string]struct {
		change func()
		want   *kerr.Error
	}{
		"address":   {func() { env.ClientHostAddress = []byte{1} }, kerr.InvalidRequest},
		"principal": {func() { env.RequestPrincipal = []byte{0, 1} }, kerr.PrincipalDeserializationFailure},
		"fetch":     {func() { env.RequestData = []byte{0, 1, 0, 12, 0, 0, 0, 1, 255, 255, 0} }, kerr.InvalidRequest},
		"version":   {func() { env.RequestData = []byte{0, 19, 0, 99, 0, 0, 0, 1, 255, 255, 0} }, kerr.UnsupportedVersion},
		"garbage":   {func() { env.RequestData = []byte{0, 19, 0, 7} }, kerr.UnsupportedVersion},
		"body":      {func() { env.RequestData = []byte{0, 19, 0, 7, 0, 0, 0, 1, 255, 255, 0, 200} }, kerr.UnsupportedVersion},
	} {
		saved := *env
		c.change()
		if resp := do[*kmsg.EnvelopeResponse](n, env); !errors.Is(kerr.ErrorForCode(resp.ErrorCode), c.want) {
			t.Errorf("%s: %v", name, kerr.ErrorForCode(resp.ErrorCode))
		}
		*env = saved
	}
}

// A broker's client is told apart from others through the broker: the controller
// mutation quota of one user holds that user up, and nobody else.
func TestForwardedWithTheCallersIdentity(t *testing.T) {
	n := open(t, vfs.NewMem(), "/data", nil)
	defer n.close()
	n.join(1)
	slow := "slow"
	quota := kmsg.NewPtrAlterClientQuotasRequest()
	quota.Entries = []kmsg.AlterClientQuotasRequestEntry{{Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: &slow}},
		Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: "controller_mutation_rate", Value: 0.01}}}}
	if r := do[*kmsg.AlterClientQuotasResponse](n, quota); r.Entries[0].ErrorCode != 0 {
		t.Fatalf("%+v", r)
	}
	create := func(user string, first int) error {
		inner := createRequest(first, 1, 50)
		env := kmsg.NewPtrEnvelopeRequest()
		env.RequestData, env.ClientHostAddress = frame.AppendRequest(nil, inner, 1, "c")[4:], []byte{127, 0, 0, 1}
		env.RequestPrincipal = append([]byte{0, 0, 5, 'U', 's', 'e', 'r', byte(len(user) + 1)}, append([]byte(user), 0, 0)...)
		resp := do[*kmsg.EnvelopeResponse](n, env)
		out := inner.ResponseKind().(*kmsg.CreateTopicsResponse)
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return err
		}
		if err := out.ReadFrom(resp.ResponseData[5:]); err != nil {
			return err
		}
		return kerr.ErrorForCode(out.Topics[0].ErrorCode)
	}
	for i, x := range []struct {
		user string
		want error
	}{{slow, nil}, {slow, kerr.ThrottlingQuotaExceeded}, {"other", nil}, {"other", nil}, {slow, kerr.ThrottlingQuotaExceeded}} {
		if err := create(x.user, i); err != x.want {
			t.Errorf("request %d, of %s: %v, want %v", i, x.user, err, x.want)
		}
	}
}

// A request on which a decision panics, or decides on what cannot be written or
// replayed, costs itself only: it is answered, it is counted, and the controller
// leads on in its epoch.
func TestABadRequestCannotEndTheController(t *testing.T) {
	n := open(t, vfs.NewMem(), "/data", nil)
	defer n.close()
	n.join(1)
	before, bad := n.c.Leader(), 0
	for name, cmd := range map[string]active.Command{
		"panics":           func(*decide.Env) (decide.Decision, error) { panic("bug") },
		"runtime error":    func(e *decide.Env) (decide.Decision, error) { return decide.Decision{}, e.Charge(1) },
		"no such version":  recordsOf(records.Versioned{Record: &records.TopicRecord{Name: "t"}, Version: 99}),
		"no record":        recordsOf(records.Versioned{Record: (*records.TopicRecord)(nil)}),
		"cannot be":        recordsOf(records.Versioned{Record: &records.RemoveTopicRecord{TopicID: ids.TopicID{1}}}),
		"half of it is ok": recordsOf(records.Versioned{Record: &records.TopicRecord{Name: "half", TopicID: ids.TopicID{2}}}, records.Versioned{Record: &records.RemoveTopicRecord{TopicID: ids.TopicID{1}}}),
	} {
		answer := make(chan error, 1)
		n.c.active.Do(cmd, active.Patient, func(_ kmsg.Response, err error) { answer <- err })
		var known *decide.Error
		if err := <-answer; !errors.As(err, &known) || known.Code != kerr.UnknownServerError.Code {
			t.Errorf("%s: %v", name, err)
		}
		bad++
		if m := n.c.Metrics(); m.Errors != uint64(bad) || !m.Active {
			t.Errorf("%s: %d errors are counted after %d, active: %v", name, m.Errors, bad, m.Active)
		}
		if created := do[*kmsg.CreateTopicsResponse](n, createRequest(bad, 1, 1)); created.Topics[0].ErrorCode != 0 {
			t.Errorf("after %s: %+v", name, created)
		}
	}
	if now := n.c.Leader(); now != before {
		t.Errorf("%v led, and now %v", before, now)
	}
	if got := n.c.Image().Topics.Len(); got != bad {
		t.Errorf("%d topics, want %d", got, bad)
	}
}

// recordsOf decides on records.
func recordsOf(recs ...records.Versioned) active.Command {
	return func(*decide.Env) (decide.Decision, error) { return decide.Decision{Records: recs, Atomic: true}, nil }
}

// BenchmarkCreateTopics is five requests of 100 topics of 10 partitions on a real disk.
func BenchmarkCreateTopics(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "__cluster_metadata-0"), 0o755); err != nil {
			b.Fatal(err)
		}
		n := open(b, vfs.OS, dir, nil)
		n.join(1)
		b.StartTimer()
		for i := range 5 {
			do[*kmsg.CreateTopicsResponse](n, createRequest(i*100, 100, 10))
		}
		b.StopTimer()
		if got := n.c.Image().Topics.PartitionCount(); got != 5000 {
			b.Fatalf("%d partitions", got)
		}
		n.close()
		b.StartTimer()
	}
}

// BenchmarkReady is a node from nothing to an unfenced broker, on a real disk.
func BenchmarkReady(b *testing.B) {
	for b.Loop() {
		n := open(b, vfs.OS, b.TempDir(), nil)
		n.join(1)
		b.StopTimer()
		n.close()
		b.StartTimer()
	}
}
