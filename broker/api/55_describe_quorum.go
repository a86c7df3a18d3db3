package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeQuorum, versions 0 to 2, is the controller's: only the leader of the
// metadata quorum knows how far its followers are.
func describeQuorumHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.DescribeQuorumRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.DescribeQuorumResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		return resp
	})
}
