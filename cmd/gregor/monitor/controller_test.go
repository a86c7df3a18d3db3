package monitor

import (
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/active"
)

// Every number of Kafka's KafkaController and broker-metadata-metrics is on the
// page, and nothing has a name that Kafka does not know.
func TestControllerShowsKafkasBeans(t *testing.T) {
	get := func() active.Metrics {
		return active.Metrics{Brokers: []active.BrokerMetrics{{ID: 1, State: active.BrokerActive}}, Snapshots: active.SnapshotMetrics{Written: 1}}
	}
	no := func() bool { return false }
	known := beans(t)
	shown := map[string]bool{}
	for _, s := range []Source{Metadata(get, no, true)} {
		for _, name := range scrape(t, s) {
			shown[name] = true
			if !known[name] && !known[strings.TrimSuffix(name, "_count")] {
				t.Errorf("%s is not a name of Kafka's", name)
			}
		}
	}
	for name := range known {
		of := strings.HasPrefix(name, "kafka_controller_kafkacontroller_") || strings.HasPrefix(name, "kafka_server_brokermetadatametrics_")
		if of && !strings.HasSuffix(name, "_total") && !shown[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
