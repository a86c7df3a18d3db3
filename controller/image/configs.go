package image

import (
	"maps"

	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
)

// Resource types as on the wire.
const (
	TopicResource         int8 = 2
	BrokerResource        int8 = 4
	BrokerLoggerResource  int8 = 8
	ClientMetricsResource int8 = 16
	GroupResource         int8 = 32
)

// Resource is what a configuration belongs to. The broker resource with an
// empty name holds the cluster-wide defaults.
type Resource struct {
	Type int8
	Name string
}

func (r Resource) key() string { return string([]byte{byte(r.Type)}) + r.Name }

func resourceOf(key string) Resource { return Resource{Type: int8(key[0]), Name: key[1:]} }

// Configs are the dynamic configurations of all resources. The zero value is empty.
type Configs struct {
	byResource btree.Map[string, map[string]string]
}

// Of returns the dynamic values of a resource; nil when it has none. The map is
// read-only.
func (c *Configs) Of(r Resource) map[string]string {
	m, _ := c.byResource.Get(r.key())
	return m
}

// Topic returns the overrides of a topic; the map is read-only.
func (c *Configs) Topic(name string) map[string]string {
	return c.Of(Resource{TopicResource, name})
}

// Each goes through all resources that have at least one value, by type and
// name, until f returns false.
func (c *Configs) Each(f func(Resource, map[string]string) bool) {
	c.byResource.Scan(func(k string, m map[string]string) bool { return f(resourceOf(k), m) })
}

// Len is the number of resources with at least one value.
func (c *Configs) Len() int { return c.byResource.Len() }

// replayConfig sets or removes one value. Keys are not checked: a log may hold
// keys of other versions.
func (d *Delta) replayConfig(r *records.ConfigRecord) error {
	k := Resource{r.ResourceType, r.ResourceName}.key()
	m, ours := d.values.edited(k)
	if !ours {
		m = map[string]string{}
		if old, ok := d.base.Configs.byResource.Get(k); ok && !d.snapshot && !d.values.touched(k) {
			m = maps.Clone(old)
		}
		d.values.set(k, m)
	}
	if r.Value == nil {
		delete(m, r.Name)
	} else {
		m[r.Name] = *r.Value
	}
	return nil
}
