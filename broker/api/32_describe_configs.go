package api

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs/describe"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Loggers are the log levels that can be read and altered at run time (KIP-412).
// Levels are Kafka's words: TRACE, DEBUG, INFO, WARN, ERROR, FATAL.
type Loggers interface {
	Levels() map[string]string // by logger; the one named root is always there
	SetLevel(logger, level string)
	UnsetLevel(logger string) // back to what root has
}

// DescribeConfigs, versions 1 to 4; see package describe.
func describeConfigsHandler(cluster *Cluster, config *Config, node ids.NodeID, loggers Loggers) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeConfigsRequest) {
		img := cluster.Image()
		n := &describe.Node{ID: node, Layers: config.layers(),
			Topic: func(name string) (map[string]string, bool) {
				return img.Configs.Topic(name), img.Topics.ByName(name) != nil
			},
			Of: func(t kmsg.ConfigResourceType, name string) map[string]string {
				return img.Configs.Of(image.Resource{Type: int8(t), Name: name})
			},
		}
		if loggers != nil {
			n.Levels = loggers.Levels()
		}
		c.Reply(describe.Answer(n, r))
	})
}
