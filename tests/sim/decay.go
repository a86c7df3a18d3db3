package sim

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Disks that fail, files that rot, clocks that jump, addresses that change.

// ills are what a disk can refuse. All but those of a snapshot end the process, and
// none may be followed by a promise.
var ills = []vfs.Fault{
	{Op: vfs.OpSync, Name: ".log", Err: syscall.EIO},
	{Op: vfs.OpWrite, Name: ".log", Err: syscall.EIO},
	{Op: vfs.OpWrite, Name: ".log", Err: syscall.ENOSPC, Short: true},
	{Op: vfs.OpOpen, Name: ".log", Err: syscall.ENOSPC},
	{Op: vfs.OpWrite, Name: "quorum-state", Err: syscall.ENOSPC},
	{Op: vfs.OpSync, Name: "quorum-state", Err: syscall.EIO},
	{Op: vfs.OpRename, Name: "quorum-state", Err: syscall.EIO},
	{Op: vfs.OpSyncDir, Name: "__cluster_metadata-0", Err: syscall.EIO},
	{Op: vfs.OpWrite, Name: ".part", Err: syscall.ENOSPC, Short: true},
	{Op: vfs.OpSync, Name: ".part", Err: syscall.EIO},
	{Op: vfs.OpRename, Name: ".part", Err: syscall.EIO},
	{Op: vfs.OpWrite, Name: "high-watermark", Err: syscall.ENOSPC},
}

// sicken lets the next operation of some kind fail on one disk.
func (w *world) sicken() {
	n := w.victim()
	if !n.up() || n.sick {
		return
	}
	ill := ills[w.rnd.IntN(len(ills))]
	ill.Times, ill.Skip = 1, w.rnd.IntN(4)
	w.tell("n%d: a disk that will fail: %v %s %v", n.id, ill.Op, ill.Name, ill.Err)
	n.sick, n.ill = true, DiskError
	switch {
	case ill.Err == syscall.ENOSPC:
		n.ill = DiskFull
	case ill.Op == vfs.OpSync:
		n.ill = FailedSync
	}
	n.disks.Set(ill)
}

// ailing tells whether err is what a sick disk or a rotten file gives, with which
// a process ends, and ends it.
func (n *node) ailing(err error) bool {
	switch {
	case n.sick && (errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC)):
		n.w.hit(n.ill)
		invariant.Sometimes(n.rep.Core().Role() == raft.Leader, "sim: the disk of a leader fails")
		n.w.tell("n%d ends: %v", n.id, err)
		n.stop(nil)
		n.w.rebootLater(n)
		if n.w.chance(0.3) { // switched off and on again, as is the custom
			n.w.powerOff(n)
		}
	case n.rotten != nil && (errors.Is(err, raftio.ErrDamaged) || errors.Is(err, segment.ErrCorrupt)):
		invariant.Sometimes(true, "sim: a process finds that its log rots")
		n.w.tell("n%d ends: %v", n.id, err)
		n.stop(nil)
		n.cure()
		n.w.rebootLater(n)
	default:
		return false
	}
	return true
}

// decay is a byte of a file that changed by itself.
type decay struct {
	name string
	pos  int64
	mask byte
	is   byte // what it became
}

// rot turns a bit of a batch of one node's log that its mark covers, at one node at a time:
// the quorum has the same records elsewhere.
func (w *world) rot() {
	n := w.anyone()
	for _, o := range w.nodes {
		if o.rotten != nil {
			return
		}
	}
	if !n.up() || w.now < n.paused {
		return
	}
	n.run("mark", func(int64) error { return n.rep.Keep() })
	if !n.up() {
		return
	}
	spots := n.covered(n.rep.Core().Durable())
	if len(spots) == 0 {
		return
	}
	d := spots[w.rnd.IntN(len(spots))]
	d.mask = 1 << w.rnd.IntN(8)
	d.is = n.at(d) ^ d.mask
	n.put(d, d.is)
	n.rotten = &d
	w.tell("n%d: %s rots at byte %d", n.id, d.name, d.pos)
	w.hit(Rot)
	if w.chance(0.5) {
		n.stop(nil)
		w.rebootLater(n)
	}
}

// covered lists a byte of each batch below end.
func (n *node) covered(end ids.Offset) (out []decay) {
	entries, err := n.disk.ReadDir(folder)
	if err != nil {
		fail("node %d: %v", n.id, err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name, ".log") {
			continue
		}
		name := folder + "/" + e.Name
		data, err := vfs.ReadFile(n.disk, name, 64<<20)
		if err != nil {
			fail("node %d: %v", n.id, err)
		}
		for pos := 0; pos < len(data); {
			v, _, err := batch.Next(data[pos:])
			if err != nil {
				break // the tail that is being written
			}
			if v.LastOffset() < end && v.BaseOffset() >= n.rep.Core().Start() {
				at := n.w.rnd.IntN(v.Len())
				if at >= 12 && at < 16 {
					at = 16 // the leader epoch is the one field that no checksum covers in Kafka's format
				}
				out = append(out, decay{name: name, pos: int64(pos + at)})
			}
			pos += v.Len()
		}
	}
	return out
}

// at reads the byte of a decay, 0 without its file.
func (n *node) at(d decay) byte {
	b, err := vfs.ReadFile(n.disk, d.name, 64<<20)
	if err != nil || int64(len(b)) <= d.pos {
		return 0
	}
	return b[d.pos]
}

// put writes the byte of a decay, for good.
func (n *node) put(d decay, b byte) {
	f, err := n.disk.OpenFile(d.name, os.O_RDWR)
	if err != nil {
		return // the file was deleted, with what was in it
	}
	_, err = f.WriteAt([]byte{b}, d.pos)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		fail("node %d: %v", n.id, err)
	}
}

// cure restores what rotted, as an operator would from a backup.
func (n *node) cure() {
	// Unless it is gone: with its file, or because the block was written again since.
	if d := n.rotten; d != nil && n.at(*d) == d.is {
		n.put(*d, d.is^d.mask)
	}
	n.rotten = nil
}

// starts judges a start: one on a log that rotted below its mark must fail, and nothing be cut.
func (n *node) starts(rep *raftio.Replica, err error) bool {
	switch {
	case err == nil && n.rotten != nil && n.at(*n.rotten) == n.rotten.is && rep.Core().Start() <= n.firstIn(n.rotten.name):
		fail("node %d starts on a log that rotted: %s at byte %d", n.id, n.rotten.name, n.rotten.pos)
	case err == nil:
		return true
	case n.rotten != nil && errors.Is(err, raftio.ErrDamaged):
		invariant.Sometimes(true, "sim: a start finds that the log rotted")
		n.w.tell("n%d does not start: %v", n.id, err)
		n.cure()
		n.w.rebootLater(n)
		return false
	}
	fail("node %d does not start: %v", n.id, err)
	return false
}

// firstIn is the offset at which a log file begins.
func (n *node) firstIn(name string) (first ids.Offset) {
	for _, c := range name[strings.LastIndexByte(name, '/')+1:][:20] {
		first = first*10 + ids.Offset(c-'0')
	}
	return first
}

// jump sets a node's wall clock, on which nothing of the quorum may depend.
func (w *world) jump() {
	n, to := w.anyone(), w.between(-3_600_000, 3_600_000)
	w.tell("n%d: the clock jumps to %+d", n.id, to)
	w.hit(ClockJump)
	if !w.cfg.SteadyClocks {
		n.jump = to
	}
}

// move gives a node another address at its next start, once a run.
func (w *world) move() {
	n := w.anyone()
	if w.moved || !n.up() {
		return
	}
	w.moved, n.moves = true, 1
	w.tell("n%d moves", n.id)
	w.hit(Address)
	n.stop(nil)
	w.rebootLater(n)
}

// upgrade asks the leader for kraft.version 1.
func (w *world) upgrade() {
	for _, n := range w.nodes {
		if !n.up() || n.rep.Core().Role() != raft.Leader || w.now < n.paused {
			continue
		}
		n.run("upgrade", func(now int64) error {
			return n.rep.Do(func(c *raft.Core) {
				_, code, why := c.UpgradeKRaft(c.HardState().Epoch, 1, false)
				w.tell("n%d is asked for kraft.version 1: error %d %s", n.id, code, why)
				w.hit(Upgrade)
			}, now)
		})
	}
}

// keep lets a node keep house.
func (w *world) keep() {
	if n := w.anyone(); n.up() && w.now >= n.paused {
		n.run("keep", func(int64) error { return n.rep.Keep() })
	}
}
