package raftio

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/invariant"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// outbox takes what the core sends: requests to other nodes (To is set) and
// replies to requests that came in. It must not block.
type outbox interface {
	send(raft.Message)
}

// driver carries out what the core wants, on one store. It has no goroutine and no
// clock, so that the simulation can call it step by step.
type driver struct {
	core  *raft.Core
	store *store
	out   outbox
	note  func(string)

	last string // of the notes, and
	told int64  // when, ms since 1970
}

// noteAgain is how long a note is not repeated, in ms: what goes on is told once,
// and not fifty times a second.
const noteAgain = 10_000

// tell passes on a note of the core's, unless it was just told.
func (d *driver) tell(note string, wall int64) {
	if note == d.last && wall >= d.told && wall-d.told < noteAgain {
		return
	}
	d.last, d.told = note, wall
	d.note(note)
}

// take prepares a message for the core: fetched bytes become entries.
func (d *driver) take(m raft.Message) raft.Message {
	r, ok := m.Body.(raft.FetchReply)
	if !ok || len(r.Data) == 0 {
		return m
	}
	entries, err := parseEntries(r.Data)
	if err != nil {
		// What is good in front of the damage is used; the rest is fetched again.
		d.note(fmt.Sprintf("fetched records of node %d: %v", m.From, err))
	}
	r.Entries = entries
	m.Body = r
	return m
}

// persist carries out one Ready, see there for the order. wall is ms since 1970.
// After an error the node must not go on.
func (d *driver) persist(rd *raft.Ready, voters raft.VoterSet, wall int64) error {
	for _, n := range rd.Notes {
		d.tell(n, wall)
	}
	if rd.Hard != nil {
		if err := d.store.saveElection(*rd.Hard, rd.KRaft, voters); err != nil {
			return err
		}
	}
	if err := d.store.apply(rd.Log, wall); err != nil {
		return err
	}
	if rd.Chunk != nil {
		if err := d.store.writeChunk(rd.Chunk); err != nil {
			return err
		}
	}
	if err := d.sendAll(rd.Send); err != nil {
		return err
	}
	if rd.MustSync {
		if err := d.store.flush(); err != nil {
			return err
		}
	}
	return d.sendAll(rd.SendSynced)
}

// installed finishes a download whose last chunk a Ready carried.
func (d *driver) installed(c *raft.SnapshotChunk) (*raft.SnapshotState, error) {
	st, err := d.store.install(c.ID)
	if err == nil && st == nil {
		d.note(fmt.Sprintf("snapshot %v arrived damaged", c.ID))
	}
	return st, err
}

func (d *driver) sendAll(ms []raft.Message) error {
	for _, m := range ms {
		full, err := d.fill(m)
		if err != nil {
			return err
		}
		d.out.send(full)
	}
	return nil
}

// fill adds the bytes that the core leaves to its driver.
func (d *driver) fill(m raft.Message) (raft.Message, error) {
	switch r := m.Body.(type) {
	case raft.FetchReply:
		if !r.Read {
			return m, nil
		}
		data, err := d.store.read(r.ReadFrom, int(clampBytes(r.MaxBytes)), d.store.log.EndOffset())
		if errors.Is(err, partlog.ErrOffsetOutOfRange) {
			err = nil // cut off since by the retention: the next fetch is told of the snapshot
		}
		if err != nil {
			return m, fmt.Errorf("read for a follower at %d: %w", r.ReadFrom, err)
		}
		r.Data = data
		m.Body = r
	case raft.SnapshotReply:
		if r.Err != raft.None {
			return m, nil
		}
		r.Data, r.Size, r.Err = d.store.readSnapshot(r.ID, r.Position, r.MaxBytes)
		m.Body = r
	}
	return m, nil
}

// turn brings the core to rest: everything it wants is done. now is the core's
// clock, wall is ms since 1970. Only the simulation uses it; Node.turn does the same
// with its lock released while the disk works.
func (d *driver) turn(now, wall int64) error {
	for i := 0; d.core.HasReady(); i++ {
		invariant.Check(i < 1000, "the core does not come to rest")
		rd := d.core.Ready()
		voters, _ := d.core.Voters()
		if err := d.persist(&rd, voters, wall); err != nil {
			return err
		}
		d.core.Advance(now)
		if rd.Chunk != nil && rd.Chunk.Last {
			st, err := d.installed(rd.Chunk)
			if err != nil {
				return err
			}
			d.core.SnapshotInstalled(st, now)
		}
	}
	return nil
}

// view is what the applier and other goroutines may know of the core.
type view struct {
	role       raft.Role
	leader     ids.LeaderAndEpoch
	endpoints  []raft.Endpoint
	epochStart ids.Offset
	start      ids.Offset
	end        ids.OffsetAndEpoch
	hw         ids.Offset
	snapshot   ids.OffsetAndEpoch // latest
	hasSnap    bool
	voters     raft.VoterSet
	kraft      int16
}

func viewOf(c *raft.Core) view {
	v := view{role: c.Role(), leader: c.LeaderAndEpoch(), endpoints: c.LeaderEndpoints(), epochStart: c.EpochStart(),
		start: c.Start(), end: c.End(), hw: c.HighWatermark()}
	if snaps := c.Snapshots(); len(snaps) > 0 {
		v.snapshot, v.hasSnap = snaps[len(snaps)-1], true
	}
	v.voters, v.kraft = c.Voters()
	return v
}
