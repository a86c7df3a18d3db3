package api

import (
	"github.com/gregorbroker/gregor/broker/fetchsession"
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
		{apikey.DeleteRecords, newDeleteRecords(p)},
		{apikey.InitProducerId, newInitProducerID(p)},
		{apikey.OffsetForLeaderEpoch, newOffsetForLeaderEpoch(p)},
		{apikey.DescribeLogDirs, newDescribeLogDirs(p)},
		{apikey.DescribeProducers, newDescribeProducers(p)},
	}
}
