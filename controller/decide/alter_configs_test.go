package decide

import (
	"maps"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
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
