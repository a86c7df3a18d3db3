package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions, versions 0 to 3, is the controller's.
func createPartitionsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.CreatePartitionsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.CreatePartitionsResponse)
		for _, t := range r.Topics {
			out := kmsg.NewCreatePartitionsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, code, text
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	})
}
