package api

import (
	"strconv"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs/describe"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// layered is this node's configuration under one image's.
type layered struct {
	of *image.Configs
	*describe.Layers
}

// describeConfigs answers for this controller's own configuration and for the
// dynamic configuration of everything else that has one: for tools that talk
// to controllers directly (KIP-919).
func (s *Server) describeConfigs() handle {
	return typed(func(r *request, req *kmsg.DescribeConfigsRequest) {
		img := s.parts.Active.Image()
		n := &describe.Node{ID: s.parts.Node.ID, Layers: s.layers(img.Configs),
			Topic: func(name string) (map[string]string, bool) {
				return img.Configs.Topic(name), img.Topics.ByName(name) != nil
			},
			Of: func(t kmsg.ConfigResourceType, name string) map[string]string {
				return img.Configs.Of(image.Resource{Type: int8(t), Name: name})
			},
		}
		r.reply(describe.Answer(n, req))
	})
}

func (s *Server) layers(of *image.Configs) *describe.Layers {
	if l := s.configured.Load(); l != nil && l.of == of {
		return l.Layers
	}
	mine := image.Resource{Type: image.BrokerResource, Name: strconv.Itoa(int(s.parts.Node.ID))}
	l := &layered{of, describe.NewLayers(s.parts.Node.Config, of.Of(mine), of.Of(image.Resource{Type: image.BrokerResource}))}
	s.configured.Store(l)
	return l.Layers
}
