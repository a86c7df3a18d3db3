package monitor

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The names that dashboards made for Kafka behind the JMX exporter ask for.
func TestNamesAreThoseOfTheDashboards(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{MetricName("kafka.controller", "KafkaController", "ActiveControllerCount"), "kafka_controller_kafkacontroller_activecontrollercount"},
		{MetricName("kafka.server", "raft-metrics", "current-leader"), "kafka_server_raftmetrics_current_leader"},
		{MetricName("kafka.server", "broker-metadata-metrics", "last-applied-record-offset"), "kafka_server_brokermetadatametrics_last_applied_record_offset"},
		{MetricName("kafka.coordinator.group", "GroupMetadataManager", "NumOffsets"), "kafka_coordinator_group_groupmetadatamanager_numoffsets"},
		{counterName("kafka.controller", "ControllerStats", "UncleanLeaderElectionsPerSec"), "kafka_controller_controllerstats_uncleanleaderelections_total"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// beans are what Kafka offers, by what we call it.
func beans(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/beans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		known[MetricName(f[0], f[1], f[2])] = true
		known[counterName(f[0], f[1], f[2])] = true
	}
	return known
}

// scrape runs one source and returns the metrics' descriptions.
func scrape(t *testing.T, s Source) []string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{s})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names
}
