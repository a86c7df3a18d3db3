package clients

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster is DescribeCluster asked of one node: the members' ids and who the
// active controller is, or, of a broker, some broker.
func (q *quorum) cluster(addr string, endpoints int8, fenced bool) (members []int, controller int) {
	q.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		q.t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType, req.IncludeFencedBrokers = endpoints, fenced
	resp, err := cl.SeedBrokers()[0].Request(patience(q.t), req)
	if err != nil {
		q.t.Fatal(err)
	}
	r := resp.(*kmsg.DescribeClusterResponse)
	if r.ErrorCode != 0 || r.ClusterID != node.ClusterID {
		q.t.Errorf("%s: %v, cluster %s", addr, kerr.ErrorForCode(r.ErrorCode), r.ClusterID)
	}
	for _, b := range r.Brokers {
		members = append(members, int(b.NodeID))
	}
	slices.Sort(members)
	return members, int(r.ControllerID)
}

// Every controller registers with the active one, whoever leads, and every one
// of them tells who the controllers are and which is active.
func TestEveryControllerTellsWhoTheyAre(t *testing.T) {
	q := newQuorum(t, false)
	for range 2 {
		q.goesOn()
		var leads *node.Server
		for _, s := range q.ctrls {
			var members []int
			var active int
			err := until(patience(t), "the registrations", func() (bool, error) {
				leads, _ = q.leader(q.ctrls...)
				members, active = q.cluster(s.Controller(), 2, false)
				return slices.Equal(members, []int{100, 101, 102}) && active == leads.ID(), nil
			})
			if err != nil {
				t.Fatalf("%d tells of %v, active is %d: %v", s.ID(), members, active, err)
			}
		}
		if members, _ := q.cluster(q.broker.Addr(), 1, false); !slices.Equal(members, []int{1}) {
			t.Errorf("the broker tells of brokers %v", members)
		}
		if err := leads.Kill(); err != nil {
			t.Fatal(err)
		}
		q.goesOn()
		if err := leads.Start(); err != nil {
			t.Fatal(err)
		}
	}
	q.judge()
}

// A broker that is gone for good is unregistered: it is told of no more, its
// partitions have no leader, and it may come back all the same.
func TestBrokerIsUnregistered(t *testing.T) {
	q := newQuorum(t, false)
	two := startAt(t, node.Place{ID: 2, Roles: "broker", Controller: q.ctrls[0]}, quick)
	ctx := patience(t)
	adm := kadm.NewClient(client(t, q.broker, kgo.MetadataMinAge(10*time.Millisecond)))
	if _, err := adm.CreateTopic(ctx, 10, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	if err := two.Kill(); err != nil {
		t.Fatal(err)
	}
	leaderless(t, ctx, adm, "spread", 5)
	if members, _ := q.cluster(q.broker.Addr(), 1, true); !slices.Equal(members, []int{1, 2}) {
		t.Errorf("with fenced brokers there are %v", members)
	}
	unregister := func(id int32) error {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		return kerr.ErrorForCode(q.ask(req).(*kmsg.UnregisterBrokerResponse).ErrorCode)
	}
	if err := unregister(2); err != nil {
		t.Fatal(err)
	}
	if members, _ := q.cluster(q.broker.Addr(), 1, true); !slices.Equal(members, []int{1}) {
		t.Errorf("after it was unregistered there are %v", members)
	}
	if err := unregister(2); err != kerr.BrokerIDNotRegistered {
		t.Errorf("a second time: %v", err)
	}
	leaderless(t, ctx, adm, "spread", 5)
	if err := two.Start(); err != nil {
		t.Fatal(err)
	}
	leaderless(t, ctx, adm, "spread", 0)
	q.judge()
}

// A voter and a broker that have lost their copy of the metadata begin with a
// snapshot of the leader's, not with the first record.
func TestLaggingNodesBeginWithASnapshot(t *testing.T) {
	settings := maps.Clone(quick)
	settings["metadata.log.max.record.bytes.between.snapshots"] = "2000"
	q := newQuorumWith(t, false, settings)
	leads, _ := q.leader(q.ctrls...)
	q.until("a snapshot of the leader's", func() bool { return len(snapshotsOf(t, leads)) > 0 })
	for _, s := range []*node.Server{q.others(leads)[0], q.broker} {
		if code, err := s.Term(10 * time.Second); err != nil || code != 0 {
			t.Fatalf("SIGTERM: code %d, %v", code, err)
		}
		if err := os.RemoveAll(s.MetadataDir()); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		q.until(fmt.Sprintf("a snapshot fetched by %d", s.ID()), func() bool { return len(snapshotsOf(t, s)) > 0 })
		if _, err := os.Stat(filepath.Join(s.MetadataDir(), "00000000000000000000.log")); err == nil {
			t.Errorf("the log of %d begins with the first record", s.ID())
		}
		q.goesOn()
	}
	q.judge()
}

func (q *quorum) until(what string, yes func() bool) {
	q.t.Helper()
	if err := until(patience(q.t), what, func() (bool, error) { return yes(), nil }); err != nil {
		q.t.Fatal(err)
	}
}

// snapshotsOf are a node's, but for the one that formatting left.
func snapshotsOf(t *testing.T, s *node.Server) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.MetadataDir(), "*.checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "/00000000000000000000-0000000000.checkpoint") })
}
