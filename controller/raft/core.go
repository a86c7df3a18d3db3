package raft

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// Config is what a Core is made of besides its state. Times are in ms, and
// `now` arguments are ms of a clock that never goes back.
type Config struct {
	Self       ReplicaKey
	CanBeVoter bool       // false for brokers: never flushes for the quorum's sake, never joins
	Endpoints  []Endpoint // own listeners, the quorum's first
	// MinKRaft and MaxKRaft are the levels of kraft.version this node supports.
	MinKRaft, MaxKRaft int16
	Static             VoterSet   // controller.quorum.voters
	Bootstrap          []Endpoint // controller.quorum.bootstrap.servers; without, the static voters
	AutoJoin           bool

	ElectionTimeout, FetchTimeout, ElectionBackoff int64
	RequestTimeout, RetryBackoff, FetchMaxWait     int64
	FetchMaxBytes, SnapshotMaxBytes                int32

	Rand *rand.Rand
	// Mutants switches errors on that the simulation has to find; zero outside of tests.
	Mutants Mutant
}

// Core is the state machine of one node. It is not safe for concurrent use.
type Core struct {
	cfg     Config
	hard    HardState
	log     raftLog
	stable  ids.Offset // log end as of the last Advance: on disk
	hw      ids.Offset // never falls, whatever the role; NoOffset at first
	role    state
	peers   map[ids.NodeID]*peer
	calls   uint64
	wake    int64
	out     output
	defeats int // lost elections in a row
	// needed: a voter that counts this node among the voters did not get its vote, because this
	// log is longer. It ends with the next answer of a leader.
	needed bool
	// stopping: the node is shutting down and neither campaigns nor leads.
	stopping bool
}

// New recovers a core from what is on disk. A former leader starts as
// Resigned: its log may have lost the unflushed end, so that what it would append in the
// same epoch could differ from what others already have.
func New(cfg Config, hard HardState, log LogState, now int64) *Core {
	c := &Core{cfg: cfg, hard: hard, log: raftLog{LogState: log, static: cfg.Static}, hw: ids.NoOffset, peers: map[ids.NodeID]*peer{}}
	c.stable = log.End
	if n := len(log.Snapshots); n > 0 && log.Snapshots[0].Offset > 0 {
		c.hw = log.Snapshots[n-1].Offset // what is in a snapshot was committed
	}
	c.start(now)
	c.poll(now)
	return c
}

func (c *Core) start(now int64) {
	self := c.cfg.Self
	if last := c.log.lastEpoch(); c.hard.Epoch < last {
		// quorum-state is older than the log or gone; nothing is known of votes in the log's last epoch.
		c.setElection(last, ids.NoNode, noVote)
	}
	switch {
	case c.hard.Leader == self.ID && c.mutant(MutantSameEpochLeader) && c.IsVoter():
		c.role = &candidate{votes: votes{need: 0, granted: []ids.NodeID{self.ID}}, deadline: now}
		c.becomeLeader(now)
		return
	case c.hard.Leader == self.ID:
		c.becomeResigned(nil, "led this epoch before the restart", now)
		invariant.Sometimes(true, "raft: a former leader restarts")
	case c.hard.Leader >= 0:
		if v, ok := c.log.lastVoters().Get(c.hard.Leader); ok && len(v.Endpoints) > 0 {
			c.becomeFollower(c.hard.Epoch, c.hard.Leader, v.Endpoints, "as before the restart", now)
			break
		}
		fallthrough
	default:
		// Also after a vote for itself: it may have led without the disk knowing
		// yet, so it does not go on as candidate of that epoch but with a new election.
		c.enter(&unattached{leader: c.hard.Leader, deadline: c.randomElection(now)}, "start")
	}
	if c.onlyVoter() {
		c.becomeProspective("the only voter does not wait", now)
	}
}

// Step takes a message at time now.
func (c *Core) Step(m Message, now int64) {
	switch b := m.Body.(type) {
	case VoteRequest:
		c.reply(m.Call, c.stepVote(b, now))
	case BeginEpochRequest:
		c.reply(m.Call, c.stepBeginEpoch(b, now))
	case EndEpochRequest:
		c.reply(m.Call, c.stepEndEpoch(b, now))
	case FetchRequest:
		c.stepFetch(m.Call, b, now)
	case SnapshotRequest:
		c.reply(m.Call, c.stepSnapshot(b, now))
	case AddVoterRequest:
		c.stepAddVoter(m.Call, b, now)
	case RemoveVoterRequest:
		c.stepRemoveVoter(m.Call, b, now)
	case UpdateVoterRequest:
		c.reply(m.Call, c.stepUpdateVoter(b, now))
	default:
		if c.expected(m, now) {
			c.stepReply(m, now)
		}
	}
	c.poll(now)
}

// stepReply takes the reply to a request this node sent.
func (c *Core) stepReply(m Message, now int64) {
	switch b := m.Body.(type) {
	case Unreachable:
		c.stepUnreachable(m.From, b, now)
	case VoteReply:
		c.stepVoteReply(m.From, b, now)
	case BeginEpochReply:
		if !c.commonReply(b.LeaderInfo, now) && b.Err == None {
			c.acknowledged(m.From)
		}
	case EndEpochReply:
		if !c.commonReply(b.LeaderInfo, now) && b.Err == None {
			if s, ok := c.role.(*resigned); ok {
				s.heard(m.From)
			}
		}
	case FetchReply:
		c.stepFetchReply(m.From, b, now)
	case SnapshotReply:
		c.stepSnapshotReply(b, now)
	case VersionsReply:
		c.stepVersions(m.From, b, now)
	case VoterReply:
		c.stepVoterReply(b, now)
	}
}

// Tick lets time pass. It is to be called at Deadline, or whenever.
func (c *Core) Tick(now int64) { c.poll(now) }

// Deadline is when Tick is due next.
func (c *Core) Deadline() int64 { return c.wake }

// poll lets the role act until it neither changes nor wants anything at now.
func (c *Core) poll(now int64) {
	for i := 0; ; i++ {
		invariant.Check(i < 100, "node %v: %v does not come to rest", c.cfg.Self, c.role.role())
		before := c.role
		c.wake = before.poll(c, now)
		if c.role == before {
			return
		}
	}
}

// Propose appends a batch of count records as the leader of epoch; it becomes data of
// the log at the returned offset. ok is false when the node does not lead in epoch.
func (c *Core) Propose(epoch ids.LeaderEpoch, count int, data []byte) (base ids.Offset, ok bool) {
	if _, leads := c.role.(*leader); !leads || epoch != c.hard.Epoch {
		return 0, false
	}
	e := Entry{Base: c.log.End, Last: c.log.End + ids.Offset(count) - 1, Epoch: epoch, Data: data}
	c.appendEntry(e)
	return e.Base, true
}

func (c *Core) appendEntry(e Entry) {
	c.log.append(e)
	c.out.ops = append(c.out.ops, LogOp{Append: &e})
	if l, ok := c.role.(*leader); ok {
		l.wakeFetches = true
	}
}

// Resign gives up leadership of epoch.
func (c *Core) Resign(epoch ids.LeaderEpoch, why string, now int64) {
	if l, ok := c.role.(*leader); ok && epoch == c.hard.Epoch {
		l.resign = why
		c.poll(now)
	}
}

// Stop begins an orderly end: a leader resigns and names its successors, and
// nobody campaigns any more. Stopped tells when all was done.
func (c *Core) Stop(now int64) {
	c.stopping = true
	if _, ok := c.role.(*leader); ok {
		c.Resign(c.hard.Epoch, "shutdown", now)
	}
}

// Stopped tells whether a stopping node has nothing left to wait for.
func (c *Core) Stopped() bool {
	if s, ok := c.role.(*resigned); ok && c.stopping {
		return len(s.unacked) == 0
	}
	return c.stopping
}

// SnapshotWritten tells that this node wrote a snapshot of committed records.
func (c *Core) SnapshotWritten(id ids.OffsetAndEpoch) { c.log.addSnapshot(id) }

// PrefixDropped tells that the log now starts at start, the position of a snapshot.
func (c *Core) PrefixDropped(start ids.Offset) { c.log.forgetBefore(start) }

// Role is what the node does now.
func (c *Core) Role() Role { return c.role.role() }

// HardState is the election state, on disk after the next Ready.
func (c *Core) HardState() HardState { return c.hard }

// LeaderAndEpoch is the leader as far as known. A leader that resigned is none.
func (c *Core) LeaderAndEpoch() ids.LeaderAndEpoch {
	id := c.role.leaderID()
	if c.role.role() == Resigned {
		id = ids.NoNode
	}
	return ids.LeaderAndEpoch{Leader: id, Epoch: c.hard.Epoch}
}

// LeaderEndpoints are the listeners of the leader, nil when unknown.
func (c *Core) LeaderEndpoints() []Endpoint { return c.role.endpoints() }

// End is the end of the log, flushed or not, with its last epoch.
func (c *Core) End() ids.OffsetAndEpoch { return c.log.last() }

// Start is the log start offset.
func (c *Core) Start() ids.Offset { return c.log.Start }

// HighWatermark is the committed end, NoOffset when it is not known.
func (c *Core) HighWatermark() ids.Offset { return c.hw }

// Durable is the end of what is committed and on this node's disk.
func (c *Core) Durable() ids.Offset { return min(c.hw, c.stable) }

// Voters is the voter set in force and the level of kraft.version.
func (c *Core) Voters() (VoterSet, int16) { return c.log.lastVoters(), c.log.kraftVersion() }

// VotersAt is the voter set and kraft.version after the record at off; ok tells
// whether the set comes from the log.
func (c *Core) VotersAt(off ids.Offset) (set VoterSet, kraft int16, ok bool) {
	return c.log.votersAt(off), c.log.kraftAt(off), len(c.log.Voters) > 0 && c.log.Voters[0].Offset <= off
}

// Snapshots lists what snapshots the node has, oldest first.
func (c *Core) Snapshots() []ids.OffsetAndEpoch { return slices.Clone(c.log.Snapshots) }

// EpochAt is the epoch of the record before off, which with off names a position.
func (c *Core) EpochAt(off ids.Offset) ids.LeaderEpoch {
	e := ids.LeaderEpoch(0)
	for _, s := range c.log.Epochs {
		if s.Start < off {
			e = s.Epoch
		}
	}
	return e
}

// IsVoter tells whether this node is in the voter set in force.
func (c *Core) IsVoter() bool { return c.cfg.CanBeVoter && c.log.lastVoters().Contains(c.cfg.Self) }

// mayCampaign is IsVoter, or one of two cases in which others need this node's vote and do not
// get it, because its log is longer, so that they could never elect anybody if it did not campaign
// (Raft dissertation, 4.2.2): the change that removes this node may not be committed, and it may be the
// only one that has that record; or it has been told so, by who knows of a change that adds it. Counted
// are only the votes of the set in force, and it resigns when that is committed.
func (c *Core) mayCampaign() bool {
	n := len(c.log.Voters)
	removed := n >= 2 && c.log.Voters[n-1].Offset >= c.hw && c.log.Voters[n-2].Set.Contains(c.cfg.Self)
	return c.IsVoter() || c.cfg.CanBeVoter && (removed || c.needed && n > 0)
}

func (c *Core) onlyVoter() bool { return c.IsVoter() && c.log.lastVoters().Len() == 1 }

func (c *Core) randomElection(now int64) int64 {
	return now + c.cfg.ElectionTimeout + c.cfg.Rand.Int64N(c.cfg.ElectionTimeout+1)
}

// info says who leads. A node that resigned names nobody: who does not know its
// resignation yet must not begin to follow it.
func (c *Core) info(code Code) LeaderInfo {
	if c.role.role() == Resigned {
		return LeaderInfo{Err: code, Leader: ids.NoNode, Epoch: c.hard.Epoch}
	}
	return LeaderInfo{Err: code, Leader: c.role.leaderID(), Epoch: c.hard.Epoch, Endpoints: c.role.endpoints()}
}

// reply answers after the flush; what may go earlier says so itself.
func (c *Core) reply(call uint64, b Body) {
	c.out.synced = append(c.out.synced, Message{Call: call, Body: b})
}

func (c *Core) note(format string, args ...any) {
	c.out.notes = append(c.out.notes, fmt.Sprintf(format, args...))
}

// setHW moves the high watermark forward.
func (c *Core) setHW(hw ids.Offset) {
	invariant.Check(hw <= c.log.End, "node %v: high watermark %d beyond the log's end %d", c.cfg.Self, hw, c.log.End)
	c.hw = max(c.hw, hw)
}

// committedVoters tells whether the voter set in force is committed.
func (c *Core) committedVoters() bool {
	n := len(c.log.Voters)
	return n > 0 && c.log.Voters[n-1].Offset < c.hw
}

// EpochStart is where the epoch of this leader begins; NoOffset for others.
func (c *Core) EpochStart() ids.Offset {
	if l, ok := c.role.(*leader); ok {
		return l.epochStart
	}
	return ids.NoOffset
}

// VoterHistory lists the voter sets of the log from the latest snapshot on.
func (c *Core) VoterHistory() []VotersAt { return slices.Clone(c.log.Voters) }

// State is the role by the name that Kafka's metrics give it. A node that resigned
// counts as unattached.
func (c *Core) State() string {
	name := map[Role]string{Leader: "leader", Candidate: "candidate", Prospective: "prospective", Follower: "follower"}[c.Role()]
	switch {
	case name == "":
		name = "unattached"
	case name == "follower" && !c.IsVoter():
		name = "observer"
	}
	if voted := c.hard.Voted.ID >= 0; voted && (name == "unattached" || name == "prospective") {
		name += "-voted"
	}
	return name
}

// ChangingVoters tells whether the voter set in force is not committed yet.
func (c *Core) ChangingVoters() bool { return len(c.log.Voters) > 0 && !c.committedVoters() }
