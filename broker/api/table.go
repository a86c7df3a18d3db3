package api

import (
	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// Parts is what handlers are made of. The assembly fills it; table.go hands
// each constructor only what it needs.
type Parts struct {
	Node             ids.NodeID
	Logger           *zap.Logger
	UnstableVersions bool // unstable.api.versions.enable
	Replicas         *replica.Manager
	Sessions         *fetchsession.Cache
	Fetch            FetchConfig
	ProducerIDs      ProducerIDs
	Cluster          *Cluster              // metadata as clients see it
	Config           *Config               // this broker's configuration as it is now
	Forward          *forward.Client       // to the active controller
	Topics           *forward.TopicCreator // automatic topics
	Loggers          Loggers               // log levels; nil: none can be altered
	Groups           Groups                // the group coordinator
}

// route is one line of the table.
type route struct {
	key    apikey.Key
	handle Handle // nil: not wired in this assembly
}

// routes is THE table of what brokers answer, one line a key, by number.
func routes(p Parts) []route {
	return []route{
		{apikey.Produce, newProduce(p)},
		{apikey.Fetch, newFetch(p)},
		{apikey.ListOffsets, newListOffsets(p)},
		{apikey.Metadata, metadataHandler(p.Cluster, p.Config, p.Topics)},
		{apikey.OffsetCommit, newOffsetCommit(p.Groups)},
		{apikey.OffsetFetch, newOffsetFetch(p.Groups)},
		{apikey.FindCoordinator, findCoordinatorHandler(p.Cluster, p.Topics)},
		{apikey.JoinGroup, newJoinGroup(p.Groups)},
		{apikey.Heartbeat, newHeartbeat(p.Groups)},
		{apikey.LeaveGroup, newLeaveGroup(p.Groups)},
		{apikey.SyncGroup, newSyncGroup(p.Groups)},
		{apikey.DescribeGroups, newDescribeGroups(p.Groups)},
		{apikey.ListGroups, newListGroups(p.Groups)},
		{apikey.ApiVersions, apiVersionsHandler(p.Cluster, p.UnstableVersions)},
		{apikey.CreateTopics, createTopicsHandler(p.Forward)},
		{apikey.DeleteTopics, deleteTopicsHandler(p.Forward)},
		{apikey.DeleteRecords, newDeleteRecords(p)},
		{apikey.InitProducerId, newInitProducerID(p)},
		{apikey.OffsetForLeaderEpoch, newOffsetForLeaderEpoch(p)},
		{apikey.DescribeAcls, describeACLsHandler()},
		{apikey.CreateAcls, createACLsHandler(p.Forward)},
		{apikey.DeleteAcls, deleteACLsHandler(p.Forward)},
		{apikey.DescribeConfigs, describeConfigsHandler(p.Cluster, p.Config, p.Node, p.Loggers)},
		{apikey.AlterConfigs, alterConfigsHandler(p.Config, p.Node, p.Forward)},
		{apikey.AlterReplicaLogDirs, newAlterReplicaLogDirs(p)},
		{apikey.DescribeLogDirs, newDescribeLogDirs(p)},
		{apikey.CreatePartitions, createPartitionsHandler(p.Forward)},
		{apikey.ElectLeaders, electLeadersHandler(p.Forward)},
		{apikey.IncrementalAlterConfigs, incrementalAlterConfigsHandler(p.Config, p.Node, p.Loggers, p.Forward)},
		{apikey.CreateDelegationToken, createDelegationTokenHandler()},
		{apikey.RenewDelegationToken, renewDelegationTokenHandler()},
		{apikey.ExpireDelegationToken, expireDelegationTokenHandler()},
		{apikey.DescribeDelegationToken, describeDelegationTokenHandler()},
		{apikey.DeleteGroups, newDeleteGroups(p.Groups)},
		{apikey.AlterPartitionReassignments, alterPartitionReassignmentsHandler(p.Forward)},
		{apikey.ListPartitionReassignments, listPartitionReassignmentsHandler(p.Forward)},
		{apikey.OffsetDelete, newOffsetDelete(p.Groups)},
		{apikey.DescribeClientQuotas, describeClientQuotasHandler(p.Cluster)},
		{apikey.AlterClientQuotas, alterClientQuotasHandler(p.Forward)},
		{apikey.DescribeUserScramCredentials, describeUserScramCredentialsHandler(p.Cluster)},
		{apikey.AlterUserScramCredentials, alterUserScramCredentialsHandler(p.Forward)},
		{apikey.DescribeQuorum, describeQuorumHandler(p.Forward)},
		{apikey.UpdateFeatures, updateFeaturesHandler(p.Forward)},
		{apikey.DescribeCluster, describeClusterHandler(p.Cluster)},
		{apikey.DescribeProducers, newDescribeProducers(p)},
		{apikey.UnregisterBroker, unregisterBrokerHandler(p.Forward)},
		{apikey.ConsumerGroupHeartbeat, newConsumerGroupHeartbeat(p.Groups)},
		{apikey.ConsumerGroupDescribe, newConsumerGroupDescribe(p.Groups)},
		{apikey.ListConfigResources, listConfigResourcesHandler(p.Cluster)},
		{apikey.DescribeTopicPartitions, describeTopicPartitionsHandler(p.Cluster, p.Config)},
		{apikey.AddRaftVoter, addRaftVoterHandler(p.Forward)},
		{apikey.RemoveRaftVoter, removeRaftVoterHandler(p.Forward)},
	}
}
