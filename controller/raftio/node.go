package raftio

import (
	"iter"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Node is one replica of the metadata quorum.
type Node struct{}

// New opens the log and the quorum state and recovers them; it starts nothing.
func New(o Options) (*Node, error) { return &Node{}, nil }

// Start begins to take part. The Listener is called from here on: first with the
// latest snapshot and what is known to be committed.
func (n *Node) Start() error { return nil }

// Close resigns if the node leads, waits until the log is closed cleanly, and
// returns. Requests that are held are answered.
func (n *Node) Close() error { return nil }

// Append queues recs, framed metadata records, as one batch, atomic and in call order, and
// returns the offset its last record will have if the node stays leader. It is
// committed when the Listener sees it. now is its append time in ms.
func (n *Node) Append(epoch ids.LeaderEpoch, recs [][]byte, now int64) (ids.Offset, error) {
	return 0, ErrNotLeader
}

// Resign gives up leadership of epoch, for a controller that cannot go on.
func (n *Node) Resign(epoch ids.LeaderEpoch) {}

// Handle answers Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch of the metadata
// partition, FetchSnapshot, AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter and
// DescribeQuorum. reply is called exactly once, from any goroutine.
func (n *Node) Handle(req kmsg.Request, reply func(kmsg.Response)) {}

// Leader is the current leader and epoch, NoNode when none is known.
func (n *Node) Leader() ids.LeaderAndEpoch { return ids.LeaderAndEpoch{} }

// LeaderEndpoints are the controller listeners of the leader; empty when unknown.
func (n *Node) LeaderEndpoints() []raft.Endpoint { return nil }

// HighWatermark is the offset up to which the log is known to be committed, exclusive; NoOffset at first.
func (n *Node) HighWatermark() ids.Offset { return ids.NoOffset }

// EndOffset is where the log ends.
func (n *Node) EndOffset() ids.Offset { return 0 }

// Voters is the latest voter set, committed or not, and its kraft.version.
func (n *Node) Voters() (raft.VoterSet, int16) { return raft.VoterSet{}, 0 }

// UpgradeKRaftVersion appends the records that move the quorum to level (KIP-853,
// UpdateFeatures of kraft.version), as the leader of epoch. validateOnly changes nothing.
func (n *Node) UpgradeKRaftVersion(epoch ids.LeaderEpoch, level int16, validateOnly bool) (ids.Offset, error) {
	return 0, ErrNotLeader
}

// LatestSnapshot is the position of the newest snapshot.
func (n *Node) LatestSnapshot() (ids.OffsetAndEpoch, bool) { return ids.OffsetAndEpoch{}, false }

// WriteSnapshot writes a checkpoint of all records below at (offset of the next record,
// epoch of the last one; both from a CommittedBatch the Listener was given) and then drops log segments and old
// snapshots by the retention rules. It runs on the caller's goroutine.
func (n *Node) WriteSnapshot(at ids.OffsetAndEpoch, appendTime int64, recs iter.Seq[[]byte]) error {
	return nil
}
