package groupcoord

// RebalancesTag is the private tagged field (KIP-482) in which a group's last
// rebalances travel: a DescribeGroups or ConsumerGroupDescribe request that
// carries it, with any value, gets it back in each described group, with the
// JSON text of []Rebalance. No other answer has it, so that everybody else sees
// Kafka's bytes.
const RebalancesTag = 1_000_001

// Rebalance is one rebalance of a group, as its coordinator remembers it: at
// most eight a group, in memory only, gone when the coordinator moves.
type Rebalance struct {
	From   int32  `json:"from"` // group epoch or generation before
	To     int32  `json:"to"`   // and after
	Reason string `json:"reason"`
	Began  int64  `json:"began"` // ms since 1970
	Ended  int64  `json:"ended"` // ms since 1970; 0 while it goes on
	// WaitingFor are the members that have not yet rejoined or given up what
	// is not theirs any more.
	WaitingFor []string `json:"waitingFor,omitempty"`
}
