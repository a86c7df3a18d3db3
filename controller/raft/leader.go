package raft

import (
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// leader appends, answers fetches and computes what is committed.
type leader struct {
	self       ids.NodeID
	at         []Endpoint
	epochStart ids.Offset // of its LeaderChange record
	granting   []ids.NodeID
	replicas   map[ReplicaKey]*progress // voters and observers, by canonical key

	// check-quorum: voters that fetched since the deadline was last moved
	checkDeadline int64
	fetchedVoters map[ids.NodeID]bool

	parked      []parkedFetch // in order of arrival
	wakeFetches bool          // the log grew since they were looked at

	adding   *pendingAdd
	removing *pendingRemove
	// volatile is the voter set with what UpdateRaftVoter told, which is kept in
	// memory as long as kraft.version is 0 and becomes the first VotersRecord at the upgrade.
	volatile  VoterSet
	upgrading bool

	resign string // why, when it is to resign
}

// progress is what the leader knows of a replica.
type progress struct {
	key ReplicaKey
	// end is where the replica's log ends, on its disk if it is a voter; NoOffset
	// before its first valid fetch in this epoch.
	end          ids.Offset
	lastFetch    int64      // -1 = never
	lastCaughtUp int64      // -1 = never
	leaderEnd    ids.Offset // of this log at lastFetch
	// acked: it knows who leads.
	acked     bool
	lastBegin int64 // when BeginQuorumEpoch was last sent
	// directory is what its latest fetch named, also while key has none.
	directory ids.DirectoryID
}

type parkedFetch struct {
	call     uint64
	req      FetchRequest
	deadline int64
}

// observers that do not fetch for so long are forgotten (ms)
const observerTimeout = 300_000

func newLeader(c *Core, granting []ids.NodeID, now int64) *leader {
	return &leader{
		self: c.cfg.Self.ID, at: c.cfg.Endpoints, epochStart: c.log.End, granting: slices.Sorted(slices.Values(granting)),
		replicas: map[ReplicaKey]*progress{}, checkDeadline: now + c.checkQuorumTimeout(), fetchedVoters: map[ids.NodeID]bool{},
		volatile: c.log.lastVoters().With(c.localVoter()),
	}
}

func (c *Core) checkQuorumTimeout() int64 { return c.cfg.FetchTimeout * 3 / 2 }

func (*leader) role() Role              { return Leader }
func (l *leader) leaderID() ids.NodeID  { return l.self }
func (l *leader) endpoints() []Endpoint { return l.at }

func (l *leader) grants(*Core, VoteRequest, bool) bool { return false }

// openEpoch appends the first batch of the epoch. It commits what former
// epochs left, and carries the voter set if that is not in the log yet or knows
// this node by other endpoints.
func (l *leader) openEpoch(c *Core) {
	set, kraft := c.Voters()
	var voters []ids.NodeID
	for _, v := range set.Voters() {
		voters = append(voters, v.Key.ID)
	}
	ctl := &Control{LeaderChange: &LeaderChange{Leader: l.self, Voters: voters, Granting: l.granting}}
	if n := len(c.log.Voters); kraft > 0 && n > 0 {
		known, in := set.Get(l.self)
		if in && (c.log.Voters[n-1].Offset == ids.NoOffset || !sameVoter(known, c.localVoter())) {
			updated := set.With(c.localVoter())
			ctl.KRaftVersion, ctl.Voters = &kraft, &updated
		}
	}
	l.appendControl(c, ctl)
}

func (l *leader) appendControl(c *Core, ctl *Control) (last ids.Offset) {
	ctl.place(c.log.End)
	last = c.log.End + ids.Offset(ctl.Count()) - 1
	c.appendEntry(Entry{Base: c.log.End, Last: last, Epoch: c.hard.Epoch, Control: ctl})
	return last
}

func (l *leader) poll(c *Core, now int64) int64 {
	set := c.log.lastVoters()
	check := set.Len() > 1 && !c.mutant(MutantNoCheckQuorum) || !set.Contains(c.cfg.Self)
	switch {
	case l.resign != "":
		c.becomeResigned(l.successors(c), l.resign, now)
		return now
	case check && now >= l.checkDeadline:
		invariant.Sometimes(true, "raft: check-quorum ends a leadership")
		c.becomeResigned(l.successors(c), "no majority of the voters fetched in time", now)
		return now
	}
	next := never
	if check {
		next = l.checkDeadline
	}
	next = min(next, l.expireChanges(c, now))
	next = min(next, l.pollFetches(c, now))
	return min(next, l.announce(c, now))
}

// announce sends BeginQuorumEpoch to voters that do not fetch: at once after the
// election, then once every half fetch timeout.
func (l *leader) announce(c *Core, now int64) int64 {
	next, period := never, c.cfg.FetchTimeout/2
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID == l.self {
			continue
		}
		p := l.replica(c, v.Key)
		due := p.lastFetch + period
		if p.acked {
			due = max(due, p.lastBegin+period)
		} else if p.lastFetch < 0 {
			due = now
		}
		if now < due {
			next = min(next, due)
			continue
		}
		sent, at := c.trySend(Target{v.Key.ID, v.Endpoints}, BeginEpochRequest{
			Leader: l.self, Epoch: c.hard.Epoch, Endpoints: l.at, Voter: v.Key,
		}, now)
		if sent {
			p.lastBegin = now
		}
		next = min(next, at)
	}
	return next
}

func (c *Core) acknowledged(from ids.NodeID) {
	if l, ok := c.role.(*leader); ok {
		if v, ok := c.log.lastVoters().Get(from); ok {
			l.replica(c, v.Key).acked = true
		}
	}
}

// replica finds or makes the progress of a replica. A voter without directory id
// in the set is one whatever directory its requests name.
func (l *leader) replica(c *Core, key ReplicaKey) *progress {
	if v, ok := c.log.lastVoters().Get(key.ID); ok && v.Key.Directory.IsZero() {
		key = v.Key
	}
	p := l.replicas[key]
	if p == nil {
		l.forgetSilent(c)
		p = &progress{key: key, end: ids.NoOffset, lastFetch: -1, lastCaughtUp: -1}
		l.replicas[key] = p
	}
	return p
}

// name gives static voters the directory ids of the first VotersRecord. What the
// leader knows of a voter stays, unless the latest fetch under its node id came
// from another disk than the one that the record names.
func (l *leader) name(set VoterSet) {
	for _, v := range set.Voters() {
		nameless := ReplicaKey{ID: v.Key.ID}
		p := l.replicas[nameless]
		if p == nil || v.Key == nameless {
			continue
		}
		delete(l.replicas, nameless)
		if p.directory == v.Key.Directory {
			p.key = v.Key
			l.replicas[v.Key] = p
		}
	}
}

// forgetSilent keeps those who come and go from filling the memory of a long-lived leader.
func (l *leader) forgetSilent(c *Core) {
	if len(l.replicas) < 64 {
		return
	}
	latest := int64(0)
	for _, p := range l.replicas {
		latest = max(latest, p.lastFetch)
	}
	for key, p := range l.replicas {
		if !c.log.lastVoters().Contains(key) && latest-p.lastFetch >= observerTimeout {
			delete(l.replicas, key)
		}
	}
}

// localAppended takes note that its own log is on disk up to its end.
func (l *leader) localAppended(c *Core, now int64) { l.updateHW(c, now) }

// updateHW moves the high watermark to what a majority of the voters in force has.
func (l *leader) updateHW(c *Core, now int64) {
	var ends []ids.Offset
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID == l.self && c.IsVoter() {
			ends = append(ends, c.stable)
		} else {
			ends = append(ends, l.replica(c, v.Key).end)
		}
	}
	if len(ends) == 0 {
		return
	}
	slices.Sort(ends)
	hw := ends[(len(ends)-1)/2]
	if c.mutant(MutantCommitBeforeMajority) {
		hw = c.stable
	}
	// A record of an older epoch may be on a majority and still be overwritten by a
	// leader of an epoch in between; only with a record of this epoch behind it is it safe.
	if hw <= l.epochStart && !c.mutant(MutantCommitOldEpoch) || hw <= c.hw {
		return
	}
	c.setHW(hw)
	l.changesCommitted(c, now)
	l.answerAll(c, now)
}

// established tells whether a record of this epoch is committed, so that what
// this leader takes for the latest committed voter set is that.
func (l *leader) established(c *Core) bool { return c.hw > l.epochStart }

// fetched counts a voter for check-quorum.
func (l *leader) fetched(c *Core, key ReplicaKey, now int64) {
	set := c.log.lastVoters()
	if key.ID == l.self || !set.Contains(key) {
		return
	}
	l.fetchedVoters[key.ID] = true
	need := set.Majority()
	if set.Contains(c.cfg.Self) {
		need--
	}
	if len(l.fetchedVoters) >= need {
		clear(l.fetchedVoters)
		l.checkDeadline = now + c.checkQuorumTimeout()
	}
}

// successors are the other voters, the one with the longest log first.
func (l *leader) successors(c *Core) []ReplicaKey {
	var out []*progress
	for _, v := range c.log.lastVoters().Voters() {
		if v.Key.ID != l.self {
			p := *l.replica(c, v.Key)
			p.key = v.Key
			out = append(out, &p)
		}
	}
	slices.SortStableFunc(out, func(a, b *progress) int { return int(max(-1, min(1, b.end-a.end))) })
	keys := make([]ReplicaKey, len(out))
	for i, p := range out {
		keys[i] = p.key
	}
	return keys
}

// checkLeader judges a request only the leader of epoch may answer.
func (c *Core) checkLeader(epoch ids.LeaderEpoch) (*leader, Code) {
	l, ok := c.role.(*leader)
	switch {
	case epoch < c.hard.Epoch:
		return nil, FencedLeaderEpoch
	case epoch > c.hard.Epoch:
		return nil, UnknownLeaderEpoch
	case !ok:
		return nil, NotLeaderOrFollower
	case c.stopping:
		return nil, BrokerNotAvailable
	}
	return l, None
}

// stepSnapshot lets the driver send a piece of a snapshot.
func (c *Core) stepSnapshot(r SnapshotRequest, now int64) SnapshotReply {
	l, code := c.checkLeader(r.Epoch)
	if code != None {
		return SnapshotReply{LeaderInfo: c.info(code)}
	}
	if !slices.Contains(c.log.Snapshots, r.ID) || r.ID.Offset == 0 {
		return SnapshotReply{LeaderInfo: c.info(SnapshotNotFound)}
	}
	if r.Position < 0 {
		return SnapshotReply{LeaderInfo: c.info(PositionOutOfRange)}
	}
	l.fetched(c, r.Replica, now)
	return SnapshotReply{LeaderInfo: c.info(None), ID: r.ID, Position: r.Position, MaxBytes: r.MaxBytes}
}

// abandon answers everybody who waits for what only a leader could tell.
func (l *leader) abandon(c *Core) {
	gone := LeaderInfo{Err: NotLeaderOrFollower, Leader: ids.NoNode, Epoch: c.hard.Epoch}
	invariant.Sometimes(len(l.parked) > 0, "raft: a leader steps down while followers wait")
	for _, f := range l.parked {
		c.reply(f.call, FetchReply{LeaderInfo: gone, HighWatermark: ids.NoOffset})
	}
	l.parked = nil
	if l.adding != nil {
		l.endAdd(c, NotLeaderOrFollower, "the leader changed")
	}
	if l.removing != nil {
		l.endRemove(c, NotLeaderOrFollower, "the leader changed")
	}
}

// ReplicaStatus is one row of DescribeQuorum. Times are on the core's clock, -1 = never.
type ReplicaStatus struct {
	Key                     ReplicaKey
	End                     ids.Offset
	LastFetch, LastCaughtUp int64
}

// Describe lists voters and observers as the leader sees them; ok is false elsewhere.
func (c *Core) Describe(now int64) (voters, observers []ReplicaStatus, ok bool) {
	l, ok := c.role.(*leader)
	if !ok {
		return nil, nil, false
	}
	set := c.log.lastVoters()
	for _, v := range set.Voters() {
		if v.Key.ID == l.self && c.IsVoter() {
			voters = append(voters, ReplicaStatus{v.Key, c.log.End, now, now})
			continue
		}
		p := l.replica(c, v.Key)
		voters = append(voters, ReplicaStatus{v.Key, p.end, p.lastFetch, p.lastCaughtUp})
	}
	for key, p := range l.replicas {
		if set.Contains(key) || key.ID == l.self {
			continue
		}
		if now-p.lastFetch >= observerTimeout {
			delete(l.replicas, key)
			continue
		}
		observers = append(observers, ReplicaStatus{key, p.end, p.lastFetch, p.lastCaughtUp})
	}
	slices.SortFunc(observers, func(a, b ReplicaStatus) int { return compareKeys(a.Key, b.Key) })
	return voters, observers, true
}

func compareKeys(a, b ReplicaKey) int {
	if a.ID != b.ID {
		return int(a.ID) - int(b.ID)
	}
	return slices.Compare(a.Directory[:], b.Directory[:])
}

// pollFetches answers parked fetches for which there is something new, or no time left.
func (l *leader) pollFetches(c *Core, now int64) int64 {
	next := never
	if !l.wakeFetches && (len(l.parked) == 0 || now < l.firstDeadline()) {
		if len(l.parked) > 0 {
			next = l.firstDeadline()
		}
		return next
	}
	l.wakeFetches = false
	waiting := l.parked[:0]
	for _, f := range l.parked {
		if f.req.Last.Offset < c.log.End || now >= f.deadline {
			c.out.now = append(c.out.now, Message{Call: f.call, Body: l.fetchReply(c, f.req)})
			continue
		}
		next = min(next, f.deadline)
		waiting = append(waiting, f)
	}
	l.parked = waiting
	return next
}

func (l *leader) firstDeadline() int64 {
	next := never
	for _, f := range l.parked {
		next = min(next, f.deadline)
	}
	return next
}

// answerAll tells every waiting follower the new high watermark.
func (l *leader) answerAll(c *Core, now int64) {
	for _, f := range l.parked {
		c.out.now = append(c.out.now, Message{Call: f.call, Body: l.fetchReply(c, f.req)})
	}
	l.parked = nil
}

// stepFetch is the leader's side of replication.
func (c *Core) stepFetch(call uint64, r FetchRequest, now int64) {
	empty := func(code Code) {
		c.reply(call, FetchReply{LeaderInfo: c.info(code), HighWatermark: ids.NoOffset, LogStart: c.log.Start})
	}
	if r.MaxWait < 0 || r.Last.Offset < 0 || r.Last.Epoch < 0 || r.Last.Epoch > r.Epoch {
		empty(InvalidRequest)
		return
	}
	l, code := c.checkLeader(r.Epoch)
	if code == None && r.Replica.ID == l.self {
		code = InvalidRequest
	}
	if code != None {
		empty(code)
		return
	}
	v := c.validate(r.Last)
	if v.diverging == nil && v.snapshot == nil {
		l.advance(c, r, now)
	}
	if v.diverging != nil || v.snapshot != nil || r.Last.Offset < c.log.End || r.MaxWait == 0 || c.hw > r.HighWatermark {
		c.out.now = append(c.out.now, Message{Call: call, Body: l.fetchReply(c, r)})
		return
	}
	l.parked = append(l.parked, parkedFetch{call, r, now + r.MaxWait})
}

func (c *Core) validate(at ids.OffsetAndEpoch) validation {
	if c.mutant(MutantOneShotTruncation) {
		if at.Offset > c.log.End {
			end := c.log.last()
			return validation{diverging: &end}
		}
		return validation{}
	}
	return c.log.validate(at)
}

// advance notes how far a replica is. Requests of no replica (consumers of the
// metadata log) have a negative id.
func (l *leader) advance(c *Core, r FetchRequest, now int64) {
	if r.Replica.ID < 0 {
		return
	}
	p := l.replica(c, r.Replica)
	if r.Last.Offset >= c.log.End {
		p.lastCaughtUp = now
	} else if p.leaderEnd > 0 && r.Last.Offset >= p.leaderEnd {
		p.lastCaughtUp = max(p.lastCaughtUp, p.lastFetch)
	}
	p.leaderEnd, p.lastFetch, p.acked = c.log.End, now, true
	p.end, p.directory = r.Last.Offset, r.Replica.Directory
	invariant.Check(p.end <= c.log.End, "replica %v is at %d, beyond the leader's end %d", p.key, p.end, c.log.End)
	l.fetched(c, r.Replica, now)
	l.updateHW(c, now)
}

func (l *leader) fetchReply(c *Core, r FetchRequest) FetchReply {
	out := FetchReply{LeaderInfo: c.info(None), HighWatermark: c.hw, LogStart: c.log.Start}
	v := c.validate(r.Last)
	out.Diverging, out.Snapshot = v.diverging, v.snapshot
	if v.diverging == nil && v.snapshot == nil && r.Last.Offset < c.log.End {
		out.Read, out.ReadFrom, out.MaxBytes = true, r.Last.Offset, r.MaxBytes
	}
	return out
}
