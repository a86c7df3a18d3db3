package clients

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/tests/node"
)

// Every controller and broker shows the quorum under Kafka's names: who leads,
// who follows and observes, and that one controller is active.
func TestMetricsOfAQuorum(t *testing.T) {
	settings := maps.Clone(quick)
	settings["gregor.http.listener"] = "127.0.0.1:0"
	q := newQuorumWith(t, false, settings)
	q.goesOn()
	lacks := ""
	err := until(patience(t), "metrics of one epoch", func() (bool, error) {
		leads, says := q.leader(q.ctrls...)
		lacks = ""
		for _, s := range append(q.others(leads), leads, q.broker) {
			state, active := "follower", 0
			switch s {
			case leads:
				state, active = "leader", 1
			case q.broker:
				state = "observer"
			}
			want := []string{
				fmt.Sprintf(`kafka_server_raftmetrics_current_state{current_state="%s"} 1`, state),
				fmt.Sprintf(`kafka_server_raftmetrics_current_leader %d`, leads.ID()),
				fmt.Sprintf(`kafka_server_raftmetrics_current_epoch %d`, says.Epoch),
				`kafka_server_raftmetrics_number_of_voters 3`,
			}
			if s != q.broker {
				want = append(want, fmt.Sprintf(`kafka_controller_kafkacontroller_activecontrollercount %d`, active),
					`kafka_controller_kafkacontroller_metadataerrorcount 0`, `kafka_controller_kafkacontroller_offlinepartitionscount 0`)
			} else {
				want = append(want, `kafka_server_brokermetadatametrics_metadata_apply_error_count 0`)
			}
			page := get(t, httpAddress(t, s)+"/metrics")
			for _, w := range want {
				if !strings.Contains(page, w+"\n") {
					lacks += fmt.Sprintf("%d lacks %s\n", s.ID(), w)
				}
			}
		}
		return lacks == "", nil
	})
	if err != nil {
		t.Fatalf("%v:\n%s", err, lacks)
	}
	q.judge()
}

// httpAddress is where a node serves its metrics.
func httpAddress(t *testing.T, s *node.Server) string {
	t.Helper()
	found := httpPort.FindStringSubmatch(s.Output())
	if found == nil {
		t.Fatalf("no HTTP port in the log:\n%s", s.Output())
	}
	return "http://" + found[1]
}
