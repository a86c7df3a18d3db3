package image

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// FuzzReplay replays arbitrary bytes as records, each led by its length, into a
// log delta and a snapshot delta: no panic, no change to the base image, and what is
// accepted can be written and read again.
func FuzzReplay(f *testing.F) {
	seed := func(recs ...records.Versioned) {
		var b []byte
		for _, v := range recs {
			raw := v.Append(nil)
			b = append(append(b, byte(len(raw)>>8), byte(len(raw))), raw...)
		}
		f.Add(b)
	}
	id := ids.TopicID{7}
	value := "1"
	seed(records.Versioned{Record: &records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: 30}},
		records.Versioned{Record: &records.TopicRecord{Name: "a.b", TopicID: id}},
		records.Versioned{Record: &records.PartitionRecord{TopicID: id, Replicas: []ids.NodeID{1}, ISR: []ids.NodeID{1}, Leader: 1, Directories: []ids.DirectoryID{{3}}}, Version: 2},
		records.Versioned{Record: &records.PartitionChangeRecord{TopicID: id, Leader: -1, LeaderRecoveryState: 1, LastKnownELR: []ids.NodeID{1}}, Version: 2})
	seed(records.Versioned{Record: &records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 5, Fenced: true}, Version: 4},
		records.Versioned{Record: &records.BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 5, Fenced: -1}, Version: 3},
		records.Versioned{Record: &records.ConfigRecord{ResourceType: 2, ResourceName: "a.b", Name: "x", Value: &value}},
		records.Versioned{Record: &records.ClearELRRecord{}})
	seed(records.Versioned{Record: &records.ClientQuotaRecord{Entity: []records.EntityData{{EntityType: "user"}}, Key: "k", Value: 2}},
		records.Versioned{Record: &records.UserScramCredentialRecord{Name: "u", Mechanism: 1, Salt: []byte{1}}},
		records.Versioned{Record: &records.DelegationTokenRecord{TokenID: "t"}}, records.Versioned{Record: &records.AccessControlEntryRecord{ID: ids.UUID{1}}},
		records.Versioned{Record: &records.ProducerIDsRecord{NextProducerID: 1000}})
	base := large(f, 2, 2)
	before := dumpOf(base)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range []*Delta{NewDelta(base), NewSnapshotDelta(base)} {
			replayAll(d, b)
			if d.IsSnapshot() && d.FinishSnapshot() != nil {
				continue
			}
			img := d.Apply(Provenance{})
			if diff := cmp.Diff(before, dumpOf(base)); diff != "" {
				t.Fatalf("the base image changed:\n%s", diff)
			}
			if img.Features.MetadataVersion() == LatestMetadataVersion && img.Features.ELR() {
				if _, again := snapshotOnto(t, base, img); !cmp.Equal(dumpOf(img), dumpOf(again)) {
					t.Fatalf("written and read again:\n%s", cmp.Diff(dumpOf(img), dumpOf(again)))
				}
			}
		}
	})
}

func replayAll(d *Delta, b []byte) {
	for len(b) >= 2 {
		n := min(int(b[0])<<8|int(b[1]), len(b)-2)
		if rec, _, err := records.Parse(b[2 : 2+n]); err == nil {
			_ = d.Replay(rec)
		}
		b = b[2+n:]
	}
}
