package raft

import (
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// updatePeriods is how many fetch timeouts pass between two looks at whether
// the leader should be told about this voter (UpdateRaftVoter, AddRaftVoter).
const updatePeriods = 3

// follower fetches from the leader.
type follower struct {
	leader ids.NodeID
	at     []Endpoint
	// fetched: the leader answered a fetch. From then on others that ask for a
	// pre-vote are refused, until this node loses the leader itself.
	fetched        bool
	suspected      bool  // the leader's port refused since its last answer
	fetchDeadline  int64 // moves with each answer; voters campaign at its end
	updateDeadline int64
	updated        bool // kraft.version 0: the leader knows this voter's endpoints
	download       *download
}

// download is a snapshot on its way from the leader.
type download struct {
	id       ids.OffsetAndEpoch
	position int64
	complete bool // the driver is checking it
}

func (*follower) role() Role              { return Follower }
func (s *follower) leaderID() ids.NodeID  { return s.leader }
func (s *follower) endpoints() []Endpoint { return s.at }

func (s *follower) grants(_ *Core, r VoteRequest, upToDate bool) bool {
	return r.PreVote && upToDate && !s.fetched
}

func (s *follower) poll(c *Core, now int64) int64 {
	if c.stopping {
		return never
	}
	voter, campaigns := c.IsVoter(), c.mayCampaign()
	if campaigns && now >= s.fetchDeadline {
		invariant.Sometimes(!s.suspected, "raft: a follower's fetch timeout ends")
		c.becomeProspective("fetch timeout", now)
		return now
	}
	next := s.pollMembership(c, voter, now)
	next = min(next, s.pollFetch(c, now))
	if campaigns {
		next = min(next, s.fetchDeadline)
	}
	return min(next, s.updateDeadline)
}

// pollMembership keeps what the quorum knows of this node up to date.
func (s *follower) pollMembership(c *Core, voter bool, now int64) int64 {
	if now < s.updateDeadline {
		return never
	}
	body := s.membershipRequest(c, voter)
	if body == nil {
		s.updateDeadline = now + c.cfg.FetchTimeout*updatePeriods
		return never
	}
	sent, next := c.trySend(s.target(), body, now)
	if sent {
		s.updateDeadline = now + c.cfg.FetchTimeout*updatePeriods
	}
	return next
}

func (s *follower) membershipRequest(c *Core, voter bool) Body {
	set, kraft := c.Voters()
	known, ok := set.Get(c.cfg.Self.ID)
	switch {
	case voter && kraft == 0 && !s.updated, voter && kraft > 0 && !sameVoter(known, c.localVoter()):
		return UpdateVoterRequest{Epoch: c.hard.Epoch, Voter: c.localVoter()}
	case voter || !c.cfg.AutoJoin || !c.cfg.CanBeVoter || kraft == 0:
		return nil
	case ok: // an earlier disk of this node is still in the set
		invariant.Sometimes(true, "raft: a node asks that its lost disk be removed")
		return RemoveVoterRequest{Voter: known.Key}
	}
	invariant.Sometimes(true, "raft: a node asks to join")
	return AddVoterRequest{Voter: c.cfg.Self, Endpoints: c.cfg.Endpoints, Timeout: c.cfg.RequestTimeout}
}

func (s *follower) target() Target { return Target{s.leader, s.at} }

// pollFetch keeps exactly one fetch under way: to the leader, or, while that does
// not answer, to the bootstrap nodes, which may know another.
func (s *follower) pollFetch(c *Core, now int64) int64 {
	p := c.peer(s.leader)
	switch {
	case c.timedOut(p, now):
		p.reset()
		return c.fetchFromBootstrap(now)
	case now < p.backoffUntil:
		return min(c.fetchFromBootstrap(now), p.backoffUntil)
	case s.download != nil && s.download.complete:
		return never
	}
	if busy := c.underWay(now); busy > now {
		return busy
	}
	var body Body = c.fetchRequest()
	if d := s.download; d != nil {
		body = SnapshotRequest{Replica: c.cfg.Self, Epoch: c.hard.Epoch, ID: d.id, Position: d.position, MaxBytes: c.cfg.SnapshotMaxBytes}
	}
	_, next := c.trySend(s.target(), body, now)
	return next
}

func (c *Core) fetchRequest() FetchRequest {
	return FetchRequest{
		Replica: c.cfg.Self, Epoch: c.hard.Epoch, Last: c.log.last(), HighWatermark: c.hw,
		MaxWait: c.cfg.FetchMaxWait, MaxBytes: c.cfg.FetchMaxBytes,
	}
}

// suspect shortens the wait for a leader whose port refuses. The followers take
// turns, by their place among the voters, so that votes are not split: one step is
// time for a pre-vote and a vote with their flushes. The random part keeps apart
// those who see different voter sets. The first waits too: for the others to see the
// same, because until then they refuse its pre-vote.
func (s *follower) suspect(c *Core, now int64) {
	s.fetched = false
	if s.suspected {
		return
	}
	s.suspected = true
	invariant.Sometimes(true, "raft: the leader's port refuses")
	turn := int64(0)
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID < c.cfg.Self.ID && v.Key.ID != s.leader {
			turn++
		}
	}
	wait := suspectMin + turn*suspectTurn + c.cfg.Rand.Int64N(suspectSpread)
	if c.defeats > 0 { // the others did not agree that the leader is dead
		wait += c.electionBackoff()
	}
	s.fetchDeadline = min(s.fetchDeadline, now+wait)
}

// ms from a refused connection until the first follower campaigns, between two of
// them, and the random part
const suspectMin, suspectTurn, suspectSpread = 10, 40, 20

// alive notes an answer of the leader.
func (s *follower) alive(c *Core, now int64) {
	s.fetched, s.suspected, c.defeats, c.needed = true, false, 0, false
	s.fetchDeadline = now + c.cfg.FetchTimeout
}

// stepFetchReply takes records, or truncates, or begins to download a snapshot.
func (c *Core) stepFetchReply(from ids.NodeID, r FetchReply, now int64) {
	if c.commonReply(r.LeaderInfo, now) {
		if r.Err != None {
			c.retryLater(from, now)
		}
		return
	}
	f, ok := c.role.(*follower)
	if !ok || r.Err != None {
		return
	}
	if f.download != nil {
		// It was asked for before the download began, and is late. What it brings would
		// be acknowledged, and then replaced by a snapshot that lacks it.
		c.note("a fetch is answered while snapshot %v is downloaded: ignored", f.download.id)
		f.alive(c, now)
		return
	}
	switch {
	case r.Diverging != nil:
		if !c.truncate(*r.Diverging) {
			return
		}
	case r.Snapshot != nil:
		if r.Snapshot.Offset <= max(c.hw, 0) || r.Snapshot.Epoch < 0 {
			c.note("the leader offers snapshot %v, committed is %d: ignored", *r.Snapshot, c.hw)
			return
		}
		f.download = &download{id: *r.Snapshot}
	default:
		if !c.appendFetched(r.Entries) {
			return
		}
		if hw := min(r.HighWatermark, c.log.End); hw > c.hw {
			c.setHW(hw)
		}
	}
	f.alive(c, now)
}

// truncate cuts the log where it parts from the leader's.
func (c *Core) truncate(leader ids.OffsetAndEpoch) bool {
	if leader.Epoch < 0 || leader.Offset < 0 {
		return false
	}
	at := c.log.truncationPoint(leader)
	if at < c.hw || at < c.log.Start {
		// Only a leader that lost committed records asks for this. Obeying would lose them everywhere.
		c.note("the leader asks to truncate to %d, below the high watermark %d: refused", at, c.hw)
		return false
	}
	if at < c.log.End {
		c.log.truncateTo(at)
		c.out.ops = append(c.out.ops, LogOp{Truncate: &at})
		invariant.Sometimes(true, "raft: a follower truncates")
		c.note("truncated to %d, where the leader's epoch %d ends at %d", at, leader.Epoch, leader.Offset)
	}
	return true
}

// appendFetched takes over batches that continue the log; a reply that does not is ignored.
func (c *Core) appendFetched(entries []Entry) bool {
	for _, e := range entries {
		if e.Base != c.log.End || e.Last < e.Base || e.Epoch < c.log.lastEpoch() || e.Epoch > c.hard.Epoch {
			c.note("the leader sent batch %d-%d of epoch %d for %v: ignored", e.Base, e.Last, e.Epoch, &c.log)
			return false
		}
		c.appendEntry(e)
	}
	return true
}

// stepSnapshotReply takes a piece of the snapshot that is being downloaded.
func (c *Core) stepSnapshotReply(r SnapshotReply, now int64) {
	if c.commonReply(r.LeaderInfo, now) {
		return
	}
	f, ok := c.role.(*follower)
	if !ok || f.download == nil {
		return
	}
	d := f.download
	if r.Err != None {
		c.note("snapshot %v cannot be fetched (error %d)", d.id, r.Err)
		invariant.Sometimes(true, "raft: a snapshot is gone while it is downloaded")
		f.download = nil // the next fetch tells what to do
		f.alive(c, now)
		return
	}
	end := d.position + int64(len(r.Data))
	if r.ID != d.id || r.Position != d.position || end > r.Size || len(r.Data) == 0 {
		c.note("a piece of snapshot %v at %d arrived, wanted was %v at %d", r.ID, r.Position, d.id, d.position)
		f.download = nil
		return
	}
	c.out.chunk = &SnapshotChunk{ID: d.id, Position: d.position, Data: r.Data, Last: end == r.Size}
	d.position, d.complete = end, end == r.Size
	f.alive(c, now)
}

// SnapshotInstalled tells that the driver replaced the log by a downloaded
// snapshot. A nil state means that the file was no good.
func (c *Core) SnapshotInstalled(s *SnapshotState, now int64) {
	if f, ok := c.role.(*follower); ok {
		f.download = nil
	}
	if s != nil {
		_, leads := c.role.(*leader)
		invariant.Check(!leads, "node %v: a leader loads a snapshot", c.cfg.Self)
		invariant.Check(s.ID.Offset > c.hw, "node %v: snapshot %v below the high watermark %d", c.cfg.Self, s.ID, c.hw)
		c.log.install(*s)
		invariant.Sometimes(true, "raft: a follower installs a snapshot")
		c.stable = c.log.End
		c.setHW(s.ID.Offset)
	}
	c.poll(now)
}

// stepVoterReply ends a request about this node's own membership.
func (c *Core) stepVoterReply(r VoterReply, now int64) {
	if r.Epoch > 0 && c.commonReply(r.LeaderInfo, now) {
		return
	}
	if f, ok := c.role.(*follower); ok && (r.Err == None || r.Err == UnsupportedVersion) {
		f.updated = true
	}
}

func sameVoter(a, b Voter) bool {
	x, _ := NewVoterSet(a)
	y, _ := NewVoterSet(b)
	return x.Equal(y)
}

// localVoter is how this node should be known to the others.
func (c *Core) localVoter() Voter {
	return Voter{Key: c.cfg.Self, Endpoints: c.cfg.Endpoints, MinKRaft: c.cfg.MinKRaft, MaxKRaft: c.cfg.MaxKRaft}
}
