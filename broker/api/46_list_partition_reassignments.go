package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListPartitionReassignments, version 0, is the controller's (KIP-455).
func listPartitionReassignmentsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.ListPartitionReassignmentsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		return resp
	})
}
