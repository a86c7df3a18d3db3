package replica

import (
	"fmt"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// role is who leads a partition, as this broker has been told. It is immutable.
type role struct {
	leader ids.NodeID
	epoch  ids.LeaderEpoch
	leads  bool // this broker is the leader
}

// core is what one partition decides. It does no I/O, takes no lock and reads
// no clock; Partition drives it.
type core struct {
	self           ids.NodeID
	role           role
	partitionEpoch int32
	replicas, isr  []ids.NodeID // shared with the image, read-only
	// known: end and highWatermark are those of the log, which has been opened.
	known bool
	// end is the local log end; highWatermark ≤ end.
	end, highWatermark ids.Offset
}

// transition says what an assignment changed.
type transition struct {
	began, ended bool // leadership of this broker
	newEpoch     bool
}

// assign follows the metadata: p is this partition's registration, nil when it
// is not this broker's any more. An older registration than the present one is
// a bug: metadata is applied in order.
func (c *core) assign(p *image.Partition) transition {
	next := role{leader: ids.NoNode, epoch: c.role.epoch}
	if p != nil {
		invariant.Check(p.LeaderEpoch >= c.role.epoch, "leader epoch falls from %d to %d", c.role.epoch, p.LeaderEpoch)
		next = role{leader: p.Leader, epoch: p.LeaderEpoch, leads: p.Leader == c.self}
		c.partitionEpoch, c.replicas, c.isr = p.PartitionEpoch, p.Replicas, p.ISR
	}
	t := transition{
		began:    next.leads && !c.role.leads,
		ended:    !next.leads && c.role.leads,
		newEpoch: next.epoch != c.role.epoch,
	}
	c.role = next
	return t
}

// opened takes over what the log says. checkpointed is the high watermark
// noted on disk, which may be older than the log.
func (c *core) opened(start, end, checkpointed ids.Offset) {
	c.known, c.end = true, end
	c.highWatermark = min(max(checkpointed, start), end)
	c.advance()
}

// appended notes the new log end of the leader and reports whether the high
// watermark moved.
func (c *core) appended(end ids.Offset) bool {
	if end < c.end { // not by Check alone, whose arguments would be allocated for every append
		invariant.Check(false, "log end falls from %d to %d", c.end, end)
	}
	c.end = end
	return c.advance()
}

// advance moves the high watermark to the smallest log end of the ISR. The
// ends of other replicas become known by their fetches; until one has fetched,
// it holds the high watermark where it is.
func (c *core) advance() bool {
	if !c.known || !c.role.leads {
		return false
	}
	for _, n := range c.isr {
		if n != c.self {
			return false
		}
	}
	moved := c.end > c.highWatermark
	c.highWatermark = c.end
	return moved
}

// checkEpoch compares what a requester takes for the leader epoch (KIP-320).
func (r role) checkEpoch(current ids.LeaderEpoch) error {
	switch {
	case current == ids.NoEpoch || current == r.epoch:
		return nil
	case current < r.epoch:
		return fmt.Errorf("%w: %d, now %d", ErrFencedEpoch, current, r.epoch)
	}
	return fmt.Errorf("%w: %d, here still %d", ErrUnknownEpoch, current, r.epoch)
}

// checkLeader says whether this broker may answer for the partition.
func (r role) checkLeader(current ids.LeaderEpoch) error {
	if err := r.checkEpoch(current); err != nil {
		return err
	}
	if !r.leads {
		return ErrNotLeader
	}
	return nil
}

// checkAppend says whether an append may begin. As in Kafka more in-sync
// replicas than there are replicas cannot be demanded.
func (c *core) checkAppend(o AppendOptions, minISR int) error {
	if !c.role.leads {
		return ErrNotLeader
	}
	if o.Epoch != ids.NoEpoch && o.Epoch != c.role.epoch {
		return fmt.Errorf("%w: append of epoch %d in epoch %d", ErrNotLeader, o.Epoch, c.role.epoch)
	}
	if need := min(minISR, len(c.replicas)); o.Acks == -1 && len(c.isr) < need {
		return fmt.Errorf("%w: %d in sync, %d needed", ErrNotEnoughReplicas, len(c.isr), need)
	}
	return nil
}
