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

// The alarm "it keeps growing" is for who hears nothing, not for who has nothing to say.
func TestTheActiveControllerDoesNotLag(t *testing.T) {
	for leads, want := range map[bool]string{true: "0", false: "5000"} {
		got := page(t, Metadata(func() active.Metrics { return active.Metrics{Active: leads, AppliedLag: 5000} }, func() bool { return false }, true))
		for _, name := range []string{"kafka_controller_kafkacontroller_lastappliedrecordlagms", "kafka_server_brokermetadatametrics_last_applied_record_lag_ms"} {
			if !strings.Contains(got, name+" "+want+"\n") {
				t.Errorf("active: %v: %s is not %s", leads, name, want)
			}
		}
	}
}
