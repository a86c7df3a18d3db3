// Package sim runs the metadata quorum, core and files as they are, under one
// seeded scheduler: nodes on file systems in memory, stream-like links, faults,
// and judges that look on from outside after every event. The same seed gives the
// same run, down to the hash of its trace.
//
// What is real: controller/raft, and raftio's turn, log, quorum-state, snapshots
// and applier (raftio.Replica) on storage/partlog. What is simulated: time,
// network, the disk below the files, and the clients.
//
// A run has two phases. In the first, faults drawn for this seed (each seed has a
// random subset of kinds) fall on the nodes while clients append. In the second
// everything is healed but for a random minority, which stays dead: a leader must be found, a record
// be committed, and all nodes alive must agree.
//
// What falls on 1 to 5 voters and 0 to 5 observers (kinds.go counts it): messages delayed,
// stalled, lost with their connection, handled after it broke, at once or much later, and
// sent twice; partitions in two, of one node, in one direction, into a ring of
// majorities, and nodes cut off and let back one after another; kill, power cut with unsynced loss, also in the middle of a write; a
// disk that fails (EIO, ENOSPC, failed flushes of log, quorum-state, snapshots), rots or is lost;
// pauses, clocks that drift and jump; snapshots and the nodes they leave behind; voters
// added, removed, joining by themselves, moving to other addresses, and kraft.version going up.
package sim

import (
	"container/heap"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Config says what to run.
type Config struct {
	Seed    uint64
	Mutants raft.Mutant
	// Log, if not nil, gets a line an event.
	Log func(string)
	// SteadyClocks leaves the wall clocks alone where they would jump; nothing else changes.
	SteadyClocks bool
	// Messages adds every message to what Log gets.
	Messages bool
}

// Result is how a run ended.
type Result struct {
	Hash      uint64 // of the trace
	Events    int
	Committed ids.Offset
	Leaders   int // that were elected
	Faults    Faults
}

// violation is a broken invariant; it ends the run.
type violation struct{ text string }

// world is one run.
type world struct {
	cfg           Config
	rnd           *rand.Rand
	now           int64 // ms
	queue         eventQueue
	seq           uint64
	nodes         []*node
	links         map[linkKey]*link
	judge         *judge
	plan          plan
	trace         hash.Hash64
	events        int
	faults        Faults
	calls         uint64
	values        int                         // of clients, each its own
	ballots       map[uint64]raft.VoteRequest // vote requests that are not answered, by call
	healed, wiped bool
	moved         bool
}

// Run plays one seed. The error says which invariant broke, and when.
func Run(cfg Config) (res Result, err error) {
	w := newWorld(cfg)
	defer w.judgement(&res, &err)
	w.draw()
	w.build()
	w.play(w.plan.faultsUntil)
	w.heal()
	w.play(w.now + livenessTime)
	w.judge.alive()
	return res, nil
}

func newWorld(cfg Config) *world {
	w := &world{cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x6772656f72)), links: map[linkKey]*link{}, ballots: map[uint64]raft.VoteRequest{}, trace: fnv.New64a()}
	w.judge = newJudge(w)
	return w
}

// judgement ends a run, whichever way it went.
func (w *world) judgement(res *Result, err *error) {
	switch p := recover().(type) {
	case nil:
	case violation:
		*err = fmt.Errorf("seed %d at %d ms: %s", w.cfg.Seed, w.now, p.text)
	default:
		*err = fmt.Errorf("seed %d at %d ms: panic: %v", w.cfg.Seed, w.now, p)
	}
	*res = Result{Hash: w.trace.Sum64(), Events: w.events, Committed: w.judge.committedEnd, Leaders: len(w.judge.leaders), Faults: w.faults}
}

// livenessTime is how long the healed quorum has, in ms.
const livenessTime = 10_000

// play runs events until the time is up, or, when healed, until all is well.
func (w *world) play(until int64) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(*event)
		w.now = max(w.now, e.at)
		e.do()
		w.events++
		w.judge.check()
		if w.healed && w.judge.settled() {
			return
		}
	}
	if !w.healed {
		w.now = until
	}
}

// after schedules do; events of the same time run in the order they were scheduled.
func (w *world) after(ms int64, do func()) {
	w.seq++
	heap.Push(&w.queue, &event{at: w.now + max(0, ms), seq: w.seq, do: do})
}

// tell writes a line of the trace.
func (w *world) tell(format string, args ...any) {
	line := fmt.Sprintf("%6d ", w.now) + fmt.Sprintf(format, args...)
	w.trace.Write([]byte(line))
	if w.cfg.Log != nil {
		w.cfg.Log(line)
	}
}

func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

// between draws from [low, high].
func (w *world) between(low, high int64) int64 { return low + w.rnd.Int64N(high-low+1) }

func fail(format string, args ...any) { panic(violation{fmt.Sprintf(format, args...)}) }

type event struct {
	at  int64
	seq uint64
	do  func()
}

type eventQueue []*event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(*event)) }
func (q *eventQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return x
}
