package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RemoveRaftVoter, version 0, is the quorum's leader's (KIP-853).
func removeRaftVoterHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.RemoveRaftVoterRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.RemoveRaftVoterResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		return resp
	})
}
