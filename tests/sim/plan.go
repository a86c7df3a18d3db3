package sim

import (
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// plan is what a seed drew: the cluster and which faults it will see.
type plan struct {
	voters, observers int
	kraft             int16 // 0: static voters; 1: a voter set that changes
	autoJoin          bool
	config            raftio.Config
	faultsUntil       int64

	delay               float64 // ms, mean of an exponential distribution
	stall, resets, late float64 // chances a message
	appendEvery         int64
	survive             float64 // chance of an unsynced block in a power cut
	strays              float64 // chance that a message was received already when its connection broke
	drift               float64 // by how much of its speed a clock may be wrong

	sickDisks, rots, jumps, moves, upgrades                          bool
	kills, stops, cuts, midWrites, pauses, snapshots, changes, wipes bool
	partitions, isolations, oneWays, rings, swizzles                 bool
}

// draw decides the run. Each kind of fault is on in some seeds only, so that rare
// combinations are not drowned.
func (w *world) draw() {
	on := func(p float64) bool { return w.chance(p) }
	p := plan{
		voters: int(w.between(1, 5)), observers: int(w.between(0, 2)), faultsUntil: w.between(4_000, 14_000),
		delay: []float64{0.2, 1, 5, 20}[w.rnd.IntN(4)], appendEvery: w.between(10, 250), survive: []float64{0, 0.5, 1}[w.rnd.IntN(3)],
		kills: on(0.5), stops: on(0.3), cuts: on(0.5), midWrites: on(0.4), pauses: on(0.3), snapshots: on(0.4),
		partitions: on(0.3), isolations: on(0.2), oneWays: on(0.4), rings: on(0.2), swizzles: on(0.2),
	}
	if on(0.2) {
		p.observers = int(w.between(3, 5))
	}
	if on(0.5) {
		p.resets = []float64{0.005, 0.02, 0.05}[w.rnd.IntN(3)]
	}
	if on(0.3) {
		p.late = 0.01
	}
	if on(0.4) {
		p.drift = []float64{0.01, 0.01, 0.01, 0.05}[w.rnd.IntN(4)]
	}
	if on(0.4) {
		p.strays = 0.3
	}
	p.sickDisks, p.rots, p.jumps = on(0.3), p.voters >= 3 && on(0.2), on(0.2)
	if on(0.3) {
		p.stall = 0.02
	}
	if on(0.5) {
		p.kraft, p.changes = 1, on(0.6)
		p.autoJoin = on(0.3)
		p.wipes, p.moves = p.voters >= 3 && on(0.3), p.voters >= 3 && on(0.2)
		if p.changes {
			p.observers = max(p.observers, 1)
		}
	}
	if p.kraft == 0 && on(0.4) {
		p.upgrades, p.changes = true, on(0.5)
	}
	p.config = raftio.Config{
		ElectionTimeout: 200 * time.Millisecond, FetchTimeout: 400 * time.Millisecond, ElectionBackoff: 200 * time.Millisecond,
		RequestTimeout: 400 * time.Millisecond, RetryBackoff: 10 * time.Millisecond, FetchMaxWait: 100 * time.Millisecond,
		FetchMaxBytes: int32([]int{300, 4096, 1 << 20}[w.rnd.IntN(3)]), SnapshotMaxBytes: 700, SegmentBytes: int64([]int{4096, 1 << 20}[w.rnd.IntN(2)]),
	}
	w.plan = p
	w.tell("plan %+v", p)
}

func (p *plan) static(w *world) []raft.Voter {
	if p.kraft > 0 {
		return nil
	}
	var out []raft.Voter
	for _, n := range w.nodes[:p.voters] {
		out = append(out, raft.Voter{Key: raft.ReplicaKey{ID: n.id}, Endpoints: n.endpoint()})
	}
	return out
}

// bootstrap names every node for dynamic quorums, which have no other way in.
func (w *world) bootstrap() []string {
	if w.plan.kraft == 0 && w.plan.observers == 0 {
		return nil
	}
	return []string{"n:1", "n:2", "n:3"}[:min(3, w.plan.voters)]
}

// build formats the disks and starts the nodes, then schedules what will happen.
func (w *world) build() {
	for i := 1; i <= w.plan.voters+w.plan.observers; i++ {
		n := &node{w: w, id: ids.NodeID(i), dir: ids.DirectoryID{0: byte(i), 15: 1}, disk: vfs.NewMem(), drift: 1}
		if w.plan.drift > 0 {
			n.drift += w.plan.drift * (2*w.rnd.Float64() - 1)
		}
		w.nodes = append(w.nodes, n)
	}
	w.format()
	for _, n := range w.nodes {
		w.after(w.between(0, 300), n.boot)
	}
	w.after(w.plan.appendEvery, w.client)
	for _, f := range w.schedule() {
		w.every(f.low, f.high, f.do)
	}
}

// format makes the disks: for dynamic voters with a snapshot at 0-0 that holds them.
func (w *world) format() {
	var vs []raft.Voter
	for _, n := range w.nodes[:w.plan.voters] {
		vs = append(vs, raft.Voter{Key: n.key(), Endpoints: n.endpoint(), MaxKRaft: 1})
	}
	set, err := raft.NewVoterSet(vs...)
	for _, n := range w.nodes {
		if err == nil {
			err = n.disk.MkdirAll("/data")
		}
		if w.plan.kraft > 0 && err == nil {
			err = n.disk.MkdirAll(folder)
		}
		if w.plan.kraft > 0 && err == nil && int(n.id) <= w.plan.voters {
			err = raftio.WriteSnapshotFile(raftio.SnapshotOptions{
				FS: n.disk, Path: folder + "/" + raftio.SnapshotName(ids.OffsetAndEpoch{}), KRaftVersion: 1, Voters: set,
			}, func(func([]byte) bool) {})
		}
		if err == nil {
			err = n.disk.SyncDir("/data")
		}
		if err == nil {
			err = n.disk.SyncDir("/")
		}
	}
	if err != nil {
		fail("format: %v", err)
	}
}

// client appends a record at whoever thinks that it leads.
func (w *world) client() {
	for _, n := range w.nodes {
		if !n.up() || n.rep.Core().Role() != raft.Leader || w.now < n.paused {
			continue
		}
		w.values++
		recs := [][]byte{value(w.values)}
		for w.chance(0.3) {
			w.values++
			recs = append(recs, value(w.values))
		}
		n.run("append", func(now int64) error {
			_, err := n.rep.Append(recs, now)
			return err
		})
	}
	w.after(w.between(1, 2*w.plan.appendEvery), w.client)
}

func value(i int) []byte {
	b := []byte("v0000000 the rest of a record")
	for at := 7; at > 0; at-- {
		b[at] = byte('0' + i%10)
		i /= 10
	}
	return b
}
