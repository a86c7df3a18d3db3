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

// testdata/consumer_offsets.log is what Apache Kafka 4.3.1 wrote while a
// classic and a consumer group read a topic, committed and left. Every record
// must read, and come out of AppendKey and AppendValue byte by byte.
func TestKafkaOffsetsLog(t *testing.T) {
	buf, err := os.ReadFile("testdata/consumer_offsets.log")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for len(buf) > 0 {
		var v batch.View
		if v, buf, err = batch.Next(buf); err != nil {
			t.Fatal(err)
		}
		records, err := v.Records(nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			counts[logRecord(t, r)]++
		}
	}
	want := map[string]int{
		"GroupMetadata 3": 3, "OffsetCommit 4": 2,
		"ConsumerGroupMetadata 0": 2, "ConsumerGroupTargetAssignmentMetadata 0": 1,
		"ConsumerGroupMemberMetadata 0": 1, "ConsumerGroupMemberMetadata tombstone": 1,
		"ConsumerGroupTargetAssignmentMember 0": 1, "ConsumerGroupTargetAssignmentMember tombstone": 1,
		"ConsumerGroupCurrentMemberAssignment 0": 1, "ConsumerGroupCurrentMemberAssignment tombstone": 1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func logRecord(t *testing.T, r batch.Record) string {
	t.Helper()
	key, err := ParseKey(r.Key)
	if err != nil {
		t.Fatalf("offset %d: %v", r.Offset, err)
	}
	if again := AppendKey(nil, key); !bytes.Equal(again, r.Key) {
		t.Errorf("offset %d: %T\nKafka %x\nwe    %x", r.Offset, key, r.Key, again)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", key), "*records."), "Key")
	value, version, err := ParseValue(key, r.Value)
	if err != nil {
		t.Fatalf("offset %d: %v", r.Offset, err)
	}
	if value == nil {
		return name + " tombstone"
	}
	if again := AppendValue(nil, value, version); !bytes.Equal(again, r.Value) {
		t.Errorf("offset %d: %T\nKafka %x\nwe    %x", r.Offset, value, r.Value, again)
	}
	return fmt.Sprintf("%s %d", name, version)
}
