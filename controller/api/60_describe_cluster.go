package api

import (
	"fmt"
	"math"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Endpoint types of DescribeCluster.
const (
	brokerEndpoints     int8 = 1
	controllerEndpoints int8 = 2
)

// everyOperation are the operations there are on a cluster, as bits: create,
// alter, describe, cluster action, describe and alter configurations,
// idempotent write. Without an authorizer everybody may do them all.
const everyOperation int32 = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12

// describeCluster lists the controllers, for tools that talk to them directly
// (KIP-919): those that registered an endpoint of the listener asked through.
func (s *Server) describeCluster() handle {
	return typed(func(r *request, req *kmsg.DescribeClusterRequest) {
		resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
		img := s.parts.Active.Image()
		if err := checkEndpointType(req, img); err != nil {
			resp.ErrorCode, resp.ErrorMessage = err.Code, text(err)
			r.reply(resp)
			return
		}
		resp.ClusterID, resp.EndpointType = s.parts.Node.ClusterID, controllerEndpoints
		resp.ControllerID, resp.ClusterAuthorizedOperations = -1, math.MinInt32
		if req.IncludeClusterAuthorizedOperations {
			resp.ClusterAuthorizedOperations = everyOperation
		}
		leader := s.parts.Active.Leader().Leader
		img.Cluster.EachController(func(c *image.Controller) bool {
			for _, e := range c.Endpoints {
				if e.Name != r.listener {
					continue
				}
				b := kmsg.NewDescribeClusterResponseBroker()
				b.NodeID, b.Host, b.Port = int32(c.ID), e.Host, int32(e.Port)
				resp.Brokers = append(resp.Brokers, b)
				if c.ID == leader {
					resp.ControllerID = int32(leader)
				}
			}
			return true
		})
		r.reply(resp)
	})
}

func checkEndpointType(req *kmsg.DescribeClusterRequest, img *image.Image) *decide.Error {
	code := func(err *kerr.Error) int16 {
		if req.Version == 0 {
			return kerr.InvalidRequest.Code
		}
		return err.Code
	}
	switch {
	case !img.Features.MetadataVersion().SupportsControllerRegistration():
		return &decide.Error{Code: kerr.UnsupportedVersion.Code, Message: "Direct-to-controller communication is not supported with the current MetadataVersion."}
	case req.EndpointType == controllerEndpoints:
		return nil
	case req.EndpointType == brokerEndpoints || req.Version == 0:
		return &decide.Error{Code: code(kerr.MismatchedEndpointType), Message: "The request was sent to an endpoint of type CONTROLLER, but we wanted an endpoint of type BROKER"}
	}
	return &decide.Error{Code: code(kerr.UnsupportedEndpointType), Message: fmt.Sprintf("Unsupported endpoint type %d", req.EndpointType)}
}
