package sim

import (
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// judge looks at the nodes from outside and knows what may never be. What it
// remembers survives every crash.
type judge struct {
	w *world
	// leaders: who led an epoch, and in which life.
	leaders map[ids.LeaderEpoch]leadership
	// votes given away by messages, by voter (with disk) and epoch.
	votes map[ballot]raft.ReplicaKey
	// told is the highest epoch a disk's owner told anybody, up to the event before;
	// the messages of one turn may leave in any order.
	told, telling map[raft.ReplicaKey]ids.LeaderEpoch
	// durable is how far a disk was known to its node to hold what is committed, before
	// the last event.
	durable map[raft.ReplicaKey]ids.Offset
	// promised is where the log ended that a disk's owner told the leader of in its last fetch, by
	// which it acknowledged it, until a leader's answer lets it truncate.
	promised map[raft.ReplicaKey]ids.Offset
	// epochs that exist.
	topEpoch ids.LeaderEpoch
	// batches: log matching says that offset and epoch decide the batch and all before it.
	batches map[ids.OffsetAndEpoch]raftio.BatchRef
	before  map[ids.OffsetAndEpoch]ids.LeaderEpoch // the epoch of the batch in front
	// committed batches, by base.
	committed    map[ids.Offset]raftio.BatchRef
	committedEnd ids.Offset
	commitEpoch  ids.LeaderEpoch       // the highest epoch of a node that took anything for committed
	values       map[ids.Offset]string // applied records
	valueOrder   []ids.Offset
	seen         map[ids.NodeID]*sight
	dirty        []*node
	healedEnd    ids.Offset
}

type leadership struct {
	id   ids.NodeID
	life int
}

type ballot struct {
	voter raft.ReplicaKey
	epoch ids.LeaderEpoch
}

// sight is what the judge last saw of a node.
type sight struct {
	role    raft.Role
	epoch   ids.LeaderEpoch
	hw      ids.Offset
	end     ids.OffsetAndEpoch
	log     []raftio.BatchRef // from its start on
	since   int64             // local time of its election
	fetched map[ids.NodeID]int64
	set     raft.VoterSet // in force
	setAt   int64         // local time since when
}

func newJudge(w *world) *judge {
	return &judge{
		w: w, leaders: map[ids.LeaderEpoch]leadership{}, votes: map[ballot]raft.ReplicaKey{}, told: map[raft.ReplicaKey]ids.LeaderEpoch{}, telling: map[raft.ReplicaKey]ids.LeaderEpoch{},
		durable: map[raft.ReplicaKey]ids.Offset{}, promised: map[raft.ReplicaKey]ids.Offset{}, batches: map[ids.OffsetAndEpoch]raftio.BatchRef{}, before: map[ids.OffsetAndEpoch]ids.LeaderEpoch{},
		committed: map[ids.Offset]raftio.BatchRef{}, values: map[ids.Offset]string{}, seen: map[ids.NodeID]*sight{},
	}
}

func (j *judge) booted(n *node) {
	j.seen[n.id] = &sight{role: raft.Unattached, epoch: -1, hw: ids.NoOffset, fetched: map[ids.NodeID]int64{}}
	if e := n.rep.Core().HardState().Epoch; e < j.told[n.key()] {
		fail("epoch forgotten: node %d told of epoch %d and starts in %d", n.id, j.told[n.key()], e)
	}
	if end, had := n.rep.Core().End().Offset, max(j.durable[n.key()], j.promised[n.key()]); end < had {
		fail("records forgotten: node %d had all below %d on disk, and starts with %d", n.id, had, end)
	}
}

func (j *judge) stopped(n *node) { delete(j.seen, n.id) }

// sent looks at what leaves a node: promises its disk has to keep.
func (j *judge) sent(n *node, m *raft.Message) {
	key := n.key()
	if epoch, ok := epochOf(m.Body); ok {
		if epoch < j.told[key] {
			fail("epoch falls: node %d sends %T of epoch %d after %d", n.id, m.Body, epoch, j.told[key])
		}
		j.telling[key] = max(j.telling[key], epoch)
	}
	switch b := m.Body.(type) {
	case raft.VoteRequest:
		if !b.PreVote {
			j.vote(key, b.Epoch, b.Candidate)
		}
	case raft.FetchRequest:
		j.promised[key] = b.Last.Offset
	case raft.VoteReply:
		if b.Granted {
			j.granted(n, m.Call, b.Epoch)
		}
	}
}

func epochOf(b raft.Body) (ids.LeaderEpoch, bool) {
	switch b := b.(type) {
	case raft.VoteRequest:
		return b.Epoch, true
	case raft.FetchRequest:
		return b.Epoch, true
	case raft.BeginEpochRequest:
		return b.Epoch, true
	case raft.VoteReply:
		return b.Epoch, true
	case raft.BeginEpochReply:
		return b.Epoch, true
	case raft.FetchReply:
		return b.Epoch, true
	}
	return 0, false
}

// answered notes what may make a node truncate its log.
func (j *judge) answered(n *node, b raft.Body) {
	switch r := b.(type) {
	case raft.FetchReply:
		if r.Diverging != nil {
			delete(j.promised, n.key())
		}
	case raft.SnapshotReply:
		delete(j.promised, n.key())
	}
}

// heard notes what a node is asked, to know what its answers mean.
func (j *judge) heard(n *node, b raft.Body) {
	switch r := b.(type) {
	case raft.VoteRequest:
		n.w.ballots[n.w.calls] = r
	case raft.FetchRequest:
		if s := j.seen[n.id]; s != nil {
			s.fetched[r.Replica.ID] = n.local()
		}
	case raft.SnapshotRequest:
		if s := j.seen[n.id]; s != nil {
			s.fetched[r.Replica.ID] = n.local()
		}
	}
}

func (j *judge) granted(n *node, call uint64, epoch ids.LeaderEpoch) {
	r := n.w.ballots[call]
	delete(n.w.ballots, call)
	if !r.Voter.Directory.IsZero() && r.Voter.Directory != n.dir {
		fail("node %v votes as %v, whose disk is gone", n.key(), r.Voter)
	}
	if r.PreVote {
		return
	}
	j.vote(n.key(), epoch, r.Candidate)
}

func (j *judge) vote(voter raft.ReplicaKey, epoch ids.LeaderEpoch, candidate raft.ReplicaKey) {
	b := ballot{voter, epoch}
	if was, ok := j.votes[b]; ok && was != candidate {
		fail("two votes: node %v voted for %v and for %v in epoch %d", voter, was, candidate, epoch)
	}
	j.votes[b] = candidate
}

// changed sees the end of a voter change.
func (j *judge) changed(b raft.Body) {
	if r, ok := b.(raft.VoterReply); ok {
		j.w.tell("voter change: error %d %s", r.Err, r.Text)
	}
}

// moved marks a node that acted; check looks at it when the event is over.
func (j *judge) moved(n *node) { j.dirty = append(j.dirty, n) }

// check runs after every event.
func (j *judge) check() {
	for k, e := range j.telling {
		j.told[k] = max(j.told[k], e)
	}
	clear(j.telling)
	for _, n := range j.dirty {
		if n.up() {
			j.node(n)
		}
	}
	j.dirty = j.dirty[:0]
}

func (j *judge) node(n *node) {
	c, s := n.rep.Core(), j.seen[n.id]
	epoch, role := c.HardState().Epoch, c.Role()
	if epoch < s.epoch {
		fail("epoch falls: node %d from %d to %d", n.id, s.epoch, epoch)
	}
	j.newEpoch(n, s.role, epoch, role)
	if role != s.role || epoch != s.epoch {
		j.w.tell("n%d %v %d end %v hw %d", n.id, role, epoch, c.End(), c.HighWatermark())
	}
	if s.end != c.End() || len(s.log) == 0 {
		if !j.log(n, s) {
			return
		}
	}
	if role == raft.Leader && (s.role != raft.Leader || s.epoch != epoch) {
		j.elected(n, epoch, s)
		s.since = n.local()
	}
	s.role, s.epoch, s.end = role, epoch, c.End()
	if hw := c.HighWatermark(); hw != s.hw {
		if hw < s.hw {
			fail("high watermark falls: node %d from %d to %d", n.id, s.hw, hw)
		}
		j.commit(n, s, hw)
		s.hw = hw
	}
	j.durable[n.key()] = max(j.durable[n.key()], c.Durable())
	if start := c.Start(); start > 0 && (len(c.Snapshots()) == 0 || c.Snapshots()[0].Offset != start) {
		fail("node %d: the log starts at %d without a snapshot there: %v", n.id, start, c.Snapshots())
	}
	if role == raft.Leader {
		j.leader(n, s)
	}
}

// newEpoch: an epoch is raised by a candidate, or by a leader that leaves its own; not by asking for pre-votes.
func (j *judge) newEpoch(n *node, was raft.Role, epoch ids.LeaderEpoch, role raft.Role) {
	if epoch <= j.topEpoch {
		return
	}
	if was != raft.Resigned && (role == raft.Prospective || role == raft.Follower) {
		fail("pre-vote raises epochs: node %d is %v in epoch %d, which nobody campaigned for", n.id, role, epoch)
	}
	j.topEpoch = epoch
}

func (j *judge) elected(n *node, epoch ids.LeaderEpoch, s *sight) {
	l := leadership{n.id, n.life}
	if was, ok := j.leaders[epoch]; ok && was != l {
		fail("two leaders in epoch %d: node %d in its life %d, and node %d in its life %d", epoch, was.id, was.life, l.id, l.life)
	}
	j.leaders[epoch] = l
	for _, o := range j.w.nodes {
		invariant.Sometimes(o != n && o.up() && o.rep.Core().Role() == raft.Leader, "sim: two nodes take themselves for the leader, of different epochs")
	}
	if epoch < j.commitEpoch {
		return // elected late, by votes of an epoch that is over: it will commit nothing
	}
	if n.rep.Core().End().Offset < j.committedEnd {
		fail("leader completeness: node %d leads epoch %d with its log ending at %d, committed is %d", n.id, epoch, n.rep.Core().End().Offset, j.committedEnd)
	}
	for _, b := range s.log {
		if was, ok := j.committed[b.Base]; ok && was != b {
			fail("leader completeness: node %d leads epoch %d with %v where %v is committed", n.id, epoch, b, was)
		}
	}
}

// log reads what is new in a node's log and compares it with what others have. It is
// false when the node found damage at that, and ended.
func (j *judge) log(n *node, s *sight) bool {
	c := n.rep.Core()
	keep := 0
	for keep < len(s.log) && s.log[keep].Last < c.End().Offset && c.EpochAt(s.log[keep].Last+1) == s.log[keep].Epoch {
		keep++
	}
	s.log = s.log[:keep]
	from := c.Start()
	if keep > 0 {
		from = max(from, s.log[keep-1].Last+1)
	}
	fresh, err := n.rep.Batches(from)
	if err != nil {
		if n.ailing(err) {
			return false
		}
		fail("node %d: %v", n.id, err)
	}
	for _, b := range fresh {
		j.match(n, s, b)
		s.log = append(s.log, b)
	}
	return true
}

func (j *judge) match(n *node, s *sight, b raftio.BatchRef) {
	at := ids.OffsetAndEpoch{Offset: b.Base, Epoch: b.Epoch}
	if was, ok := j.batches[at]; ok && was != b {
		fail("log matching: node %d has %+v, another %+v", n.id, b, was)
	}
	j.batches[at] = b
	if len(s.log) == 0 {
		return
	}
	prev := s.log[len(s.log)-1]
	if prev.Last+1 != b.Base || prev.Epoch > b.Epoch {
		fail("node %d: batch %+v behind %+v", n.id, b, prev)
	}
	if was, ok := j.before[at]; ok && was != prev.Epoch {
		fail("log matching: node %d has epoch %d in front of %+v, another epoch %d", n.id, prev.Epoch, b, was)
	}
	j.before[at] = prev.Epoch
}

// commit: what a node takes for committed is the same everywhere and for ever.
func (j *judge) commit(n *node, s *sight, hw ids.Offset) {
	for i := len(s.log) - 1; i >= 0; i-- {
		b := s.log[i]
		if b.Last >= hw {
			continue
		}
		was, ok := j.committed[b.Base]
		if ok && was != b {
			fail("committed twice: node %d takes %+v for committed, %+v was", n.id, b, was)
		}
		if ok && b.Last < s.hw {
			break
		}
		j.committed[b.Base] = b
		j.committedEnd = max(j.committedEnd, b.Last+1)
	}
	if s.role == raft.Leader {
		j.commitEpoch = max(j.commitEpoch, s.epoch)
		j.majority(n, s.set, hw)
	}
}

// majority: a leader commits what a majority of the voters in force holds. Within
// one event it may commit and then append a change of the voters (a paused leader
// finds both requests waiting): was is the set before the event, which counts then.
func (j *judge) majority(n *node, was raft.VoterSet, hw ids.Offset) {
	set, _ := n.rep.Core().Voters()
	have, enough := j.held(n, set, hw)
	if !enough && was.Len() > 0 && !sameMembers(set, was) {
		_, enough = j.held(n, was, hw)
	}
	if !enough {
		fail("node %d commits %d, which %d of %d voters have", n.id, hw, have, set.Len())
	}
}

// held counts the voters of a set that hold the leader's log up to hw; those that
// are down may.
func (j *judge) held(n *node, set raft.VoterSet, hw ids.Offset) (have int, enough bool) {
	c := n.rep.Core()
	unknown := 0
	for _, v := range set.Voters() {
		o := j.w.nodes[v.Key.ID-1]
		s := j.seen[o.id]
		switch {
		case s == nil || !v.Key.Directory.IsZero() && v.Key.Directory != o.dir:
			unknown++ // down: what is on its disk shows when it comes back
		case o.rep.Core().End().Offset >= hw && o.rep.Core().EpochAt(hw) == c.EpochAt(hw):
			have++
		}
	}
	return have, have+unknown >= set.Majority()
}

// leader checks what only holds for leaders: check-quorum, and one voter change at a time.
func (j *judge) leader(n *node, s *sight) {
	c := n.rep.Core()
	set, _ := c.Voters()
	window := 4 * j.w.plan.config.FetchTimeout.Milliseconds()
	if !sameMembers(set, s.set) {
		s.set, s.setAt = set, n.local()
	}
	if now := n.local(); now-max(s.since, s.setAt) > window && set.Len() > 1 {
		heard := 0
		for _, v := range set.Voters() {
			at, ok := s.fetched[v.Key.ID]
			if v.Key.ID == n.id || ok && now-at <= window {
				heard++
			}
		}
		if heard < set.Majority() {
			fail("check-quorum: node %d leads epoch %d, and %d of %d voters were heard of in the last %d ms", n.id, s.epoch, heard, set.Len(), window)
		}
	}
	pending, history := 0, c.VoterHistory()
	for i := 1; i < len(history); i++ {
		if history[i].Offset >= j.committedEnd && !sameMembers(history[i-1].Set, history[i].Set) {
			pending++
		}
	}
	if pending > 1 {
		fail("voter changes overlap: node %d has %d that are not committed", n.id, pending)
	}
}

func sameMembers(a, b raft.VoterSet) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i, v := range a.Voters() {
		if b.Voters()[i].Key != v.Key {
			return false
		}
	}
	return true
}

// applied: every node is told the same records at the same offsets, in order.
func (j *judge) applied(n *node, at ids.Offset, v string) {
	if at < n.next {
		fail("node %d is told offset %d after %d", n.id, at, n.next)
	}
	was, ok := j.values[at]
	if ok && was != v {
		fail("applied: node %d is told %q at %d, another %q", n.id, v, at, was)
	}
	if !ok {
		j.values[at] = v
		j.valueOrder = append(j.valueOrder, at)
	}
}

// loaded: a snapshot holds the records below its position, no more and no less.
func (j *judge) loaded(n *node) {
	i := 0
	for _, at := range j.valueOrder {
		if at >= n.next {
			break
		}
		if i >= len(n.state) || n.state[i] != j.values[at] {
			fail("node %d loads a snapshot at %d without the record at %d", n.id, n.next, at)
		}
		i++
	}
	if i != len(n.state) {
		fail("node %d loads a snapshot at %d with %d records, %d were committed", n.id, n.next, len(n.state), i)
	}
}

// settled: after healing, a leader committed a record of its epoch and every node alive knows it.
func (j *judge) settled() bool {
	var lead *node
	for _, n := range j.w.nodes {
		if n.up() && n.rep.Core().Role() == raft.Leader && n.rep.Core().HighWatermark() > n.rep.Core().EpochStart() {
			lead = n
		}
	}
	if lead == nil {
		return false
	}
	if j.healedEnd == 0 {
		j.healedEnd = max(j.committedEnd, lead.rep.Core().EpochStart()) + 1
	}
	for _, n := range j.w.nodes {
		if n.up() && (n.rep.Core().HighWatermark() < j.healedEnd || n.rep.Applied() < j.healedEnd) {
			return false
		}
	}
	return true
}

// lost tells whether so many voters lost their disks that the quorum cannot come back.
func (j *judge) lost() bool {
	for _, n := range j.w.nodes {
		if !n.up() {
			continue
		}
		set, _ := n.rep.Core().Voters()
		have := 0
		for _, v := range set.Voters() {
			if o := j.w.nodes[v.Key.ID-1]; v.Key.Directory.IsZero() || v.Key.Directory == o.dir {
				have++
			}
		}
		if set.Len() > 0 && have < set.Majority() {
			return true
		}
	}
	return false
}

// alive fails the run if the healed quorum did not get to work.
func (j *judge) alive() {
	if j.settled() || j.lost() {
		return
	}
	for _, n := range j.w.nodes {
		if !n.up() {
			j.w.tell("n%d is down", n.id)
			continue
		}
		c := n.rep.Core()
		set, _ := c.Voters()
		j.w.tell("n%d %v %v end %v hw %d applied %d voters %v", n.id, c.Role(), c.HardState(), c.End(), c.HighWatermark(), n.rep.Applied(), set)
	}
	fail("liveness: the healed quorum does not commit (%d committed)", j.committedEnd)
}
