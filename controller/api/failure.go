package api

import (
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// failure is the response to a request that failed as a whole. Responses
// without a code of their own repeat the error for every element.
func failure(req kmsg.Request, err *decide.Error) kmsg.Response {
	resp := req.ResponseKind()
	message := text(err)
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		for _, t := range req.(*kmsg.CreateTopicsRequest).Topics {
			out := kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, err.Code, message
			out.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
			r.Topics = append(r.Topics, out)
		}
	case *kmsg.DeleteTopicsResponse:
		failDeletion(r, req.(*kmsg.DeleteTopicsRequest), err)
	case *kmsg.CreatePartitionsResponse:
		for _, t := range req.(*kmsg.CreatePartitionsRequest).Topics {
			out := kmsg.NewCreatePartitionsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, err.Code, message
			r.Topics = append(r.Topics, out)
		}
	case *kmsg.AlterConfigsResponse:
		for _, c := range req.(*kmsg.AlterConfigsRequest).Resources {
			out := kmsg.NewAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = c.ResourceType, c.ResourceName, err.Code, message
			r.Resources = append(r.Resources, out)
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, c := range req.(*kmsg.IncrementalAlterConfigsRequest).Resources {
			out := kmsg.NewIncrementalAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = c.ResourceType, c.ResourceName, err.Code, message
			r.Resources = append(r.Resources, out)
		}
	case *kmsg.ElectLeadersResponse:
		failElection(r, req.(*kmsg.ElectLeadersRequest), err, message)
	default:
		failOther(req, resp, err, message)
	}
	return resp
}

func failOther(req kmsg.Request, resp kmsg.Response, err *decide.Error, message *string) {
	switch r := resp.(type) {
	case *kmsg.AlterPartitionAssignmentsResponse:
		failReassignment(r, req.(*kmsg.AlterPartitionAssignmentsRequest), err, message)
	case *kmsg.AlterClientQuotasResponse:
		for _, e := range req.(*kmsg.AlterClientQuotasRequest).Entries {
			out := kmsg.NewAlterClientQuotasResponseEntry()
			out.ErrorCode, out.ErrorMessage = err.Code, message
			for _, p := range e.Entity {
				out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: p.Type, Name: p.Name})
			}
			r.Entries = append(r.Entries, out)
		}
	case *kmsg.AlterUserSCRAMCredentialsResponse:
		failScram(r, req.(*kmsg.AlterUserSCRAMCredentialsRequest), err, message)
	default:
		failWhole(resp, err, message)
	}
}

// failReassignment says it for the whole request and for each partition.
func failReassignment(r *kmsg.AlterPartitionAssignmentsResponse, req *kmsg.AlterPartitionAssignmentsRequest, err *decide.Error, message *string) {
	r.ErrorCode, r.ErrorMessage, r.AllowReplicationFactorChange = err.Code, message, true
	for i := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			x := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			x.Partition, x.ErrorCode, x.ErrorMessage = p.Partition, err.Code, message
			out.Partitions = append(out.Partitions, x)
		}
		r.Topics = append(r.Topics, out)
	}
}

// failScram says it once a user.
func failScram(r *kmsg.AlterUserSCRAMCredentialsResponse, req *kmsg.AlterUserSCRAMCredentialsRequest, err *decide.Error, message *string) {
	told := map[string]bool{}
	tell := func(user string) {
		if !told[user] {
			told[user] = true
			r.Results = append(r.Results, kmsg.AlterUserSCRAMCredentialsResponseResult{User: user, ErrorCode: err.Code, ErrorMessage: message})
		}
	}
	for i := range req.Deletions {
		tell(req.Deletions[i].Name)
	}
	for i := range req.Upsertions {
		tell(req.Upsertions[i].Name)
	}
}

// failWhole sets the code that a response has of its own.
func failWhole(resp kmsg.Response, err *decide.Error, message *string) {
	switch r := resp.(type) {
	case *kmsg.ListPartitionReassignmentsResponse:
		r.ErrorCode, r.ErrorMessage = err.Code, message
	case *kmsg.UpdateFeaturesResponse:
		r.ErrorCode, r.ErrorMessage = err.Code, message
	case *kmsg.BrokerRegistrationResponse:
		r.ErrorCode = err.Code
	case *kmsg.BrokerHeartbeatResponse:
		r.ErrorCode = err.Code
	case *kmsg.UnregisterBrokerResponse:
		r.ErrorCode, r.ErrorMessage = err.Code, message
	case *kmsg.AllocateProducerIDsResponse:
		r.ErrorCode = err.Code
	case *kmsg.AlterPartitionResponse:
		r.ErrorCode = err.Code
	case *kmsg.AssignReplicasToDirsResponse:
		r.ErrorCode = err.Code
	case *kmsg.ControllerRegistrationResponse:
		r.ErrorCode, r.ErrorMessage = err.Code, message
	}
}

// failElection says it for the whole request (from version 1 on) and for each partition.
func failElection(r *kmsg.ElectLeadersResponse, req *kmsg.ElectLeadersRequest, err *decide.Error, message *string) {
	r.ErrorCode = err.Code
	for i := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			x := kmsg.NewElectLeadersResponseTopicPartition()
			x.Partition, x.ErrorCode, x.ErrorMessage = p, err.Code, message
			out.Partitions = append(out.Partitions, x)
		}
		r.Topics = append(r.Topics, out)
	}
}

func failDeletion(r *kmsg.DeleteTopicsResponse, req *kmsg.DeleteTopicsRequest, err *decide.Error) {
	for _, name := range req.TopicNames {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.ErrorCode = &name, err.Code
		r.Topics = append(r.Topics, out)
	}
	for _, t := range req.Topics {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID, out.ErrorCode = t.Topic, t.TopicID, err.Code
		r.Topics = append(r.Topics, out)
	}
}

// text is the message that goes with an error; what is unexpected is not told.
func text(err *decide.Error) *string {
	if err.Message == "" || err.Code == kerr.UnknownServerError.Code {
		return nil
	}
	return &err.Message
}
