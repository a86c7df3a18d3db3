package clients

import (
	"context"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// leaderless waits until the metadata show that many partitions without a leader.
func leaderless(t *testing.T, ctx context.Context, adm *kadm.Client, topic string, want int) {
	t.Helper()
	for {
		topics, err := adm.ListTopics(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		without := 0
		for _, p := range topics[topic].Partitions {
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

// A broker that is killed is fenced because its connection closed and its port
// refuses, and may come back at once: the session, which would do both in the end,
// is longer than this test. One that is stopped for a while is not taken for dead.
func TestBrokerThatDiesIsFencedAtOnce(t *testing.T) {
	settings := map[string]string{"broker.session.timeout.ms": "600000", "broker.heartbeat.interval.ms": "200"}
	ctrl := startAt(t, node.Place{ID: 100, Roles: "controller"}, settings)
	var brokers []*node.Server
	for id := 1; id <= 2; id++ {
		brokers = append(brokers, startAt(t, node.Place{ID: id, Roles: "broker", Controller: ctrl}, settings))
	}
	ctx := patience(t)
	adm := kadm.NewClient(client(t, brokers[0], kgo.MetadataMinAge(10*time.Millisecond)))
	if _, err := adm.CreateTopic(ctx, 10, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
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
