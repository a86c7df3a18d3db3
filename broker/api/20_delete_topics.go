package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics, versions 1 to 6, is the controller's. From version 6 on topics
// may be named by id.
func deleteTopicsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.DeleteTopicsRequest, code int16, _ *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.DeleteTopicsResponse)
		add := func(name *string, id [16]byte) {
			out := kmsg.NewDeleteTopicsResponseTopic()
			out.Topic, out.TopicID, out.ErrorCode = name, id, code
			resp.Topics = append(resp.Topics, out)
		}
		for i := range r.TopicNames {
			add(&r.TopicNames[i], [16]byte{})
		}
		for _, t := range r.Topics {
			add(t.Topic, t.TopicID)
		}
		return resp
	})
}
