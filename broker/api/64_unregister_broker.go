package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnregisterBroker, version 0, is the controller's (KIP-631).
func unregisterBrokerHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.UnregisterBrokerRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.UnregisterBrokerResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		return resp
	})
}
