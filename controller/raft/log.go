package raft

import (
	"fmt"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// Entry is one record batch of the log.
type Entry struct {
	Base, Last ids.Offset
	Epoch      ids.LeaderEpoch
	Data       []byte   // the batch as it is stored; nil if the driver has to encode Control
	Control    *Control // nil for batches of metadata records
}

// Control is what the quorum's own records in a control batch say. The core writes one
// record each, in this order.
type Control struct {
	LeaderChange *LeaderChange
	KRaftVersion *int16
	Voters       *VoterSet
	// KRaftAt and VotersAt are the offsets of those two records.
	KRaftAt, VotersAt ids.Offset
}

// place sets the offsets for a batch at base.
func (c *Control) place(base ids.Offset) {
	if c.LeaderChange != nil {
		base++
	}
	if c.KRaftVersion != nil {
		c.KRaftAt = base
		base++
	}
	c.VotersAt = base
}

// Count is the number of records.
func (c *Control) Count() int {
	n := 0
	for _, has := range []bool{c.LeaderChange != nil, c.KRaftVersion != nil, c.Voters != nil} {
		if has {
			n++
		}
	}
	return n
}

// LeaderChange opens an epoch.
type LeaderChange struct {
	Leader           ids.NodeID
	Voters, Granting []ids.NodeID
}

// EpochStart says where an epoch begins in the log.
type EpochStart struct {
	Epoch ids.LeaderEpoch
	Start ids.Offset
}

// LogState describes a log and its snapshots; the core keeps it up to date, the
// bytes are the driver's.
type LogState struct {
	Start, End ids.Offset
	// Epochs, ascending. Each begins where the one before it ends; the first
	// covers all from Start on, and is that of the earliest snapshot if the log
	// holds nothing of it any more.
	Epochs []EpochStart
	// Snapshots by ascending position. If Start > 0 the first is at Start.
	Snapshots []ids.OffsetAndEpoch
	// Voters and KRaft list every voter set and kraft.version of the log from the
	// latest snapshot on, ascending. Offset NoOffset: from a snapshot that
	// `format` made and that is not part of the log (0-0.checkpoint).
	Voters []VotersAt
	KRaft  []KRaftAt
}

// VotersAt is a voter set and the offset of the record that set it.
type VotersAt struct {
	Offset ids.Offset
	Set    VoterSet
}

// KRaftAt is a level of kraft.version and the offset of the record that set it.
type KRaftAt struct {
	Offset  ids.Offset
	Version int16
}

// raftLog is the core's picture of the log. It answers every question about
// epochs and voters without the bytes.
type raftLog struct {
	LogState
	static VoterSet // controller.quorum.voters, in force while Voters is empty
}

// last is the end of the log with the epoch of its last record, 0 when there is none.
func (l *raftLog) last() ids.OffsetAndEpoch {
	return ids.OffsetAndEpoch{Offset: l.End, Epoch: l.lastEpoch()}
}

func (l *raftLog) lastEpoch() ids.LeaderEpoch {
	if n := len(l.Epochs); n > 0 {
		return l.Epochs[n-1].Epoch
	}
	return 0
}

// endOffsetForEpoch finds the largest epoch of the log that is not above epoch, and
// where it ends.
func (l *raftLog) endOffsetForEpoch(epoch ids.LeaderEpoch) ids.OffsetAndEpoch {
	i := sort.Search(len(l.Epochs), func(i int) bool { return l.Epochs[i].Epoch > epoch })
	switch {
	case i == 0: // all the log has is younger: it parts at its start
		return ids.OffsetAndEpoch{Offset: l.Start, Epoch: 0}
	case i == len(l.Epochs):
		return ids.OffsetAndEpoch{Offset: l.End, Epoch: l.Epochs[i-1].Epoch}
	}
	return ids.OffsetAndEpoch{Offset: l.Epochs[i].Start, Epoch: l.Epochs[i-1].Epoch}
}

// validation is what a leader makes of the position of a follower.
type validation struct{ diverging, snapshot *ids.OffsetAndEpoch }

// validate compares a follower's end with this log: it continues it, or has to
// truncate first (diverging), or needs a snapshot because what it lacks is gone.
func (l *raftLog) validate(at ids.OffsetAndEpoch) validation {
	latest, have := l.latestSnapshot()
	if at.Offset == 0 && have && latest.Offset > 0 {
		return validation{snapshot: &latest} // faster than the whole log
	}
	if l.Start == 0 && at.Offset == 0 {
		return validation{}
	}
	if have {
		earliest := l.Snapshots[0]
		if at.Offset < l.Start || at.Offset == l.Start && at.Epoch != earliest.Epoch || at.Epoch < earliest.Epoch {
			return validation{snapshot: &latest}
		}
	}
	end := l.endOffsetForEpoch(at.Epoch)
	if end.Epoch != at.Epoch || end.Offset < at.Offset {
		return validation{diverging: &end}
	}
	return validation{}
}

// truncationPoint is where to cut so that this log is a prefix of a leader's in
// which epoch leader.Epoch ends at leader.Offset. What is left may diverge
// still, in an older epoch: the next fetch finds out (KIP-279).
func (l *raftLog) truncationPoint(leader ids.OffsetAndEpoch) ids.Offset {
	local := l.endOffsetForEpoch(leader.Epoch)
	if local.Epoch == leader.Epoch || leader.Epoch == 0 {
		return min(local.Offset, leader.Offset)
	}
	return local.Offset
}

func (l *raftLog) latestSnapshot() (ids.OffsetAndEpoch, bool) {
	if n := len(l.Snapshots); n > 0 {
		return l.Snapshots[n-1], true
	}
	return ids.OffsetAndEpoch{}, false
}

func (l *raftLog) append(e Entry) {
	invariant.Check(e.Base == l.End, "entry at %d appended to a log that ends at %d", e.Base, l.End)
	invariant.Check(e.Epoch >= l.lastEpoch(), "entry of epoch %d after epoch %d", e.Epoch, l.lastEpoch())
	if e.Epoch > l.lastEpoch() || len(l.Epochs) == 0 {
		l.Epochs = append(l.Epochs, EpochStart{e.Epoch, e.Base})
	}
	if c := e.Control; c != nil {
		if c.KRaftVersion != nil {
			l.KRaft = append(l.KRaft, KRaftAt{c.KRaftAt, *c.KRaftVersion})
		}
		if c.Voters != nil {
			l.Voters = append(l.Voters, VotersAt{c.VotersAt, *c.Voters})
		}
	}
	l.End = e.Last + 1
}

func (l *raftLog) truncateTo(off ids.Offset) {
	l.End = min(l.End, off)
	for n := len(l.Epochs); n > 0 && l.Epochs[n-1].Start >= off && (n > 1 || l.Start == 0); n-- {
		l.Epochs = l.Epochs[:n-1]
	}
	for n := len(l.Voters); n > 0 && l.Voters[n-1].Offset >= off; n-- {
		invariant.Sometimes(true, "raft: a change of the voters is truncated")
		l.Voters = l.Voters[:n-1]
	}
	for n := len(l.KRaft); n > 0 && l.KRaft[n-1].Offset >= off; n-- {
		l.KRaft = l.KRaft[:n-1]
	}
}

// install replaces the whole log by a snapshot.
func (l *raftLog) install(s SnapshotState) {
	l.Start, l.End = s.ID.Offset, s.ID.Offset
	l.Epochs = []EpochStart{{s.ID.Epoch, s.ID.Offset}}
	l.Snapshots = []ids.OffsetAndEpoch{s.ID}
	l.Voters, l.KRaft = nil, nil
	if s.HasVoters {
		l.Voters = []VotersAt{{s.ID.Offset - 1, s.Voters}}
	}
	if s.KRaftVersion > 0 {
		l.KRaft = []KRaftAt{{s.ID.Offset - 1, s.KRaftVersion}}
	}
}

// addSnapshot notes a snapshot that this node wrote.
func (l *raftLog) addSnapshot(id ids.OffsetAndEpoch) {
	if latest, ok := l.latestSnapshot(); !ok || latest.Offset < id.Offset {
		l.Snapshots = append(l.Snapshots, id)
	}
}

// forgetBefore drops the log below start, which is the position of a snapshot, and
// the older snapshots.
func (l *raftLog) forgetBefore(start ids.Offset) {
	for len(l.Snapshots) > 1 && l.Snapshots[0].Offset < start {
		l.Snapshots = l.Snapshots[1:]
	}
	l.Start = max(l.Start, start)
	for len(l.Epochs) > 1 && l.Epochs[1].Start <= l.Start {
		l.Epochs = l.Epochs[1:]
	}
	// The earliest snapshot's epoch stays known, even when the log goes on in a younger one.
	if len(l.Snapshots) > 0 && l.Snapshots[0].Offset == l.Start {
		if e := l.Snapshots[0].Epoch; len(l.Epochs) == 0 || l.Epochs[0].Epoch > e {
			l.Epochs = append([]EpochStart{{e, l.Start}}, l.Epochs...)
		}
	}
}

// lastVoters is the voter set in force: the latest in the log, committed or not.
func (l *raftLog) lastVoters() VoterSet {
	if n := len(l.Voters); n > 0 {
		return l.Voters[n-1].Set
	}
	return l.static
}

// votersAt is the voter set in force after the record at off.
func (l *raftLog) votersAt(off ids.Offset) VoterSet {
	for i := len(l.Voters) - 1; i >= 0; i-- {
		if l.Voters[i].Offset <= off {
			return l.Voters[i].Set
		}
	}
	return l.static
}

func (l *raftLog) kraftAt(off ids.Offset) int16 {
	for i := len(l.KRaft) - 1; i >= 0; i-- {
		if l.KRaft[i].Offset <= off {
			return l.KRaft[i].Version
		}
	}
	return 0
}

func (l *raftLog) kraftVersion() int16 {
	if n := len(l.KRaft); n > 0 {
		return l.KRaft[n-1].Version
	}
	return 0
}

func (l *raftLog) String() string {
	return fmt.Sprintf("log [%d,%d) epochs %v", l.Start, l.End, l.Epochs)
}

// SnapshotState describes a snapshot whose contents the driver has loaded.
type SnapshotState struct {
	ID           ids.OffsetAndEpoch
	KRaftVersion int16
	HasVoters    bool
	Voters       VoterSet
}
