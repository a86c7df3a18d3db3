// Package group is `gregor group`: what a group does, how far it lags, and why
// it rebalanced. It asks over Kafka's protocol, so it works with any broker;
// the history of rebalances comes from gregor's only.
//
//	list → kadm                                                      table or JSON
//	describe → ConsumerGroupDescribe, or DescribeGroups of a classic group
//	           + committed offsets + log ends                        table or JSON
package group

import (
	"github.com/gregorbroker/gregor/groupcoord"
)

// Report is one group as `-o json` prints it; the names of its fields stay.
type Report struct {
	Group       string                 `json:"group"`
	Type        string                 `json:"type"` // classic or consumer
	State       string                 `json:"state"`
	Epoch       int32                  `json:"epoch"` // group epoch; -1 of a classic group, whose generation is not told
	Assignor    string                 `json:"assignor"`
	Coordinator int32                  `json:"coordinator"`
	Lag         int64                  `json:"lag"` // sum over the partitions that have a committed offset
	Partitions  []Partition            `json:"partitions"`
	Members     []Member               `json:"members"`
	Rebalances  []groupcoord.Rebalance `json:"rebalances"` // the last ones, oldest first; empty from other servers
}

// Partition is how far a group has come in one partition. Committed is -1
// without a committed offset, and so is Lag.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"`
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
	Member    string `json:"member"` // who owns it now; empty when nobody does
}

// Member is one member of a group. Epoch is -1 in a classic group.
type Member struct {
	ID         string `json:"id"`
	Instance   string `json:"instance,omitempty"`
	Client     string `json:"client"`
	Host       string `json:"host"`
	Epoch      int32  `json:"epoch"`
	Partitions int    `json:"partitions"`
	// Pending are partitions that its target names and it does not own yet.
	Pending int `json:"pending"`
}
