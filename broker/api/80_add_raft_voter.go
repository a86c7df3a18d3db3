package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AddRaftVoter, versions 0 and 1, is the quorum's leader's (KIP-853). v1 may be
// answered before the new set of voters is committed.
func addRaftVoterHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.AddRaftVoterRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.AddRaftVoterResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		return resp
	})
}
