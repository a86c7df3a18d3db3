package replica

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// noDivergence is the Diverging of a reader whose log is a prefix of ours.
var noDivergence = ids.OffsetAndEpoch{Offset: ids.NoOffset, Epoch: ids.NoEpoch}

// Read reads from a partition led here.
func (m *Manager) Read(tp ids.TopicPartition, o ReadOptions) (ReadResult, error) {
	p, err := m.Get(tp)
	if err != nil {
		return ReadResult{Diverging: noDivergence}, err
	}
	return p.Read(o)
}

// Read is Manager.Read for a partition in hand. On ErrOffsetOutOfRange the
// offsets of the result are valid, as the reader needs them to reset itself.
func (p *Partition) Read(o ReadOptions) (ReadResult, error) {
	res := ReadResult{Diverging: noDivergence, HighWatermark: ids.NoOffset, LastStable: ids.NoOffset, LogStart: ids.NoOffset}
	if err := p.answers(o.CurrentEpoch); err != nil {
		return res, err
	}
	log, err := p.opened()
	if err != nil {
		return res, err
	}
	res.LastStable = p.LastStable() // before the high watermark, see Partition.role
	res.HighWatermark = p.HighWatermark()
	res.LogStart = log.StartOffset()
	if o.LastFetchedEpoch != ids.NoEpoch {
		diverging, err := p.divergence(log, o, res.LogStart)
		if err != nil || diverging != noDivergence {
			res.Diverging = diverging
			return res, err
		}
	}
	limit := res.limit(o.Isolation, log)
	res.Slice, err = log.Read(o.From, o.MaxBytes, limit, o.MinOneBatch)
	if err != nil {
		return res, p.failed(err)
	}
	if o.Isolation == Committed && res.Slice.Len > 0 {
		// Of what is read only: a log may have a million of them further on.
		res.Aborted, err = log.AbortedTxns(nil, o.From, res.Slice.End)
		if err != nil {
			res.Slice.Release()
			res.Slice = partlog.Slice{}
			return res, p.failed(err)
		}
	}
	return res, nil
}

func (r *ReadResult) limit(i Isolation, log *partlog.Log) ids.Offset {
	switch i {
	case Committed:
		return r.LastStable
	case LogEnd:
		return log.EndOffset()
	}
	return r.HighWatermark
}

// InOlderSegment tells whether a reader that stands at from cannot reach limit
// with one read, because another segment begins in between.
func (p *Partition) InOlderSegment(from, limit ids.Offset) bool {
	if from >= limit {
		return false
	}
	log := p.log.Load()
	if log == nil {
		return false
	}
	base := log.ActiveBase()
	return from < base && base < limit
}

// divergence finds where the reader's log leaves ours: it names the epoch of
// its last record, and our end of that epoch must not lie before its position
// (KIP-595).
func (p *Partition) divergence(log *partlog.Log, o ReadOptions, start ids.Offset) (ids.OffsetAndEpoch, error) {
	end := p.endOfEpoch(log, o.LastFetchedEpoch)
	if end.Offset == ids.NoOffset || end.Epoch == ids.NoEpoch {
		return noDivergence, fmt.Errorf("%w: epoch %d is unknown", partlog.ErrOffsetOutOfRange, o.LastFetchedEpoch)
	}
	if o.From < start {
		return noDivergence, fmt.Errorf("%w: %d is before the log's start %d", partlog.ErrOffsetOutOfRange, o.From, start)
	}
	if end.Epoch < o.LastFetchedEpoch || end.Offset < o.From {
		return end, nil
	}
	return noDivergence, nil
}

// endOfEpoch is the largest known epoch ≤ epoch with its end; the current
// leader epoch ends at the log's end even before its first record.
func (p *Partition) endOfEpoch(log *partlog.Log, epoch ids.LeaderEpoch) ids.OffsetAndEpoch {
	if r := p.role.Load(); r.leads && epoch == r.epoch {
		return ids.OffsetAndEpoch{Offset: log.EndOffset(), Epoch: epoch}
	}
	return log.EndOffsetForEpoch(epoch)
}

// EndOfEpoch answers OffsetForLeaderEpoch.
func (p *Partition) EndOfEpoch(epoch, current ids.LeaderEpoch) (ids.OffsetAndEpoch, error) {
	if err := p.answers(current); err != nil {
		return noDivergence, err
	}
	log, err := p.opened()
	if err != nil {
		return noDivergence, err
	}
	return p.endOfEpoch(log, epoch), nil
}

// failed turns the end of a log under the reader's feet into what the reader
// should do about it, and a failing disk into the end of its directory.
func (p *Partition) failed(err error) error {
	if logdir.DiskError(err) {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	return p.failedLocked(err)
}

// failedLocked is failed for those who hold p.mu, which only the failure of a
// disk needs.
func (p *Partition) failedLocked(err error) error {
	p.m.shortage(err)
	switch {
	case errors.Is(err, partlog.ErrClosed):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case logdir.DiskError(err):
		if d, ok := p.m.opts.Logs.DirByID(p.dir); ok {
			p.m.opts.Logs.FailDir(d, err)
		}
		return fmt.Errorf("%w: %w", ErrOffline, err)
	}
	return err
}

// answers says whether this broker may answer for the partition. That its
// directory failed comes first, as in Kafka.
func (p *Partition) answers(current ids.LeaderEpoch) error {
	if p.offline.Load() {
		return ErrOffline
	}
	return p.role.Load().checkLeader(current)
}

// CheckLeader says whether this broker leads the partition in the epoch that
// the requester takes for the current one (NoEpoch: whichever).
func (p *Partition) CheckLeader(current ids.LeaderEpoch) error {
	return p.answers(current)
}
