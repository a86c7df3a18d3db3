package api

import (
	"strconv"
	"sync/atomic"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/configs/describe"
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
	now   atomic.Pointer[layered]
}

// NewConfig makes the configuration of one broker.
func NewConfig(static *configs.Values, node ids.NodeID, img func() *image.Image) *Config {
	return &Config{Static: static, node: node, image: img}
}

// layered is the layers made of one image's configurations.
type layered struct {
	of *image.Configs
	*describe.Layers
}

// Now is the present configuration.
func (c *Config) Now() *configs.Values { return c.layers().Values }

func (c *Config) layers() *describe.Layers {
	of := c.image().Configs
	if l := c.now.Load(); l != nil && l.of == of {
		return l.Layers
	}
	mine := image.Resource{Type: image.BrokerResource, Name: strconv.Itoa(int(c.node))}
	l := &layered{of, describe.NewLayers(c.Static, of.Of(mine), of.Of(image.Resource{Type: image.BrokerResource}))}
	c.now.Store(l)
	return l.Layers
}
