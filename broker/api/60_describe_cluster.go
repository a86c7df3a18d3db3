package api

import (
	"fmt"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Endpoint types of DescribeCluster.
const (
	brokerEndpoints     = 1
	controllerEndpoints = 2
)

// DescribeCluster, versions 0 to 2: the brokers that have the listener which
// was asked. v1 endpoint type (a controller listener describes controllers),
// v2 fenced brokers.
func describeClusterHandler(cluster *Cluster) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeClusterRequest) { c.Reply(describeCluster(cluster, c.Listener, r)) })
}

func describeCluster(cluster *Cluster, listener string, r *kmsg.DescribeClusterRequest) *kmsg.DescribeClusterResponse {
	resp := r.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.ControllerID = int32(ids.NoNode)
	resp.ClusterAuthorizedOperations = noOperations
	if r.Version >= 1 && r.EndpointType != brokerEndpoints {
		resp.ErrorCode = kerr.UnsupportedEndpointType.Code
		text := fmt.Sprintf("Unsupported endpoint type %d", r.EndpointType)
		if r.EndpointType == controllerEndpoints {
			resp.ErrorCode = kerr.MismatchedEndpointType.Code
			text = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
		}
		resp.ErrorMessage = &text
		return resp
	}
	if r.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	img := cluster.Image()
	v := cluster.view(img, listener)
	controller := v.anyAlive()
	resp.ClusterID = cluster.ID
	img.Cluster.EachBroker(func(b *image.Broker) bool {
		n := v.node(b.ID)
		if !n.reachable || b.Fenced && !r.IncludeFencedBrokers {
			return true
		}
		d := kmsg.NewDescribeClusterResponseBroker()
		d.NodeID, d.Host, d.Port, d.Rack, d.IsFenced = int32(b.ID), n.endpoint.Host, int32(n.endpoint.Port), b.Rack, b.Fenced
		resp.Brokers = append(resp.Brokers, d)
		if b.ID == controller {
			resp.ControllerID = int32(controller)
		}
		return true
	})
	return resp
}
