package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Values of PartitionChangeRecord.
const (
	noLeaderChange   ids.NodeID = -2
	noRecoveryChange int8       = -1
	recovering       int8       = 1
)

// election says how far the search for a leader may go.
type election uint8

const (
	// online: the leader stays as long as it is fit; otherwise the first fit replica.
	online election = iota
	// preferred: the first replica if it is fit; otherwise as online.
	preferred
	// unclean: as online, and if none is fit any live replica. Records may be lost.
	unclean
)

// change works out the next state of one partition. A leader is fit when it is
// acceptable and holds every committed record: it is in the ISR, or, while the
// ISR is empty, one of the eligible leaders (KIP-966).
type change struct {
	p          *image.Partition
	acceptable func(ids.NodeID) bool
	mv         image.MetadataVersion
	minISR     int
	elrEnabled bool
	election   election
	isr        []ids.NodeID // target; starts as the current one
	// lost are replicas that came back without what they had: they are
	// eligible no more.
	lost []ids.NodeID

	elr []ids.NodeID // target
}

// newChange starts from the partition as it is. live says which brokers may
// lead; the replica's directory must be online too.
func (e *Env) newChange(p *image.Partition, minISR int, live func(ids.NodeID) bool) *change {
	return &change{
		p: p, mv: e.mv(), minISR: minISR, elrEnabled: e.elr(), isr: p.ISR, elr: p.ELR,
		acceptable: func(id ids.NodeID) bool { return live(id) && e.replicaOnline(p, id) },
	}
}

// replicaOnline tells whether the directory of broker's replica is known to work.
func (e *Env) replicaOnline(p *image.Partition, broker ids.NodeID) bool {
	dir, ok := p.DirectoryOf(broker)
	b := e.Image.Cluster.Broker(broker)
	switch {
	case !ok || b == nil || dir == ids.LostDir:
		return false
	case dir == ids.UnassignedDir, dir == ids.MigratingDir, len(b.Directories) == 0:
		return true
	}
	return slices.Contains(b.Directories, dir)
}

func (c *change) fit(id ids.NodeID) bool {
	return (slices.Contains(c.isr, id) || len(c.isr) == 0 && slices.Contains(c.elr, id)) && c.acceptable(id)
}

// elect returns the leader to be; lossy tells that it may lack committed records.
func (c *change) elect() (leader ids.NodeID, lossy bool) {
	if c.election == preferred && c.fit(c.p.Preferred()) {
		return c.p.Preferred(), false
	}
	if c.fit(c.p.Leader) {
		return c.p.Leader, false
	}
	for _, r := range c.p.Replicas {
		if c.fit(r) {
			return r, false
		}
	}
	if c.lastKnownServes() {
		return c.p.LastKnownELR[0], true
	}
	if c.election == unclean {
		for _, r := range c.p.Replicas {
			if c.acceptable(r) {
				return r, true
			}
		}
	}
	return ids.NoNode, false
}

// lastKnownServes tells whether the leader before the partition lost its last
// eligible replica can be taken: it is the one most likely to have everything.
func (c *change) lastKnownServes() bool {
	return c.elrEnabled && len(c.elr) == 0 && len(c.isr) == 0 && len(c.p.LastKnownELR) == 1 && c.acceptable(c.p.LastKnownELR[0])
}

// eligible works out the target ELR: who left an ISR that is now smaller than
// min.insync.replicas keeps every committed record, for none is committed
// without it.
func (c *change) eligible() {
	if !c.elrEnabled {
		return
	}
	if len(c.isr) >= c.minISR {
		c.elr = nil
		return
	}
	var out []ids.NodeID
	for _, r := range slices.Concat(c.p.ELR, c.p.ISR) {
		if !slices.Contains(c.isr, r) && !slices.Contains(c.lost, r) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	c.elr = out
}

// record returns the change, or nil when there is none.
func (c *change) record(topic ids.TopicID, index int32) *records.PartitionChangeRecord {
	r := &records.PartitionChangeRecord{PartitionID: index, TopicID: topic, Leader: noLeaderChange, LeaderRecoveryState: noRecoveryChange}
	c.eligible()
	c.applyElection(r)
	if r.ISR != nil || !c.elrEnabled {
		c.elr = nil
	}
	if !slices.Equal(c.elr, c.p.ELR) {
		r.EligibleLeaderReplicas = orEmpty(c.elr)
	}
	// Without ELR the last member never leaves the ISR: somebody must know the records.
	if r.ISR == nil && (len(c.isr) > 0 || c.elrEnabled) && !slices.Equal(c.isr, c.p.ISR) {
		r.ISR = orEmpty(c.isr)
	}
	if c.mv.LeaderEpochBumpOnISRShrink() && r.Leader == noLeaderChange && r.ISR != nil && !containsAll(r.ISR, c.p.ISR) {
		r.Leader = c.p.Leader
	}
	c.keepLastLeader(r)
	if c.isNothing(r) {
		return nil
	}
	return r
}

func (c *change) applyElection(r *records.PartitionChangeRecord) {
	leader, lossy := c.elect()
	if leader == c.p.Leader {
		return
	}
	r.Leader = leader
	if i := slices.Index(c.elr, leader); i >= 0 {
		c.isr = []ids.NodeID{leader}
		c.elr = slices.Delete(slices.Clone(c.elr), i, i+1)
	}
	if lossy {
		// The others may have records that the new leader lacks: they must come
		// back through it.
		r.ISR = []ids.NodeID{leader}
		if !c.p.Recovering {
			r.LeaderRecoveryState = recovering
		}
	}
}

// keepLastLeader remembers the last leader when the partition loses it, and
// forgets it when there is a leader again.
func (c *change) keepLastLeader(r *records.PartitionChangeRecord) {
	switch {
	case !c.elrEnabled:
	case r.Leader == ids.NoNode && len(c.p.LastKnownELR) == 0:
		r.LastKnownELR = []ids.NodeID{c.p.Leader}
	case r.Leader >= 0 && len(c.p.LastKnownELR) > 0:
		r.LastKnownELR = []ids.NodeID{}
	}
}

func (c *change) isNothing(r *records.PartitionChangeRecord) bool {
	return r.ISR == nil && r.EligibleLeaderReplicas == nil && r.LastKnownELR == nil && r.Leader == noLeaderChange &&
		r.LeaderRecoveryState == noRecoveryChange
}

// orEmpty makes "none" differ from "unchanged" in a change record.
func orEmpty(s []ids.NodeID) []ids.NodeID {
	if s == nil {
		return []ids.NodeID{}
	}
	return s
}

func containsAll(s, of []ids.NodeID) bool {
	for _, r := range of {
		if !slices.Contains(s, r) {
			return false
		}
	}
	return true
}

func without(s []ids.NodeID, out ids.NodeID) []ids.NodeID {
	if !slices.Contains(s, out) {
		return s
	}
	return slices.DeleteFunc(slices.Clone(s), func(r ids.NodeID) bool { return r == out })
}
