package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeAcls, versions 1 to 3: there is no authorizer that would look at
// access control lists, so nobody is told that there are any.
func describeACLsHandler() Handle {
	return Typed(func(c *conn.Call, r *kmsg.DescribeACLsRequest) {
		resp := r.ResponseKind().(*kmsg.DescribeACLsResponse)
		resp.ErrorCode, resp.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr("No Authorizer is configured on the broker")
		c.Reply(resp)
	})
}
