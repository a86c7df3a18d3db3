package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// maxElections bounds how many partitions one round of balancing touches.
const maxElections = 1000

// BalanceLeaders gives partitions back to their preferred leaders where those
// are fit (auto.leader.rebalance.enable), and finds leaders for those that have none and
// could: the active controller that had begun to unfence a broker may have ended in the
// middle of what that broker was to lead. more: there may be others.
func BalanceLeaders(e *Env) (d Decision, more bool) {
	e.Image.Topics.Each(func(t *image.Topic) bool {
		for i, p := range t.Partitions {
			if p.Leader == p.Preferred() || p.HasLeader() && !e.active(p.Preferred()) {
				continue
			}
			c := e.newChange(p, e.minISR(t), e.active)
			c.election = preferred
			e.elect(&d, c, t.ID, int32(i))
			if len(d.Records) >= maxElections {
				return false
			}
		}
		return true
	})
	return d, len(d.Records) >= maxElections
}

// ElectUnclean finds leaders for partitions without one whose topics would
// rather lose records than wait (unclean.leader.election.interval.ms): the
// topic may have been told so after the last of its leaders was gone.
func ElectUnclean(e *Env) (d Decision, more bool) {
	e.eachOf(ids.NoNode, func(t *image.Topic, i int32, p *image.Partition) bool {
		if !p.HasLeader() && e.uncleanElection(t.Name) {
			c := e.newChange(p, e.minISR(t), e.active)
			c.election = unclean
			e.elect(&d, c, t.ID, i)
		}
		return len(d.Records) < maxElections
	})
	return d, len(d.Records) >= maxElections
}

func (e *Env) elect(d *Decision, c *change, topic ids.TopicID, index int32) {
	if r := c.record(topic, index); r != nil {
		d.add(r, e.mv().PartitionVersion())
	}
}
