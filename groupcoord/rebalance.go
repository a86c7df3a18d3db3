package groupcoord

import "github.com/gregorbroker/gregor/groupcoord/rebalance"

// RebalancesTag is the private tagged field (KIP-482) in which a group's last
// rebalances travel: a DescribeGroups or ConsumerGroupDescribe request that
// carries it, with any value, gets it back in each described group, with the
// JSON text of []Rebalance. No other answer has it, so that everybody else sees
// Kafka's bytes.
const RebalancesTag = 1_000_001

// Rebalance is one rebalance of a group, as its coordinator remembers it.
type Rebalance = rebalance.Rebalance
