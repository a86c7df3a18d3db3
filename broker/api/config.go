package api

import (
	"strconv"
	"sync/atomic"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Config is the broker's configuration as it is now: what it was started with,
// under the dynamic configuration in the cluster's image. It is made anew only
// when the image's configurations change.
type Config struct {
	// Static is what the broker was started with.
	Static *configs.Values

	node  ids.NodeID
	image func() *image.Image
	now   atomic.Pointer[configLayers]
}

// NewConfig makes the configuration of one broker.
func NewConfig(static *configs.Values, node ids.NodeID, img func() *image.Image) *Config {
	return &Config{Static: static, node: node, image: img}
}

// configLayers is a configuration and what it is made of, strongest first.
type configLayers struct {
	of              *image.Configs
	broker, cluster map[string]string // dynamic, of this broker and the cluster's default; read-only
	values          *configs.Values
	topic, group    *configs.Values // defaults of resources
}

// Now is the present configuration.
func (c *Config) Now() *configs.Values { return c.layers().values }

func (c *Config) layers() *configLayers {
	of := c.image().Configs
	if l := c.now.Load(); l != nil && l.of == of {
		return l
	}
	l := &configLayers{
		of:      of,
		broker:  usable(of.Of(c.brokerResource()), true),
		cluster: usable(of.Of(image.Resource{Type: image.BrokerResource}), false),
	}
	l.values = c.Static.Overlay(l.cluster, l.broker)
	l.topic = configs.ResolveDefaults(configs.Topic, l.values)
	l.group = configs.ResolveDefaults(configs.Group, l.values)
	c.now.Store(l)
	return l
}

func (c *Config) brokerResource() image.Resource {
	return image.Resource{Type: image.BrokerResource, Name: strconv.Itoa(int(c.node))}
}

// usable leaves out what has no effect: values that do not parse, keys that are
// read-only, and keys of single brokers in the cluster's default.
func usable(props map[string]string, perBroker bool) map[string]string {
	out := make(map[string]string, len(props))
	for name, raw := range props {
		d, known := configs.Lookup(configs.Broker, name)
		if known {
			_, err := d.ParseAs(name, raw)
			if err != nil || d.Mode == configs.ReadOnly || d.Mode == configs.PerBroker && !perBroker {
				continue
			}
		}
		out[name] = raw
	}
	return out
}
