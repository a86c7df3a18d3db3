package api

import (
	"maps"
	"strconv"
	"sync/atomic"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/configs/describe"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Config is the broker's configuration as it is now: what it was started with,
// under the dynamic configuration in the cluster's image. It is made anew only
// when the overrides for brokers change: topics have theirs changed all the time.
type Config struct {
	// Static is what the broker was started with.
	Static *configs.Values

	node  ids.NodeID
	image func() *image.Image
	now   atomic.Pointer[layered]
}

// NewConfig makes the configuration of one broker.
func NewConfig(static *configs.Values, node ids.NodeID, img func() *image.Image) *Config {
	return &Config{Static: static, node: node, image: img}
}

// layered is the layers made of one image's configurations, and the overrides for
// this broker and for all brokers that were among them.
type layered struct {
	of        *image.Configs
	mine, all map[string]string
	*describe.Layers
}

// Now is the present configuration.
func (c *Config) Now() *configs.Values { return c.layers().Values }

func (c *Config) layers() *describe.Layers {
	of := c.image().Configs
	last := c.now.Load()
	if last != nil && last.of == of {
		return last.Layers
	}
	l := &layered{of: of, mine: of.Of(image.Resource{Type: image.BrokerResource, Name: strconv.Itoa(int(c.node))}),
		all: of.Of(image.Resource{Type: image.BrokerResource})}
	if last != nil && maps.Equal(l.mine, last.mine) && maps.Equal(l.all, last.all) {
		l.Layers = last.Layers
	} else {
		l.Layers = describe.NewLayers(c.Static, l.mine, l.all)
	}
	c.now.Store(l)
	return l.Layers
}
