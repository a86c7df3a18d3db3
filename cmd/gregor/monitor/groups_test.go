package monitor

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// page is the text of /metrics.
func page(t *testing.T, sources ...Source) string {
	t.Helper()
	s := httptest.NewServer(New(Options{Ready: func() error { return nil }, Sources: sources, Logger: zap.NewNop()}).http.Handler)
	defer s.Close()
	resp, err := s.Client().Get(s.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %s\n%s", err, resp.Status, text)
	}
	return string(text)
}

func TestLagOfGroups(t *testing.T) {
	each := func(f func(groupcoord.GroupInfo)) {
		f(groupcoord.GroupInfo{Group: "g", Members: 2, Offsets: []groupcoord.GroupOffset{
			{Topic: "t", Partition: 0, Offset: 7}, {Topic: "t", Partition: 1, Offset: 12}, {Topic: "far", Partition: 0, Offset: 1},
		}})
	}
	ends := func(list []ids.TopicPartition) map[ids.TopicPartition]ids.Offset {
		if len(list) != 3 {
			t.Errorf("asked for %v", list)
		}
		return map[ids.TopicPartition]ids.Offset{{Topic: "t"}: 10, {Topic: "t", Partition: 1}: 11}
	}
	got := page(t, Lag(each, ends))
	for _, want := range []string{
		`kafka_consumergroup_lag{consumergroup="g",partition="0",topic="t"} 3`,
		`kafka_consumergroup_lag{consumergroup="g",partition="1",topic="t"} 0`, // ahead of a log that was cut: not negative
		`kafka_consumergroup_lag_sum{consumergroup="g",topic="t"} 3`,
		`kafka_consumergroup_current_offset{consumergroup="g",partition="0",topic="far"} 1`,
		`kafka_consumergroup_members{consumergroup="g"} 2`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(got, `kafka_consumergroup_lag{consumergroup="g",partition="0",topic="far"}`) {
		t.Error("a lag is told for a partition whose end is not known")
	}
}

// A group's name is whatever a client sent: it costs the page nothing but its own looks.
func TestAGroupsNameThatIsNoText(t *testing.T) {
	got := page(t, Lag(func(f func(groupcoord.GroupInfo)) {
		for _, name := range []string{"\xff\xfe-g", "ü\ufffd\n\"", "\xff\xfd-g", "last"} {
			f(groupcoord.GroupInfo{Group: name, Members: 1, Offsets: []groupcoord.GroupOffset{{Topic: "t", Offset: 1}}})
		}
	}, func([]ids.TopicPartition) map[ids.TopicPartition]ids.Offset {
		return map[ids.TopicPartition]ids.Offset{{Topic: "t"}: 3}
	}))
	for _, want := range []string{`\\xff\\xfe-g`, `\\xff\\xfd-g`, "ü\ufffd\\n\\\"", "last"} {
		if line := `kafka_consumergroup_lag{consumergroup="` + want + `",partition="0",topic="t"} 2`; !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

func TestCoordinatorShowsKafkasBeans(t *testing.T) {
	got := page(t, Groups(func() groupcoord.Stats {
		return groupcoord.Stats{Active: 50, Classic: map[string]int{"Stable": 2, "Empty": 1}, Consumer: map[string]int{"Stable": 4}, Offsets: 9, OffsetCommits: 5}
	}))
	for _, want := range []string{
		`kafka_server_group_coordinator_metrics_num_partitions{state="active"} 50`,
		`kafka_server_group_coordinator_metrics_group_count{protocol="consumer"} 4`,
		`kafka_server_group_coordinator_metrics_consumer_group_count{state="Stable"} 4`,
		`kafka_server_group_coordinator_metrics_offset_commit_count_total 5`,
		`kafka_coordinator_group_groupmetadatamanager_numgroups 3`,
		`kafka_coordinator_group_groupmetadatamanager_numgroupsstable 2`,
		`kafka_coordinator_group_groupmetadatamanager_numoffsets 9`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	known := beans(t)
	for _, name := range scrape(t, Groups(func() groupcoord.Stats { return groupcoord.Stats{} })) {
		if !known[name] && !strings.HasPrefix(name, "gregor_") {
			t.Errorf("%s is not a name of Kafka's", name)
		}
	}
}
