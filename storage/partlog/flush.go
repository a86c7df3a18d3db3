package partlog

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Flush makes everything below the end offset durable and moves the recovery
// point there. Callers that come while another flush runs share the next one.
// Index files are left to roll and close: an index that is behind costs
// recovery some reading, nothing else.
//
// After a failure the log is failed for good: a sync reports its error once and
// drops the pages, so that a second sync would lie.
func (l *Log) Flush() error {
	_, err := l.flushTo(l.EndOffset())
	return err
}

// flushTo makes everything below target durable and tells whether there was anything to do.
func (l *Log) flushTo(target ids.Offset) (bool, error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	job, err := l.planFlush(target)
	if err != nil || job == nil {
		return false, err
	}
	err = job.run(l)
	for _, f := range job.files {
		f.Release()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		// What could not be written for a lack of room or files is written by the next flush.
		l.epochsDirty = l.epochsDirty || job.epochs != nil
		l.txnsDirty = l.txnsDirty || len(job.txns) > 0
		return true, l.stall("flush", err)
	}
	if job.names {
		l.namesKept = max(l.namesKept, job.named)
	}
	l.unflushed = max(l.unflushed-job.bytes, 0)
	// A truncation that ran meanwhile may have lowered the end.
	if l.generation() == job.generation {
		l.recovered = max(l.recovered, min(job.end, l.end))
	}
	l.lastFlush = l.env.Clock()
	return true, nil
}

type flushJob struct {
	end        ids.Offset
	generation int64
	bytes      int64 // appended since the flush before
	files      []*segment.File
	txns       []*segment.Segment
	snapshots  []string // of the producer state, made by rolls
	epochs     []byte   // nil when the checkpoint is up to date
	named      int64    // how many of the names are durable afterwards
	names      bool     // there are some to sync
}

// generation changes with every truncation.
func (l *Log) generation() int64 { return l.truncations }

// planFlush collects what has to be synced. Nothing to do is a nil job.
func (l *Log) planFlush(target ids.Offset) (*flushJob, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	if l.recovered >= target && !l.epochsDirty && !l.namesDirty() || !l.made {
		return nil, nil
	}
	if _, err := l.ready(l.config.Load()); err != nil {
		return nil, err
	}
	job := &flushJob{end: l.end, generation: l.generation(), bytes: l.unflushed, named: l.named, names: l.namesDirty()}
	for _, s := range l.unflushedSegs() {
		f, err := s.Log()
		if err != nil {
			return nil, l.stall("flush", err)
		}
		job.files = append(job.files, f.Acquire())
		if l.txnsDirty {
			if err := s.SaveTxns(); err != nil {
				return nil, l.stall("flush", err)
			}
			job.txns, job.names = append(job.txns, s), true // the file may be new
		}
	}
	for _, off := range l.snapshots {
		if off > l.recovered {
			job.snapshots = append(job.snapshots, l.snapshotName(off))
		}
	}
	if l.epochsDirty {
		job.epochs = l.epochs.Encode()
	}
	l.epochsDirty, l.txnsDirty = false, false
	return job, nil
}

// unflushedSegs are the segments that hold something above the recovery point, the
// active one always. Callers hold mu.
func (l *Log) unflushedSegs() []*segment.Segment {
	for i := range l.segs {
		if i+1 == len(l.segs) || l.segs[i+1].Base > l.recovered {
			return l.segs[i:]
		}
	}
	return nil
}

func (j *flushJob) run(l *Log) error {
	for _, f := range j.files {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	for _, s := range j.txns {
		if err := s.SyncTxns(); err != nil {
			return err
		}
	}
	for _, name := range j.snapshots {
		if err := vfs.SyncFile(l.dir.FS, name); err != nil {
			return err
		}
	}
	if j.epochs != nil {
		if err := renameInto(l.dir.FS, l.dir.Path+"/"+epochs.FileName, j.epochs); err != nil {
			return err
		}
	}
	switch {
	case j.names:
		return l.syncNames()
	case j.epochs != nil:
		return l.dir.FS.SyncDir(l.dir.Path)
	}
	return nil
}

// Tick does what time asks of a log: roll an old segment away, flush what
// rolled or waited for flush.ms, remove deleted files, forget silent producers,
// and let go of sealed segments that were not read since the last Tick. It
// returns the first error of a failing disk; the log is then failed. A log that
// rests costs one atomic load.
func (l *Log) Tick(now int64) error {
	if !l.awake.Load() || l.isClosed() {
		return nil
	}
	cfg := l.config.Load()
	if err := l.rollByTime(now, cfg); err != nil {
		return err
	}
	if target, due := l.flushDue(now, cfg); due {
		if _, err := l.flushTo(target); err != nil {
			return err
		}
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.failed != nil {
		return l.failed
	}
	if l.prods != nil {
		l.prods.Expire(now, l.env.producerExpirationMs())
	}
	if l.used {
		l.used, l.lastUse = false, now
	}
	return errors.Join(l.emptyTrash(now), l.coolSealed())
}

// Rest puts a log to sleep that nobody used for idle ms: it is flushed, its
// producer state saved, and files and memory are given back. It tells whether
// it did so; the next use wakes the log.
func (l *Log) Rest(now, idle int64) (bool, error) {
	if !l.awake.Load() || !l.idle(now, idle) {
		return false, nil
	}
	if err := l.Flush(); err != nil {
		return true, err
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.failed != nil || l.used || l.recovered < l.end {
		return false, nil
	}
	if err := l.rest(); err != nil {
		return true, err
	}
	l.awake.Store(len(l.trash) > 0)
	return true, nil
}

func (l *Log) idle(now, idle int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && l.failed == nil && !l.used && now-l.lastUse >= idle
}

// rest drops what can be loaded again. The producer state goes too unless a
// transaction is undecided, which only the high watermark can tell the end of.
// Where no file can be opened the open ones are closed all the same, which is what
// is needed most then; what could not be saved is tried again by the next rest.
func (l *Log) rest() error {
	var short error
	if l.prods != nil && !l.prods.Empty() {
		if short = l.takeSnapshot(l.end, true); short != nil && !errors.Is(short, ErrTooManyFiles) {
			return short
		}
	}
	if _, unstable := l.unstableOffset(); !unstable && short == nil {
		l.prods = nil
	}
	for _, s := range l.segs {
		err := l.saveForRest(s)
		if err != nil && !errors.Is(err, ErrTooManyFiles) {
			return err
		}
		short = errors.Join(short, err)
	}
	if short == nil {
		short = l.dropStraySnapshots()
	}
	l.coolAll()
	return short
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed || l.failed != nil
}

// rollByTime rolls a segment without timestamps that is older than segment.ms;
// segments with timestamps roll on append, as the batches' own time passes.
func (l *Log) rollByTime(now int64, cfg *Config) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.active()
	if s == nil || !s.Active || l.sizeOf(s) == 0 {
		return nil
	}
	first, err := s.FirstTimestamp()
	if err != nil || first >= 0 || now-s.Created <= cfg.rollMs()-l.jitter {
		return err
	}
	return l.roll(now)
}

// flushAhead is how much of a compacted log Tick lets pile up unflushed. Its next
// roll waits for a sync of all that is left (sealActive), and with it whoever
// appends: a second's worth, and not the 100 MiB of a segment of __consumer_offsets.
const flushAhead = 8 << 20

// flushDue tells up to where to flush now: to the end by flush.messages and
// flush.ms, and for the sake of the next roll, else up to the active segment.
func (l *Log) flushDue(now int64, cfg *Config) (ids.Offset, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	unflushed := int64(l.end - l.recovered)
	if unflushed > 0 && (unflushed >= cfg.FlushMessages || now-l.lastFlush >= cfg.FlushMs || cfg.Compact && l.unflushed >= flushAhead) {
		return l.end, true
	}
	if s := l.active(); s != nil && s.Base > l.recovered {
		return s.Base, true
	}
	return 0, false
}

func (l *Log) saveForRest(s *segment.Segment) error {
	var err error
	if s.Behind {
		err = s.Activate(l.config.Load().IndexIntervalBytes)
	}
	if err == nil && s.Active { // preallocated room must not be taken for batches when the segment is opened again
		err = s.Trim()
	}
	if err == nil {
		err = s.SaveIndexes(true, true) // Rest has flushed the log
	}
	if err != nil {
		s.Behind = true
		return l.stall("save an index", err)
	}
	return nil
}

// coolSealed lets go of sealed segments that were not read since the last Tick
// and are durable: a file that waits for its sync stays open, for a sync through
// a file opened later might not report this one's write error. Callers hold wmu and mu.
func (l *Log) coolSealed() error {
	for i := 0; i+1 < len(l.segs); i++ {
		s := l.segs[i]
		if !s.Hot() || s.Used || l.segs[i+1].Base > l.recovered {
			s.Used = false
			continue
		}
		if err := s.SaveIndexes(true, false); err != nil {
			s.Behind = true // closing it is what helps when files are short
			if err = l.stall("save an index", err); !errors.Is(err, ErrTooManyFiles) {
				return err
			}
		}
		s.Cool()
	}
	// The active segment's index entries are written now and then, for tools that look on.
	if s := l.active(); s != nil && s.Active {
		if err := s.Save(false, false); err != nil && !FilesRanOut(err) {
			return l.stall("save an index", err)
		}
	}
	return nil
}

// Close flushes and closes the log. With clean false nothing more is written,
// as if the process were killed. A clean close leaves what Kafka's leaves: the
// producer snapshot at the end, trimmed files, complete indexes.
func (l *Log) Close(clean bool) error {
	var err error
	if clean && l.Err() == nil {
		err = l.closeCleanly()
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.coolAll()
	return err
}

func (l *Log) closeCleanly() error {
	l.mu.Lock()
	if l.closed || !l.made || l.unverified && l.recovered == l.end {
		l.mu.Unlock()
		return nil // nothing was touched since the clean shutdown before
	}
	l.mu.Unlock()
	if err := l.Flush(); err != nil {
		return err
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prods != nil || len(l.segs) > 0 && l.segs[len(l.segs)-1].Active {
		if err := l.takeSnapshot(l.end, true); err != nil {
			return err
		}
	}
	for _, s := range l.segs {
		if s.Behind {
			if err := s.Activate(l.config.Load().IndexIntervalBytes); err != nil {
				return l.fail("close", err)
			}
		}
		if !s.Hot() {
			continue
		}
		if s.Active {
			if err := s.Trim(); err != nil {
				return l.fail("close", err)
			}
		}
		if err := s.Save(true, true); err != nil {
			return l.fail("close", err)
		}
	}
	if err := l.syncNames(); err != nil {
		return l.fail("close", err)
	}
	return nil
}
