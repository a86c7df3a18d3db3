package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sets changes one key of a resource, removes it if value is nil, and returns the code.
func (e *Env) sets(t *testing.T, res image.Resource, key string, value *string) int16 {
	t.Helper()
	op := kmsg.IncrementalAlterConfigOpSet
	if value == nil {
		op = kmsg.IncrementalAlterConfigOpDelete
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceType(res.Type), ResourceName: res.Name,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: key, Op: op, Value: value}}}}
	d, err := IncrementalAlterConfigs(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	return d.Reply.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode
}

// TestEligibleLeadersAreVoid: they were worked out with the min.insync.replicas that was.
func TestEligibleLeadersAreVoid(t *testing.T) {
	topic, brokers := image.Resource{Type: image.TopicResource, Name: "t"}, image.Resource{Type: image.BrokerResource}
	for _, c := range []struct {
		what  string
		res   image.Resource
		key   string
		value *string
		void  bool
	}{
		{"of the topic", topic, minISRKey, ptr("1"), true},
		{"of the topic, its default", topic, minISRKey, nil, true},
		{"of another topic", image.Resource{Type: image.TopicResource, Name: "exists"}, minISRKey, ptr("1"), false},
		{"of all", brokers, minISRKey, ptr("3"), true},
		{"another key", topic, "retention.ms", ptr("1"), false},
	} {
		e, _ := trio(t, false)
		e.change(t, records.PartitionChangeRecord{Leader: noLeaderChange, LeaderRecoveryState: -1, ISR: []ids.NodeID{1}, EligibleLeaderReplicas: []ids.NodeID{2}})
		if code := e.sets(t, c.res, c.key, c.value); code != 0 || (len(e.only().ELR) == 0) != c.void {
			t.Errorf("%s: code %d %+v", c.what, code, *e.only())
		}
	}
}

// TestEligibleLeadersBegin: from then on min.insync.replicas is the same on all brokers.
func TestEligibleLeadersBegin(t *testing.T) {
	for _, had := range []bool{false, true} {
		e := kafkaLike(t)
		var d Decision
		d.add(&records.FeatureLevelRecord{Name: image.ELRVersionFeature}, 0)
		d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, Name: minISRKey}, 0)
		if had {
			d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, Name: minISRKey, Value: ptr("2")}, 0)
		}
		d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, ResourceName: "1", Name: minISRKey, Value: ptr("3")}, 0)
		d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, ResourceName: "1", Name: "log.retention.ms", Value: ptr("5")}, 0)
		d.add(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "exists", Name: minISRKey, Value: ptr("4")}, 0)
		e.apply(t, d)
		req := kmsg.NewPtrUpdateFeaturesRequest()
		u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		u.Feature, u.MaxVersionLevel, u.UpgradeType = image.ELRVersionFeature, 1, 1
		req.Version, req.FeatureUpdates = 2, []kmsg.UpdateFeaturesRequestFeatureUpdate{u}
		d, err := UpdateFeatures(e, req)
		if err != nil || d.Reply.(*kmsg.UpdateFeaturesResponse).ErrorCode != 0 || !d.Atomic {
			t.Fatalf("%+v %v", d.Reply, err)
		}
		e.apply(t, d)
		all := map[string]string{minISRKey: "1"}
		if had {
			all[minISRKey] = "2"
		}
		of := func(kind int8, name string) map[string]string {
			return e.Image.Configs.Of(image.Resource{Type: kind, Name: name})
		}
		if !e.elr() || !maps.Equal(of(image.BrokerResource, ""), all) || !maps.Equal(of(image.BrokerResource, "1"), map[string]string{"log.retention.ms": "5"}) ||
			of(image.TopicResource, "exists")[minISRKey] != "4" {
			t.Errorf("had %v: all %v, broker 1 %v", had, of(image.BrokerResource, ""), of(image.BrokerResource, "1"))
		}
	}
}

// TestListsAreChanged: what is appended is there once, and what is taken away is as often as
// it is named. A million elements, most of them new, are no work to speak of; compared one by
// one with each other they would keep the controller busy for an hour.
func TestListsAreChanged(t *testing.T) {
	change := func(kind kmsg.IncrementalAlterConfigOp, old, value string) string {
		out, err := changeList(image.Resource{Type: image.TopicResource, Name: "t"},
			&kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "cleanup.policy", Op: kind, Value: &value}, old, true)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const add, take = kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract
	for _, c := range []struct {
		kind             kmsg.IncrementalAlterConfigOp
		old, value, want string
	}{
		{add, "a,b", "b,c,c", "a,b,c"}, {add, "", "a", "a"}, {add, "a,,b", "c,,,", "a,b,c"}, {add, "a", "", "a,"}, {add, "a", ",", "a"}, {add, "a", "b,,c", "a,b,,c"},
		{take, "a,b,a", "a", "b,a"}, {take, "a,b,a", "a,a,a", "b"}, {take, "a", "x,", "a"}, {take, "a,b", "b,a", ""}, {take, "a", ",", "a"},
	} {
		if got := change(c.kind, c.old, c.value); got != c.want {
			t.Errorf("operation %d with %q on %q: %q, not %q", c.kind, c.value, c.old, got, c.want)
		}
	}
	many := make([]string, 1_000_000)
	for i := range many {
		many[i] = fmt.Sprintf("e%07d", i)
	}
	all := strings.Join(many, ",")
	if got := change(add, "e0000000", all); got != all {
		t.Errorf("a million elements became %d bytes of %d", len(got), len(all))
	}
	slices.Reverse(many)
	if got := change(take, all+",left", strings.Join(many, ",")); got != "left" {
		t.Errorf("%.100q is left", got)
	}
}

// TestKeysOfOldVersions: a cluster that began with Apache Kafka 3 may have keys that there
// are no more. They are no reason to refuse a change of others, and can be removed.
func TestKeysOfOldVersions(t *testing.T) {
	for _, c := range []struct {
		res      image.Resource
		old, key string
		value    string
	}{
		{image.Resource{Type: image.TopicResource, Name: "exists"}, "message.format.version", "retention.ms", "5000"},
		{image.Resource{Type: image.GroupResource, Name: "g"}, "old.key", "consumer.session.timeout.ms", "50000"},
		{image.Resource{Type: image.ClientMetricsResource, Name: "m"}, "old.key", "interval.ms", "1000"},
	} {
		e := kafkaLike(t)
		e.apply(t, Decision{Records: []records.Versioned{{Record: &records.ConfigRecord{ResourceType: c.res.Type, ResourceName: c.res.Name, Name: c.old, Value: ptr("2.8")}}}})
		if code := e.sets(t, c.res, c.key, &c.value); code != 0 {
			t.Errorf("%+v: %s is refused with %d", c.res, c.key, code)
		}
		if code := e.sets(t, c.res, c.old, ptr("3.0")); code == 0 {
			t.Errorf("%+v: %s is set", c.res, c.old)
		}
		if code := e.sets(t, c.res, c.old, nil); code != 0 || !maps.Equal(e.Image.Configs.Of(c.res), map[string]string{c.key: c.value}) {
			t.Errorf("%+v: code %d, %v", c.res, code, e.Image.Configs.Of(c.res))
		}
	}
	e := kafkaLike(t)
	if code := e.sets(t, image.Resource{Type: image.TopicResource, Name: "exists"}, "message.format.version", ptr("3.0")); code != kerr.InvalidConfig.Code {
		t.Errorf("a key that is none: %d", code)
	}
}
