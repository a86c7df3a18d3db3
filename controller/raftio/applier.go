package raftio

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// applier delivers what is committed to the Listener, in order and once.
type applier struct {
	store    *store
	listener Listener
	self     ids.NodeID
	next     ids.Offset // the first offset not yet delivered
	told     ids.LeaderAndEpoch
	started  bool
}

// applyBytes bounds one delivery.
const applyBytes = 4 << 20

// advance delivers one step towards v and tells whether there is more. A log whose front
// is gone below next means that a snapshot took its place since v was made: the next view
// says so, and nothing is lost by waiting for it.
func (a *applier) advance(v *view) (more bool, err error) {
	a.tellLeader(v)
	// A snapshot at offset 0 holds the first voters and nothing for the listener.
	if v.hasSnap && v.snapshot.Offset > 0 && (a.next < v.start || !a.started && v.snapshot.Offset <= v.hw) {
		return a.load(v.snapshot)
	}
	a.started = true
	if a.next >= v.hw {
		return false, nil
	}
	data, err := a.store.read(a.next, applyBytes, v.hw)
	if errors.Is(err, partlog.ErrOffsetOutOfRange) || err == nil && len(data) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := a.deliver(data); err != nil {
		return false, err
	}
	a.tellLeader(v)
	return a.next < v.hw, nil
}

func (a *applier) deliver(data []byte) error {
	var out []CommittedBatch
	for len(data) > 0 {
		v, rest, err := batch.Next(data)
		if err != nil {
			return fmt.Errorf("committed log at %d: %w", a.next, err)
		}
		if data = rest; v.IsControl() || v.NextOffset() <= a.next {
			a.next = max(a.next, v.NextOffset())
			continue
		}
		b, err := parseRecords(v)
		if err != nil {
			return fmt.Errorf("committed log at %d: %w", a.next, err)
		}
		a.next = v.NextOffset()
		out = append(out, b)
	}
	if len(out) > 0 {
		a.listener.Committed(out)
	}
	return nil
}

func (a *applier) load(id ids.OffsetAndEpoch) (more bool, err error) {
	r, err := OpenSnapshot(a.store.fs, a.store.snapshotPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // a newer one took its place since v was made; the next view names it
	}
	if err != nil {
		return false, fmt.Errorf("load a snapshot: %w", err)
	}
	defer r.Close()
	a.started = true
	a.listener.LoadSnapshot(r)
	a.next = id.Offset
	return true, nil
}

// tellLeader tells of a change of leader. The node itself is told when it delivered
// the first record of its epoch, with which all before it is committed.
func (a *applier) tellLeader(v *view) {
	if v.leader == a.told {
		return
	}
	if v.leader.Leader == a.self && a.next <= v.epochStart {
		if a.told.Leader < 0 {
			return
		}
		// The former leader is gone, the new one, this node, is not ready yet.
		a.told = ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: v.leader.Epoch}
		a.listener.LeaderChanged(a.told)
		return
	}
	a.told = v.leader
	a.listener.LeaderChanged(a.told)
}
