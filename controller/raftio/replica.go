package raftio

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Replica is a Node without goroutines, clock and network: the same core, turn,
// files and applier, moved on by whoever holds it. The simulation of tests/sim
// is made of replicas. Times are the core's, in ms.
type Replica struct {
	d       driver
	applier applier
	o       Options
}

// Outbox carries what a replica sends, after the disk holds what it promises. To is set
// on requests; a reply has the Call of its request.
type Outbox func(raft.Message)

func (f Outbox) send(m raft.Message) { f(m) }

// OpenReplica recovers a replica from its folder. mutants break it on purpose.
func OpenReplica(o Options, rnd *rand.Rand, out Outbox, mutants raft.Mutant, now int64) (*Replica, error) {
	o = o.withDefaults()
	cfg, err := o.coreConfig()
	if err != nil {
		return nil, err
	}
	cfg.Rand, cfg.Mutants = rnd, mutants
	s, hard, state, err := openStore(&o)
	if err != nil {
		return nil, err
	}
	s.skipVoteSync, s.skipLogSync = mutants&raft.MutantSkipVoteSync != 0, mutants&raft.MutantAckBeforeSync != 0
	s.trustFailedSync, s.skipDirSync = mutants&raft.MutantTrustFailedSync != 0, mutants&raft.MutantNoDirSync != 0
	r := &Replica{o: o, d: driver{store: s, out: out, note: func(n string) { o.Logger.Info(n) }}}
	r.d.core = raft.New(cfg, hard, state, now)
	r.applier = applier{store: s, listener: o.Listener, self: o.NodeID, told: ids.LeaderAndEpoch{Leader: ids.NoNode}}
	return r, nil
}

// Core shows the state; it must not be changed.
func (r *Replica) Core() *raft.Core { return r.d.core }

// Step takes a message, Tick lets time pass. An error means that the disk failed
// and the replica is dead.
func (r *Replica) Step(m raft.Message, now int64) error {
	r.d.core.Step(r.d.take(m), now)
	return r.turn(now)
}

// Tick lets time pass.
func (r *Replica) Tick(now int64) error {
	r.d.core.Tick(now)
	return r.turn(now)
}

// Append is Node.Append.
func (r *Replica) Append(recs [][]byte, now int64) (ids.Offset, error) {
	epoch := r.d.core.LeaderAndEpoch().Epoch
	base := r.d.core.End().Offset
	data, err := encodeRecords(base, epoch, recs, now)
	if err != nil {
		return 0, err
	}
	if _, ok := r.d.core.Propose(epoch, len(recs), data); !ok {
		return 0, ErrNotLeader
	}
	return base + ids.Offset(len(recs)) - 1, r.Tick(now)
}

// Do runs f, which may call the core, and then a turn.
func (r *Replica) Do(f func(*raft.Core), now int64) error {
	f(r.d.core)
	return r.turn(now)
}

func (r *Replica) turn(now int64) error {
	if err := r.d.turn(now, r.o.Clock().UnixMilli()); err != nil {
		return err
	}
	for more := true; more; {
		v := viewOf(r.d.core)
		var err error
		if more, err = r.applier.advance(&v); err != nil {
			return err
		}
	}
	return nil
}

// Keep does what Node does from time to time: it notes how far the log is committed and on disk.
func (r *Replica) Keep() error { return r.d.store.keepMark(r.d.core.Durable()) }

// Applied is the position up to which the listener was told.
func (r *Replica) Applied() ids.Offset { return r.applier.next }

// WriteSnapshot is Node.WriteSnapshot at the applied position, with the log's front dropped at once.
func (r *Replica) WriteSnapshot(recs iter.Seq[[]byte], now int64) error {
	c := r.d.core
	at := ids.OffsetAndEpoch{Offset: r.applier.next, Epoch: c.EpochAt(r.applier.next)}
	if snaps := c.Snapshots(); at.Offset <= c.Start() || at.Offset > c.HighWatermark() || len(snaps) > 0 && snaps[len(snaps)-1].Offset >= at.Offset {
		return ErrSnapshotNotAllowed
	}
	voters, kraft, _ := c.VotersAt(at.Offset - 1)
	err := WriteSnapshotFile(SnapshotOptions{
		FS: r.o.FS, Path: r.d.store.snapshotPath(at), AppendTime: now, Now: now, Epoch: at.Epoch, KRaftVersion: kraft, Voters: voters,
	}, recs)
	if err != nil {
		return err
	}
	c.SnapshotWritten(at)
	snaps := c.Snapshots()
	c.PrefixDropped(at.Offset)
	return r.d.store.dropPrefix(at.Offset, now, c.HighWatermark(), snaps[:len(snaps)-1])
}

// BatchRef identifies a batch of the log without its records.
type BatchRef struct {
	Base, Last ids.Offset
	Epoch      ids.LeaderEpoch
	CRC        uint32
}

// Batches lists the batches of the log from the offset from on.
func (r *Replica) Batches(from ids.Offset) ([]BatchRef, error) {
	var out []BatchRef
	for end := r.d.store.log.EndOffset(); from < end; {
		data, err := r.d.store.read(from, 1<<20, end)
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			v, rest, err := batch.Next(data)
			if err != nil {
				return nil, err
			}
			out = append(out, BatchRef{v.BaseOffset(), v.LastOffset(), v.LeaderEpoch(), v.CRC()})
			data, from = rest, v.NextOffset()
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%w: nothing to read at %d", errRecords, from)
		}
	}
	return out, nil
}

// Close closes the files; clean false is what a kill does.
func (r *Replica) Close(clean bool) error { return r.d.store.close(clean) }
