package groupcoord

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaRecord is a line of testdata/kafka-records.txt: what Apache Kafka 4.3.1
// had in __consumer_offsets after the script of TestAnswersAreKafkas.
type kafkaRecord struct {
	partition  int32
	key, value []byte
}

func kafkaRecords(t *testing.T) []kafkaRecord {
	t.Helper()
	data, err := os.ReadFile("testdata/kafka-records.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []kafkaRecord
	for line := range strings.Lines(string(data)) {
		var r kafkaRecord
		var offset int64
		var key, value string
		if _, err := fmt.Sscan(line, &r.partition, &offset, &key, &value); err != nil {
			t.Fatal(err)
		}
		if r.key, err = hex.DecodeString(key); err != nil {
			t.Fatal(err)
		}
		if value != "-" {
			if r.value, err = hex.DecodeString(value); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, r)
	}
	return out
}

// plain is a record as text without what differs from run to run: times, topic
// ids and the random part of member ids. It fails the test unless the record is
// encoded byte for byte as we encode it.
func plain(t *testing.T, key, value []byte) (group, text string) {
	t.Helper()
	k, err := records.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	v, version, err := records.ParseValue(k, value)
	if err != nil {
		t.Fatal(err)
	}
	if again := records.AppendKey(nil, k); string(again) != string(key) {
		t.Fatalf("key %x is encoded as %x", key, again)
	}
	if v != nil {
		if again := records.AppendValue(nil, v, version); string(again) != string(value) {
			t.Fatalf("value %x is encoded as %x", value, again)
		}
	}
	switch k := k.(type) {
	case *records.OffsetCommitKey:
		group = k.Group
	case *records.GroupMetadataKey:
		group = k.Group
	}
	return group, fmt.Sprintf("%+v v%d %s", k, version, masked(v))
}

func masked(v records.Record) string {
	switch v := v.(type) {
	case *records.OffsetCommitValue:
		if v.ExpireTimestamp != -1 {
			v.ExpireTimestamp -= v.CommitTimestamp
		}
		hasID := !v.TopicID.IsZero()
		v.CommitTimestamp, v.TopicID = 0, ids.TopicID{}
		return fmt.Sprintf("%+v with topic id: %v", *v, hasID)
	case *records.GroupMetadataValue:
		text := fmt.Sprintf("%s %d %s %s %v", v.ProtocolType, v.Generation, s(v.Protocol), short(s(v.Leader)), v.CurrentStateTimestamp > 0)
		for _, m := range v.Members {
			text += fmt.Sprintf(" [%s %s %s %s %d %d %x %q]", short(m.MemberID), s(m.GroupInstanceID), m.ClientID, m.ClientHost,
				m.RebalanceTimeout, m.SessionTimeout, m.Subscription, m.Assignment)
		}
		return text
	default:
		return "-"
	}
}

func TestRecordsAreKafkas(t *testing.T) {
	want, got := map[string][]string{}, map[string][]string{}
	for _, r := range kafkaRecords(t) {
		g, text := plain(t, r.key, r.value)
		want[g] = append(want[g], text)
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.InitialRebalanceDelay = 300 })
		h.topics["t"] = catalogEntry{h.topics["t"].id, 3}
		h.lead(1)
		(&script{do: h.roundTrip}).play(h.topics["t"].id)
		h.svc.Close()
		for p := range int32(2) {
			for _, r := range h.log.Records(p) {
				g, text := plain(t, r.Key, r.Value)
				got[g] = append(got[g], text)
			}
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Kafka (-) and the service (+) write different records:\n%s", diff)
	}
}

// TestLoadsWhatKafkaWrote reads Kafka's log, as it is and compacted, and tells
// the groups and offsets that Kafka told.
func TestLoadsWhatKafkaWrote(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(nil)
			h.topics[Topic] = catalogEntry{h.topics[Topic].id, 4}
			for _, r := range kafkaRecords(t) {
				b := batch.NewBuilder(batch.Options{})
				b.Append(h.clock.Now(), r.key, r.value, nil)
				v, err := b.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				h.log.AppendRaw(r.partition, v)
			}
			for p := range int32(4) {
				if compacted {
					h.log.Compact(p, nil)
				}
				h.svc.Lead(p, 1)
			}
			synctest.Wait()
			x := &script{do: h.roundTrip}
			x.list(5, nil, nil)
			x.fetch(9, "g", "", [16]byte{}, true)
			x.fetch(9, "retained", "", [16]byte{}, true)
			x.fetch(9, "simple", "", [16]byte{}, true)
			want := `  list v5 [] [] -> ok [g type="consumer" state="Empty" kind="classic"] [old type="connect" state="Empty" kind="classic"] ` +
				`[retained type="" state="Empty" kind="classic"] [st type="consumer" state="Empty" kind="classic"]
  fetch v9 "g" -> top=ok group "g" ok "t" 0=42/-1//ok 1=42/-1/meta/ok
  fetch v9 "retained" -> top=ok group "retained" ok "u" 0=42/-1/meta/ok
  fetch v9 "simple" -> top=ok group "simple" ok
`
			if diff := cmp.Diff(want, x.out.String()); diff != "" {
				t.Fatalf("compacted %v: %s", compacted, diff)
			}
			h.svc.Close()
		})
	}
}

// A member that was loaded may go on; one that does not show up expires.
func TestLoadedMembersKeepTheirSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.InitialRebalanceDelay = 0 })
		h.lead(1)
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version, join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 3, "g", "consumer", 10_000, 10_000
		join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte("m")}}
		resp, err := h.roundTrip(join)
		if err != nil {
			t.Fatal(err)
		}
		member := resp.(*kmsg.JoinGroupResponse).MemberID
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation = "g", member, 1
		sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: member, MemberAssignment: []byte("a")}}
		if _, err := h.roundTrip(sync); err != nil {
			t.Fatal(err)
		}
		h.resign()
		h.lead(2)
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = "g", member, 1
		if c := ask(h.heartbeat, beat).ErrorCode; c != 0 {
			t.Fatalf("heartbeat after the move: %d", c)
		}
		h.clock.Advance(10_000)
		synctest.Wait()
		if l := ask(h.svc.ListGroups, &kmsg.ListGroupsRequest{Version: 4}).Groups; len(l) != 1 || l[0].GroupState != "Empty" {
			t.Fatalf("after the session: %+v", l)
		}
		h.svc.Close()
	})
}
