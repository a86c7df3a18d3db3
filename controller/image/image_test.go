package image

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// dump is an image in a form that go-cmp can compare. It is written with the
// public accessors only, as a reader sees the image.
type dump struct {
	Levels      map[string]int16
	Brokers     []Broker
	Controllers []Controller
	Topics      []topicDump
	IDs         map[ids.TopicID]string
	Partitions  int
	Configs     map[Resource]map[string]string
	Quotas      []Quota
	Producer    ProducerIDs
	ACLs        []ACL
	Scram       []ScramCredential
	Tokens      []Token
}

type topicDump struct {
	Name       string
	ID         ids.TopicID
	Partitions []Partition
}

func dumpOf(i *Image) dump {
	d := dump{Levels: map[string]int16{}, IDs: map[ids.TopicID]string{}, Configs: map[Resource]map[string]string{}, Partitions: i.Topics.PartitionCount(), Producer: i.ProducerIDs}
	i.Features.Each(func(n string, l int16) bool { d.Levels[n] = l; return true })
	i.Cluster.EachBroker(func(b *Broker) bool { d.Brokers = append(d.Brokers, *b); return true })
	i.Cluster.EachController(func(c *Controller) bool { d.Controllers = append(d.Controllers, *c); return true })
	i.Topics.Each(func(t *Topic) bool {
		td := topicDump{Name: t.Name, ID: t.ID}
		for _, p := range t.Partitions {
			td.Partitions = append(td.Partitions, *p)
		}
		d.Topics = append(d.Topics, td)
		if i.Topics.ByID(t.ID) != t {
			panic("byID disagrees with byName")
		}
		d.IDs[t.ID] = t.Name
		return true
	})
	i.Configs.Each(func(r Resource, m map[string]string) bool { d.Configs[r] = maps.Clone(m); return true })
	i.ClientQuotas.Each(func(q *Quota) bool { d.Quotas = append(d.Quotas, *q); return true })
	i.ACLs.Each(func(a *ACL) bool { d.ACLs = append(d.ACLs, *a); return true })
	i.Scram.Each(func(c *ScramCredential) bool { d.Scram = append(d.Scram, *c); return true })
	i.Tokens.Each(func(x *Token) bool { d.Tokens = append(d.Tokens, *x); return true })
	return d
}

func mustReplay(t testing.TB, d *Delta, recs ...records.Record) {
	t.Helper()
	for _, r := range recs {
		if err := d.Replay(r); err != nil {
			t.Fatalf("replay %T: %v", r, err)
		}
	}
}

// copied sends a record through its bytes, as the log does, so that nothing is
// shared between the images of a test.
func copied(t testing.TB, v records.Versioned) records.Record {
	t.Helper()
	rec, version, err := records.Parse(v.Append(nil))
	if err != nil || version != v.Version {
		t.Fatalf("%T version %d: %v", v.Record, v.Version, err)
	}
	return rec
}

func snapshotOnto(t testing.TB, base, img *Image) (*Delta, *Image) {
	t.Helper()
	l := NewLoader(base)
	for v := range img.Records() {
		if err := l.Add(v.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := l.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return d, d.Apply(img.Provenance)
}

// TestReplayInAnyGrouping: random records replayed one by one, in one delta, and
// in random groups give the same image; every image on the way stays as it was;
// a snapshot of it is the same image again; and the step from any older image
// to the snapshot shows exactly what differs.
func TestReplayInAnyGrouping(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		base := Empty()
		var log []records.Versioned
		for n := rapid.IntRange(1, 40).Draw(rt, "n"); n > 0; n-- {
			log = append(log, w.step()...)
		}
		whole := NewDelta(base)
		img := base
		var images []*Image
		var dumps []dump
		for at := 0; at < len(log); {
			size := min(rapid.IntRange(1, 7).Draw(rt, "group"), len(log)-at)
			d := NewDelta(img)
			for _, v := range log[at : at+size] {
				mustReplay(t, d, copied(t, v))
				mustReplay(t, whole, copied(t, v))
			}
			at += size
			images, dumps = append(images, img), append(dumps, dumpOf(img))
			next := d.Apply(Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(at)}})
			checkDelta(t, d, img, next)
			img = next
		}
		if diff := cmp.Diff(dumpOf(whole.Apply(img.Provenance)), dumpOf(img)); diff != "" {
			rt.Fatalf("one delta and many differ:\n%s", diff)
		}
		for i := range images {
			if diff := cmp.Diff(dumps[i], dumpOf(images[i])); diff != "" {
				rt.Fatalf("image %d was changed by a later delta:\n%s", i, diff)
			}
		}
		old := images[rapid.IntRange(0, len(images)-1).Draw(rt, "old")]
		d, again := snapshotOnto(t, old, img)
		if diff := cmp.Diff(dumpOf(img), dumpOf(again)); diff != "" {
			rt.Fatalf("snapshot differs:\n%s", diff)
		}
		checkDelta(t, d, old, again)
	})
}

// checkDelta compares what a delta says with the two images themselves.
func checkDelta(t testing.TB, d *Delta, old, now *Image) {
	t.Helper()
	changed, deleted := map[ids.TopicID]TopicChange{}, map[ids.TopicID]bool{}
	if td := d.Topics(); td != nil {
		if !slices.IsSortedFunc(td.Changed, func(a, b TopicChange) int { return cmpString(a.New.Name, b.New.Name) }) {
			t.Fatal("changed topics are not sorted")
		}
		for _, c := range td.Changed {
			changed[c.New.ID] = c
		}
		for _, x := range td.Deleted {
			deleted[x.ID] = true
		}
	}
	old.Topics.Each(func(o *Topic) bool {
		n := now.Topics.ByID(o.ID)
		if (n == nil) != deleted[o.ID] {
			t.Fatalf("topic %s: deleted %v", o.Name, deleted[o.ID])
		}
		if n != nil && n != o && changed[o.ID].New != n {
			t.Fatalf("topic %s changed unseen", o.Name)
		}
		return true
	})
	now.Topics.Each(func(n *Topic) bool {
		o, c := old.Topics.ByID(n.ID), changed[n.ID]
		if o == nil && (c.New != n || c.Old != nil) {
			t.Fatalf("topic %s created unseen", n.Name)
		}
		seen := map[int32]bool{}
		for _, p := range c.Partitions {
			seen[p.Index] = true
			if p.New != n.Partition(p.Index) || p.Old != o.maybe(p.Index) {
				t.Fatalf("%s-%d: wrong change", n.Name, p.Index)
			}
		}
		for i, p := range n.Partitions {
			if same := o.maybe(int32(i)) == p; same == seen[int32(i)] {
				t.Fatalf("%s-%d: same %v, told %v", n.Name, i, same, seen[int32(i)])
			}
		}
		return true
	})
}

func (t *Topic) maybe(i int32) *Partition {
	if t == nil {
		return nil
	}
	return t.Partition(i)
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestRefusesWhatCannotBe(t *testing.T) {
	id, other := ids.TopicID{1}, ids.TopicID{2}
	for name, recs := range map[string][]records.Record{
		"partition of no topic":    {&records.PartitionRecord{TopicID: other}},
		"change of no topic":       {&records.PartitionChangeRecord{TopicID: other}},
		"change of no partition":   {&records.PartitionChangeRecord{TopicID: id, PartitionID: 1}},
		"negative partition":       {&records.PartitionRecord{TopicID: id, PartitionID: -1}},
		"partition with a gap":     {&records.PartitionRecord{TopicID: id, PartitionID: 2}},
		"topic twice":              {&records.TopicRecord{Name: "b", TopicID: id}},
		"name twice":               {&records.TopicRecord{Name: "a", TopicID: other}},
		"removal of no topic":      {&records.RemoveTopicRecord{TopicID: other}},
		"removal twice":            {&records.RemoveTopicRecord{TopicID: id}, &records.RemoveTopicRecord{TopicID: id}},
		"directories do not match": {&records.PartitionRecord{TopicID: id, PartitionID: 1, Directories: []ids.DirectoryID{{1}}}},
		"recovery state":           {&records.PartitionChangeRecord{TopicID: id, LeaderRecoveryState: 7}},
		"eligible leaders":         {&records.ClearELRRecord{TopicName: "nope"}},
		"fence nobody":             {&records.FenceBrokerRecord{ID: 9}},
		"unfence another epoch":    {&records.UnfenceBrokerRecord{ID: 1, Epoch: 4}},
		"unregister nobody":        {&records.UnregisterBrokerRecord{BrokerID: 9}},
		"fenced twice over":        {&records.BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 3, Fenced: 2}},
		"unknown metadata.version": {&records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: 31}},
		"negative level":           {&records.FeatureLevelRecord{Name: "x", FeatureLevel: -1}},
		"producer ids back":        {&records.ProducerIDsRecord{NextProducerID: 5}, &records.ProducerIDsRecord{NextProducerID: 4}},
		"no such ACL":              {&records.RemoveAccessControlEntryRecord{}},
		"no such credential":       {&records.RemoveUserScramCredentialRecord{Name: "x", Mechanism: 1}},
		"no such mechanism":        {&records.UserScramCredentialRecord{Name: "x", Mechanism: 3}},
		"no such token":            {&records.RemoveDelegationTokenRecord{TokenID: "x"}},
		"quota entity twice":       {&records.ClientQuotaRecord{Entity: []records.EntityData{{EntityType: "user"}, {EntityType: "user"}}}},
	} {
		d := NewDelta(Empty())
		mustReplay(t, d, &records.TopicRecord{Name: "a", TopicID: id}, &records.PartitionRecord{TopicID: id, Replicas: []ids.NodeID{1}},
			&records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 3})
		for i, r := range recs {
			if err := d.Replay(r); (err != nil) != (i == len(recs)-1) {
				t.Errorf("%s: record %d: %v", name, i, err)
			}
		}
	}
}

// TestKRaftVersionIsTheQuorums: Apache Kafka 4.0 formatted folders with a level of
// kraft.version among the metadata, which says nothing (KAFKA-18979).
func TestKRaftVersionIsTheQuorums(t *testing.T) {
	for name, d := range map[string]*Delta{"log": NewDelta(Empty()), "snapshot": NewSnapshotDelta(Empty())} {
		mustReplay(t, d, &records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: int16(LatestMetadataVersion)},
			&records.FeatureLevelRecord{Name: KRaftVersionFeature, FeatureLevel: 1})
		img := d.Apply(Provenance{})
		if got := dumpOf(img).Levels; len(got) != 1 || got[MetadataVersionFeature] != int16(LatestMetadataVersion) {
			t.Errorf("%s: %v", name, got)
		}
		for v := range img.Records() {
			if r, ok := v.Record.(*records.FeatureLevelRecord); ok && r.Name == KRaftVersionFeature {
				t.Errorf("%s: a snapshot of it says %+v", name, *r)
			}
		}
	}
}

func TestDeletedAndCreatedAgain(t *testing.T) {
	a, b := ids.TopicID{1}, ids.TopicID{2}
	v := "1"
	d := NewDelta(Empty())
	mustReplay(t, d, &records.TopicRecord{Name: "x", TopicID: a}, &records.ConfigRecord{ResourceType: TopicResource, ResourceName: "x", Name: "k", Value: &v},
		&records.PartitionRecord{TopicID: a, Replicas: []ids.NodeID{1}, ISR: []ids.NodeID{1}, Leader: 1})
	img := d.Apply(Provenance{})
	d = NewDelta(img)
	mustReplay(t, d, &records.RemoveTopicRecord{TopicID: a}, &records.TopicRecord{Name: "x", TopicID: b},
		&records.PartitionRecord{TopicID: b, Replicas: []ids.NodeID{2}, ISR: []ids.NodeID{2}, Leader: 2})
	now := d.Apply(Provenance{})
	td := d.Topics()
	if len(td.Deleted) != 1 || td.Deleted[0].ID != a || len(td.Changed) != 1 || td.Changed[0].New.ID != b || td.Changed[0].Old != nil {
		t.Fatalf("delta: %+v", td)
	}
	if now.Topics.ByName("x").ID != b || now.Topics.ByID(a) != nil || now.Configs.Topic("x") != nil || now.Topics.PartitionCount() != 1 {
		t.Fatal("image after deletion and creation")
	}
	one, two := td.Local(1), td.Local(2)
	if len(one.Deleted) != 1 || len(one.Leaders) != 0 || len(two.Leaders) != 1 || len(two.Deleted) != 0 {
		t.Fatalf("local changes: %+v %+v", one, two)
	}
}

func TestSnapshotPartitionsOutOfOrder(t *testing.T) {
	id := ids.TopicID{1}
	d := NewSnapshotDelta(Empty())
	mustReplay(t, d, &records.TopicRecord{Name: "x", TopicID: id}, &records.PartitionRecord{TopicID: id, PartitionID: 1, LeaderEpoch: 7})
	if err := NewSnapshotDelta(Empty()).FinishSnapshot(); err != nil {
		t.Fatal(err)
	}
	if err := d.FinishSnapshot(); err == nil {
		t.Fatal("a snapshot without partition 0 must be refused")
	}
	mustReplay(t, d, &records.PartitionRecord{TopicID: id, PartitionID: 0, LeaderEpoch: 6})
	if err := d.FinishSnapshot(); err != nil {
		t.Fatal(err)
	}
	topic := d.Apply(Provenance{}).Topics.ByID(id)
	if len(topic.Partitions) != 2 || topic.Partitions[0].LeaderEpoch != 6 || topic.Partitions[1].LeaderEpoch != 7 {
		t.Fatalf("%+v", topic)
	}
}

func TestFeatureTableIsThatOfKafka(t *testing.T) {
	got := fmt.Sprint(DefaultFeatureLevels(LatestMetadataVersion), DefaultFeatureLevels(MinMetadataVersion), DefaultFeatureLevels(25))
	// kafka-storage.sh format and kafka-features.sh version-mapping of 4.3.1.
	want := "[{eligible.leader.replicas.version 1} {group.version 1} {share.version 1} {streams.version 1} {transaction.version 2}] [] [{group.version 1} {transaction.version 2}]"
	if got != want {
		t.Fatalf("\n%s\n%s", got, want)
	}
	for text, want := range map[string]MetadataVersion{"4.3-IV0": 30, "4.3": 30, "4.3.1": 30, "3.7": 19, "3.7-IV1": 16, "3.3": 7} {
		if v, err := ParseMetadataVersion(text); err != nil || v != want {
			t.Errorf("%s: %v %v", text, v, err)
		}
	}
	for _, bad := range []string{"4.4", "3.2", "", "4", "x.y.z", "4.3-IV"} {
		if v, err := ParseMetadataVersion(bad); err == nil {
			t.Errorf("%q parsed as %v", bad, v)
		}
	}
	if MetadataVersion(29).LosesMetadata(24) || !MetadataVersion(30).LosesMetadata(29) || !MetadataVersion(23).LosesMetadata(22) {
		t.Error("which downgrades lose metadata")
	}
}
