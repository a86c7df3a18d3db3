package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ElectLeaders, versions 0 to 2, is the controller's. Version 0 has no code for
// the whole request, so a failure is told for each partition too.
func electLeadersHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.ElectLeadersRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.ElectLeadersResponse)
		resp.ErrorCode = code
		for _, t := range r.Topics {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Topic
			for _, p := range t.Partitions {
				x := kmsg.NewElectLeadersResponseTopicPartition()
				x.Partition, x.ErrorCode, x.ErrorMessage = p, code, text
				out.Partitions = append(out.Partitions, x)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	})
}
