package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateAcls, versions 1 to 3, is the controller's.
func createACLsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.CreateACLsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.CreateACLsResponse)
		for range r.Creations {
			resp.Results = append(resp.Results, kmsg.CreateACLsResponseResult{ErrorCode: code, ErrorMessage: text})
		}
		return resp
	})
}
