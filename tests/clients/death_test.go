package clients

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// adminOf asks this broker whatever it asks, also when it would ask one that does not answer.
func adminOf(t *testing.T, srv *node.Server) *kadm.Client {
	return kadm.NewClient(client(t, srv, kgo.MetadataMinAge(10*time.Millisecond), kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Addr())
	})))
}

// partitionsOf are a topic's, once the broker that is asked has heard of it.
func partitionsOf(t *testing.T, ctx context.Context, adm *kadm.Client, topic string) []kadm.PartitionDetail {
	t.Helper()
	for {
		topics, err := adm.ListTopics(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		if all := topics[topic].Partitions.Sorted(); len(all) > 0 {
			return all
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nobody knows %s", topic)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// leaderless waits until the metadata show that many partitions without a leader.
func leaderless(t *testing.T, ctx context.Context, adm *kadm.Client, topic string, want int) {
	t.Helper()
	for {
		without := 0
		for _, p := range partitionsOf(t, ctx, adm, topic) {
			if p.Leader < 0 {
				without++
			}
		}
		if without == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d partitions of %s are without a leader, not %d", without, topic, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// twoBrokers starts them, with a topic "spread" of ten partitions on both.
func twoBrokers(t *testing.T, ctx context.Context, ctrl *node.Server, settings map[string]string) ([]*node.Server, *kadm.Client) {
	t.Helper()
	var brokers []*node.Server
	for id := 1; id <= 2; id++ {
		brokers = append(brokers, startAt(t, node.Place{ID: id, Roles: "broker", Controller: ctrl}, settings))
	}
	adm := adminOf(t, brokers[0])
	if _, err := adm.CreateTopic(ctx, 10, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	return brokers, adm
}

// A broker that is killed is fenced because its connection closed and its port
// refuses, and may come back at once: the session, which would do both in the end,
// is longer than this test.
func TestBrokerThatDiesIsFencedAtOnce(t *testing.T) {
	settings := map[string]string{"broker.session.timeout.ms": "600000", "broker.heartbeat.interval.ms": "200"}
	ctrl := startAt(t, node.Place{ID: 100, Roles: "controller"}, settings)
	ctx := patience(t)
	brokers, adm := twoBrokers(t, ctx, ctrl, settings)
	for range 3 {
		leaderless(t, ctx, adm, "spread", 0)
		began := time.Now()
		if err := brokers[1].Kill(); err != nil {
			t.Fatal(err)
		}
		leaderless(t, ctx, adm, "spread", 5)
		t.Logf("fenced after %v", time.Since(began))
		if err := brokers[1].Start(); err != nil {
			t.Fatal(err)
		}
	}
	leaderless(t, ctx, adm, "spread", 0)
}

// wire carries connections to an address, until they are broken. It stands where the
// controller says that it listens.
type wire struct {
	to     string
	l      net.Listener
	mu     sync.Mutex // guards what follows
	open   []net.Conn
	opened int
	closed bool
}

func newWire(t *testing.T, at, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{to: to, l: l}
	t.Cleanup(w.close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	d, err := net.Dial("tcp", w.to)
	if err != nil {
		c.Close()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, c, d)
	w.opened++
	for a, b := range map[net.Conn]net.Conn{c: d, d: c} {
		go func() {
			_, _ = io.Copy(a, b) // its end, whichever, is that of the connection
			a.Close()
			b.Close()
		}()
	}
	if w.closed {
		c.Close()
		d.Close()
	}
}

// cut resets all connections, and returns how many were made so far.
func (w *wire) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	w.open = nil
	return w.opened
}

func (w *wire) made() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened
}

func (w *wire) close() {
	w.l.Close()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cut()
}

// epochs are the leader epochs of a topic's partitions; a broker that is fenced, if only for a moment,
// leaves higher ones.
func epochs(t *testing.T, ctx context.Context, adm *kadm.Client, topic string) (out []int32) {
	t.Helper()
	for _, p := range partitionsOf(t, ctx, adm, topic) {
		out = append(out, p.LeaderEpoch)
	}
	return out
}

// A connection that merely breaks is no death, and neither is the silence of a process that is
// stopped for less than its session: the broker's port accepts, or says nothing, and it is not fenced,
// not for a moment. The same broker, killed behind the same wire, is.
func TestABrokenConnectionFencesNobody(t *testing.T) {
	ports, err := node.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	behind := fmt.Sprintf("127.0.0.1:%d", ports[0])
	settings := map[string]string{"broker.session.timeout.ms": "600000", "broker.heartbeat.interval.ms": "100"}
	hidden := map[string]string{"listeners": "CONTROLLER://" + behind}
	maps.Copy(hidden, settings)
	ctrl, err := node.NewAt(gregor(t), node.Place{ID: 100, Roles: "controller"}, hidden)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, ctrl) })
	w := newWire(t, ctrl.Controller(), behind)
	if err := ctrl.Start(); err != nil {
		t.Fatal(err)
	}
	ctx := patience(t)
	brokers, adm := twoBrokers(t, ctx, ctrl, settings)
	leaderless(t, ctx, adm, "spread", 0)
	before := epochs(t, ctx, adm, "spread")
	for i := range 5 {
		for had := w.cut(); w.made() < had+4; { // both brokers follow the log again, and send heartbeats
			select {
			case <-ctx.Done():
				t.Fatal("the brokers do not come back")
			case <-time.After(5 * time.Millisecond):
			}
		}
		if _, err := adm.CreateTopic(ctx, 1, 1, nil, fmt.Sprint("after-", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := brokers[1].Pause(); err != nil {
		t.Logf("processes cannot be paused here: %v", err)
	} else {
		for i := range 5 {
			if _, err := adm.CreateTopic(ctx, 1, 1, nil, fmt.Sprint("meanwhile-", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := brokers[1].Resume(); err != nil {
			t.Fatal(err)
		}
	}
	leaderless(t, ctx, adm, "spread", 0)
	if now := epochs(t, ctx, adm, "spread"); !slices.Equal(now, before) {
		t.Errorf("leader epochs %v, before %v: a broker was fenced", now, before)
	}
	if err := brokers[1].Kill(); err != nil {
		t.Fatal(err)
	}
	leaderless(t, ctx, adm, "spread", 5)
}

// Silence is judged by the session: a broker that is stopped where it stands, so that its port
// still accepts, is fenced when its session ends, and unfenced when it goes on.
func TestSilenceIsJudgedByTheSession(t *testing.T) {
	settings := map[string]string{"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "100"}
	ctrl := startAt(t, node.Place{ID: 100, Roles: "controller"}, settings)
	ctx := patience(t)
	brokers, adm := twoBrokers(t, ctx, ctrl, settings)
	leaderless(t, ctx, adm, "spread", 0)
	if err := brokers[1].Pause(); err != nil {
		t.Skip("processes cannot be paused here: ", err)
	}
	leaderless(t, ctx, adm, "spread", 5)
	if err := brokers[1].Resume(); err != nil {
		t.Fatal(err)
	}
	leaderless(t, ctx, adm, "spread", 0)
}
