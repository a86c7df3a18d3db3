package sim

import (
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

// heal ends all faults. A minority of the voters may stay dead.
func (w *world) heal() {
	w.healed = true
	w.tell("heal")
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a != b {
				w.link(a, b).blocked = 0
				w.unblock(w.link(a, b))
			}
		}
		if a.fs != nil {
			a.fs.armed = false
			a.disks.Set()
			if a.fs.tripped { // in an operation whose failure nobody minded: it is down, and does not know
				a.stop(a.fs.clone)
			}
		}
		if a.rotten != nil {
			a.stop(nil)
			a.cure()
		}
	}
	w.plan.resets, w.plan.stall, w.plan.late, w.plan.delay = 0, 0, 0, min(w.plan.delay, 5)
	for _, n := range w.nodes {
		n.boot()
	}
	w.bury()
}

// bury lets some voters stay dead, so that of every voter set that any node may still go
// by, its latest or one that is not committed, a majority lives.
func (w *world) bury() {
	var sets []raft.VoterSet
	for _, n := range w.nodes {
		if !n.up() || w.now < n.paused {
			return // it does not come back as it is, or has requests still to handle
		}
		history := n.rep.Core().VoterHistory()
		for _, h := range history[max(0, len(history)-2):] {
			sets = append(sets, h.Set)
		}
		set, _ := n.rep.Core().Voters()
		sets = append(sets, set)
	}
	for range w.nodes {
		n := w.anyone()
		if n.dead || w.chance(0.5) {
			continue
		}
		n.dead = true
		for _, set := range sets {
			if w.living(set) < set.Majority() {
				n.dead = false
			}
		}
		if n.dead {
			w.tell("n%d stays dead", n.id)
			invariant.Sometimes(true, "sim: the quorum comes back without one of its voters")
			n.stop(nil)
			n.off = w.chance(0.5)
		}
	}
}

// living counts the voters of a set that live, with the disk that it knows.
func (w *world) living(set raft.VoterSet) int {
	alive := 0
	for _, v := range set.Voters() {
		o := w.nodes[v.Key.ID-1]
		if !o.dead && (v.Key.Directory.IsZero() || v.Key.Directory == o.dir) {
			alive++
		}
	}
	return alive
}
