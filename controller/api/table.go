package api

import (
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/protocol/apikey"
)

type route struct {
	key    apikey.Key
	handle handle
}

// routes is THE table of what controllers answer, one line a key, by number.
func (s *Server) routes() []route {
	a := s.parts.Active
	return []route{
		{apikey.Fetch, s.fetch()},
		{apikey.ApiVersions, s.apiVersions()},
		{apikey.CreateTopics, mutating(s, decide.CreateTopics)},
		{apikey.DeleteTopics, mutating(s, decide.DeleteTopics)},
		{apikey.DescribeAcls, s.describeACLs()},
		{apikey.CreateAcls, s.createACLs()},
		{apikey.DeleteAcls, s.deleteACLs()},
		{apikey.DescribeConfigs, s.describeConfigs()},
		{apikey.AlterConfigs, command(a, decide.AlterConfigs)},
		{apikey.CreatePartitions, mutating(s, decide.CreatePartitions)},
		{apikey.CreateDelegationToken, s.createDelegationToken()},
		{apikey.RenewDelegationToken, s.renewDelegationToken()},
		{apikey.ExpireDelegationToken, s.expireDelegationToken()},
		{apikey.ElectLeaders, command(a, decide.ElectLeaders)},
		{apikey.IncrementalAlterConfigs, command(a, decide.IncrementalAlterConfigs)},
		{apikey.AlterPartitionReassignments, command(a, decide.AlterPartitionReassignments)},
		{apikey.ListPartitionReassignments, command(a, decide.ListPartitionReassignments)},
		{apikey.AlterClientQuotas, s.alterClientQuotas()},
		{apikey.AlterUserScramCredentials, command(a, decide.AlterUserSCRAMCredentials)},
		{apikey.Vote, s.raft()},
		{apikey.BeginQuorumEpoch, s.raft()},
		{apikey.EndQuorumEpoch, s.raft()},
		{apikey.DescribeQuorum, s.raft()},
		{apikey.AlterPartition, command(a, decide.AlterPartition)},
		{apikey.UpdateFeatures, command(a, decide.UpdateFeatures)},
		{apikey.Envelope, s.envelope()},
		{apikey.FetchSnapshot, s.raft()},
		{apikey.DescribeCluster, s.describeCluster()},
		{apikey.BrokerRegistration, command(a, decide.RegisterBroker)},
		{apikey.BrokerHeartbeat, s.brokerHeartbeat()},
		{apikey.UnregisterBroker, command(a, decide.UnregisterBroker)},
		{apikey.AllocateProducerIds, command(a, decide.AllocateProducerIDs)},
		{apikey.AssignReplicasToDirs, command(a, decide.AssignReplicasToDirs)},
		{apikey.ControllerRegistration, command(a, decide.RegisterController)},
		{apikey.AddRaftVoter, s.raft()},
		{apikey.RemoveRaftVoter, s.raft()},
		{apikey.UpdateRaftVoter, s.raft()},
	}
}
