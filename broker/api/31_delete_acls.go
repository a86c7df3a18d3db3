package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteAcls, versions 1 to 3, is the controller's.
func deleteACLsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.DeleteACLsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.DeleteACLsResponse)
		for range r.Filters {
			resp.Results = append(resp.Results, kmsg.DeleteACLsResponseResult{ErrorCode: code, ErrorMessage: text})
		}
		return resp
	})
}
