package raftio

import (
	"math"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Metrics is what Kafka tells of a replica of the quorum under
// kafka.server:type=raft-metrics, in the order of its names. Times are in ms.
type Metrics struct {
	// State is current-state: leader, candidate, prospective, prospective-voted,
	// follower, observer, unattached or unattached-voted.
	State         string
	Leader        ids.NodeID // current-leader; -1 when unknown
	Vote          ids.NodeID // current-vote; -1 when it gave none in its epoch
	VoteDirectory ids.DirectoryID
	Epoch         ids.LeaderEpoch
	HighWatermark ids.Offset // -1 when unknown
	LogEnd        ids.OffsetAndEpoch
	Voters        int // number-of-voters
	// Observers and UncommittedVoterChange are known to the leader only; Leads says
	// whether they are to be shown.
	Leads                  bool
	Observers              int
	UncommittedVoterChange bool
	// UnknownVoterConnections counts voters without an address.
	UnknownVoterConnections int
	// CommitLatency is from an append to its commit, on the leader; ElectionLatency from
	// the first pre-vote to a known leader. NaN when there was none in the last minute.
	CommitLatencyAvg, CommitLatencyMax     float64
	ElectionLatencyAvg, ElectionLatencyMax float64
	// FetchRecordsRate counts records fetched from the leader, AppendRecordsRate those
	// appended as the leader, a second.
	FetchRecordsRate, AppendRecordsRate float64
	PollIdleRatioAvg                    float64 // share of time without work
}

// Metrics is a snapshot of the replica's figures.
func (n *Node) Metrics() Metrics {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, now := n.driver.core, time.Since(n.start)
	hard, set := c.HardState(), viewOf(c).voters
	m := Metrics{
		State: c.State(), Leader: c.LeaderAndEpoch().Leader, Vote: hard.Voted.ID, VoteDirectory: hard.Voted.Directory, Epoch: hard.Epoch,
		HighWatermark: c.HighWatermark(), LogEnd: c.End(), Voters: set.Len(),
	}
	if role := c.Role(); role == raft.Leader || role == raft.Candidate {
		m.Vote, m.VoteDirectory = n.o.NodeID, n.o.DirectoryID
	}
	for _, v := range set.Voters() {
		if len(v.Endpoints) == 0 {
			m.UnknownVoterConnections++
		}
	}
	if _, observers, leads := c.Describe(n.now()); leads {
		m.Leads, m.Observers, m.UncommittedVoterChange = true, len(observers), c.ChangingVoters()
	}
	t := &n.meters
	m.CommitLatencyAvg, m.CommitLatencyMax = t.commit.avgMax(now)
	m.ElectionLatencyAvg, m.ElectionLatencyMax = t.election.avgMax(now)
	m.FetchRecordsRate, m.AppendRecordsRate = t.fetched.rate(now), t.appended.rate(now)
	m.PollIdleRatioAvg = min(1, t.idle.rate(now))
	return m
}

// meters measure one node; Node.mu guards them.
type meters struct {
	commit, election, fetched, appended window
	idle                                window // in seconds
	// waiting are appends whose commit is awaited: the last of each turn, so
	// that a burst costs no more than one.
	waiting []stamp
	// electing is when the node began to ask for votes; 0: it does not.
	electing time.Duration
	asleep   time.Duration // when the loop last had nothing to do
}

type stamp struct {
	last ids.Offset
	at   time.Duration
}

// proposed notes the appends of a turn.
func (t *meters) proposed(last ids.Offset, count int, now time.Duration) {
	t.appended.add(float64(count), now)
	if len(t.waiting) < maxStamps {
		t.waiting = append(t.waiting, stamp{last, now})
	}
}

// maxStamps bounds waiting while nothing is committed.
const maxStamps = 1024

// turned looks at what a turn has brought.
func (t *meters) turned(c *raft.Core, now time.Duration) {
	role := c.Role()
	for len(t.waiting) > 0 && t.waiting[0].last < c.HighWatermark() {
		t.commit.add(ms(now-t.waiting[0].at), now)
		t.waiting = t.waiting[1:]
	}
	if role != raft.Leader {
		t.waiting = nil
	}
	switch asks := role == raft.Prospective || role == raft.Candidate; {
	case asks && t.electing == 0:
		t.electing = now
	case !asks && t.electing > 0 && c.LeaderAndEpoch().Leader >= 0:
		t.election.add(ms(now-t.electing), now)
		t.electing = 0
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// windowLength is one of the two samples that make a window, as in Kafka's defaults.
const windowLength = 30 * time.Second

// window sums the samples of the last 30 to 60 seconds.
type window struct {
	began    time.Duration // of the current half
	now, old sample
}

type sample struct {
	sum, max float64
	count    int
}

func (w *window) roll(now time.Duration) {
	switch passed := now - w.began; {
	case passed >= 2*windowLength:
		w.began, w.now, w.old = now-now%windowLength, sample{}, sample{}
	case passed >= windowLength:
		w.began, w.old, w.now = w.began+windowLength, w.now, sample{}
	}
}

func (w *window) add(v float64, now time.Duration) {
	w.roll(now)
	w.now.sum, w.now.count, w.now.max = w.now.sum+v, w.now.count+1, max(w.now.max, v)
}

func (w *window) avgMax(now time.Duration) (avg, top float64) {
	w.roll(now)
	n := w.now.count + w.old.count
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	return (w.now.sum + w.old.sum) / float64(n), max(w.now.max, w.old.max)
}

// rate is the sum a second; time before the first half counts as no time.
func (w *window) rate(now time.Duration) float64 {
	w.roll(now)
	length := now - w.began
	if w.began > 0 {
		length += windowLength
	}
	if length <= 0 {
		return 0
	}
	return (w.now.sum + w.old.sum) / length.Seconds()
}
