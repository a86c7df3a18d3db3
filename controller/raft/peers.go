package raft

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// peer is what the core knows of the line to another node. At most one request
// is under way on it; a new role begins with a clean line, and replies to what was
// asked before are dropped.
type peer struct {
	call         uint64 // under way; 0 = none
	sentAt       int64
	backoffUntil int64
	failures     int // in a row
}

func (p *peer) reset() { *p = peer{} }

func (c *Core) peer(id ids.NodeID) *peer {
	p := c.peers[id]
	if p == nil {
		p = &peer{}
		c.peers[id] = p
	}
	return p
}

// timedOut tells whether the request under way has been for too long.
func (c *Core) timedOut(p *peer, now int64) bool {
	return p.call != 0 && now-p.sentAt >= c.cfg.RequestTimeout
}

// trySend sends body if the line to t is free, and returns when to try again
// otherwise, or when the request will have timed out.
func (c *Core) trySend(t Target, body Body, now int64) (sent bool, next int64) {
	p := c.peer(t.ID)
	if c.timedOut(p, now) {
		p.reset()
	}
	switch {
	case len(t.Endpoints) == 0:
		return false, never
	case p.call != 0:
		return false, p.sentAt + c.cfg.RequestTimeout
	case now < p.backoffUntil:
		return false, p.backoffUntil
	}
	c.calls++
	p.call, p.sentAt = c.calls, now
	m := Message{Call: c.calls, To: t, Body: body}
	if v, ok := body.(VoteRequest); ok && v.PreVote {
		c.out.now = append(c.out.now, m) // promises nothing
	} else {
		c.out.synced = append(c.out.synced, m)
	}
	return true, now + c.cfg.RequestTimeout
}

// expected tells whether m answers the request under way on its line, which it ends.
func (c *Core) expected(m Message, now int64) bool {
	p := c.peers[m.From]
	if p == nil || p.call != m.Call || m.Call == 0 {
		invariant.Sometimes(true, "raft: an answer comes that nobody waits for any more")
		return false
	}
	p.call = 0
	if _, failed := m.Body.(Unreachable); !failed {
		p.failures = 0
		return true
	}
	p.failures = min(p.failures+1, maxBackoffSteps)
	p.backoffUntil = now + c.cfg.RetryBackoff<<(p.failures-1)
	return true
}

// A line that fails again and again is tried ever less often: 32 times the
// first backoff (0.64 s by default) in the end.
const maxBackoffSteps = 6

// underWay tells until when the requests under way may take, 0 without any.
func (c *Core) underWay(now int64) int64 {
	var until int64
	for _, p := range c.peers {
		if p.call != 0 && !c.timedOut(p, now) {
			until = max(until, p.sentAt+c.cfg.RequestTimeout)
		}
	}
	return until
}

// retryLater keeps a line quiet after an answer that helped nobody.
func (c *Core) retryLater(id ids.NodeID, now int64) {
	c.peer(id).backoffUntil = now + c.cfg.RetryBackoff
}

// bootstrap lists whom to ask for the leader when none is known.
func (c *Core) bootstrap() []Target {
	var out []Target
	for i, e := range c.cfg.Bootstrap {
		if slices.ContainsFunc(c.cfg.Endpoints, func(own Endpoint) bool { return own.Host == e.Host && own.Port == e.Port }) {
			continue
		}
		out = append(out, Target{ID: ids.NodeID(-2 - i), Endpoints: []Endpoint{e}})
	}
	// The voters it knows of: the only ones to ask without bootstrap servers, and the
	// way back for a node that bootstrap servers do not help any more.
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID != c.cfg.Self.ID {
			out = append(out, Target{ID: v.Key.ID, Endpoints: v.Endpoints})
		}
	}
	return out
}

// fetchFromBootstrap asks one of the bootstrap nodes, at random, unless one is asked already.
func (c *Core) fetchFromBootstrap(now int64) int64 {
	all := c.bootstrap()
	var ready []Target
	next := never
	for _, t := range all {
		p := c.peer(t.ID)
		if c.timedOut(p, now) {
			p.reset()
			p.backoffUntil = now + c.cfg.RetryBackoff
		}
		switch {
		case p.call != 0:
			return p.sentAt + c.cfg.RequestTimeout
		case now < p.backoffUntil:
			next = min(next, p.backoffUntil)
		default:
			ready = append(ready, t)
		}
	}
	if len(ready) == 0 {
		return next
	}
	_, next = c.trySend(ready[c.cfg.Rand.IntN(len(ready))], c.fetchRequest(), now)
	return next
}

// commonReply draws the conclusions every reply allows: a higher epoch, or who
// leads. True means that there is nothing more to do with the reply.
func (c *Core) commonReply(r LeaderInfo, now int64) bool {
	at := r.Endpoints
	if len(at) == 0 && r.Leader >= 0 {
		if v, ok := c.log.lastVoters().Get(r.Leader); ok {
			at = v.Endpoints
		}
	}
	switch {
	case r.Epoch < c.hard.Epoch || r.Err == UnknownLeaderEpoch:
		return true
	case r.Epoch > c.hard.Epoch || r.Err == FencedLeaderEpoch || r.Err == NotLeaderOrFollower:
		c.learn(r.Leader, r.Epoch, at, now)
		return true
	case r.Leader >= 0 && len(c.role.endpoints()) == 0: // the id of the leader may be known, from before a restart
		c.learn(r.Leader, r.Epoch, at, now)
		return r.Err != None
	case !c.consistent(r.Leader, r.Epoch):
		c.note("a reply names %d leader of epoch %d, known is %d: ignored", r.Leader, r.Epoch, c.role.leaderID())
		return true
	}
	return r.Err == BrokerNotAvailable || r.Err == InvalidVoterKey || r.Err == InvalidRequest
}

// consistent tells whether leader can be that of epoch. Two leaders of one
// epoch are somebody's bug; the message is then ignored.
func (c *Core) consistent(leader ids.NodeID, epoch ids.LeaderEpoch) bool {
	if leader >= 0 && leader == c.cfg.Self.ID {
		return epoch == c.hard.Epoch && (c.role.role() == Leader || c.role.role() == Resigned)
	}
	known := c.role.leaderID()
	return epoch != c.hard.Epoch || leader < 0 || known < 0 || leader == known
}

// learn moves to what a message says of leader and epoch, if that is news.
func (c *Core) learn(leader ids.NodeID, epoch ids.LeaderEpoch, at []Endpoint, now int64) {
	if !c.consistent(leader, epoch) {
		c.note("a message names %d leader of epoch %d, known is %d of %d: ignored", leader, epoch, c.role.leaderID(), c.hard.Epoch)
		return
	}
	if leader == c.cfg.Self.ID {
		return
	}
	switch {
	case epoch > c.hard.Epoch && leader >= 0 && len(at) > 0:
		invariant.Sometimes(c.role.role() == Leader, "raft: a leader learns of its successor")
		c.becomeFollower(epoch, leader, at, "found a leader of a higher epoch", now)
	case epoch > c.hard.Epoch:
		c.becomeUnattached(epoch, leader, "found a higher epoch", now)
	case epoch == c.hard.Epoch && leader >= 0 && len(at) > 0 && c.mayFollow(at):
		c.becomeFollower(epoch, leader, at, "found the leader", now)
	}
}

// mayFollow tells whether a leader of the current epoch is news.
func (c *Core) mayFollow(at []Endpoint) bool {
	switch s := c.role.(type) {
	case *leader, *resigned:
		return false
	case *follower:
		return len(at) > len(s.at)
	case *prospective:
		// It left that leader because fetches had failed, and only a lost election brings it back.
		return s.leader < 0 || len(s.at) == 0
	}
	return true
}

// stepUnreachable takes a failed request. A refused connection to the leader
// is the death of a process on a living host: the follower campaigns almost at once.
func (c *Core) stepUnreachable(from ids.NodeID, u Unreachable, now int64) {
	switch s := c.role.(type) {
	case *follower:
		if u.Refused && from == s.leader {
			s.suspect(c, now)
		}
	case *prospective:
		if u.Refused {
			s.votes.refuse(from)
			s.retrySooner(c, now)
		}
	case *candidate:
		if u.Refused {
			s.votes.refuse(from)
			s.retrySooner(c, now)
		}
	case *resigned:
		if u.Refused && c.stopping { // dead, or stopped as well: nobody to tell
			s.heard(from)
		}
	case *leader:
		if s.adding != nil && from == s.adding.voter.ID {
			s.endAdd(c, RequestTimedOut, "the new voter did not answer ApiVersions")
		}
	}
}
