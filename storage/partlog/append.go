package partlog

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
)

// AppendAsLeader appends one batch (of origin Raft: one or more) at the end of
// the log. Offset, leader epoch and, where the topic says so, timestamps are
// written into batches itself; a batch that must be compressed anew is stored
// as a copy. now is in ms.
//
// A duplicate of one of the producer's last five batches is not an error: the
// info says where it is. Errors are this package's, those of package producers
// and, wrapped in ErrFailed, those of the file system: the log is then closed
// for writing, unless it could be put back as it was (disk full).
//
// When flush.messages records wait for a flush, what was appended is durable
// before this returns.
func (l *Log) AppendAsLeader(batches []byte, epoch ids.LeaderEpoch, origin Origin, now int64) (AppendInfo, error) {
	info, err := l.appendAsLeader(batches, epoch, origin, now)
	if err == nil {
		err = l.flushByCount()
	}
	return info, err
}

func (l *Log) appendAsLeader(batches []byte, epoch ids.LeaderEpoch, origin Origin, now int64) (AppendInfo, error) {
	info := AppendInfo{FirstOffset: ids.NoOffset, LastOffset: ids.NoOffset, MaxTimestamp: batch.NoTimestamp, LogAppendTime: batch.NoTimestamp}
	cfg := l.config.Load()
	if origin == Raft {
		return l.appendRaft(batches, epoch, info, cfg)
	}
	vd := validator{cfg: cfg, origin: origin, now: now}
	v, err := vd.check(batches)
	if err != nil {
		info.RecordErrors, info.LogStartOffset = vd.errs, l.StartOffset()
		return info, l.errf("append", err)
	}
	if cfg.LogAppendTime {
		info.LogAppendTime = now
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	h, reason := segment.ParseHeader(v)
	if reason != "" {
		return info, l.errf("append", fmt.Errorf("%w: %s", ErrCorrupt, reason))
	}
	end := l.endForWriter()
	var pb producers.Batch
	if h.ProducerID >= 0 {
		pb = producerBatch(&h, v, end)
		if dup, err := l.judge(&pb, origin, &info); dup || err != nil {
			return info, err
		}
	}
	if l.room.refuses(origin, len(v)) { // after judge: a duplicate needs no room
		return info, l.errf("append", l.room.refusal())
	}
	v.SetBaseOffset(end)
	v.SetLeaderEpoch(epoch)
	h.Last, h.Base, h.Epoch = end+h.Last-h.Base, end, epoch
	info.FirstOffset, info.LastOffset, info.MaxTimestamp = h.Base, h.Last, h.MaxTimestamp
	l.one[0] = h
	err = l.store(v, l.one[:], &info, cfg, now, &pb)
	return info, err
}

// endForWriter is the end offset; only the writer changes it.
func (l *Log) endForWriter() ids.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

func (l *Log) appendRaft(buf []byte, epoch ids.LeaderEpoch, info AppendInfo, cfg *Config) (AppendInfo, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	next := l.endForWriter()
	info.FirstOffset = next
	var hs []segment.Header
	for rest := buf; len(rest) > 0; {
		v, tail, err := batch.Next(rest)
		if err == nil {
			err = v.Check()
		}
		if err != nil {
			return info, l.errf("append", fmt.Errorf("%w: %w", ErrCorrupt, err))
		}
		v.SetBaseOffset(next)
		v.SetLeaderEpoch(epoch)
		h, reason := segment.ParseHeader(v)
		if reason != "" {
			return info, l.errf("append", fmt.Errorf("%w: %s", ErrCorrupt, reason))
		}
		hs, rest, next = append(hs, h), tail, h.Next()
		info.MaxTimestamp = max(info.MaxTimestamp, h.MaxTimestamp)
	}
	if len(hs) == 0 {
		return info, l.errf("append", fmt.Errorf("%w: no batch", ErrInvalidRecord))
	}
	if l.room.refuses(Raft, len(buf)) {
		return info, l.errf("append", l.room.refusal())
	}
	info.LastOffset = next - 1
	return info, l.store(buf, hs, &info, cfg, info.MaxTimestamp, nil)
}

// AppendAsFollower appends batches as a leader of the given epoch sent them;
// offsets and epochs are kept. Batches of a later epoch are left out: they
// arrived after this replica learned of another leader, and the next fetch
// brings them (KAFKA-18723). A batch that would overlap the log is ErrOutOfOrder.
// A partial batch at the end is ignored. flush.messages counts as for a leader.
func (l *Log) AppendAsFollower(batches []byte, epoch ids.LeaderEpoch) (AppendInfo, error) {
	info, err := l.appendAsFollower(batches, epoch)
	if err == nil {
		err = l.flushByCount()
	}
	return info, err
}

func (l *Log) appendAsFollower(batches []byte, epoch ids.LeaderEpoch) (AppendInfo, error) {
	info := AppendInfo{FirstOffset: ids.NoOffset, LastOffset: ids.NoOffset, MaxTimestamp: batch.NoTimestamp, LogAppendTime: batch.NoTimestamp}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	next := l.endForWriter()
	var hs []segment.Header
	size := 0
	for rest := batches; len(rest) > 0; {
		v, tail, err := batch.Next(rest)
		if errors.Is(err, batch.ErrIncomplete) {
			break
		}
		if err == nil {
			err = v.VerifyCRC()
		}
		if err != nil {
			return info, l.errf("append", fmt.Errorf("%w: %w", ErrCorrupt, err))
		}
		h, reason := segment.ParseHeader(v)
		if reason != "" {
			return info, l.errf("append", fmt.Errorf("%w: %s", ErrCorrupt, reason))
		}
		if h.Epoch > epoch {
			break
		}
		if h.Base < next {
			// A log that begins in the middle of a batch (records below were deleted) takes that batch whole.
			if len(hs) > 0 || h.Last < next || !l.emptyForWriter() {
				return info, l.errf("append", fmt.Errorf("%w: batch %d-%d, log end %d", ErrOutOfOrder, h.Base, h.Last, next))
			}
		}
		hs, rest, next = append(hs, h), tail, h.Next()
		size += h.Size
		info.MaxTimestamp = max(info.MaxTimestamp, h.MaxTimestamp)
	}
	if len(hs) == 0 {
		return info, nil
	}
	if l.room.refuses(Coordinator, size) {
		return info, l.errf("append", l.room.refusal())
	}
	info.FirstOffset, info.LastOffset = hs[0].Base, next-1
	return info, l.store(batches[:size], hs, &info, l.config.Load(), l.env.Clock(), nil)
}

func (l *Log) emptyForWriter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start == l.end
}

// store writes the batches and enters them into the log. Callers hold wmu.
func (l *Log) store(buf []byte, hs []segment.Header, info *AppendInfo, cfg *Config, now int64, pb *producers.Batch) error {
	if len(buf) > int(cfg.SegmentBytes) {
		return l.errf("append", fmt.Errorf("%w: %d bytes, segment.bytes %d", ErrSegmentTooSmall, len(buf), cfg.SegmentBytes))
	}
	s, err := l.segmentFor(len(buf), &hs[0], hs[len(hs)-1].Last, info, cfg, now)
	if err != nil {
		return err
	}
	err = s.Append(buf)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if undone := new(segment.AppendError); errors.As(err, &undone) {
			return l.stall("append", err)
		}
		return l.fail("append", err)
	}
	return l.enter(s, buf, hs, info, cfg, pb)
}

// enter makes written batches part of the log. Callers hold wmu and mu.
func (l *Log) enter(s *segment.Segment, buf []byte, hs []segment.Header, info *AppendInfo, cfg *Config, pb *producers.Batch) error {
	l.use()
	unstable, was := l.unstableOffset()
	pos := 0
	for i := range hs {
		h := &hs[i]
		l.remember(h.Base, s, l.sizeOf(s))
		s.Added(h, cfg.IndexIntervalBytes)
		l.end = h.Next()
		if h.Epoch >= 0 {
			if last, ok := l.epochs.Latest(); !ok || h.Epoch != last.Epoch {
				l.epochs.Assign(h.Epoch, h.Base)
				l.epochsDirty = true
			}
		}
		if err := l.applyProducer(s, h, buf[pos:pos+h.Size], pb); err != nil {
			return l.fail("append", err)
		}
		pos += h.Size
	}
	l.unflushed += int64(len(buf))
	info.Bytes, info.LogStartOffset = len(buf), l.start
	now, is := l.unstableOffset()
	info.FirstUnstableChanged = was != is || was && now != unstable
	return nil
}

func (l *Log) sizeOf(s *segment.Segment) int64 {
	n, _ := s.Size() // known: the segment is active
	return n
}

// segmentFor returns the active segment, made or rolled if need be, ready for
// size bytes. Callers hold wmu.
func (l *Log) segmentFor(size int, first *segment.Header, last ids.Offset, info *AppendInfo, cfg *Config, now int64) (*segment.Segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	s, err := l.ready(cfg)
	if err != nil {
		return nil, err
	}
	if s != nil && !l.rollDue(s, size, first.MaxTimestamp, last, cfg, now) {
		return s, nil
	}
	info.Rolled = s != nil
	return l.rollTo(max(l.end, first.Base), cfg, now)
}

// ready activates the last segment, if there is one. Callers hold wmu and mu.
func (l *Log) ready(cfg *Config) (*segment.Segment, error) {
	s := l.active()
	if s == nil {
		return nil, nil
	}
	if !l.unverified && s.Hot() && s.Active {
		return s, nil
	}
	end, err := s.End(cfg.IndexIntervalBytes)
	if err != nil {
		return nil, l.stall("open the active segment", err)
	}
	if l.unverified && end != l.end {
		return nil, l.fail("open the active segment", &segment.CorruptError{Path: s.Path(),
			Reason: fmt.Sprintf("it ends at offset %d, the clean shutdown said %d", end, l.end)})
	}
	l.unverified, s.Active = false, true
	return s, nil
}
