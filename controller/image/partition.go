package image

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Values of the leader recovery state and of "no change" in PartitionChangeRecord.
const (
	noLeaderChange   = -2
	noRecoveryChange = -1
	recovered        = 0
	recovering       = 1
)

// Has tells whether broker is one of the replicas.
func (p *Partition) Has(broker ids.NodeID) bool {
	return p != nil && slices.Contains(p.Replicas, broker)
}

// Preferred is the first replica, which should lead when it can.
func (p *Partition) Preferred() ids.NodeID {
	if len(p.Replicas) == 0 {
		return ids.NoNode
	}
	return p.Replicas[0]
}

// Reassigning tells whether a reassignment is under way.
func (p *Partition) Reassigning() bool { return len(p.Adding)+len(p.Removing) > 0 }

// partitionOf makes a partition of its record. Slices that equal those of like,
// the partition before it, are shared with it: in a million partitions most
// repeat. Others are m's, and without m the record's own.
func partitionOf(r *records.PartitionRecord, like *Partition, m *memory) *Partition {
	if like == nil {
		like = &none
	}
	nodes := func(s, other []ids.NodeID) []ids.NodeID {
		if len(s) == 0 {
			return nil
		}
		if slices.Equal(s, other) {
			return other
		}
		return m.keepNodes(s)
	}
	p := m.partition()
	p.Replicas = nodes(r.Replicas, like.Replicas)
	p.ISR = nodes(r.ISR, p.Replicas)
	p.Adding = nodes(r.AddingReplicas, like.Adding)
	p.Removing = nodes(r.RemovingReplicas, like.Removing)
	p.ELR = nodes(r.EligibleLeaderReplicas, like.ELR)
	p.LastKnownELR = nodes(r.LastKnownELR, like.LastKnownELR)
	p.Leader, p.LeaderEpoch, p.PartitionEpoch = r.Leader, r.LeaderEpoch, r.PartitionEpoch
	p.Recovering = r.LeaderRecoveryState == recovering
	if dirs := directoriesFor(r.Directories, len(r.Replicas)); slices.Equal(dirs, like.Directories) {
		p.Directories = like.Directories
	} else {
		p.Directories = m.keepDirs(dirs)
	}
	return p
}

// none is what the first partition of a topic shares with the one before it.
var none Partition

// share returns other when it has the same elements, and nil for none.
func share[T comparable](s, other []T) []T {
	if len(s) == 0 {
		return nil
	}
	if slices.Equal(s, other) {
		return other
	}
	return s
}

// directoriesFor fills in what records before 3.7-IV2 do not say.
func directoriesFor(dirs []ids.DirectoryID, replicas int) []ids.DirectoryID {
	if len(dirs) == replicas {
		return dirs
	}
	dirs = make([]ids.DirectoryID, replicas)
	for i := range dirs {
		dirs[i] = ids.MigratingDir
	}
	return dirs
}

// Changed is the partition after a change record; p stays as it is. The leader
// epoch grows when the record names a leader, be it the same.
func (p *Partition) Changed(r *records.PartitionChangeRecord) (*Partition, error) {
	n := *p
	n.PartitionEpoch++
	replace(&n.Replicas, r.Replicas)
	replace(&n.ISR, r.ISR)
	replace(&n.Removing, r.RemovingReplicas)
	replace(&n.Adding, r.AddingReplicas)
	replace(&n.ELR, r.EligibleLeaderReplicas)
	replace(&n.LastKnownELR, r.LastKnownELR)
	if r.Directories != nil {
		if len(r.Directories) != len(n.Replicas) {
			return nil, fmt.Errorf("%d replicas in %d directories", len(n.Replicas), len(r.Directories))
		}
		n.Directories = r.Directories
	}
	n.Directories = directoriesFor(n.Directories, len(n.Replicas))
	if r.Leader != noLeaderChange {
		n.Leader = r.Leader
		n.LeaderEpoch++
	}
	switch r.LeaderRecoveryState {
	case noRecoveryChange:
	case recovered, recovering:
		n.Recovering = r.LeaderRecoveryState == recovering
	default:
		return nil, fmt.Errorf("leader recovery state %d", r.LeaderRecoveryState)
	}
	return &n, nil
}

// replace takes a field of a change record: nil is no change, empty is none.
func replace(to *[]ids.NodeID, from []ids.NodeID) {
	if from != nil {
		*to = share(from, *to)
	}
}

func (p *Partition) equal(q *Partition) bool {
	return p.Leader == q.Leader && p.LeaderEpoch == q.LeaderEpoch && p.PartitionEpoch == q.PartitionEpoch &&
		p.Recovering == q.Recovering && slices.Equal(p.Replicas, q.Replicas) && slices.Equal(p.ISR, q.ISR) &&
		slices.Equal(p.Directories, q.Directories) && slices.Equal(p.Adding, q.Adding) && slices.Equal(p.Removing, q.Removing) &&
		slices.Equal(p.ELR, q.ELR) && slices.Equal(p.LastKnownELR, q.LastKnownELR)
}
