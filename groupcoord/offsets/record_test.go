package offsets

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"pgregory.net/rapid"
)

func drawRecord(t *rapid.T) (records.OffsetCommitKey, records.OffsetCommitValue) {
	k := records.OffsetCommitKey{Group: rapid.String().Draw(t, "group"), Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition")}
	v := records.OffsetCommitValue{
		Offset: ids.Offset(rapid.Int64().Draw(t, "offset")), LeaderEpoch: ids.LeaderEpoch(rapid.Int32Min(-1).Draw(t, "epoch")),
		Metadata: rapid.String().Draw(t, "metadata"), CommitTimestamp: rapid.Int64().Draw(t, "time"), ExpireTimestamp: -1,
	}
	if rapid.Bool().Draw(t, "has id") {
		v.TopicID = ids.TopicID{15: rapid.Byte().Draw(t, "id")}
	}
	return k, v
}

// What is written by hand is what the generated code writes, and is read back alike.
func TestRecordsAreTheGeneratedOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, v := drawRecord(t)
		key, value := records.AppendKey(nil, &k), records.AppendValue(nil, &v, valueLatest)
		if got := appendKey(nil, place{k.Group, k.Topic, k.Partition}); !bytes.Equal(got, key) {
			t.Fatalf("key % x, generated % x", got, key)
		}
		if got := appendValue(nil, &v); !bytes.Equal(got, value) || len(key)+len(value) > recordSize(k.Group, k.Topic, &v.Metadata) {
			t.Fatalf("value % x, generated % x", got, value)
		}
		quick, slow := New(), New()
		slow.Replay(&k, &v, 7, batch.NoProducerID)
		ensured := ""
		e := runtime.Entry{Offset: 7, ProducerID: batch.NoProducerID, Key: key, Value: value}
		if !quick.ReplayRecord(&e, func(g []byte) { ensured = string(g) }) || ensured != k.Group {
			t.Fatal("not taken")
		}
		if !reflect.DeepEqual(quick.groups, slow.groups) || quick.count != slow.count {
			t.Fatalf("read %v, generated %v", quick.groups, slow.groups)
		}
	})
}

// FuzzReplayRecord: what the quick way takes, the generated code reads the same.
func FuzzReplayRecord(f *testing.F) {
	k, v := records.OffsetCommitKey{Group: "g", Topic: "t", Partition: 3}, records.OffsetCommitValue{Offset: 9, LeaderEpoch: 2, Metadata: "m", CommitTimestamp: 5, ExpireTimestamp: -1}
	f.Add(records.AppendKey(nil, &k), records.AppendValue(nil, &v, 4))
	v.TopicID = ids.TopicID{1, 2, 3}
	f.Add(records.AppendKey(nil, &k), records.AppendValue(nil, &v, 4))
	f.Add(records.AppendKey(nil, &k), records.AppendValue(nil, &v, 3))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		quick, slow := New(), New()
		if !quick.ReplayRecord(&runtime.Entry{Offset: 1, ProducerID: batch.NoProducerID, Key: key, Value: value}, func([]byte) {}) {
			return
		}
		gk, err := records.ParseKey(key)
		if err != nil {
			t.Fatalf("the generated code does not read this key: %v", err)
		}
		gv, _, err := records.ParseValue(gk, value)
		if err != nil {
			t.Fatalf("the generated code does not read this value: %v", err)
		}
		slow.Replay(gk.(*records.OffsetCommitKey), gv.(*records.OffsetCommitValue), 1, batch.NoProducerID)
		if !reflect.DeepEqual(quick.groups, slow.groups) {
			t.Fatalf("read %v, generated %v", quick.groups, slow.groups)
		}
	})
}
