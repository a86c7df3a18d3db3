package raft

import "github.com/gregorbroker/gregor/protocol/ids"

// Code is a result as the protocol numbers it. The core decides by these
// codes, so it uses the protocol's own values instead of a second set.
type Code int16

// The codes that the quorum's messages carry.
const (
	UnknownServerError  Code = -1
	None                Code = 0
	NotLeaderOrFollower Code = 6
	RequestTimedOut     Code = 7
	BrokerNotAvailable  Code = 8
	UnsupportedVersion  Code = 35
	InvalidRequest      Code = 42
	FencedLeaderEpoch   Code = 74
	UnknownLeaderEpoch  Code = 75
	InconsistentCluster Code = 104
	SnapshotNotFound    Code = 98
	PositionOutOfRange  Code = 99
	InvalidVoterKey     Code = 125
	DuplicateVoter      Code = 126
	VoterNotFound       Code = 127
)

// Target is a node to send to. Nodes known only by a bootstrap address have
// ids below -1.
type Target struct {
	ID        ids.NodeID
	Endpoints []Endpoint
}

// Message is one request or reply, in or out.
type Message struct {
	// Call pairs a reply with its request: numbered by the core for what it
	// sends, by the driver for what it receives.
	Call uint64
	// To is set on requests that the core sends; for what comes in, From is the
	// node that answers.
	To   Target
	From ids.NodeID
	Body Body
}

// Body is the content of a Message: one struct a message.
type Body interface{ body() }

// LeaderInfo is the part that every reply of the quorum carries.
type LeaderInfo struct {
	Err       Code
	Leader    ids.NodeID // NoNode when unknown
	Epoch     ids.LeaderEpoch
	Endpoints []Endpoint // of the leader; empty when unknown
}

// VoteRequest asks for a vote, or with PreVote whether one would be given (KIP-996).
type VoteRequest struct {
	Candidate ReplicaKey
	// Voter is who the candidate believes to ask; ID NoNode from senders older than KIP-853.
	Voter   ReplicaKey
	Epoch   ids.LeaderEpoch
	Last    ids.OffsetAndEpoch // the end of the candidate's log and the epoch of its last record
	PreVote bool
}

// VoteReply answers VoteRequest.
type VoteReply struct {
	LeaderInfo
	Granted bool
}

// BeginEpochRequest announces the leader of an epoch to a voter.
type BeginEpochRequest struct {
	Leader    ids.NodeID
	Epoch     ids.LeaderEpoch
	Endpoints []Endpoint
	Voter     ReplicaKey // ID NoNode when not said
}

// BeginEpochReply answers BeginEpochRequest.
type BeginEpochReply struct{ LeaderInfo }

// EndEpochRequest tells voters that the leader resigned. Those named in
// Successors campaign, the first at once and the others a little later.
type EndEpochRequest struct {
	Leader     ids.NodeID
	Epoch      ids.LeaderEpoch
	Endpoints  []Endpoint
	Successors []ReplicaKey
}

// EndEpochReply answers EndEpochRequest.
type EndEpochReply struct{ LeaderInfo }

// FetchRequest pulls the log from Offset on and tells the leader that the
// sender has all before it, on disk if it is a voter.
type FetchRequest struct {
	Replica       ReplicaKey
	Epoch         ids.LeaderEpoch // current leader epoch as the sender knows it
	Last          ids.OffsetAndEpoch
	HighWatermark ids.Offset // the sender's; NoOffset when it has none
	MaxWait       int64      // ms
	MaxBytes      int32
}

// FetchReply answers FetchRequest with records, or with where the logs part
// (Diverging), or with the snapshot to fetch first (Snapshot).
type FetchReply struct {
	LeaderInfo
	HighWatermark ids.Offset
	LogStart      ids.Offset
	Diverging     *ids.OffsetAndEpoch
	Snapshot      *ids.OffsetAndEpoch
	// Read, on the leader: the driver fills the reply with up to MaxBytes of the
	// log from ReadFrom on (at least one batch if there is one).
	Read     bool
	ReadFrom ids.Offset
	MaxBytes int32
	Data     []byte // the batches as they travel; of no concern to the core
	// Entries, on the follower: the batches of Data, checked by the driver.
	Entries []Entry
}

// SnapshotRequest asks for a piece of a snapshot.
type SnapshotRequest struct {
	Replica  ReplicaKey
	Epoch    ids.LeaderEpoch
	ID       ids.OffsetAndEpoch
	Position int64
	MaxBytes int32
}

// SnapshotReply answers SnapshotRequest. On the leader, with Err None, the
// driver reads the bytes, or changes Err to SnapshotNotFound or PositionOutOfRange.
type SnapshotReply struct {
	LeaderInfo
	ID       ids.OffsetAndEpoch
	Position int64
	Size     int64
	MaxBytes int32
	Data     []byte
}

// AddVoterRequest adds a voter that has caught up as an observer (KIP-853).
type AddVoterRequest struct {
	Voter            ReplicaKey
	Endpoints        []Endpoint
	AckWhenCommitted bool
	Timeout          int64 // ms
}

// RemoveVoterRequest removes a voter.
type RemoveVoterRequest struct{ Voter ReplicaKey }

// UpdateVoterRequest tells the leader a voter's endpoints and supported kraft.versions.
type UpdateVoterRequest struct {
	Epoch ids.LeaderEpoch
	Voter Voter
}

// VoterReply answers AddVoterRequest, RemoveVoterRequest and UpdateVoterRequest.
type VoterReply struct {
	LeaderInfo
	Text string // says more, for the first two
}

// VersionsRequest asks a node that wants to be a voter which kraft.versions it supports.
type VersionsRequest struct{}

// VersionsReply answers VersionsRequest; Known is false when the node did not name kraft.version.
type VersionsReply struct {
	Err                Code
	Known              bool
	MinKRaft, MaxKRaft int16
}

// Unreachable stands for the reply to a request that will have none: the
// connection broke or was never made. Refused: nobody listens on the port,
// which is how a dead process on a live host shows itself.
type Unreachable struct{ Refused bool }

func (VoteRequest) body()        {}
func (VoteReply) body()          {}
func (BeginEpochRequest) body()  {}
func (BeginEpochReply) body()    {}
func (EndEpochRequest) body()    {}
func (EndEpochReply) body()      {}
func (FetchRequest) body()       {}
func (FetchReply) body()         {}
func (SnapshotRequest) body()    {}
func (SnapshotReply) body()      {}
func (AddVoterRequest) body()    {}
func (RemoveVoterRequest) body() {}
func (UpdateVoterRequest) body() {}
func (VoterReply) body()         {}
func (VersionsRequest) body()    {}
func (VersionsReply) body()      {}
func (Unreachable) body()        {}
