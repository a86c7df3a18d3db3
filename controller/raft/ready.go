package raft

import "github.com/gregorbroker/gregor/protocol/ids"

// HardState is what must survive a crash: quorum-state.
type HardState struct {
	Epoch  ids.LeaderEpoch
	Leader ids.NodeID // NoNode when unknown
	Voted  ReplicaKey // ID NoNode when no vote was given in Epoch
}

// LogOp changes the log. Exactly one of its fields is set.
type LogOp struct {
	Append   *Entry
	Truncate *ids.Offset // drop all from this offset on
}

// SnapshotChunk is a piece of a snapshot that is being downloaded, to be
// written at Position of its partial file. With Last the file is complete: the driver
// makes it durable, checks it, replaces the log by it and calls SnapshotInstalled.
type SnapshotChunk struct {
	ID       ids.OffsetAndEpoch
	Position int64
	Data     []byte
	Last     bool
}

// Ready is what the driver has to do, in the order of the fields; then Advance.
//
// The invariant behind Send and SendSynced: nothing leaves a node that promises
// something its disk does not hold. A vote, an epoch, or that a voter has records up
// to an offset are promises. That a leader offers records it has written but
// not flushed is none: its own copy counts for the high watermark only after
// Advance.
type Ready struct {
	Hard       *HardState // write, flush, rename, flush the folder
	KRaft      int16      // kraft.version now, which decides the format of Hard
	Log        []LogOp    // write, in order; control entries are to be encoded
	Chunk      *SnapshotChunk
	Send       []Message // may go now, after the writes and before the flush
	MustSync   bool      // flush the log
	SendSynced []Message // after the flush
	// HighWatermark up to which all is committed, exclusive.
	HighWatermark ids.Offset
	// Leader now; the node itself is told to its listener once HighWatermark
	// passed EpochStart.
	Leader     ids.LeaderAndEpoch
	EpochStart ids.Offset
	// Notes say in words what happened, for the log of the process.
	Notes []string
}

// Empty tells that there is nothing to write or to send; HighWatermark and Leader may
// have changed still.
func (r *Ready) Empty() bool {
	return r.Hard == nil && len(r.Log) == 0 && r.Chunk == nil && len(r.Send) == 0 && !r.MustSync && len(r.SendSynced) == 0
}

// output collects the next Ready.
type output struct {
	hardDirty bool
	ops       []LogOp
	chunk     *SnapshotChunk
	now       []Message
	synced    []Message
	notes     []string
}

// HasReady tells whether Ready would return something to do.
func (c *Core) HasReady() bool {
	o := &c.out
	return o.hardDirty || len(o.ops) > 0 || o.chunk != nil || len(o.now) > 0 || len(o.synced) > 0 || len(o.notes) > 0
}

// Ready takes what is to be done. Until Advance the core must not be stepped.
func (c *Core) Ready() Ready {
	o := c.out
	c.out = output{}
	r := Ready{Log: o.ops, Chunk: o.chunk, Send: o.now, SendSynced: o.synced, Notes: o.notes, KRaft: c.log.kraftVersion()}
	if o.hardDirty {
		h := c.hard
		r.Hard = &h
		// A reply to a fetch carries the epoch: with the epoch not yet on disk it has to wait as well.
		r.Send, r.SendSynced = nil, append(r.Send, r.SendSynced...)
	}
	r.MustSync = c.cfg.CanBeVoter && len(o.ops) > 0
	r.HighWatermark, r.Leader = c.hw, c.LeaderAndEpoch()
	if l, ok := c.role.(*leader); ok {
		r.EpochStart = l.epochStart
	}
	return r
}

// Advance tells that all of the last Ready is done and, where it had to be, on disk.
func (c *Core) Advance(now int64) {
	c.stable = c.log.End
	if l, ok := c.role.(*leader); ok {
		l.localAppended(c, now)
	}
	c.poll(now)
}
