package twin

import "github.com/twmb/franz-go/pkg/kmsg"

func quorum(topic string, partition int32) *kmsg.DescribeQuorumRequest {
	req := kmsg.NewPtrDescribeQuorumRequest()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.DescribeQuorumRequestTopicPartition{Partition: partition})
	req.Topics = append(req.Topics, t)
	return req
}

func feature(name string, level int16, typ int8, validate bool) *kmsg.UpdateFeaturesRequest {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.TimeoutMillis, req.ValidateOnly = 10000, validate
	f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = name, level, typ, typ > 1
	req.FeatureUpdates = append(req.FeatureUpdates, f)
	return req
}

func cluster(endpoints int8) *kmsg.DescribeClusterRequest {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType, req.IncludeClusterAuthorizedOperations = endpoints, true
	return req
}

func logDirs(topics ...string) *kmsg.DescribeLogDirsRequest {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	for _, t := range topics {
		req.Topics = append(req.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: t, Partitions: []int32{0, 1}})
	}
	return req
}

func clusterScripts() []Script {
	const upgrade, safeDowngrade, unsafeDowngrade = 1, 2, 3
	moving := []string{"HighWatermark", "LogEndOffset"}
	dir := []string{"Dirs[\"<folder>\"].Dir"}
	return []Script{
		{Key: 35, Name: "one topic", Hide: dir, Run: func(r *Run) { r.Send(logDirs(filled(r))) }},
		{Key: 35, Name: "unknown topic", Hide: dir, Run: func(r *Run) { r.Send(logDirs(r.Name("none"))) }},
		{Key: 35, Name: "everything", Hide: dir, Run: func(r *Run) { filled(r); r.Send(logDirs()) }},

		{Key: 55, Name: "the metadata partition", Hide: moving, Run: func(r *Run) { r.Send(quorum("__cluster_metadata", 0)) }},
		{Key: 55, Name: "on the controller listener", Controller: true, Hide: moving, Run: func(r *Run) { r.Send(quorum("__cluster_metadata", 0)) }},
		{Key: 55, Name: "another partition", Run: func(r *Run) { r.Send(quorum("__cluster_metadata", 1)) }},
		{Key: 55, Name: "another topic", Run: func(r *Run) { r.Send(quorum(r.Name("none"), 0)) }},
		{Key: 55, Name: "nothing", Run: func(r *Run) { r.Send(kmsg.NewPtrDescribeQuorumRequest()) }},

		{Key: 57, Name: "unknown feature", Run: func(r *Run) { r.Send(feature("no.such.feature", 1, upgrade, false)) }},
		{Key: 57, Name: "level above the highest", Run: func(r *Run) { r.Send(feature("share.version", 99, upgrade, false)) }},
		{Key: 57, Name: "level as it is", Run: func(r *Run) { r.Send(feature("share.version", 1, upgrade, false)) }},
		{Key: 57, Name: "downgrade without leave", Run: func(r *Run) { r.Send(feature("share.version", 0, upgrade, false)) }},
		{Key: 57, Name: "downgrade and back", Run: func(r *Run) {
			r.Send(feature("streams.version", 0, safeDowngrade, false))
			r.Send(feature("streams.version", 1, upgrade, false))
		}},
		{Key: 57, Name: "downgrade, only validated", From: 1, Run: func(r *Run) { r.Send(feature("share.version", 0, safeDowngrade, true)) }},
		{Key: 57, Name: "negative level", Run: func(r *Run) { r.Send(feature("share.version", -1, upgrade, false)) }},
		{Key: 57, Name: "kraft.version downgrade", Run: func(r *Run) { r.Send(feature("kraft.version", 0, safeDowngrade, false)) }},
		{Key: 57, Name: "metadata.version far down, only validated", From: 1, Run: func(r *Run) { r.Send(feature("metadata.version", 7, safeDowngrade, true)) }},
		{Key: 57, Name: "metadata.version far down unsafely, only validated", From: 1, Run: func(r *Run) { r.Send(feature("metadata.version", 7, unsafeDowngrade, true)) }},
		{Key: 57, Name: "upgrade type that is none", From: 1, Run: func(r *Run) { r.Send(feature("share.version", 1, 9, false)) }},
		{Key: 57, Name: "same feature twice", Run: func(r *Run) {
			req := feature("share.version", 1, upgrade, false)
			req.FeatureUpdates = append(req.FeatureUpdates, req.FeatureUpdates[0])
			r.Send(req)
		}},
		{Key: 57, Name: "nothing", Run: func(r *Run) { r.Send(kmsg.NewPtrUpdateFeaturesRequest()) }},

		{Key: 60, Name: "brokers", Run: func(r *Run) { r.Send(cluster(1)) }},
		{Key: 60, Name: "controllers asked of a broker", From: 1, Run: func(r *Run) { r.Send(cluster(2)) }},
		{Key: 60, Name: "endpoint type that is none", From: 1, Run: func(r *Run) { r.Send(cluster(5)) }},
		{Key: 60, Name: "controllers on the controller listener", From: 1, Controller: true, Run: func(r *Run) { r.Send(cluster(2)) }},
		{Key: 60, Name: "brokers on the controller listener", From: 1, Controller: true, Run: func(r *Run) { r.Send(cluster(1)) }},

		{Key: 62, Name: "registration for another cluster", Controller: true, Run: func(r *Run) {
			req := kmsg.NewPtrBrokerRegistrationRequest()
			req.BrokerID, req.ClusterID = 77, "another-cluster-id-0000"
			r.Send(req)
		}},
		{Key: 63, Name: "heartbeat of a broker that never registered", Controller: true, Run: func(r *Run) {
			req := kmsg.NewPtrBrokerHeartbeatRequest()
			req.BrokerID, req.BrokerEpoch = 77, 5
			r.Send(req)
		}},
		{Key: 63, Name: "heartbeat with an old epoch", Controller: true, Run: func(r *Run) {
			req := kmsg.NewPtrBrokerHeartbeatRequest()
			req.BrokerID, req.BrokerEpoch = 1, 0
			r.Send(req)
		}},
		{Key: 67, Name: "producer ids for a broker that never registered", Controller: true, Run: func(r *Run) {
			req := kmsg.NewPtrAllocateProducerIDsRequest()
			req.BrokerID, req.BrokerEpoch = 77, 5
			r.Send(req)
		}},
		{Key: 67, Name: "producer ids with an old epoch", Controller: true, Run: func(r *Run) {
			req := kmsg.NewPtrAllocateProducerIDsRequest()
			req.BrokerID, req.BrokerEpoch = 1, 0
			r.Send(req)
		}},
		{Key: 19, Name: "created on the controller listener", Controller: true, Run: func(r *Run) { r.Send(create(r.Name("t"), 1, 1)) }},
		{Key: 32, Name: "broker asked on the controller listener", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(brokerType, "1", "node.id")) }},
	}
}
