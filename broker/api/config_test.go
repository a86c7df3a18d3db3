package api

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
)

// The configuration changes with an override for brokers, and not with one for a
// topic: whoever follows it looks at every topic when it changes.
func TestConfigChangesWithBrokersOnly(t *testing.T) {
	static, err := configs.Resolve(kafkaProps)
	if err != nil {
		t.Fatal(err)
	}
	img := image.Empty()
	c := NewConfig(static, 1, func() *image.Image { return img })
	set := func(kind int8, resource, name, value string) *configs.Values {
		d := image.NewDelta(img)
		if err := d.Replay(&records.ConfigRecord{ResourceType: kind, ResourceName: resource, Name: name, Value: &value}); err != nil {
			t.Fatal(err)
		}
		img = d.Apply(image.Provenance{})
		return c.Now()
	}
	before := c.Now()
	if now := set(image.TopicResource, "t", "retention.ms", "1000"); now != before {
		t.Error("a topic's override made a new configuration")
	}
	for _, resource := range []string{"", "1"} {
		now := set(image.BrokerResource, resource, "log.retention.ms", "100"+resource)
		if now == before || now.Long("log.retention.ms") == before.Long("log.retention.ms") {
			t.Errorf("override for broker %q: %d", resource, now.Long("log.retention.ms"))
		}
		before = now
	}
	if now := set(image.BrokerResource, "2", "log.retention.ms", "5"); now != before {
		t.Error("another broker's override made a new configuration")
	}
}
