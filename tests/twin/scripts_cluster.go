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

// election of the partitions of a topic; without a topic of everything.
func election(kind int8, topic string, partitions ...int32) *kmsg.ElectLeadersRequest {
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType = kind
	if topic != "" {
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: partitions}}
	}
	return req
}

func electionScripts() []Script {
	const preferred, unclean = 0, 1
	return []Script{
		{Key: 43, Name: "preferred leader that leads", Run: func(r *Run) { r.Send(election(preferred, r.Topic("t", 2), 0, 1)) }},
		{Key: 43, Name: "unclean with a leader", From: 1, Run: func(r *Run) { r.Send(election(unclean, r.Topic("t", 1), 0)) }},
		{Key: 43, Name: "unknown topic", Run: func(r *Run) { r.Send(election(preferred, r.Name("none"), 0)) }},
		{Key: 43, Name: "unknown partition", Run: func(r *Run) { r.Send(election(preferred, r.Topic("t", 1), 0, 7, -1)) }},
		{Key: 43, Name: "same partition twice", Run: func(r *Run) { r.Send(election(preferred, r.Topic("t", 1), 0, 0)) }},
		{Key: 43, Name: "kind that is none", From: 1, Run: func(r *Run) { r.Send(election(9, r.Topic("t", 1), 0)) }},
		{Key: 43, Name: "no topics", Run: func(r *Run) {
			req := election(9, "")
			req.Topics = []kmsg.ElectLeadersRequestTopic{}
			r.Send(req)
		}},
		{Key: 43, Name: "on the controller listener", Controller: true, Run: func(r *Run) { r.Send(election(preferred, r.Topic("t", 1), 0)) }},
	}
}

// alteringISR asks for an ISR of broker 1 alone in the name of a broker.
func alteringISR(broker int32, epoch int64, topic [16]byte) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.BrokerID, req.BrokerEpoch = broker, epoch
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.NewISR, p.NewEpochISR = []int32{1}, []kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{{BrokerID: 1, BrokerEpoch: -1}}
	req.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: topic, Partitions: []kmsg.AlterPartitionRequestTopicPartition{p}}}
	return req
}

func assigning(broker int32, epoch int64, topic [16]byte) *kmsg.AssignReplicasToDirsRequest {
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = broker, epoch
	t := kmsg.AssignReplicasToDirsRequestDirectoryTopic{TopicID: topic, Partitions: []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 0}}}
	req.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{{ID: [16]byte{7}, Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{t}}}
	return req
}

// replicaScripts are what brokers tell controllers of their replicas. No script
// knows a broker's epoch, so only the refusals of whole requests can be asked for.
func replicaScripts() []Script {
	return []Script{
		{Key: 56, Name: "broker that never registered", Controller: true, Run: func(r *Run) { r.Send(alteringISR(77, 5, [16]byte{3})) }},
		{Key: 56, Name: "old epoch", Controller: true, Run: func(r *Run) { r.Send(alteringISR(1, 0, [16]byte{3})) }},
		{Key: 56, Name: "nothing", Controller: true, Run: func(r *Run) {
			req := alteringISR(77, 5, [16]byte{})
			req.Topics = nil
			r.Send(req)
		}},
		{Key: 73, Name: "broker that never registered", Controller: true, Run: func(r *Run) { r.Send(assigning(77, 5, [16]byte{3})) }},
		{Key: 73, Name: "old epoch", Controller: true, Run: func(r *Run) { r.Send(assigning(1, 0, [16]byte{3})) }},
		{Key: 73, Name: "nothing", Controller: true, Run: func(r *Run) {
			req := assigning(1, 0, [16]byte{})
			req.Directories = nil
			r.Send(req)
		}},
	}
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
		{Key: 32, Name: "topic asked of a controller", Controller: true, Run: func(r *Run) {
			t := r.Topic("t", 1, "retention.ms=7000", "cleanup.policy=compact")
			r.Send(describeConfigs(topicType, t, "retention.ms", "cleanup.policy", "segment.ms", "min.insync.replicas", "flush.ms"))
		}},
		{Key: 32, Name: "unknown topic asked of a controller", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(topicType, r.Name("none"))) }},
		{Key: 32, Name: "bad name asked of a controller", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(topicType, "a b")) }},
		{Key: 32, Name: "another broker asked of a controller", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(brokerType, "9")) }},
		{Key: 32, Name: "group asked of a controller", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(32, r.Name("g"))) }},
		{Key: 32, Name: "keys with units asked of a controller", Controller: true, Run: func(r *Run) {
			r.Send(describeConfigs(brokerType, "1", "log.retention.ms", "log.retention.hours", "log.roll.ms", "log.flush.interval.ms"))
		}},
		{Key: 32, Name: "broker asked on the controller listener", Controller: true, Run: func(r *Run) { r.Send(describeConfigs(brokerType, "1", "node.id")) }},
	}
}
