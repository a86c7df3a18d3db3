package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startAt runs one node of several; it ends with the test and is kept if that failed.
func startAt(t *testing.T, place node.Place, extra map[string]string) *node.Server {
	t.Helper()
	srv, err := node.NewAt(gregor(t), place, extra)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			srv.Keep()
			t.Logf("kept %s; it said:\n%s", srv.Dir(), srv.Output())
		}
		srv.Close()
	})
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	return srv
}

// restart stops a node cleanly and starts it again.
func restart(t *testing.T, srv *node.Server) {
	t.Helper()
	if code, err := srv.Term(10 * time.Second); err != nil || code != 0 {
		t.Fatalf("SIGTERM: code %d, %v\n%s", code, err, srv.Output())
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
}

// holds reads a topic until it has seen n records.
func holds(t *testing.T, ctx context.Context, srv *node.Server, topic string, n int) {
	t.Helper()
	cl := client(t, srv, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for got := 0; got < n; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatalf("%s: %d of %d records, then %v", topic, got, n, err)
		}
		got += fs.NumRecords()
	}
}

// A controller and two brokers, each a process: every kind of restart leaves the
// others serving and loses nothing.
func TestRolesInProcessesOfTheirOwn(t *testing.T) {
	for _, static := range []bool{false, true} {
		t.Run(fmt.Sprintf("static=%v", static), func(t *testing.T) { splitRoles(t, static) })
	}
}

func splitRoles(t *testing.T, static bool) {
	// A broker may go when the others have said, by a heartbeat, that they know who follows it.
	settings := map[string]string{"metadata.log.max.record.bytes.between.snapshots": "3000", "broker.heartbeat.interval.ms": "100"}
	ctrl := startAt(t, node.Place{ID: 100, Roles: "controller", Static: static}, settings)
	var brokers []*node.Server
	for id := 1; id <= 2; id++ {
		brokers = append(brokers, startAt(t, node.Place{ID: id, Roles: "broker", Controller: ctrl, Static: static}, settings))
	}
	ctx := patience(t)
	cl := client(t, brokers[0], kgo.DefaultProduceTopic("spread"))
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 40, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	produced := 0
	produce := func() {
		t.Helper()
		for range 200 {
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: fmt.Append(nil, produced)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			produced++
		}
	}
	produce()
	for _, srv := range append([]*node.Server{ctrl}, brokers...) {
		restart(t, srv)
		if _, err := adm.CreateTopic(ctx, 1, 1, nil, fmt.Sprintf("after-%d", produced)); err != nil {
			t.Fatal(err)
		}
		produce()
	}
	for _, srv := range brokers {
		holds(t, ctx, srv, "spread", produced)
		if strings.Contains(srv.Output(), "DUPLICATE_BROKER_REGISTRATION") {
			t.Error("a broker that was let go had to wait until it could come back")
		}
	}
	leaders := map[int32]int{}
	topics, err := adm.ListTopics(ctx, "spread")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range topics["spread"].Partitions {
		leaders[p.Leader]++
	}
	if leaders[1] != 20 || leaders[2] != 20 {
		t.Errorf("leaders: %v", leaders)
	}
}

// A controller that is killed under a broker: what the broker serves goes on,
// and what needs a controller waits for it.
func TestBrokerOutlivesItsController(t *testing.T) {
	ctrl := startAt(t, node.Place{ID: 100, Roles: "controller"}, nil)
	srv := startAt(t, node.Place{ID: 1, Roles: "broker", Controller: ctrl}, nil)
	ctx := patience(t)
	cl := client(t, srv, kgo.DefaultProduceTopic("before"))
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, "before"); err != nil {
		t.Fatal(err)
	}
	produce := func() {
		t.Helper()
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce()
	if err := ctrl.Kill(); err != nil {
		t.Fatal(err)
	}
	produce()
	holds(t, ctx, srv, "before", 2)
	created := make(chan error, 1)
	go func() {
		_, err := adm.CreateTopic(ctx, 1, 1, nil, "meanwhile")
		created <- err
	}()
	if err := ctrl.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-created; err != nil {
		t.Fatal(err)
	}
	restart(t, srv)
	holds(t, ctx, srv, "before", 2)
}
