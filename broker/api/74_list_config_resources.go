package api

import (
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListConfigResources, versions 0 and 1. v0 knows client-metrics subscriptions
// only, v1 all resources that can have a configuration (KIP-1142).
func listConfigResourcesHandler(cluster *Cluster) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.ListConfigResourcesRequest) {
		c.Reply(listConfigResources(cluster.Image(), c.Listener, r))
	})
}

// listedTypes are the types in the order of the answer.
var listedTypes = []int8{image.GroupResource, image.ClientMetricsResource, image.BrokerLoggerResource, image.BrokerResource, image.TopicResource}

func listConfigResources(img *image.Image, listener string, r *kmsg.ListConfigResourcesRequest) *kmsg.ListConfigResourcesResponse {
	resp := r.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	types := r.ResourceTypes
	if r.Version == 0 {
		types = []int8{image.ClientMetricsResource}
	} else if len(types) == 0 {
		types = listedTypes
	}
	for _, t := range types {
		if !slices.Contains(listedTypes, t) {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
	}
	for _, t := range listedTypes {
		if !slices.Contains(types, t) {
			continue
		}
		eachResource(img, listener, t, func(name string) {
			c := kmsg.NewListConfigResourcesResponseConfigResource()
			c.Name, c.Type = name, t
			resp.ConfigResources = append(resp.ConfigResources, c)
		})
	}
	return resp
}

func eachResource(img *image.Image, listener string, typ int8, f func(name string)) {
	switch typ {
	case image.TopicResource:
		img.Topics.Each(func(t *image.Topic) bool {
			f(t.Name)
			return true
		})
	case image.BrokerResource, image.BrokerLoggerResource:
		img.Cluster.EachBroker(func(b *image.Broker) bool {
			if _, ok := b.Endpoint(listener); ok {
				f(strconv.Itoa(int(b.ID)))
			}
			return true
		})
	default:
		img.Configs.Each(func(r image.Resource, _ map[string]string) bool {
			if r.Type == typ {
				f(r.Name)
			}
			return true
		})
	}
}
