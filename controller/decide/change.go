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
	recovered        int8       = 0
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
	// Targets; each starts as what the partition has now.
	isr, replicas, adding, removing []ids.NodeID
	recovering                      bool
	// moved is the log directory that a broker says its replica is in; nil for no news.
	moved *residence
	// directoryFor is the directory of a replica that is new here.
	directoryFor func(ids.NodeID) ids.DirectoryID
	// lost are replicas that came back without what they had: they are
	// eligible no more.
	lost []ids.NodeID

	elr []ids.NodeID // target
}

// residence is where a broker keeps its replica.
type residence struct {
	broker ids.NodeID
	dir    ids.DirectoryID
}

// newChange starts from the partition as it is. live says which brokers may
// lead; the replica's directory must be online too.
func (e *Env) newChange(p *image.Partition, minISR int, live func(ids.NodeID) bool) *change {
	return &change{
		p: p, mv: e.mv(), minISR: minISR, elrEnabled: e.elr(), isr: p.ISR, elr: p.ELR,
		replicas: p.Replicas, adding: p.Adding, removing: p.Removing, recovering: p.Recovering, directoryFor: e.directoryFor,
		acceptable: func(id ids.NodeID) bool { return live(id) && e.replicaOnline(p, id) },
	}
}

// replicaOnline tells whether the directory of broker's replica is known to work.
func (e *Env) replicaOnline(p *image.Partition, broker ids.NodeID) bool {
	dir, ok := p.DirectoryOf(broker)
	b := e.Image.Cluster.Broker(broker)
	return ok && b != nil && directoryOnline(b, dir)
}

// directoryOnline tells whether a broker has that directory at its disposal, or
// at least is not known to have lost it.
func directoryOnline(b *image.Broker, dir ids.DirectoryID) bool {
	switch {
	case dir == ids.LostDir:
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
	if c.election == preferred && len(c.replicas) > 0 && c.fit(c.replicas[0]) {
		return c.replicas[0], false
	}
	if c.fit(c.p.Leader) {
		return c.p.Leader, false
	}
	for _, r := range c.replicas {
		if c.fit(r) {
			return r, false
		}
	}
	if c.lastKnownServes() {
		return c.p.LastKnownELR[0], true
	}
	if c.election == unclean {
		for _, r := range c.replicas {
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
// without it. One that is no replica any more throws its records away, and is
// left out; Kafka keeps its name.
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
		if slices.Contains(c.replicas, r) && !slices.Contains(c.isr, r) && !slices.Contains(c.lost, r) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	c.elr = out
}

// record returns the change, or nil when there is none.
func (c *change) record(topic ids.TopicID, index int32) *records.PartitionChangeRecord {
	r := &records.PartitionChangeRecord{PartitionID: index, TopicID: topic, Leader: noLeaderChange, LeaderRecoveryState: noRecoveryChange}
	c.completeReassignment()
	c.eligible()
	c.applyElection(r)
	if r.Leader == noLeaderChange && !containsAll(c.replicas, c.p.Replicas) {
		r.Leader = c.p.Leader // a replica that leaves must hear of it by the epoch
	}
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
	c.applyAssignment(r)
	if c.recovering != c.p.Recovering {
		r.LeaderRecoveryState = recovered
		if c.recovering {
			r.LeaderRecoveryState = recovering
		}
	}
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
		r.LeaderRecoveryState == noRecoveryChange && r.Replicas == nil && r.Directories == nil &&
		r.AddingReplicas == nil && r.RemovingReplicas == nil
}

// completeReassignment ends a reassignment when every replica that is to be
// added is in sync. When replicas become fewer, all that stay must be in sync:
// otherwise ending it would shrink the ISR for nothing.
func (c *change) completeReassignment() {
	if len(c.adding)+len(c.removing) == 0 {
		return
	}
	leaves := func(r ids.NodeID) bool { return slices.Contains(c.removing, r) }
	isr := slices.DeleteFunc(slices.Clone(c.isr), leaves)
	replicas := slices.DeleteFunc(slices.Clone(c.replicas), leaves)
	switch {
	case len(c.removing) > 0 && (len(isr) == 0 || len(replicas) == 0),
		!containsAll(isr, c.adding),
		len(c.adding) < len(c.removing) && !containsAll(isr, replicas):
		return
	}
	c.isr, c.replicas, c.adding, c.removing = isr, replicas, nil, nil
}

// applyAssignment notes where the replicas are, as far as that changes.
func (c *change) applyAssignment(r *records.PartitionChangeRecord) {
	replaced := !slices.Equal(c.replicas, c.p.Replicas)
	if replaced {
		r.Replicas = c.replicas
	}
	if c.mv.SupportsDirectories() && (replaced || c.moved != nil) {
		dirs := make([]ids.DirectoryID, len(c.replicas))
		for i, id := range c.replicas {
			dirs[i] = c.directoryOf(id)
		}
		if !slices.Equal(dirs, c.p.Directories) {
			r.Directories = dirs
		}
	}
	if !slices.Equal(c.adding, c.p.Adding) {
		r.AddingReplicas = orEmpty(c.adding)
	}
	if !slices.Equal(c.removing, c.p.Removing) {
		r.RemovingReplicas = orEmpty(c.removing)
	}
}

func (c *change) directoryOf(id ids.NodeID) ids.DirectoryID {
	if c.moved != nil && c.moved.broker == id {
		return c.moved.dir
	}
	if dir, ok := c.p.DirectoryOf(id); ok {
		return dir
	}
	return c.directoryFor(id)
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
