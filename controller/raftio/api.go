package raftio

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
	"go.uber.org/zap"
)

// Errors of a Node.
var (
	// ErrNotLeader: the node does not lead in the epoch the append names.
	ErrNotLeader = errors.New("not the leader of the metadata quorum in this epoch")
	// ErrClosed: the node is shut down, or failed.
	ErrClosed = errors.New("raft node is closed")
	// ErrBatchTooLarge: the records of one Append do not fit into one batch.
	ErrBatchTooLarge = errors.New("records exceed the largest metadata batch")
	// ErrInvalidKRaftVersion: kraft.version cannot be set to this level now.
	ErrInvalidKRaftVersion = errors.New("invalid kraft.version update")
	// ErrDamaged: a batch of the metadata log that was whole on disk is not any more. The error names
	// the file and the position. The cure is the copy of another node: empty the folder of this
	// replica and let it fetch anew, as a voter under a new directory id.
	ErrDamaged = errors.New("the metadata log is damaged")
	// ErrSnapshotNotAllowed: the position is not committed, or older than the latest snapshot.
	ErrSnapshotNotAllowed = errors.New("no snapshot can be made at this position")
)

// Options make a Node. FS, Dir, ClusterID, DirectoryID, NodeID and Listener are required.
type Options struct {
	FS  vfs.FS
	Dir string // the folder __cluster_metadata-0; made when it is absent

	ClusterID   string
	DirectoryID ids.DirectoryID // of meta.properties in metadata.log.dir
	NodeID      ids.NodeID
	// CanBeVoter is true for process.roles with controller. A broker only observes.
	CanBeVoter bool
	// StaticVoters is controller.quorum.voters (their endpoints; no directory ids). It
	// counts only as long as the log and its snapshots hold no voter set.
	StaticVoters []raft.Voter
	// Bootstrap is controller.quorum.bootstrap.servers as host:port; where observers ask for the leader first.
	Bootstrap []string
	// Endpoints are this node's own controller listeners as advertised, the default
	// one first (controller.listener.names order). Empty for brokers.
	Endpoints []raft.Endpoint
	// ListenerName says which endpoint of the other voters to dial.
	ListenerName string
	// AutoJoin is controller.quorum.auto.join.enable.
	AutoJoin bool

	Config Config

	// Dial opens a connection that is ready for requests (TLS and SASL done). nil = plaintext TCP.
	Dial     func(ctx context.Context, addr string) (net.Conn, error)
	Listener Listener
	Clock    func() time.Time // nil = time.Now
	Seed     uint64           // of election timeouts; 0 = drawn
	Logger   *zap.Logger      // nil = none
	// Failed is called once, from another goroutine, when the node cannot go on
	// (its disk failed). The process should stop.
	Failed func(error)
}

// Config are the properties of server.properties that concern the quorum; the
// zero value of a field means Kafka's default, given in brackets.
type Config struct {
	ElectionTimeout  time.Duration // controller.quorum.election.timeout.ms (1 s)
	FetchTimeout     time.Duration // controller.quorum.fetch.timeout.ms (2 s)
	ElectionBackoff  time.Duration // controller.quorum.election.backoff.max.ms (1 s)
	RequestTimeout   time.Duration // controller.quorum.request.timeout.ms (2 s)
	RetryBackoff     time.Duration // controller.quorum.retry.backoff.ms (20 ms)
	AppendLinger     time.Duration // controller.quorum.append.linger.ms if it is set (0: a commit waits for nothing but the flush before it)
	SegmentBytes     int64         // metadata.log.segment.bytes (1 GiB)
	SegmentMs        int64         // metadata.log.segment.ms (7 days)
	RetentionBytes   int64         // metadata.max.retention.bytes (100 MiB)
	RetentionMs      int64         // metadata.max.retention.ms (7 days)
	FetchMaxWait     time.Duration // (500 ms) how long a leader may hold a follower's fetch
	FetchMaxBytes    int32         // controller.quorum.fetch.max.bytes (1 MiB)
	SnapshotMaxBytes int32         // controller.quorum.fetch.snapshot.max.bytes (1 MiB)
	MaxBatchBytes    int           // (8 MiB) of one Append
}

// Listener learns what the quorum agreed on. All calls come in log order from one
// goroutine of the node and must not call Node methods that wait.
type Listener interface {
	// Committed delivers data batches in offset order, each once. Control records are left out.
	Committed(batches []CommittedBatch)
	// LoadSnapshot replaces everything delivered so far. The reader is closed after the
	// call. A leader is never given one.
	LoadSnapshot(r *SnapshotReader)
	// LeaderChanged tells the current leader, NoNode if unknown. The node itself is
	// named only after everything before its epoch's start was delivered, so that
	// the new active controller starts from a complete image; the epoch is the one
	// to pass to Append.
	LeaderChanged(ids.LeaderAndEpoch)
}

// CommittedBatch is one atomic batch of metadata records.
type CommittedBatch struct {
	BaseOffset, LastOffset ids.Offset
	Epoch                  ids.LeaderEpoch
	AppendTime             int64    // ms since 1970, as the leader stamped it
	Bytes                  int      // of the batch in the log
	Records                [][]byte // framed metadata records; they may be kept, not changed
}
