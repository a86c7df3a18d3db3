package groupcoord

import (
	"encoding/json"

	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RebalancesTag is the private tagged field (KIP-482) in which a group's last
// rebalances travel: a DescribeGroups or ConsumerGroupDescribe request that
// carries it, with any value, gets it back in each described group, with the
// JSON text of []Rebalance. No other answer has it, so that everybody else sees
// Kafka's bytes.
const RebalancesTag = 1_000_001

// Rebalance is one rebalance of a group, as its coordinator remembers it.
type Rebalance = rebalance.Rebalance

// asksWhy tells whether a request wants the rebalances told.
func asksWhy(tags *kmsg.Tags) bool {
	asks := false
	tags.Each(func(tag uint32, _ []byte) { asks = asks || tag == RebalancesTag })
	return asks
}

// tellWhy puts a group's rebalances into its answer.
func tellWhy(tags *kmsg.Tags, list []Rebalance) {
	text, err := json.Marshal(list)
	if err == nil { // there is nothing in it that cannot be written
		tags.Set(RebalancesTag, text)
	}
}
