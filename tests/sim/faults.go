package sim

import (
	"math/rand/v2"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

type fault struct {
	low, high int64
	do        func()
}

// every repeats do at random intervals as long as faults go on.
func (w *world) every(low, high int64, do func()) {
	w.after(w.between(low, high), func() {
		if w.healed {
			return
		}
		do()
		w.every(low, high, do)
	})
}

func (w *world) schedule() []fault {
	var out []fault
	add := func(on bool, low, high int64, do func()) {
		if on {
			out = append(out, fault{low, high, do})
		}
	}
	p := &w.plan
	add(p.kills, 300, 3000, w.kill)
	add(p.stops, 300, 3000, w.shutdown)
	add(p.cuts, 300, 3000, w.cut)
	add(p.midWrites, 200, 2000, w.armCut)
	add(p.pauses, 500, 3000, w.suspend)
	add(p.partitions, 500, 2500, w.halves)
	add(p.isolations, 500, 2500, w.isolate)
	add(p.oneWays, 500, 2500, w.oneWay)
	add(p.rings, 500, 4000, w.ring)
	add(p.swizzles, 500, 5000, w.swizzle)
	add(p.snapshots, 300, 2000, w.snapshot)
	add(p.changes, 200, 1500, w.change)
	add(p.wipes, 2000, 10_000, w.wipe)
	add(p.sickDisks, 500, 4000, w.sicken)
	add(p.rots, 1000, 6000, w.rot)
	add(p.jumps, 500, 5000, w.jump)
	add(p.moves, 1000, 5000, w.move)
	add(p.upgrades, 500, 4000, w.upgrade)
	add(true, 1000, 3000, w.keep)
	return out
}

func (w *world) anyone() *node { return w.nodes[w.rnd.IntN(len(w.nodes))] }

// victim prefers leaders: what happens to them matters most.
func (w *world) victim() *node {
	if w.chance(0.5) {
		for _, n := range w.nodes {
			if n.up() && n.rep.Core().Role() == raft.Leader {
				return n
			}
		}
	}
	return w.anyone()
}

func (w *world) rebootLater(n *node) { w.after(w.between(1, 2500), n.boot) }

// kill ends a process; what it wrote is in the page cache and stays.
func (w *world) kill() {
	if n := w.victim(); n.up() {
		w.tell("n%d is killed", n.id)
		w.hit(Kill)
		n.stop(nil)
		w.rebootLater(n)
	}
}

// shutdown ends a process in order: a leader resigns and names its successors, and the
// log is closed when they have heard of it, or half a second later.
func (w *world) shutdown() {
	n := w.victim()
	if !n.up() || w.now < n.paused {
		return
	}
	w.tell("n%d is asked to end", n.id)
	n.run("stop", func(now int64) error { return n.rep.Do(func(c *raft.Core) { c.Stop(now) }, now) })
	w.ended(n, n.life, w.now+500)
}

// ended waits for the end of what shutdown began.
func (w *world) ended(n *node, life int, latest int64) {
	switch {
	case n.life != life || !n.up():
	case !n.rep.Core().Stopped() && w.now < latest || w.now < n.paused:
		w.after(5, func() { w.ended(n, life, latest) })
	default:
		n.run("close", func(int64) error { return n.rep.Close(true) })
		if n.up() {
			w.tell("n%d has ended", n.id)
			w.hit(Shutdown)
			n.gone(nil)
			w.rebootLater(n)
		}
	}
}

// cut takes the power: what was not synced survives by chance. A process may have been
// killed before, and what it wrote still be in the page cache.
func (w *world) cut() {
	n := w.victim()
	w.powerOff(n)
	n.off = w.chance(0.5)
	if w.chance(0.2) { // and with it the whole room
		w.hit(Blackout)
		for _, o := range w.nodes {
			w.powerOff(o)
		}
	}
}

func (w *world) powerOff(n *node) {
	w.tell("n%d loses power", n.id)
	w.hit(PowerCut)
	disk := w.crashed(n.disk)
	if !n.up() {
		n.disk = disk
		return
	}
	n.stop(disk)
	w.rebootLater(n)
}

// crashed is what a power cut leaves of a disk. How much was not synced takes nothing from the
// randomness of the run.
func (w *world) crashed(disk *vfs.Mem) *vfs.Mem {
	return disk.CrashClone(w.plan.survive, rand.New(rand.NewPCG(w.rnd.Uint64(), 0)))
}

// armCut takes the power in the middle of one of the next writes.
func (w *world) armCut() {
	n := w.victim()
	if !n.up() || n.fs.armed {
		return
	}
	disk := n.disk
	n.fs.armed, n.fs.left = true, w.rnd.IntN(30)
	n.fs.cut = func() *vfs.Mem {
		w.rebootLater(n)
		return w.crashed(disk)
	}
}

// suspend stops a process, for longer than any timeout at times.
func (w *world) suspend() {
	n, ms, kind := w.anyone(), w.between(50, 3000), Pause
	if w.chance(0.1) {
		ms, kind = w.between(3000, 8000), LongPause
	}
	if !n.up() {
		return
	}
	w.tell("n%d pauses for %d", n.id, ms)
	w.hit(kind)
	n.pause(ms)
}

// snapshot lets a node write one of what it applied.
func (w *world) snapshot() {
	n := w.anyone()
	if !n.up() || w.now < n.paused || n.next == 0 {
		return
	}
	state := n.state
	n.run("snapshot", func(now int64) error {
		err := n.rep.WriteSnapshot(func(yield func([]byte) bool) {
			for _, s := range state {
				if !yield([]byte(s)) {
					return
				}
			}
		}, now)
		if err == nil {
			w.tell("n%d wrote a snapshot at %d", n.id, n.rep.Core().Start())
			w.hit(Snapshot)
		}
		if n.fs.tripped {
			return errPower
		}
		return nil // not allowed now
	})
}

// change asks a leader to change the voters.
func (w *world) change() {
	n := w.victim()
	if !n.up() || n.rep.Core().Role() != raft.Leader {
		return
	}
	set, _ := n.rep.Core().Voters()
	o := w.anyone()
	var body raft.Body
	if v, ok := set.Get(o.id); ok {
		if set.Len() <= 2 && !w.chance(0.3) {
			return
		}
		body = raft.RemoveVoterRequest{Voter: v.Key}
	} else {
		body = raft.AddVoterRequest{Voter: o.key(), Endpoints: o.endpoint(), AckWhenCommitted: w.chance(0.5), Timeout: 400}
	}
	w.tell("n%d is asked for %T of n%d", n.id, body, o.id)
	w.hit(VoterChange)
	n.ask(body, caller{})
}

// wipe replaces a voter's disk, once a run: a quorum survives as many lost disks as
// lost nodes, and must not count the empty one as what it was.
func (w *world) wipe() {
	n := w.anyone()
	if !n.up() {
		return
	}
	set, _ := n.rep.Core().Voters()
	if set.Len() < 3 || w.wiped {
		return
	}
	w.wiped = true
	w.tell("n%d loses its disk", n.id)
	w.hit(LostDisk)
	n.stop(emptyDisk())
	n.dir, n.rotten = ids.DirectoryID{0: byte(n.id), 15: 2}, nil
	w.rebootLater(n)
}

func emptyDisk() *vfs.Mem {
	m := vfs.NewMem()
	if m.MkdirAll("/data") != nil || m.SyncDir("/") != nil {
		fail("no empty disk")
	}
	return m
}
