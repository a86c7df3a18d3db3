package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterPartitionReassignments, versions 0 and 1, is the controller's (KIP-455).
// v1 may forbid that the number of replicas changes (KIP-860).
func alterPartitionReassignmentsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.AlterPartitionAssignmentsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		for _, t := range r.Topics {
			out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
			out.Topic = t.Topic
			for _, p := range t.Partitions {
				out.Partitions = append(out.Partitions, kmsg.AlterPartitionAssignmentsResponseTopicPartition{Partition: p.Partition, ErrorCode: code, ErrorMessage: text})
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	})
}
