package raftio

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wires is a network in memory over which whole frames go, so that every request
// and reply is encoded as on a real one.
type wires struct {
	mu   sync.Mutex
	dial map[string]conn.DialFunc
}

func (w *wires) connect(ctx context.Context, addr string) (net.Conn, error) {
	w.mu.Lock()
	dial := w.dial[addr]
	w.mu.Unlock()
	if dial == nil {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	return dial(ctx)
}

type testMember struct {
	id     int
	fs     *vfs.Mem
	rec    *recorder
	node   *Node
	server *conn.Server
}

func (m *testMember) endpoint() raft.Endpoint {
	return raft.Endpoint{Name: "CONTROLLER", Host: "node", Port: uint16(m.id)}
}

func (m *testMember) key() raft.ReplicaKey {
	return raft.ReplicaKey{ID: ids.NodeID(m.id), Directory: ids.DirectoryID{0: byte(m.id), 15: 9}}
}

func (m *testMember) start(t *testing.T, w *wires, static []raft.Voter) {
	t.Helper()
	m.rec = newRecorder()
	o := testOptions(m.fs, m.rec)
	o.NodeID, o.DirectoryID, o.StaticVoters = m.key().ID, m.key().Directory, static
	o.Endpoints, o.Dial, o.Seed, o.Bootstrap = []raft.Endpoint{m.endpoint()}, w.connect, uint64(m.id), []string{"node:1", "node:2"}
	m.node = startNode(t, o)
	l, dial := conn.Pipe()
	m.server = conn.NewServer(conn.Options{})
	go func() {
		_ = m.server.Serve(l, "CONTROLLER", conn.HandlerFunc(m.handle), conn.Limits{}) // ends with the server
	}()
	w.mu.Lock()
	w.dial[fmt.Sprintf("node:%d", m.id)] = dial
	w.mu.Unlock()
}

func (m *testMember) handle(c *conn.Call) {
	req, err := c.Request()
	if err != nil {
		c.Close(err)
		return
	}
	v, ok := req.(*kmsg.ApiVersionsRequest)
	if !ok {
		m.node.Handle(req, c.Reply)
		return
	}
	resp := v.ResponseKind().(*kmsg.ApiVersionsResponse)
	for _, key := range []int16{1, 18, 52, 53, 54, 55, 59, 80, 81, 82} {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: kmsg.RequestForKey(key).MaxVersion()})
	}
	resp.SupportedFeatures = []kmsg.ApiVersionsResponseSupportedFeature{{Name: "kraft.version", MaxVersion: MaxKRaftVersion}}
	c.Reply(resp)
}

// kill ends a member as kill -9 would: nothing is told, the port refuses.
func (m *testMember) kill(w *wires) {
	w.mu.Lock()
	delete(w.dial, fmt.Sprintf("node:%d", m.id))
	w.mu.Unlock()
	m.node.stop()
	m.server.Close()
	m.node.loops.Wait()
	_ = m.node.driver.store.close(false) // a killed process closes nothing in order
}

func startCluster(t *testing.T, w *wires, dynamic bool) (ms []*testMember, static []raft.Voter) {
	t.Helper()
	for i := 1; i <= 3; i++ {
		ms = append(ms, &testMember{id: i, fs: vfs.NewMem()})
	}
	if dynamic {
		first, err := raft.NewVoterSet(raft.Voter{Key: ms[0].key(), Endpoints: []raft.Endpoint{ms[0].endpoint()}, MaxKRaft: 1})
		if err == nil {
			err = ms[0].fs.MkdirAll("/data/__cluster_metadata-0")
		}
		if err == nil {
			err = WriteSnapshotFile(SnapshotOptions{FS: ms[0].fs, Path: "/data/__cluster_metadata-0/" + SnapshotName(ids.OffsetAndEpoch{}), KRaftVersion: 1, Voters: first}, func(func([]byte) bool) {})
		}
		if err != nil {
			t.Fatal(err)
		}
	} else {
		for _, m := range ms {
			static = append(static, raft.Voter{Key: raft.ReplicaKey{ID: ids.NodeID(m.id)}, Endpoints: []raft.Endpoint{m.endpoint()}})
		}
	}
	for _, m := range ms {
		m.start(t, w, static)
	}
	return ms, static
}

// leaderOf waits until all of ms follow the same leader, which must be one of them.
func leaderOf(t *testing.T, ms []*testMember) *testMember {
	t.Helper()
	for _, m := range ms {
		m.rec.wait(t, "a leader", func() bool {
			return slices.ContainsFunc(ms, func(o *testMember) bool { return o.key().ID == m.rec.leader.Leader })
		})
	}
	id := ms[0].rec.leader.Leader
	return ms[slices.IndexFunc(ms, func(m *testMember) bool { return m.key().ID == id })]
}

// appendTo appends through the leader and waits until every member was told.
func appendTo(t *testing.T, lead *testMember, ms []*testMember, n int) {
	t.Helper()
	lead.rec.wait(t, "leadership", func() bool { return lead.rec.leader.Leader == lead.key().ID })
	var last ids.Offset
	for i := range n {
		var err error
		if last, err = lead.node.Append(lead.rec.leader.Epoch, [][]byte{fmt.Appendf(nil, "r%d", i)}, 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range ms {
		m.rec.wait(t, "the records", func() bool { return m.rec.at.Offset > last })
	}
}

func TestThreeNodesReplicateAndFailOver(t *testing.T) {
	w := &wires{dial: map[string]conn.DialFunc{}}
	ms, static := startCluster(t, w, false)
	lead := leaderOf(t, ms)
	appendTo(t, lead, ms, 100)
	checkMetrics(t, lead, ms)

	began := time.Now()
	lead.kill(w)
	rest := slices.DeleteFunc(slices.Clone(ms), func(m *testMember) bool { return m == lead })
	next := leaderOf(t, rest)
	t.Logf("next leader after %v", time.Since(began))
	appendTo(t, next, rest, 50)

	lead.start(t, w, static)
	if again := leaderOf(t, ms); again != next {
		t.Fatalf("the returned node %d made %d lead instead of %d", lead.id, again.id, next.id)
	}
	appendTo(t, next, ms, 10)
	for _, m := range ms {
		if len(m.rec.records) != 160 {
			t.Errorf("node %d was told %d records", m.id, len(m.rec.records))
		}
	}
	describe(t, next, 3, 0)
	for _, m := range ms {
		if err := m.node.Close(); err != nil {
			t.Error(err)
		}
		m.server.Close()
	}
}

func describe(t *testing.T, m *testMember, voters, observers int) {
	t.Helper()
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Version = 2
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	p := ask(t, m, req).(*kmsg.DescribeQuorumResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 || int(p.LeaderID) != m.id || len(p.CurrentVoters) != voters || len(p.Observers) != observers {
		t.Errorf("DescribeQuorum: %+v", p)
	}
}

func TestVotersJoinAndLeave(t *testing.T) {
	w := &wires{dial: map[string]conn.DialFunc{}}
	ms, _ := startCluster(t, w, true)
	lead := leaderOf(t, ms)
	appendTo(t, lead, ms, 20)
	describe(t, lead, 1, 2)
	cluster := "5L6g3nShT-eMCtK--X86sw"
	for _, m := range ms[1:] {
		req := kmsg.NewPtrAddRaftVoterRequest()
		req.Version, req.ClusterID, req.VoterID, req.VoterDirectoryID, req.AckWhenCommitted = 1, &cluster, int32(m.id), m.key().Directory, true
		req.TimeoutMillis = 10_000 // not 0, which is over before the voter has caught up
		req.Listeners = []kmsg.AddRaftVoterRequestListener{{Name: "CONTROLLER", Host: "node", Port: uint16(m.id)}}
		if code := ask(t, lead, req).(*kmsg.AddRaftVoterResponse).ErrorCode; code != 0 {
			t.Fatalf("AddRaftVoter of %d: error %d", m.id, code)
		}
	}
	appendTo(t, lead, ms, 5)
	describe(t, lead, 3, 0)
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.ClusterID, req.VoterID, req.VoterDirectoryID = &cluster, int32(lead.id), lead.key().Directory
	if code := ask(t, lead, req).(*kmsg.RemoveRaftVoterResponse).ErrorCode; code != 0 {
		t.Fatalf("RemoveRaftVoter of the leader: error %d", code)
	}
	next := leaderOf(t, ms[1:])
	appendTo(t, next, ms, 5)
	describe(t, next, 2, 1)
	for _, m := range ms {
		if err := m.node.Close(); err != nil {
			t.Error(err)
		}
		m.server.Close()
	}
}

func ask(t *testing.T, m *testMember, req kmsg.Request) kmsg.Response {
	t.Helper()
	got := make(chan kmsg.Response, 1)
	m.node.Handle(req, func(r kmsg.Response) { got <- r })
	select {
	case r := <-got:
		return r
	case <-time.After(10 * time.Second):
		t.Fatalf("no answer to %T", req)
		return nil
	}
}
