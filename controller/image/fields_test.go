package image

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// fullRecords is a snapshot, in the order in which one is written, that has something in every
// field which a snapshot keeps.
func fullRecords() []records.Versioned {
	v := func(r records.Record, version int16) records.Versioned {
		return records.Versioned{Record: r, Version: version}
	}
	topic, text, name := ids.TopicID{7, 15: 1}, "1", "alice"
	broker := &records.RegisterBrokerRecord{BrokerID: 3, IncarnationID: ids.UUID{1, 15: 2}, BrokerEpoch: 9, Rack: &text, Fenced: true, InControlledShutdown: true,
		EndPoints: []records.BrokerEndpoint{{Name: "SSL", Host: "b", Port: 65535, SecurityProtocol: SSL}, {Name: "A", Host: "a", Port: 9, SecurityProtocol: SASLSSL}},
		Features:  []records.BrokerFeature{{Name: "a", MinSupportedVersion: 1, MaxSupportedVersion: 2}, {Name: "b", MinSupportedVersion: 3, MaxSupportedVersion: 4}},
		LogDirs:   []ids.DirectoryID{{1}, {2}}, CordonedLogDirs: []ids.DirectoryID{{2}}}
	controller := &records.RegisterControllerRecord{ControllerID: 4, IncarnationID: ids.UUID{3, 15: 4}, ZKMigrationReady: true,
		EndPoints: []records.ControllerEndpoint{{Name: "C", Host: "c", Port: 9093, SecurityProtocol: SASLPlaintext}},
		Features:  []records.ControllerFeature{{Name: "a", MinSupportedVersion: 1, MaxSupportedVersion: 2}}}
	partition := &records.PartitionRecord{TopicID: topic, Replicas: []ids.NodeID{1, 2, 3}, ISR: []ids.NodeID{2}, RemovingReplicas: []ids.NodeID{1}, AddingReplicas: []ids.NodeID{3},
		Leader: 2, LeaderRecoveryState: 1, LeaderEpoch: 5, PartitionEpoch: 6, Directories: []ids.DirectoryID{{1}, {2}, {3}},
		EligibleLeaderReplicas: []ids.NodeID{3}, LastKnownELR: []ids.NodeID{1}}
	second := *partition
	second.PartitionID = 1
	return []records.Versioned{
		v(&records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: int16(LatestMetadataVersion)}, 0),
		v(&records.FeatureLevelRecord{Name: ELRVersionFeature, FeatureLevel: 1}, 0),
		v(broker, 4), v(controller, 0),
		v(&records.TopicRecord{Name: "t", TopicID: topic}, 0), v(partition, 2), v(&second, 2),
		v(&records.ConfigRecord{ResourceType: TopicResource, ResourceName: "t", Name: "retention.ms", Value: &text}, 0),
		v(&records.ConfigRecord{ResourceType: BrokerResource, ResourceName: "3", Name: "log.cleaner.threads", Value: &text}, 0),
		v(&records.ClientQuotaRecord{Entity: []records.EntityData{{EntityType: "client-id"}, {EntityType: "user", EntityName: &name}}, Key: "consumer_byte_rate", Value: 1.5}, 0),
		v(&records.ProducerIDsRecord{BrokerID: ids.NoNode, BrokerEpoch: -1, NextProducerID: 4000}, 0),
		v(&records.AccessControlEntryRecord{ID: ids.UUID{5}, ResourceType: 2, ResourceName: "t", PatternType: 3, Principal: "User:a", Host: "*", Operation: 4, PermissionType: 3}, 0),
		v(&records.UserScramCredentialRecord{Name: "u", Mechanism: ScramSHA512, Salt: []byte{1}, StoredKey: []byte{2}, ServerKey: []byte{3}, Iterations: 8192}, 0),
		v(&records.DelegationTokenRecord{Owner: "User:o", Requester: "User:r", Renewers: []string{"User:x", "User:y"}, IssueTimestamp: 1, MaxTimestamp: 3, ExpirationTimestamp: 2, TokenID: "k"}, 0),
	}
}

// notKept are the fields that no snapshot has: ZooKeeper is gone, removals are done, and who
// asked for producer ids does not matter.
var notKept = map[string]bool{"RegisterBrokerRecord.IsMigratingZKBroker": true, "ClientQuotaRecord.Remove": true}

// TestSnapshotKeepsEveryField: what goes into an image comes out of it, field for field, also of
// what is not enforced here.
func TestSnapshotKeepsEveryField(t *testing.T) {
	want := fullRecords()
	fields := map[string]bool{}
	for _, v := range want {
		s := reflect.ValueOf(v.Record).Elem()
		for i := range s.NumField() {
			name := s.Type().Name() + "." + s.Type().Field(i).Name
			fields[name] = fields[name] || !s.Field(i).IsZero()
		}
	}
	for name, filled := range fields {
		if !filled && !notKept[name] {
			t.Errorf("%s is empty", name)
		}
	}
	d := NewDelta(Empty())
	for _, v := range want {
		mustReplay(t, d, copied(t, v))
	}
	img := d.Apply(Provenance{})
	_, again := snapshotOnto(t, Empty(), img)
	for name, i := range map[string]*Image{"of the log": img, "of a snapshot": again} {
		var got []records.Versioned
		for v := range i.Records() {
			got = append(got, records.Versioned{Record: copied(t, v), Version: v.Version})
		}
		for j := range want {
			want[j].Record = copied(t, want[j]) // nil and empty alike
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("image %s (-put in +taken out):\n%s", name, diff)
		}
	}
}

// TestSnapshotOntoAnotherImage: a snapshot that differs from the image before it in any one
// field leaves nothing of that.
func TestSnapshotOntoAnotherImage(t *testing.T) {
	full := NewDelta(Empty())
	for _, v := range fullRecords() {
		mustReplay(t, full, copied(t, v))
	}
	base := full.Apply(Provenance{})
	tried := 0
	for i, v := range fullRecords() {
		switch v.Record.(type) {
		case *records.FeatureLevelRecord, *records.TopicRecord: // of the first the others depend; a topic keeps its name
			continue
		}
		for f := range reflect.TypeOf(v.Record).Elem().NumField() {
			changed := fullRecords()
			alter(reflect.ValueOf(changed[i].Record).Elem().Field(f))
			d := NewDelta(Empty())
			var err error
			for _, v := range changed {
				if err == nil {
					err = d.Replay(copied(t, v))
				}
			}
			if err != nil {
				continue // the field ties records together
			}
			tried++
			img := d.Apply(Provenance{})
			_, again := snapshotOnto(t, base, img)
			if diff := cmp.Diff(dumpOf(img), dumpOf(again)); diff != "" {
				t.Errorf("%T.%s (-snapshot +loaded):\n%s", v.Record, reflect.TypeOf(v.Record).Elem().Field(f).Name, diff)
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// alter gives a field another value.
func alter(f reflect.Value) {
	switch f.Kind() {
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.SetInt(f.Int() ^ 1)
	case reflect.Uint16:
		f.SetUint(f.Uint() ^ 1)
	case reflect.Float64:
		f.SetFloat(f.Float() + 1)
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Array:
		alterByte(f.Index(f.Len() - 1))
	case reflect.Uint8:
		alterByte(f)
	case reflect.Struct:
		alter(f.Field(f.NumField() - 1))
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
	case reflect.Slice:
		if f.Len() > 0 {
			c := reflect.MakeSlice(f.Type(), f.Len(), f.Len())
			reflect.Copy(c, f)
			alter(c.Index(f.Len() - 1))
			f.Set(c)
		}
	default:
		panic(f.Kind())
	}
}

func alterByte(f reflect.Value) { f.SetUint(f.Uint() ^ 128) }
