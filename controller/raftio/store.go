package raftio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// metadataPartition is the one partition of the quorum; its topic id is fixed.
var (
	metadataPartition = ids.TopicPartition{Topic: "__cluster_metadata", Partition: 0}
	metadataTopicID   = ids.TopicID{15: 1}
)

// store is the disk of one node. Its writing methods belong to the goroutine that
// drives the core; read is safe from any.
type store struct {
	fs   vfs.FS
	dir  string
	log  *partlog.Log
	part vfs.File   // the snapshot being downloaded
	mark ids.Offset // as in markFile
	// maxWrite bounds one write; a segment takes no larger one.
	maxWrite int
	// skipVoteSync and skipLogSync are mutants of the simulation.
	skipVoteSync, skipLogSync, trustFailedSync, skipDirSync bool
}

// openStore recovers the folder. What it returns is on disk.
func openStore(o *Options) (*store, raft.HardState, raft.LogState, error) {
	s := &store{fs: o.FS, dir: o.Dir, maxWrite: min(maxWrite, int(o.Config.SegmentBytes))}
	hard, state, err := s.open(o)
	if errors.Is(err, segment.ErrCorrupt) && !errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		if s.log != nil {
			err = errors.Join(err, s.log.Close(false))
		}
		return nil, hard, state, fmt.Errorf("metadata log %s: %w", o.Dir, err)
	}
	return s, hard, state, nil
}

func (s *store) open(o *Options) (raft.HardState, raft.LogState, error) {
	var state raft.LogState
	hard, err := loadElection(s.fs, s.dir)
	if err != nil {
		return hard, state, err
	}
	if state.Snapshots, err = s.listSnapshots(); err != nil {
		return hard, state, err
	}
	// An observer has no mark: nobody counts on what it holds, it does not flush, and
	// it fetches again what it lost.
	if o.CanBeVoter {
		if s.mark, err = loadMark(s.fs, s.dir); err == nil {
			err = s.inspect(latestOffset(state.Snapshots))
		}
		if err != nil {
			return hard, state, err
		}
	}
	s.log, err = partlog.Open(partlog.Options{
		FS: s.fs, Dir: s.dir, TP: metadataPartition, TopicID: metadataTopicID, Config: o.logConfig(), Env: o.logEnv(),
		RecoveryPoint: s.mark, Covered: oldestOffset(state.Snapshots),
	})
	if err != nil {
		return hard, state, err
	}
	if err = s.align(&state); err != nil {
		return hard, state, err
	}
	if err = s.scan(&state); err != nil {
		return hard, state, err
	}
	if s.log.EndOffset() > s.log.StartOffset() {
		// What was read may be in the page cache only, left by a process that was killed before its flush.
		err = s.log.Flush()
	}
	return hard, state, err
}

func oldestOffset(snaps []ids.OffsetAndEpoch) ids.Offset {
	if len(snaps) == 0 {
		return 0
	}
	return snaps[0].Offset
}

func latestOffset(snaps []ids.OffsetAndEpoch) ids.Offset {
	if n := len(snaps); n > 0 {
		return snaps[n-1].Offset
	}
	return 0
}

// listSnapshots finds the complete snapshots and removes what is left of others.
func (s *store) listSnapshots() ([]ids.OffsetAndEpoch, error) {
	names, err := s.fs.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		// The folder's own name must be durable before anything in it counts.
		return nil, errors.Join(s.fs.MkdirAll(s.dir), s.fs.SyncDir(path.Dir(s.dir)))
	}
	if err != nil {
		return nil, err
	}
	var out []ids.OffsetAndEpoch
	for _, e := range names {
		id, suffix, ok := parseSnapshotName(e.Name)
		switch {
		case ok && suffix == "":
			out = append(out, id)
		case ok || e.Name == quorumStateFile+".tmp":
			if err := s.fs.Remove(s.dir + "/" + e.Name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil // ReadDir sorts, and the names sort by offset
}

// align makes log and snapshots fit: a log that ends below the latest snapshot (a crash
// between the two steps of a download) begins anew behind it, and a log whose
// front is gone begins at a snapshot.
func (s *store) align(state *raft.LogState) error {
	if n := len(state.Snapshots); n > 0 {
		latest := state.Snapshots[n-1]
		epoch, _ := s.log.LatestEpoch()
		empty := s.log.StartOffset() == s.log.EndOffset() && s.log.EndOffset() == latest.Offset
		if latest.Epoch > epoch && latest.Offset > 0 && !empty || latest.Offset > s.log.EndOffset() {
			if err := s.log.TruncateFullyAndStartAt(latest.Offset); err != nil {
				return err
			}
		}
	}
	first := s.log.StartOffset()
	if first == 0 {
		return nil
	}
	for len(state.Snapshots) > 0 && state.Snapshots[0].Offset < first {
		if err := s.removeSnapshot(state.Snapshots[0]); err != nil {
			return err
		}
		state.Snapshots = state.Snapshots[1:]
	}
	if len(state.Snapshots) == 0 {
		return fmt.Errorf("it begins at offset %d, but there is no snapshot of what came before", first)
	}
	_, err := s.log.AdvanceStartOffset(state.Snapshots[0].Offset)
	return err
}

// scan reads the voters of the latest snapshot and the headers and control records of the log.
func (s *store) scan(state *raft.LogState) error {
	state.Start, state.End = s.log.StartOffset(), s.log.EndOffset()
	if n := len(state.Snapshots); n > 0 {
		st, err := s.snapshotState(state.Snapshots[n-1])
		if err != nil {
			return err
		}
		if st.HasVoters {
			state.Voters = append(state.Voters, raft.VotersAt{Offset: st.ID.Offset - 1, Set: st.Voters})
		}
		if st.KRaftVersion > 0 {
			state.KRaft = append(state.KRaft, raft.KRaftAt{Offset: st.ID.Offset - 1, Version: st.KRaftVersion})
		}
		if state.Start > 0 {
			state.Epochs = []raft.EpochStart{{Epoch: state.Snapshots[0].Epoch, Start: state.Start}}
		}
	}
	for at := state.Start; at < state.End; {
		data, err := s.read(at, 1<<20, state.End)
		if err != nil {
			return err
		}
		next, err := scanEntries(state, at, data)
		if err != nil {
			return err
		}
		if next <= at {
			return fmt.Errorf("%w: nothing to read at %d of %d", errRecords, at, state.End)
		}
		at = next
	}
	return nil
}

// scanEntries adds to state what the batches in data tell. Voter sets older than
// the latest snapshot are in it already. at is the offset that was asked for: batches
// follow each other without gap.
func scanEntries(state *raft.LogState, at ids.Offset, data []byte) (next ids.Offset, err error) {
	covered := ids.NoOffset
	if n := len(state.Voters); n > 0 {
		covered = state.Voters[n-1].Offset
	}
	for len(data) > 0 {
		v, rest, err := batch.Next(data)
		if err != nil {
			return next, err
		}
		if base := v.BaseOffset(); base > at || next > 0 && base != at {
			return next, fmt.Errorf("%w: offset %d follows where %d was expected", ErrDamaged, base, at)
		}
		data, next, at = rest, v.NextOffset(), v.NextOffset()
		if n := len(state.Epochs); n == 0 || v.LeaderEpoch() > state.Epochs[n-1].Epoch {
			state.Epochs = append(state.Epochs, raft.EpochStart{Epoch: v.LeaderEpoch(), Start: v.BaseOffset()})
		}
		if !v.IsControl() {
			continue
		}
		c, err := parseControl(v)
		if err != nil {
			return next, err
		}
		if c.KRaftVersion != nil && c.kraftAt > covered {
			state.KRaft = append(state.KRaft, raft.KRaftAt{Offset: c.kraftAt, Version: *c.KRaftVersion})
		}
		if c.Voters != nil && c.votersAt > covered {
			state.Voters = append(state.Voters, raft.VotersAt{Offset: c.votersAt, Set: *c.Voters})
		}
	}
	return next, nil
}

func (s *store) snapshotPath(id ids.OffsetAndEpoch) string { return s.dir + "/" + SnapshotName(id) }

func (s *store) snapshotState(id ids.OffsetAndEpoch) (raft.SnapshotState, error) {
	r, err := OpenSnapshot(s.fs, s.snapshotPath(id))
	if err != nil {
		return raft.SnapshotState{}, err
	}
	defer r.Close()
	return r.state(), nil
}

func (s *store) saveElection(h raft.HardState, kraft int16, voters raft.VoterSet) error {
	if s.skipVoteSync {
		return s.saveElectionUnsynced(h, kraft, voters)
	}
	if s.skipDirSync {
		return saveElection(noDirSync{s.fs}, s.dir, h, kraft, voters)
	}
	return saveElection(s.fs, s.dir, h, kraft, voters)
}

// noDirSync forgets that a new name is only as durable as its folder: a mutant.
type noDirSync struct{ vfs.FS }

func (noDirSync) SyncDir(string) error { return nil }

func (s *store) saveElectionUnsynced(h raft.HardState, kraft int16, voters raft.VoterSet) error {
	f, err := s.fs.OpenFile(s.dir+"/"+quorumStateFile, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(encodeQuorumState(h, kraft, voters), 0)
	return errors.Join(err, f.Close())
}

// apply does what the core wants of the log. Appends that follow each other become one
// write. now stamps control records, in ms since 1970.
func (s *store) apply(ops []raft.LogOp, now int64) error {
	var buf []byte
	var epoch ids.LeaderEpoch
	write := func() error {
		if len(buf) == 0 {
			return nil
		}
		_, err := s.log.AppendAsFollower(buf, epoch)
		buf = nil
		return err
	}
	for _, op := range ops {
		if op.Truncate != nil {
			if err := errors.Join(write(), s.truncate(*op.Truncate)); err != nil {
				return err
			}
			continue
		}
		data := op.Append.Data
		if data == nil {
			var err error
			if data, err = encodeControl(op.Append, now); err != nil {
				return err
			}
		}
		if len(buf)+len(data) > s.maxWrite {
			if err := write(); err != nil {
				return err
			}
		}
		buf, epoch = append(buf, data...), op.Append.Epoch
	}
	return write()
}

// maxWrite is the smallest segment that Kafka allows for this log.
const maxWrite = 8 << 20

// truncate cuts the log at the end of a batch. What lies in front is read first, farther
// back than the search for the place begins (an index entry stands for 4 KiB, a record has 7
// bytes at least): a forged offset in a damaged batch would lead it astray, and more be cut off.
func (s *store) truncate(off ids.Offset) error {
	for at := max(s.log.StartOffset(), off-4096); at < off; {
		data, err := s.read(at, 1<<20, off)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return fmt.Errorf("%w: offset %d is missing in %s", ErrDamaged, at, s.dir)
		}
		for len(data) > 0 {
			v, rest, err := batch.Next(data)
			if err != nil {
				return err
			}
			data, at = rest, v.NextOffset()
		}
	}
	if err := s.log.TruncateTo(off); err != nil {
		return err
	}
	if end := s.log.EndOffset(); end != off {
		return fmt.Errorf("%w: truncated to %d, which is inside of a batch; the log ends at %d", errRecords, off, end)
	}
	return nil
}

func (s *store) flush() error {
	if s.skipLogSync {
		return nil
	}
	if err := s.log.Flush(); err != nil && !s.trustFailedSync {
		return err
	}
	return nil
}

// read copies batches from the log: from the one that holds from on up to limit,
// at least one, and further ones up to max bytes. Each is checked as far as its CRC, which does not
// cover the offset, and that it follows the one before, because what is read is voted on,
// sent on or applied; the first that is not whole is named by its file and position.
func (s *store) read(from ids.Offset, max int, limit ids.Offset) ([]byte, error) {
	sl, err := s.log.Read(from, max, limit, true)
	if errors.Is(err, segment.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	defer sl.Release()
	if sl.Len == 0 {
		return nil, nil
	}
	buf := make([]byte, sl.Len)
	if _, err = sl.ReadAt(buf, 0); err != nil {
		return nil, err
	}
	for at := 0; at < len(buf); {
		v, _, err := batch.Next(buf[at:])
		if err == nil {
			err = v.Check()
		}
		if err == nil {
			err = v.VerifyCRC()
		}
		if err == nil && (v.BaseOffset() > from || at > 0 && v.BaseOffset() != from || v.NextOffset() <= from) {
			err = fmt.Errorf("offsets %d to %d where %d was expected", v.BaseOffset(), v.LastOffset(), from)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s at byte %d: %w", ErrDamaged, sl.File.Name(), sl.Off+int64(at), err)
		}
		at, from = at+v.Len(), v.NextOffset()
	}
	return buf, nil
}

// readSnapshot reads a piece of a snapshot for another node.
func (s *store) readSnapshot(id ids.OffsetAndEpoch, pos int64, max int32) (data []byte, size int64, code raft.Code) {
	f, err := s.fs.OpenFile(s.snapshotPath(id), os.O_RDONLY)
	if err != nil {
		return nil, 0, raft.SnapshotNotFound
	}
	defer f.Close()
	if size, err = f.Size(); err != nil {
		return nil, 0, raft.UnknownServerError
	}
	if pos >= size {
		return nil, 0, raft.PositionOutOfRange
	}
	data = make([]byte, min(int64(clampBytes(max)), size-pos))
	if _, err := f.ReadAt(data, pos); err != nil {
		return nil, 0, raft.UnknownServerError
	}
	return data, size, raft.None
}

// clampBytes bounds what a request may ask to be read into memory at once.
func clampBytes(n int32) int32 { return min(max(n, 1), maxWrite) }

// writeChunk adds a piece to the partial file of a download.
func (s *store) writeChunk(c *raft.SnapshotChunk) error {
	if c.Position == 0 || s.part == nil {
		s.dropPart()
		f, err := s.fs.OpenFile(s.snapshotPath(c.ID)+partSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		s.part = f
	}
	_, err := s.part.WriteAt(c.Data, c.Position)
	return err
}

func (s *store) dropPart() {
	if s.part != nil {
		s.part.Close() // its contents count for nothing before the flush in install
		s.part = nil
	}
}

// install checks a downloaded snapshot, publishes it and begins the log anew behind it.
// A file that is no good is a nil state.
func (s *store) install(id ids.OffsetAndEpoch) (*raft.SnapshotState, error) {
	name := s.snapshotPath(id)
	err := s.part.Sync()
	s.dropPart()
	if err != nil {
		return nil, err
	}
	// Renamed at the end only: under its name it would count at the next start.
	r, err := OpenSnapshot(s.fs, name+partSuffix)
	if err != nil {
		return nil, nil //nolint:nilerr // the download starts over
	}
	r.id = id
	state, err := r.state(), errors.Join(r.check(), r.Close())
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	if err := publish(s.fs, name+partSuffix, name); err != nil {
		return nil, err
	}
	old, err := s.listSnapshots()
	if err != nil {
		return nil, err
	}
	// While the log is removed the mark claims nothing: a crash in between leaves a part of it.
	if err := s.setMark(0); err != nil {
		return nil, err
	}
	if err := s.log.TruncateFullyAndStartAt(id.Offset); err != nil {
		return nil, err
	}
	for _, o := range old {
		if o.Offset < id.Offset {
			if err := s.removeSnapshot(o); err != nil {
				return nil, err
			}
		}
	}
	return &state, nil
}

func (s *store) removeSnapshot(id ids.OffsetAndEpoch) error {
	if err := s.fs.Remove(s.snapshotPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropPrefix forgets the log below the position of a snapshot that is kept, then the
// older snapshots: in this order a crash in between leaves no gap.
func (s *store) dropPrefix(start ids.Offset, now int64, hw ids.Offset, gone []ids.OffsetAndEpoch) error {
	if _, err := s.log.AdvanceStartOffset(start); err != nil {
		return err
	}
	if _, err := s.log.ApplyRetention(now, hw); err != nil {
		return err
	}
	for _, id := range gone {
		if err := s.removeSnapshot(id); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close(clean bool) error {
	s.dropPart()
	return s.log.Close(clean)
}
