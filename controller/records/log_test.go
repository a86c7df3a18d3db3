package records

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gregorbroker/gregor/protocol/batch"
)

// testdata/cluster_metadata.log is the log of a fresh Apache Kafka 4.3.1 in
// which topics were made, changed and deleted and a quota and a credential set;
// most of its NoOpRecords are cut out. Every record must read, and come out of
// Append byte by byte.
func TestKafkaMetadataLog(t *testing.T) {
	buf, err := os.ReadFile("testdata/cluster_metadata.log")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for len(buf) > 0 {
		var v batch.View
		if v, buf, err = batch.Next(buf); err != nil {
			t.Fatal(err)
		}
		if err := v.VerifyCRC(); err != nil {
			t.Error(err)
		}
		records, err := v.Records(nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			counts[logRecord(t, v, r)]++
		}
	}
	want := map[string]int{
		"leader change": 1, "BeginTransaction": 1, "EndTransaction": 1, "FeatureLevel": 6, "RegisterController": 1,
		"RegisterBroker": 1, "BrokerRegistrationChange": 2, "Topic": 3, "Partition": 55, "RemoveTopic": 1, "Config": 5,
		"ClientQuota": 1, "UserScramCredential": 1, "NoOp": 4,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func logRecord(t *testing.T, v batch.View, r batch.Record) string {
	t.Helper()
	if v.IsControl() {
		kind, err := batch.ControlTypeOf(r.Key)
		if err != nil || kind != batch.ControlLeaderChange {
			t.Errorf("control type %d: %v", kind, err)
		}
		return "leader change"
	}
	rec, version, err := Parse(r.Value)
	if err != nil {
		t.Errorf("offset %d: %v\n%x", r.Offset, err, r.Value)
		return "fault"
	}
	if again := Append(nil, rec, version); !bytes.Equal(again, r.Value) {
		t.Errorf("offset %d: %T\nKafka %x\nwe    %x", r.Offset, rec, r.Value, again)
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", rec), "*records."), "Record")
}
