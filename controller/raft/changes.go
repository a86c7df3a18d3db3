package raft

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// Changes of the voter set (KIP-853). The set in force is the latest in the log,
// committed or not, and sets differ by one voter, so that majorities of neighbours
// overlap. What makes that safe is that no change begins before the last is
// committed, and none by a leader that has not committed a record of its own epoch.

// pendingAdd is an AddRaftVoter under way.
type pendingAdd struct {
	call      uint64
	voter     ReplicaKey
	endpoints []Endpoint
	ackLate   bool // answer when committed, not when appended
	deadline  int64
	appended  bool
	last      ids.Offset // of the VotersRecord
}

// pendingRemove is a RemoveRaftVoter under way.
type pendingRemove struct {
	call     uint64
	deadline int64
	last     ids.Offset
}

// checkChange tells whether a change may begin, and otherwise why not.
func (l *leader) checkChange(c *Core) (Code, string) {
	if c.mutant(MutantOverlappingChanges) {
		return None, ""
	}
	switch _, kraft := c.Voters(); {
	case l.adding != nil || l.removing != nil:
		invariant.Sometimes(true, "raft: a second change of the voters is refused")
		return RequestTimedOut, "another change of the voters is under way"
	case !l.established(c):
		return RequestTimedOut, "the leader has not committed a record of its epoch yet"
	case kraft == 0:
		return UnsupportedVersion, "kraft.version is 0: the voters are those of controller.quorum.voters"
	case !c.committedVoters():
		return RequestTimedOut, "the latest voter set is not committed yet"
	}
	return None, ""
}

func (c *Core) voterReply(call uint64, code Code, text string) {
	c.reply(call, VoterReply{LeaderInfo: c.info(code), Text: text})
}

func (c *Core) stepAddVoter(call uint64, r AddVoterRequest, now int64) {
	l, code := c.checkLeader(c.hard.Epoch)
	text := ""
	if code == None && (r.Voter.ID < 0 || r.Voter.Directory.IsZero() || len(r.Endpoints) == 0) {
		code, text = InvalidRequest, "the new voter needs an id, a directory id and an endpoint of the quorum's listener"
	}
	if code == None {
		code, text = l.checkChange(c)
	}
	set := c.log.lastVoters()
	if _, dup := set.Get(r.Voter.ID); code == None && dup {
		code, text = DuplicateVoter, fmt.Sprintf("node %d is in the voter set %v already", r.Voter.ID, set)
	}
	if code != None {
		c.voterReply(call, code, text)
		return
	}
	if sent, _ := c.trySend(Target{r.Voter.ID, r.Endpoints}, VersionsRequest{}, now); !sent {
		c.voterReply(call, RequestTimedOut, fmt.Sprintf("the new voter %v cannot be asked now", r.Voter))
		return
	}
	l.adding = &pendingAdd{call: call, voter: r.Voter, endpoints: r.Endpoints, ackLate: r.AckWhenCommitted, deadline: now + c.cfg.RequestTimeout}
}

// stepVersions goes on with AddRaftVoter when the new voter said what it supports.
func (c *Core) stepVersions(from ids.NodeID, r VersionsReply, now int64) {
	l, ok := c.role.(*leader)
	if !ok || l.adding == nil || l.adding.appended || l.adding.voter.ID != from {
		return
	}
	a := l.adding
	_, kraft := c.Voters()
	switch {
	case r.Err != None:
		l.endAdd(c, RequestTimedOut, fmt.Sprintf("the new voter answered ApiVersions with error %d", r.Err))
	case !r.Known || r.MinKRaft > kraft || r.MaxKRaft < kraft:
		l.endAdd(c, InvalidRequest, fmt.Sprintf("the new voter does not support kraft.version %d", kraft))
	case !l.caughtUp(a.voter, now):
		invariant.Sometimes(true, "raft: a new voter lags behind")
		l.endAdd(c, RequestTimedOut, fmt.Sprintf("%v lags behind", a.voter))
	default:
		set := c.log.lastVoters().With(Voter{Key: a.voter, Endpoints: a.endpoints, MinKRaft: r.MinKRaft, MaxKRaft: r.MaxKRaft})
		if set.Len() == 2 { // alone until now, so that nobody had to fetch
			l.checkDeadline = now + c.checkQuorumTimeout()
		}
		a.last, a.appended = l.appendControl(c, &Control{Voters: &set}), true
		if !a.ackLate {
			c.voterReply(a.call, None, "")
		}
	}
}

// caughtUp: an observer that had the whole log once and fetched within the hour
// can be expected to follow.
func (l *leader) caughtUp(key ReplicaKey, now int64) bool {
	p := l.replicas[key]
	return p != nil && p.lastCaughtUp >= 0 && now-p.lastFetch < 3_600_000
}

func (c *Core) stepRemoveVoter(call uint64, r RemoveVoterRequest, now int64) {
	l, code := c.checkLeader(c.hard.Epoch)
	text := ""
	if code == None && (r.Voter.ID < 0 || r.Voter.Directory.IsZero()) {
		code, text = InvalidRequest, "the voter to remove needs an id and a directory id"
	}
	if code == None {
		code, text = l.checkChange(c)
	}
	set := c.log.lastVoters()
	if v, ok := set.Get(r.Voter.ID); code == None && (!ok || v.Key != r.Voter || set.Len() == 1) {
		code, text = VoterNotFound, fmt.Sprintf("%v cannot be removed from the voter set %v", r.Voter, set)
	}
	if code != None {
		c.voterReply(call, code, text)
		return
	}
	without := set.Without(r.Voter.ID)
	last := l.appendControl(c, &Control{Voters: &without})
	l.removing = &pendingRemove{call: call, deadline: now + c.cfg.RequestTimeout, last: last}
}

// stepUpdateVoter takes a voter's endpoints and supported versions.
func (c *Core) stepUpdateVoter(r UpdateVoterRequest, now int64) VoterReply {
	l, code := c.checkLeader(r.Epoch)
	v, kraft := r.Voter, c.log.kraftVersion()
	if code == None && (v.Key.ID < 0 || v.Key.Directory.IsZero() || len(v.Endpoints) == 0 || v.MinKRaft < 0 || v.MaxKRaft < v.MinKRaft) {
		code = InvalidRequest
	}
	if code == None && (l.adding != nil || l.removing != nil || !l.established(c) || kraft > 0 && !c.committedVoters() || kraft == 0 && l.upgrading) {
		code = RequestTimedOut
	}
	if code == None && (v.MinKRaft > kraft || v.MaxKRaft < kraft) {
		code = InvalidRequest
	}
	if code == None {
		code = l.storeUpdate(c, v, kraft)
	}
	if code == None {
		l.fetched(c, v.Key, now)
	}
	return VoterReply{LeaderInfo: c.info(code)}
}

func (l *leader) storeUpdate(c *Core, v Voter, kraft int16) Code {
	if kraft == 0 {
		if _, ok := l.volatile.Get(v.Key.ID); !ok {
			return VoterNotFound
		}
		l.volatile = l.volatile.With(v)
		return None
	}
	set := c.log.lastVoters()
	known, ok := set.Get(v.Key.ID)
	if !ok || known.Key != v.Key {
		return VoterNotFound
	}
	updated := set.With(v)
	invariant.Sometimes(!slices.Equal(known.Endpoints, v.Endpoints), "raft: a voter tells of new endpoints")
	l.appendControl(c, &Control{Voters: &updated})
	return None
}

// changesCommitted ends the changes below the new high watermark.
func (l *leader) changesCommitted(c *Core, now int64) {
	if a := l.adding; a != nil && a.appended && c.hw > a.last {
		invariant.Sometimes(true, "raft: a voter is added")
		l.endAdd(c, None, "")
	}
	if r := l.removing; r != nil && c.hw > r.last {
		invariant.Sometimes(true, "raft: a voter is removed")
		l.endRemove(c, None, "")
	}
	if c.committedVoters() && !c.log.lastVoters().Contains(c.cfg.Self) {
		l.resign = "the committed voter set does not have it"
		invariant.Sometimes(true, "raft: a leader removed itself")
	}
}

// expireChanges answers a change that takes too long. One that is appended may be committed all the same.
func (l *leader) expireChanges(c *Core, now int64) int64 {
	next := never
	if a := l.adding; a != nil {
		if next = min(next, a.deadline); now >= a.deadline {
			l.endAdd(c, RequestTimedOut, "")
		}
	}
	if r := l.removing; r != nil {
		if next = min(next, r.deadline); now >= r.deadline {
			invariant.Sometimes(true, "raft: a change of the voters takes too long")
			l.endRemove(c, RequestTimedOut, "")
		}
	}
	return next
}

func (l *leader) endAdd(c *Core, code Code, text string) {
	if a := l.adding; !a.appended || a.ackLate {
		c.voterReply(a.call, code, text)
	}
	l.adding = nil
}

func (l *leader) endRemove(c *Core, code Code, text string) {
	c.voterReply(l.removing.call, code, text)
	l.removing = nil
}

// UpgradeKRaft moves the quorum to a higher level of kraft.version. From 0 to 1 it writes
// the first VotersRecord, for which every voter must have told its directory id
// and endpoints by UpdateRaftVoter. The returned offset is that of the last record; NoOffset
// with an empty reason means that there was nothing to do.
func (c *Core) UpgradeKRaft(epoch ids.LeaderEpoch, level int16, validateOnly bool) (last ids.Offset, code Code, why string) {
	l, code := c.checkLeader(epoch)
	_, now := c.Voters()
	switch {
	case code != None:
		return ids.NoOffset, code, "this node does not lead"
	case level == now:
		return ids.NoOffset, None, ""
	case level < now:
		return ids.NoOffset, InvalidUpdateVersion, fmt.Sprintf("kraft.version cannot go from %d down to %d", now, level)
	case l.upgrading:
		return ids.NoOffset, InvalidUpdateVersion, "another upgrade of kraft.version is under way"
	}
	for _, v := range l.volatile.Voters() {
		if v.Key.Directory.IsZero() || v.MinKRaft > level || v.MaxKRaft < level {
			return ids.NoOffset, InvalidUpdateVersion, fmt.Sprintf("voter %v does not support kraft.version %d, or has not said so yet", v.Key, level)
		}
	}
	if validateOnly {
		return ids.NoOffset, None, ""
	}
	l.upgrading = true
	invariant.Sometimes(true, "raft: kraft.version is upgraded")
	set := l.volatile
	last = l.appendControl(c, &Control{KRaftVersion: &level, Voters: &set})
	l.name(set)
	return last, None, ""
}

// InvalidUpdateVersion is Kafka's code for a feature level that cannot be taken.
const InvalidUpdateVersion Code = 95
