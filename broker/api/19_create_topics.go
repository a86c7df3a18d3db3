package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopics, versions 2 to 7, is the controller's.
func createTopicsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.CreateTopicsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, t := range r.Topics {
			out := kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, code, text
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	})
}
