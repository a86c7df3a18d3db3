package twin

import "github.com/twmb/franz-go/pkg/kmsg"

func metadata(topics ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func describeTopics(limit int32, topics ...string) *kmsg.DescribeTopicPartitionsRequest {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = limit
	for _, t := range topics {
		rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
		rt.Topic = t
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func metadataScripts() []Script {
	return []Script{
		{Key: 3, Name: "one topic", Run: func(r *Run) { r.Send(metadata(r.Topic("t", 3))) }},
		{Key: 3, Name: "two topics", Run: func(r *Run) { r.Send(metadata(r.Topic("a", 1), r.Topic("b", 2))) }},
		{Key: 3, Name: "all topics", Run: func(r *Run) {
			r.Topic("t", 1)
			req := metadata()
			if r.Version() > 0 {
				req.Topics = nil
			}
			r.Send(req)
		}},
		{Key: 3, Name: "no topic", From: 1, Run: func(r *Run) { r.Send(metadata()) }},
		{Key: 3, Name: "unknown topic, not to be created", From: 4, Run: func(r *Run) { r.Send(metadata(r.Name("none"))) }},
		{Key: 3, Name: "unknown topic is created", Run: func(r *Run) {
			req := metadata(r.Name("auto"))
			req.AllowAutoTopicCreation = true
			r.Send(req)
			r.awaitLeaders(r.Name("auto"), 1)
			r.Send(req)
		}},
		{Key: 3, Name: "invalid name", Run: func(r *Run) {
			req := metadata("bad/name")
			req.AllowAutoTopicCreation = true
			r.Send(req)
		}},
		{Key: 3, Name: "authorized operations", From: 8, Run: func(r *Run) {
			req := metadata(r.Topic("t", 1))
			req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = true, true
			r.Send(req)
		}},
		{Key: 3, Name: "by id", From: 12, Run: func(r *Run) {
			r.Topic("t", 1)
			req := metadata("")
			req.Topics[0].Topic, req.Topics[0].TopicID = nil, r.ID("t")
			r.Send(req)
		}},
		{Key: 3, Name: "by an unknown id", From: 12, Run: func(r *Run) {
			req := metadata("")
			req.Topics[0].Topic, req.Topics[0].TopicID = nil, [16]byte{7}
			r.Send(req)
		}},
		{Key: 3, Name: "id in a version that may not", From: 10, To: 11, Run: func(r *Run) {
			r.Topic("t", 1)
			req := metadata("")
			req.Topics[0].Topic, req.Topics[0].TopicID = nil, r.ID("t")
			r.Send(req)
		}},
		{Key: 75, Name: "one topic", Run: func(r *Run) { r.Send(describeTopics(2000, r.Topic("t", 3))) }},
		{Key: 75, Name: "unknown topic", Run: func(r *Run) { r.Send(describeTopics(2000, r.Name("none"))) }},
		{Key: 75, Name: "limit of two partitions and the rest by cursor", Run: func(r *Run) {
			a, b := r.Topic("a", 3), r.Topic("b", 2)
			resp, ok := r.Send(describeTopics(2, a, b)).(*kmsg.DescribeTopicPartitionsResponse)
			if !ok || resp.NextCursor == nil {
				return
			}
			req := describeTopics(2000, a, b)
			c := kmsg.NewDescribeTopicPartitionsRequestCursor()
			c.Topic, c.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
			req.Cursor = &c
			r.Send(req)
		}},
		{Key: 75, Name: "cursor with a negative partition", Run: func(r *Run) {
			req := describeTopics(10, r.Topic("t", 1))
			c := kmsg.NewDescribeTopicPartitionsRequestCursor()
			c.Topic, c.Partition = r.Name("t"), -1
			req.Cursor = &c
			r.Send(req)
		}},
		{Key: 18, Name: "as librdkafka asks", Hide: []string{".len"}, Run: apiVersions("gregor-twin", "1.0")},
		{Key: 18, Name: "invalid software name", From: 3, Hide: []string{".len"}, Run: apiVersions("bad name!", "1.0")},
		{Key: 18, Name: "invalid software version", From: 3, Hide: []string{".len"}, Run: apiVersions("gregor-twin", "")},
		{Key: 18, Name: "on the controller listener", Controller: true, Hide: []string{".len"}, Run: apiVersions("gregor-twin", "1.0")},
		{Key: 18, Name: "version of the future", From: 4, Run: func(r *Run) {
			r.SendRaw([]byte{0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0})
		}},
		{Key: 18, Name: "Metadata of a version of the future", From: 4, Run: func(r *Run) {
			r.SendRaw([]byte{0, 3, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0, 0})
		}},
		{Key: 18, Name: "key that does not exist", From: 4, Run: func(r *Run) {
			r.SendRaw([]byte{3, 232, 0, 0, 0, 0, 0, 7, 0xff, 0xff})
		}},
		{Key: 18, Name: "key of the controller listener on the client listener", From: 4, Run: func(r *Run) {
			r.SendRaw([]byte{0, 52, 0, 0, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0})
		}},
		{Key: 18, Name: "body cut short", From: 4, Run: func(r *Run) {
			r.SendRaw([]byte{0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0})
		}},
	}
}

func apiVersions(name, version string) func(*Run) {
	return func(r *Run) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = name, version
		r.Send(req)
	}
}
