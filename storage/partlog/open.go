package partlog

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Open opens the partition's log, or makes a new one if its directory does not
// exist; a new one touches no disk until its first append. After a clean
// shutdown the directory is listed and no file is opened; otherwise everything
// above the recovery point is read and checked, and the log is cut at the first
// batch that is not whole.
//
// Errors: of the file system, and segment.ErrCorrupt for damage below the
// recovery point that hides where the next batch begins: acknowledged data would
// be cut off. Damaged records alone are told of and not served.
func Open(o Options) (*Log, error) {
	l := &Log{tp: o.TP, topicID: o.TopicID, env: o.Env, room: o.Room, lowered: o.Lowered, cutting: o.Truncated, failing: o.Failed, epochs: &epochs.History{}}
	l.dir = segment.Dir{FS: o.FS, Path: o.Dir}
	l.config.Store(o.Config)
	l.start, l.end, l.recovered = o.LogStartOffset, o.LogStartOffset, o.LogStartOffset
	l.lastFlush = l.env.Clock()
	l.drawJitter()
	names, err := o.FS.ReadDir(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		l.woken = o.Woken
		return l, nil
	}
	if err == nil {
		l.made = true
		err = l.load(names, o)
	}
	if err != nil {
		l.coolAll()
		return nil, l.errf("open", err)
	}
	l.woken = o.Woken
	return l, nil
}

func (l *Log) load(names []vfs.Entry, o Options) error {
	logs, err := l.sortNames(names, o.OnDisk)
	if err != nil {
		return err
	}
	if err := l.loadEpochs(); err != nil {
		return err
	}
	if logs, err = l.dropCovered(logs, o.Covered); err != nil {
		return err
	}
	now := l.env.Clock()
	for _, base := range logs {
		l.segs = append(l.segs, segment.Existing(&l.dir, base, now))
	}
	// What a killed process left need not be on disk, whether it can be read or not.
	if l.txnsDirty = !o.CleanShutdown; l.txnsDirty {
		l.named++
		l.wake()
	}
	if len(l.segs) > 0 {
		l.start = max(l.start, l.segs[0].Base)
		l.end = l.start
		if o.CleanShutdown {
			err = l.findEnd(o.RecoveryPoint)
		} else {
			err = l.recover(o.RecoveryPoint)
		}
		if err != nil {
			return err
		}
	}
	if l.end < o.LogStartOffset {
		// The tail that a crash took was below the start already: nothing is left.
		if err := l.endAt(0, o.LogStartOffset, o.LogStartOffset); err != nil {
			return err
		}
	}
	if l.epochs == nil { // cannot be read, and there is no batch to tell them
		l.epochs, l.epochsDirty = &epochs.History{}, true
	}
	changed := l.epochs.TruncateEnd(l.end)
	if l.epochs.TruncateStart(l.start) || changed {
		l.epochsDirty = true
	}
	return l.dropSnapshots(func(off ids.Offset) bool { return off > l.end })
}

// sortNames removes leftovers and returns the bases of the segments. onDisk is
// the topic id in partition.metadata, if the caller has read it.
func (l *Log) sortNames(names []vfs.Entry, onDisk ids.TopicID) (logs []ids.Offset, err error) {
	have := map[string]bool{}
	if names, err = l.finishSwaps(names); err != nil {
		return nil, err
	}
	for _, e := range names {
		base, suffix, ok := splitName(e.Name)
		switch {
		case e.Name == MetadataFile:
			if !onDisk.IsZero() {
				l.idKnown = onDisk == l.topicID
				continue
			}
			id, err := ReadMetadata(l.dir.FS, l.dir.Path)
			if err != nil {
				return nil, err
			}
			if l.topicID.IsZero() {
				l.topicID = id
			}
			l.idKnown = id == l.topicID
		case !ok:
		case suffix == segment.LogSuffix:
			logs = append(logs, base)
			have[e.Name] = true
		case suffix == segment.SnapshotSuffix:
			l.snapshots = append(l.snapshots, base)
		}
	}
	for _, e := range names {
		base, suffix, ok := splitName(e.Name)
		orphan := ok && suffix != segment.LogSuffix && suffix != segment.SnapshotSuffix && !have[segment.FileName(base, segment.LogSuffix)]
		if orphan || strings.HasSuffix(e.Name, segment.DeletedSuffix) {
			if err := l.dir.FS.Remove(l.dir.Path + "/" + e.Name); err != nil {
				return nil, err
			}
		}
	}
	return logs, nil
}

// dropCovered removes the segments that lie wholly below covered: a deletion that a
// power cut ended may have kept the names of some and not those of others behind
// them, and recovery takes what is behind a gap for the remains of a lost tail.
func (l *Log) dropCovered(logs []ids.Offset, covered ids.Offset) ([]ids.Offset, error) {
	for len(logs) > 1 && logs[1] <= covered {
		if err := segment.Remove(&l.dir, logs[0], ""); err != nil {
			return logs, err
		}
		logs = logs[1:]
	}
	return logs, nil
}

// splitName takes a segment file's name apart; ok is false for other names.
func splitName(name string) (base ids.Offset, suffix string, ok bool) {
	if len(name) < 21 || name[20] != '.' {
		return 0, "", false
	}
	n, err := strconv.ParseInt(name[:20], 10, 64)
	if err != nil || n < 0 {
		return 0, "", false
	}
	suffix = name[20:]
	ok = suffix == segment.SnapshotSuffix || slices.Contains(segment.Suffixes[:], suffix)
	return ids.Offset(n), suffix, ok
}

func (l *Log) loadEpochs() error {
	b, err := vfs.ReadFile(l.dir.FS, l.dir.Path+"/"+epochs.FileName, 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := epochs.Parse(b)
	if err != nil {
		l.warn("leader epochs are rebuilt from the log", err)
		l.epochs = nil
		return nil
	}
	l.epochs = h
	return nil
}

// findEnd trusts a clean shutdown: everything was flushed, so the recovery
// point is the end. Only where the checkpoint says nothing is the file asked.
func (l *Log) findEnd(checkpoint ids.Offset) error {
	last := l.active()
	if checkpoint > last.Base && l.epochs != nil {
		l.end, l.recovered, l.unverified = checkpoint, checkpoint, true
		return nil
	}
	if l.epochs == nil {
		return l.recover(last.Base)
	}
	size, err := last.Size()
	if err != nil {
		return err
	}
	l.end = last.Base
	if size > 0 {
		l.end, err = last.End(l.Config().IndexIntervalBytes)
		last.Cool()
		if err != nil {
			return l.recover(checkpoint)
		}
	}
	l.recovered = l.end
	return nil
}

// recover reads everything above the recovery point.
func (l *Log) recover(point ids.Offset) error {
	l.rebuildEpochsFromStart(&point)
	first := 0
	for i := range l.segs {
		if l.segs[i].Base <= point {
			first = i
		}
	}
	// Snapshots above what is known to be durable are made again from the batches,
	// and with them transaction indexes that a crash took.
	if err := l.dropSnapshots(func(off ids.Offset) bool { return off > max(point, l.segs[first].Base) }); err != nil {
		return err
	}
	known := *l.epochs
	end := l.segs[first].Base
	for i := first; i < len(l.segs); i++ {
		s := l.segs[i]
		if i > first && (s.Base < end || s.Base > end && !l.Config().Compact) {
			l.warn("segments after a gap are removed", &segment.CorruptError{Path: s.Path(), Reason: "the log ends at offset " + strconv.FormatInt(int64(end), 10)})
			return l.endAt(i, end, point)
		}
		r, err := s.Recover(segment.RecoverOptions{
			Interval: l.Config().IndexIntervalBytes, Flushed: point, Epoch: l.epochBefore(s.Base), Epochs: known,
			Seen: func(h *segment.Header, _ batch.View) error {
				if _, ok := known.ForOffset(h.Last); !ok || h.Next() > point {
					l.recoveredEpoch(h)
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
		for _, d := range r.Damaged {
			l.damaged(s, d)
		}
		s.Unclean = true
		end = max(r.Next, s.Base)
		if r.Cause != nil {
			l.warn("the tail of the log is cut off", r.Cause)
			s.Cool()
			return l.endAt(i+1, end, point)
		}
		s.Cool() // thousands of logs are opened before one is used
	}
	return l.endAt(len(l.segs), end, point)
}

// rebuildEpochsFromStart lowers the point to read from when the epoch
// checkpoint is unreadable: the history is then taken from the batches.
func (l *Log) rebuildEpochsFromStart(point *ids.Offset) {
	if l.epochs == nil {
		l.epochs = &epochs.History{}
		l.epochsDirty = true
		*point = 0
	}
}

func (l *Log) epochBefore(off ids.Offset) ids.LeaderEpoch {
	e, ok := l.epochs.ForOffset(off - 1)
	if !ok {
		return ids.NoEpoch
	}
	return e
}

// recoveredEpoch enters a recovered batch's epoch.
func (l *Log) recoveredEpoch(h *segment.Header) {
	if last, ok := l.epochs.Latest(); h.Epoch >= 0 && (!ok || h.Epoch > last.Epoch) {
		l.epochs.Assign(h.Epoch, h.Base)
		l.epochsDirty = true
	}
}

// endAt drops the segments from i on and ends the log at end. What was read
// is in the page cache at best: the recovery point stays where it was.
func (l *Log) endAt(i int, end, point ids.Offset) error {
	for _, s := range l.segs[i:] {
		s.Cool()
		if err := segment.Remove(&l.dir, s.Base, ""); err != nil {
			return err
		}
	}
	removed := i < len(l.segs)
	l.segs = l.segs[:i:i]
	l.end = end
	l.recovered = max(l.start, min(point, end))
	if removed {
		return l.dir.FS.SyncDir(l.dir.Path)
	}
	return nil
}

func (l *Log) coolAll() {
	for _, s := range l.segs {
		s.Cool()
	}
	l.hints = nil
}
