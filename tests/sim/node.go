package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const folder = "/data/__cluster_metadata-0"

// node is one process and its disk.
type node struct {
	w    *world
	id   ids.NodeID
	dir  ids.DirectoryID // of the disk; another one after a wipe
	disk *vfs.Mem
	fs   *tripFS
	// disks lets operations on the disk fail; sick: one will, or has in this life.
	disks  *vfs.Faulty
	sick   bool
	ill    Fault // how it is counted when it shows
	rotten *decay
	rep    *raftio.Replica // nil while the process is down
	// life counts starts; what was meant for an earlier life is dropped.
	life    int
	born    int64   // when this life began
	drift   float64 // of its clock
	paused  int64   // until when nothing runs
	waiting []func()
	timer   uint64 // generation of the one tick that counts
	off     bool   // the host is off: nobody refuses connections
	dead    bool   // stays down to the end
	jump    int64  // of its wall clock, ms
	moves   uint16 // how often it got another address

	asked map[uint64]caller // requests that the replica has not answered
	state []string          // applied records
	next  ids.Offset        // offset behind state
}

// caller is who waits for a reply.
type caller struct {
	from *node // nil: the administrator
	life int
	call uint64
	as   ids.NodeID // the id by which the answering node was addressed
	link *link
	gen  int // of the connection
}

func (n *node) key() raft.ReplicaKey { return raft.ReplicaKey{ID: n.id, Directory: n.dir} }

func (n *node) endpoint() []raft.Endpoint {
	return []raft.Endpoint{{Name: "CONTROLLER", Host: "n", Port: uint16(n.id) + n.moves*movedBy}}
}

// movedBy is the distance between the ports of a node that moves.
const movedBy = 100

// local is the node's own clock.
func (n *node) local() int64 { return int64(float64(n.w.now-n.born) * n.drift) }

// drifts counts a life by a clock that is wrong.
func (n *node) drifts() {
	switch {
	case n.drift == 1:
	case n.w.plan.drift > 0.01:
		n.w.hit(LargeDrift)
	default:
		n.w.hit(SmallDrift)
	}
}

func (n *node) up() bool { return n.rep != nil }

// boot starts the process on its disk.
func (n *node) boot() {
	if n.up() || n.dead {
		return
	}
	n.life++
	n.born, n.off, n.waiting = n.w.now, false, nil
	n.asked = map[uint64]caller{}
	n.state, n.next = nil, 0
	n.disks, n.sick = vfs.NewFaulty(n.disk), false
	n.fs = &tripFS{FS: n.disks}
	o := raftio.Options{
		FS: n.fs, Dir: folder, ClusterID: "sim", DirectoryID: n.dir, NodeID: n.id, CanBeVoter: true,
		StaticVoters: n.w.plan.static(n.w), Bootstrap: n.w.bootstrap(), Endpoints: n.endpoint(), ListenerName: "CONTROLLER", Listener: n,
		AutoJoin: n.w.plan.autoJoin, Config: n.w.plan.config, Clock: func() time.Time { return time.UnixMilli(4e9 + n.w.now + n.jump) },
	}
	if n.w.cfg.Log != nil {
		o.Logger = zap.New(noteCore{n: n})
	}
	rnd := rand.New(rand.NewPCG(n.w.cfg.Seed, uint64(n.id)<<32|uint64(n.life)))
	rep, err := raftio.OpenReplica(o, rnd, n.send, n.w.cfg.Mutants, 0)
	if !n.starts(rep, err) {
		return
	}
	n.rep = rep
	n.w.tell("n%d boots: end %v", n.id, rep.Core().End())
	n.drifts()
	n.w.judge.booted(n)
	n.run("start", func(now int64) error { return rep.Tick(now) })
}

// run lets the replica act, now or when its pause is over.
func (n *node) run(what string, f func(now int64) error) {
	if !n.up() {
		return
	}
	if n.w.now < n.paused {
		n.waiting = append(n.waiting, func() { n.run(what, f) })
		return
	}
	err := f(n.local())
	switch {
	case n.fs.tripped: // also where nobody minded that the operation failed
		n.w.tell("n%d loses power while it writes", n.id)
		n.w.hit(MidWriteCut)
		n.stop(n.fs.clone)
		return
	case err != nil:
		if !n.ailing(err) {
			fail("node %d: %s: %v", n.id, what, err)
		}
		return
	}
	n.w.judge.moved(n)
	n.schedule()
}

// schedule arms the replica's timer.
func (n *node) schedule() {
	n.timer++
	gen, life := n.timer, n.life
	local := n.rep.Core().Deadline()
	if local > 1<<40 {
		return
	}
	at := n.born + int64(float64(local)/n.drift) + 1
	n.w.after(max(1, at-n.w.now), func() {
		if n.life == life && n.timer == gen && n.up() {
			n.run("tick", n.rep.Tick)
		}
	})
}

// stop ends the process; disk is what it finds when it comes back.
func (n *node) stop(disk *vfs.Mem) {
	if !n.up() {
		return
	}
	_ = n.rep.Close(false) // a killed process closes nothing in order
	n.gone(disk)
}

// gone notes that the process has ended.
func (n *node) gone(disk *vfs.Mem) {
	n.w.judge.stopped(n)
	n.rep, n.paused, n.waiting = nil, 0, nil
	if disk != nil {
		n.disk = disk
	}
	n.w.breakLinks(n)
}

// pause stops the process for a while, as SIGSTOP or a long garbage collection would.
func (n *node) pause(ms int64) {
	if !n.up() {
		return
	}
	n.paused = n.w.now + ms
	n.w.after(ms, func() {
		waiting := n.waiting
		n.waiting = nil
		for _, f := range waiting {
			f()
		}
		if n.up() {
			n.run("resume", n.rep.Tick)
		}
	})
}

// Committed is the state machine: it remembers the records.
func (n *node) Committed(bs []raftio.CommittedBatch) {
	for _, b := range bs {
		for i, rec := range b.Records {
			n.w.judge.applied(n, b.BaseOffset+ids.Offset(i), string(rec))
			n.state = append(n.state, string(rec))
		}
		n.next = b.LastOffset + 1
	}
}

// LoadSnapshot replaces the state.
func (n *node) LoadSnapshot(s *raftio.SnapshotReader) {
	if n.up() && n.rep.Core().Role() == raft.Leader && n.life > 0 && n.rep.Applied() > 0 {
		fail("node %d loads a snapshot as the leader", n.id)
	}
	n.state, n.next = nil, s.ID().Offset
	for b, err := range s.Batches() {
		if err != nil {
			fail("node %d: snapshot %v: %v", n.id, s.ID(), err)
		}
		for _, rec := range b.Records {
			n.state = append(n.state, string(rec))
		}
	}
	n.w.judge.loaded(n)
}

// LeaderChanged is of no use to this state machine.
func (n *node) LeaderChanged(ids.LeaderAndEpoch) {}

// tripFS loses power in the middle of a write: after left more operations
// all fail, and clone is the disk as it was then.
type tripFS struct {
	vfs.FS
	armed   bool
	left    int
	cut     func() *vfs.Mem
	tripped bool
	clone   *vfs.Mem
}

var errPower = errors.New("power is gone")

func (f *tripFS) op() error {
	if f.tripped {
		return errPower
	}
	if !f.armed {
		return nil
	}
	if f.left--; f.left < 0 {
		f.tripped, f.clone = true, f.cut()
		return errPower
	}
	return nil
}

func (f *tripFS) OpenFile(name string, flag int) (vfs.File, error) {
	if err := f.op(); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &tripFile{file, f}, nil
}

func (f *tripFS) Rename(a, b string) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.FS.Rename(a, b)
}

func (f *tripFS) SyncDir(name string) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.FS.SyncDir(name)
}

func (f *tripFS) Remove(name string) error {
	if err := f.op(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

type tripFile struct {
	vfs.File
	fs *tripFS
}

func (f *tripFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.op(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *tripFile) Sync() error {
	if err := f.fs.op(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *tripFile) Truncate(size int64) error {
	if err := f.fs.op(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// noteCore puts the core's notes into the trace's text.
type noteCore struct{ n *node }

func (c noteCore) Enabled(zapcore.Level) bool        { return true }
func (c noteCore) With([]zapcore.Field) zapcore.Core { return c }
func (c noteCore) Sync() error                       { return nil }
func (c noteCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, c)
}
func (c noteCore) Write(e zapcore.Entry, _ []zapcore.Field) error {
	c.n.w.cfg.Log(fmt.Sprintf("%6d    n%d: %s", c.n.w.now, c.n.id, e.Message))
	return nil
}
