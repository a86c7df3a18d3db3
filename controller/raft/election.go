package raft

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// votes counts one election, or one round of pre-votes, among the voters in
// force when it began.
type votes struct {
	voters            []Voter
	need              int
	granted, rejected []ids.NodeID
	refused           []ids.NodeID // whose port refused; they may come back and vote all the same
}

func newVotes(c *Core) votes {
	set := c.log.lastVoters()
	v := votes{voters: set.Voters(), need: set.Majority()}
	if c.IsVoter() {
		v.granted = []ids.NodeID{c.cfg.Self.ID}
	}
	return v
}

func (v *votes) record(from ids.NodeID, granted bool) {
	if !slices.ContainsFunc(v.voters, func(x Voter) bool { return x.Key.ID == from }) || v.recorded(from) {
		return
	}
	if granted {
		v.granted = append(v.granted, from)
	} else {
		v.rejected = append(v.rejected, from)
	}
}

func (v *votes) recorded(id ids.NodeID) bool {
	return slices.Contains(v.granted, id) || slices.Contains(v.rejected, id)
}

func (v *votes) won() bool  { return len(v.granted) >= v.need }
func (v *votes) lost() bool { return len(v.voters)-len(v.rejected) < v.need }

// hopeless tells whether it is lost unless a dead voter comes back. It is no reason
// to give up, as lost is, but one to try again sooner.
func (v *votes) hopeless() bool {
	dead := 0
	for _, id := range v.refused {
		if !v.recorded(id) {
			dead++
		}
	}
	return len(v.voters)-len(v.rejected)-dead < v.need
}

func (v *votes) refuse(from ids.NodeID) {
	if !slices.Contains(v.refused, from) {
		v.refused = append(v.refused, from)
	}
}

// ask sends vote requests to all who have not answered yet.
func (v *votes) ask(c *Core, preVote bool, now int64) int64 {
	next := never
	if v.lost() {
		return next
	}
	for _, x := range v.voters {
		if v.recorded(x.Key.ID) {
			continue
		}
		_, at := c.trySend(Target{x.Key.ID, x.Endpoints}, VoteRequest{
			Candidate: c.cfg.Self, Voter: x.Key, Epoch: c.hard.Epoch, Last: c.log.last(), PreVote: preVote,
		}, now)
		next = min(next, at)
	}
	return next
}

// stepVote answers a candidate, or a prospective one.
func (c *Core) stepVote(r VoteRequest, now int64) VoteReply {
	no := func(code Code) VoteReply { return VoteReply{LeaderInfo: c.info(code)} }
	// The log of a candidate ends in an epoch before the one it wants; a prospective
	// one has not left the epoch of its log yet.
	if r.Last.Offset < 0 || r.Last.Epoch < 0 || r.Last.Epoch > r.Epoch || r.Last.Epoch == r.Epoch && !r.PreVote {
		return no(InvalidRequest)
	}
	if code := c.checkVoterRequest(r.Candidate.ID, r.Epoch); code != None {
		return no(code)
	}
	if r.Epoch > c.hard.Epoch {
		c.becomeUnattached(r.Epoch, ids.NoNode, "asked for a vote in a higher epoch", now)
	}
	if !c.isSelf(r.Voter) {
		invariant.Sometimes(true, "raft: a node is asked for the vote of its lost disk")
		return no(InvalidVoterKey)
	}
	upToDate := !r.Last.Less(c.log.last()) || c.mutant(MutantVoteForShortLog)
	granted := c.role.grants(c, r, upToDate)
	invariant.Sometimes(!upToDate, "raft: a vote for a shorter log is refused")
	invariant.Sometimes(!granted && r.PreVote && c.role.role() == Follower, "raft: a pre-vote is refused by who hears from the leader")
	invariant.Sometimes(!granted && !r.PreVote && c.hard.Voted.ID >= 0, "raft: a second vote in an epoch is refused")
	if !upToDate && r.Voter == c.cfg.Self && c.log.lastVoters().Contains(r.Candidate) {
		c.needed = true
	}
	if granted && !r.PreVote {
		c.giveVote(r.Candidate, now)
	}
	return VoteReply{LeaderInfo: c.info(None), Granted: granted}
}

// giveVote makes the vote for a candidate of the current epoch durable. To have
// given it already is the only other case, and changes nothing.
func (c *Core) giveVote(candidate ReplicaKey, now int64) {
	if c.hard.Voted.ID >= 0 && !c.mutant(MutantVoteTwice) {
		return
	}
	switch s := c.role.(type) {
	case *unattached:
		c.setElection(c.hard.Epoch, c.hard.Leader, candidate)
		c.enter(&unattached{leader: s.leader, deadline: c.randomElection(now)}, "voted")
	case *prospective:
		c.setElection(c.hard.Epoch, c.hard.Leader, candidate)
		c.enter(&prospective{leader: s.leader, at: s.at, votes: newVotes(c), deadline: c.randomElection(now)}, "voted")
	}
}

// canVote is the rule of roles that have no leader: one vote an epoch, none
// once it is known who leads, and only for a log that holds all this one does.
func (c *Core) canVote(leader ids.NodeID, r VoteRequest, upToDate bool) bool {
	switch voted := c.hard.Voted; {
	case r.PreVote:
		return upToDate
	case voted.ID >= 0 && !c.mutant(MutantVoteTwice):
		return voted.ID == r.Candidate.ID && (voted.Directory.IsZero() || voted.Directory == r.Candidate.Directory)
	default:
		return leader < 0 && upToDate
	}
}

// checkVoterRequest judges the sender of Vote, BeginQuorumEpoch and
// EndQuorumEpoch. Who is no voter in this node's view may be one already in the
// sender's: voter sets travel with the log, so membership is no criterion.
func (c *Core) checkVoterRequest(from ids.NodeID, epoch ids.LeaderEpoch) Code {
	switch {
	case epoch < c.hard.Epoch:
		return FencedLeaderEpoch
	case from < 0 || from == c.cfg.Self.ID:
		return InvalidRequest
	}
	return None
}

// isSelf tells whether a request means this node with this disk. A node whose
// disk was replaced must not vote with what it no longer remembers (KIP-853).
func (c *Core) isSelf(voter ReplicaKey) bool {
	return voter.ID < 0 || voter.ID == c.cfg.Self.ID && (voter.Directory.IsZero() || voter.Directory == c.cfg.Self.Directory || c.mutant(MutantIgnoreDirectory))
}

func (c *Core) stepVoteReply(from ids.NodeID, r VoteReply, now int64) {
	if p, ok := c.role.(*prospective); ok && r.Err == UnsupportedVersion {
		p.votes.record(from, true) // a voter from before KIP-996 stands in nobody's way
		c.becomeCandidate("a voter knows no pre-votes", now)
		return
	}
	if c.commonReply(r.LeaderInfo, now) {
		if r.Err == InvalidVoterKey || r.Err == BrokerNotAvailable {
			c.retryLater(from, now)
		}
		return
	}
	if r.Err != None {
		c.retryLater(from, now)
		return
	}
	switch s := c.role.(type) {
	case *prospective:
		s.votes.record(from, r.Granted)
		if s.votes.won() {
			c.becomeCandidate("a majority would vote for it", now)
		} else if s.votes.lost() {
			s.lose(c, "a majority would not vote for it", now)
		} else {
			s.retrySooner(c, now)
		}
	case *candidate:
		s.votes.record(from, r.Granted)
		if s.votes.won() {
			c.becomeLeader(now)
		} else {
			s.retrySooner(c, now)
		}
	}
}

// electionBackoff is how long who lost waits before it asks again: at random, and up to
// twice as long each time (controller.quorum.election.backoff.max.ms at most), so
// that candidates that took each other's votes part.
func (c *Core) electionBackoff() int64 {
	return 1 + c.cfg.Rand.Int64N(max(1, min(c.cfg.ElectionBackoff, backoffBase<<c.defeats)))
}

// defeat counts an election lost; electionBackoff grows with it.
func (c *Core) defeat() { c.defeats = min(c.defeats+1, 10) }

// backoffBase, doubled, bounds the first backoff (ms).
const backoffBase = 25

// stepBeginEpoch learns of an elected leader.
func (c *Core) stepBeginEpoch(r BeginEpochRequest, now int64) BeginEpochReply {
	if code := c.checkVoterRequest(r.Leader, r.Epoch); code != None {
		return BeginEpochReply{c.info(code)}
	}
	if !c.consistent(r.Leader, r.Epoch) {
		return BeginEpochReply{c.info(InvalidRequest)}
	}
	c.learn(r.Leader, r.Epoch, c.endpointsOf(r.Leader, r.Endpoints), now)
	if !c.isSelf(r.Voter) {
		return BeginEpochReply{c.info(InvalidVoterKey)}
	}
	return BeginEpochReply{c.info(None)}
}

// stepEndEpoch learns that the leader resigned; the successors it names campaign in turn.
func (c *Core) stepEndEpoch(r EndEpochRequest, now int64) EndEpochReply {
	if code := c.checkVoterRequest(r.Leader, r.Epoch); code != None {
		return EndEpochReply{c.info(code)}
	}
	if !c.consistent(r.Leader, r.Epoch) {
		return EndEpochReply{c.info(InvalidRequest)}
	}
	c.learn(r.Leader, r.Epoch, c.endpointsOf(r.Leader, r.Endpoints), now)
	if f, ok := c.role.(*follower); ok && f.leader == r.Leader {
		f.fetched = false // its leader is gone: others may have its pre-vote
		f.fetchDeadline = now + c.successionBackoff(r.Successors)
	}
	return EndEpochReply{c.info(None)}
}

func (c *Core) endpointsOf(id ids.NodeID, told []Endpoint) []Endpoint {
	if len(told) > 0 {
		return told
	}
	v, _ := c.log.lastVoters().Get(id)
	return v.Endpoints
}

// successionBackoff is how long to wait before campaigning: nothing for the first
// named, then doubling steps, so that the best candidate is not disturbed.
func (c *Core) successionBackoff(successors []ReplicaKey) int64 {
	pos := slices.IndexFunc(successors, func(k ReplicaKey) bool {
		return k.ID == c.cfg.Self.ID && (k.Directory.IsZero() || k.Directory == c.cfg.Self.Directory)
	})
	switch {
	case pos == 0:
		invariant.Sometimes(true, "raft: the first successor campaigns at once")
		return 0
	case pos < 0:
		return c.cfg.ElectionBackoff
	}
	base := c.cfg.ElectionBackoff >> min(len(successors)-1, 30)
	return min(c.cfg.ElectionBackoff, base<<min(pos-1, 30))
}
