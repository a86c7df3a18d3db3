package monitor

import (
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/raftio"
)

// Every attribute that Kafka's raft-metrics has is on the page of a leader, and
// nothing else.
func TestQuorumShowsAllOfRaftMetrics(t *testing.T) {
	got := scrape(t, Quorum(func() raftio.Metrics { return raftio.Metrics{State: "leader", Leads: true} }))
	const prefix = "kafka_server_raftmetrics_"
	var want []string
	for name := range beans(t) {
		if strings.HasPrefix(name, prefix) && !strings.HasSuffix(name, "_total") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
