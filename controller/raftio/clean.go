package raftio

import (
	"errors"
	"io/fs"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// clean drops old snapshots and the log in front of the oldest that stays, by age and
// size (metadata.max.retention.ms and .bytes). The latest snapshot always stays.
func (n *Node) clean(c *raft.Core) error {
	snaps := c.Snapshots()
	drop, err := n.driver.store.surplus(snaps, n.wall(), &n.o.Config)
	if err != nil || drop == 0 {
		return err
	}
	start := snaps[drop].Offset
	if start > c.HighWatermark() {
		return nil
	}
	// The core forgets first: from then on it offers nobody what is about to go.
	c.PrefixDropped(start)
	return n.driver.store.dropPrefix(start, n.wall(), c.HighWatermark(), snaps[:drop])
}

// surplus counts the oldest snapshots that are to go. One whose file somebody removed is none
// that the log could begin at.
func (s *store) surplus(snaps []ids.OffsetAndEpoch, now int64, cfg *Config) (int, error) {
	sizes, total := make([]int64, len(snaps)), s.log.Size()
	for i, id := range snaps {
		info, err := s.fs.Stat(s.snapshotPath(id))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sizes[i] = info.Size
		total += info.Size
	}
	drop := 0
	for drop+1 < len(snaps) {
		age, err := s.snapshotTime(snaps[drop])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return drop, err
		}
		tooOld := cfg.RetentionMs >= 0 && now-age > cfg.RetentionMs
		tooMuch := cfg.RetentionBytes >= 0 && total > cfg.RetentionBytes
		if err == nil && !tooOld && !tooMuch {
			break
		}
		total -= sizes[drop]
		drop++
	}
	return drop, nil
}

// snapshotTime is the append time of the last record a snapshot covers.
func (s *store) snapshotTime(id ids.OffsetAndEpoch) (int64, error) {
	r, err := OpenSnapshot(s.fs, s.snapshotPath(id))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.AppendTime(), nil
}
