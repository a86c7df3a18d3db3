package apikey

// row is one line of the table, in the order it is read aloud.
type row struct {
	key                 Key
	name                string
	min, max, maxStable int16
	listeners, served   where
	class               Class
	flags               flag
}

// table holds every key that Apache Kafka 4.3.1 assigns, by number: row i is
// key i. A key with max < min is assigned and served by nobody. The column
// served is the only switch between a key that is written and one that is
// advertised; a handler file without it, or it without a handler, fails
// tests/arch.
var table = [...]row{
	// key, name, min, max, max stable, listeners, served, class, flags
	{Produce, "Produce", 3, 13, 13, broker, broker, TwoStage, 0},
	{Fetch, "Fetch", 4, 18, 18, both, both, LongPoll, 0},
	{ListOffsets, "ListOffsets", 1, 11, 11, broker, broker, Ordered, 0},
	{Metadata, "Metadata", 0, 13, 13, broker, broker, Ordered, 0},
	{LeaderAndIsr, "LeaderAndIsr", 0, -1, -1, nowhere, nowhere, Ordered, clusterAction},
	{StopReplica, "StopReplica", 0, -1, -1, nowhere, nowhere, Ordered, clusterAction},
	{UpdateMetadata, "UpdateMetadata", 0, -1, -1, nowhere, nowhere, Ordered, clusterAction},
	{ControlledShutdown, "ControlledShutdown", 0, -1, -1, nowhere, nowhere, Ordered, clusterAction},
	{OffsetCommit, "OffsetCommit", 2, 10, 10, broker, broker, TwoStage, 0},
	{OffsetFetch, "OffsetFetch", 1, 10, 10, broker, broker, Ordered, 0},
	{FindCoordinator, "FindCoordinator", 0, 6, 6, broker, broker, Ordered, 0},
	{JoinGroup, "JoinGroup", 0, 9, 9, broker, broker, LongPoll, 0},
	{Heartbeat, "Heartbeat", 0, 4, 4, broker, broker, LongPoll, 0},
	{LeaveGroup, "LeaveGroup", 0, 5, 5, broker, broker, Ordered, 0},
	{SyncGroup, "SyncGroup", 0, 5, 5, broker, broker, LongPoll, 0},
	{DescribeGroups, "DescribeGroups", 0, 6, 6, broker, broker, Ordered, 0},
	{ListGroups, "ListGroups", 0, 5, 5, broker, broker, Ordered, 0},
	{SaslHandshake, "SaslHandshake", 0, 1, 1, both, nowhere, Ordered, 0},
	{ApiVersions, "ApiVersions", 0, 4, 4, both, both, Ordered, 0},
	{CreateTopics, "CreateTopics", 2, 7, 7, both, both, Ordered, forwardable},
	{DeleteTopics, "DeleteTopics", 1, 6, 6, both, both, Ordered, forwardable},
	{DeleteRecords, "DeleteRecords", 0, 2, 2, broker, broker, Ordered, 0},
	// Kafka has a version 6 too (two-phase commit, KIP-939), unstable and only for its own
	// tests; kmsg cannot speak it, so here it does not exist.
	{InitProducerId, "InitProducerId", 0, 5, 5, broker, broker, Ordered, 0},
	{OffsetForLeaderEpoch, "OffsetForLeaderEpoch", 2, 4, 4, broker, broker, Ordered, 0},
	{AddPartitionsToTxn, "AddPartitionsToTxn", 0, 5, 5, broker, nowhere, Ordered, 0},
	{AddOffsetsToTxn, "AddOffsetsToTxn", 0, 4, 4, broker, nowhere, Ordered, 0},
	{EndTxn, "EndTxn", 0, 5, 5, broker, nowhere, Ordered, 0},
	{WriteTxnMarkers, "WriteTxnMarkers", 1, 2, 2, broker, nowhere, Ordered, clusterAction},
	{TxnOffsetCommit, "TxnOffsetCommit", 0, 5, 5, broker, nowhere, Ordered, 0},
	{DescribeAcls, "DescribeAcls", 1, 3, 3, both, both, Ordered, 0},
	{CreateAcls, "CreateAcls", 1, 3, 3, both, both, Ordered, forwardable},
	{DeleteAcls, "DeleteAcls", 1, 3, 3, both, both, Ordered, forwardable},
	{DescribeConfigs, "DescribeConfigs", 1, 4, 4, both, both, Ordered, 0},
	{AlterConfigs, "AlterConfigs", 0, 2, 2, both, both, Ordered, forwardable},
	{AlterReplicaLogDirs, "AlterReplicaLogDirs", 1, 2, 2, broker, broker, Ordered, 0},
	{DescribeLogDirs, "DescribeLogDirs", 1, 5, 5, broker, broker, Ordered, 0},
	{SaslAuthenticate, "SaslAuthenticate", 0, 2, 2, both, nowhere, Ordered, 0},
	{CreatePartitions, "CreatePartitions", 0, 3, 3, both, both, Ordered, forwardable},
	{CreateDelegationToken, "CreateDelegationToken", 1, 3, 3, both, both, Ordered, forwardable},
	{RenewDelegationToken, "RenewDelegationToken", 1, 2, 2, both, both, Ordered, forwardable},
	{ExpireDelegationToken, "ExpireDelegationToken", 1, 2, 2, both, both, Ordered, forwardable},
	// Kafka's controllers say that they answer this one, and DescribeUserScramCredentials, and do not.
	{DescribeDelegationToken, "DescribeDelegationToken", 1, 3, 3, both, broker, Ordered, 0},
	{DeleteGroups, "DeleteGroups", 0, 2, 2, broker, broker, Ordered, 0},
	{ElectLeaders, "ElectLeaders", 0, 2, 2, both, both, Ordered, forwardable},
	{IncrementalAlterConfigs, "IncrementalAlterConfigs", 0, 1, 1, both, both, Ordered, forwardable},
	{AlterPartitionReassignments, "AlterPartitionReassignments", 0, 1, 1, both, both, Ordered, forwardable},
	{ListPartitionReassignments, "ListPartitionReassignments", 0, 0, 0, both, both, Ordered, forwardable},
	{OffsetDelete, "OffsetDelete", 0, 0, 0, broker, broker, Ordered, 0},
	{DescribeClientQuotas, "DescribeClientQuotas", 0, 1, 1, broker, broker, Ordered, 0},
	{AlterClientQuotas, "AlterClientQuotas", 0, 1, 1, both, both, Ordered, forwardable},
	{DescribeUserScramCredentials, "DescribeUserScramCredentials", 0, 0, 0, both, broker, Ordered, 0},
	{AlterUserScramCredentials, "AlterUserScramCredentials", 0, 0, 0, both, both, Ordered, forwardable},
	{Vote, "Vote", 0, 2, 2, controller, controller, Ordered, clusterAction},
	{BeginQuorumEpoch, "BeginQuorumEpoch", 0, 1, 1, controller, controller, Ordered, clusterAction},
	{EndQuorumEpoch, "EndQuorumEpoch", 0, 1, 1, controller, controller, Ordered, clusterAction},
	{DescribeQuorum, "DescribeQuorum", 0, 2, 2, both, both, Ordered, clusterAction | forwardable},
	{AlterPartition, "AlterPartition", 2, 3, 3, controller, controller, Ordered, clusterAction},
	{UpdateFeatures, "UpdateFeatures", 0, 2, 2, both, both, Ordered, clusterAction | forwardable},
	{Envelope, "Envelope", 0, 0, 0, controller, controller, Ordered, clusterAction},
	{FetchSnapshot, "FetchSnapshot", 0, 1, 1, controller, controller, Ordered, 0},
	{DescribeCluster, "DescribeCluster", 0, 2, 2, both, both, Ordered, 0},
	{DescribeProducers, "DescribeProducers", 0, 0, 0, broker, broker, Ordered, 0},
	{BrokerRegistration, "BrokerRegistration", 0, 4, 4, controller, controller, Ordered, clusterAction},
	{BrokerHeartbeat, "BrokerHeartbeat", 0, 2, 2, controller, controller, Ordered, clusterAction},
	{UnregisterBroker, "UnregisterBroker", 0, 0, 0, both, both, Ordered, forwardable},
	{DescribeTransactions, "DescribeTransactions", 0, 0, 0, broker, nowhere, Ordered, 0},
	{ListTransactions, "ListTransactions", 0, 2, 2, broker, nowhere, Ordered, 0},
	{AllocateProducerIds, "AllocateProducerIds", 0, 0, 0, controller, controller, Ordered, clusterAction | forwardable},
	{ConsumerGroupHeartbeat, "ConsumerGroupHeartbeat", 0, 1, 1, broker, broker, LongPoll, 0},
	{ConsumerGroupDescribe, "ConsumerGroupDescribe", 0, 1, 1, broker, broker, Ordered, 0},
	{ControllerRegistration, "ControllerRegistration", 0, 0, 0, controller, controller, Ordered, 0},
	{GetTelemetrySubscriptions, "GetTelemetrySubscriptions", 0, 0, 0, broker, nowhere, Ordered, 0},
	{PushTelemetry, "PushTelemetry", 0, 0, 0, broker, nowhere, Ordered, 0},
	{AssignReplicasToDirs, "AssignReplicasToDirs", 0, 0, 0, controller, controller, Ordered, 0},
	{ListConfigResources, "ListConfigResources", 0, 1, 1, broker, broker, Ordered, 0},
	{DescribeTopicPartitions, "DescribeTopicPartitions", 0, 0, 0, broker, broker, Ordered, 0},
	{ShareGroupHeartbeat, "ShareGroupHeartbeat", 1, 1, 1, broker, nowhere, LongPoll, 0},
	{ShareGroupDescribe, "ShareGroupDescribe", 1, 1, 1, broker, nowhere, Ordered, 0},
	{ShareFetch, "ShareFetch", 1, 2, 2, broker, nowhere, LongPoll, 0},
	{ShareAcknowledge, "ShareAcknowledge", 1, 2, 2, broker, nowhere, Ordered, 0},
	{AddRaftVoter, "AddRaftVoter", 0, 1, 1, both, both, Ordered, forwardable},
	{RemoveRaftVoter, "RemoveRaftVoter", 0, 0, 0, both, both, Ordered, forwardable},
	{UpdateRaftVoter, "UpdateRaftVoter", 0, 0, 0, controller, controller, Ordered, 0},
	{InitializeShareGroupState, "InitializeShareGroupState", 0, 0, 0, broker, nowhere, Ordered, clusterAction},
	{ReadShareGroupState, "ReadShareGroupState", 0, 0, 0, broker, nowhere, Ordered, clusterAction},
	{WriteShareGroupState, "WriteShareGroupState", 0, 1, 1, broker, nowhere, Ordered, clusterAction},
	{DeleteShareGroupState, "DeleteShareGroupState", 0, 0, 0, broker, nowhere, Ordered, clusterAction},
	{ReadShareGroupStateSummary, "ReadShareGroupStateSummary", 0, 1, 1, broker, nowhere, Ordered, clusterAction},
	{StreamsGroupHeartbeat, "StreamsGroupHeartbeat", 0, 0, 0, broker, nowhere, LongPoll, 0},
	{StreamsGroupDescribe, "StreamsGroupDescribe", 0, 0, 0, broker, nowhere, Ordered, 0},
	{DescribeShareGroupOffsets, "DescribeShareGroupOffsets", 0, 1, 1, broker, nowhere, Ordered, 0},
	{AlterShareGroupOffsets, "AlterShareGroupOffsets", 0, 0, 0, broker, nowhere, Ordered, 0},
	{DeleteShareGroupOffsets, "DeleteShareGroupOffsets", 0, 0, 0, broker, nowhere, Ordered, 0},
}
