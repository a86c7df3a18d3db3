package partlog

import (
	"errors"
	"io"
	"slices"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
)

// newEpochs makes the leader-epoch history anew from the batches if one of the
// errors says that it does not fit them, and tells whether to look once more.
func (l *Log) newEpochs(errs ...error) bool {
	if !errors.Is(errors.Join(errs...), segment.ErrEpochs) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newEpochsLocked(errs...)
}

// newEpochsLocked is newEpochs for those who hold mu. It reads all headers, once a
// process: bits of the checkpoint are lost seldom, and what contradicts the new
// history is damage.
func (l *Log) newEpochsLocked(errs ...error) bool {
	if err := errors.Join(errs...); !errors.Is(err, segment.ErrEpochs) || l.epochsMade {
		return false
	}
	l.epochsMade = true
	h := &epochs.History{}
	for _, s := range l.segs {
		if err := l.epochsOf(s, h); err != nil {
			l.warn("leader epochs cannot be rebuilt from the log", err)
			return false
		}
	}
	if last, ok := l.epochs.Latest(); ok && last.Start >= l.end {
		h.Assign(last.Epoch, last.Start) // that of a leader who has not written yet
	}
	h.TruncateStart(l.start)
	if slices.Equal(h.Entries(), l.epochs.Entries()) {
		return false
	}
	l.use()
	l.epochs, l.epochsDirty = h, true
	l.warn("leader epochs are rebuilt from the log", errors.Join(errs...))
	return true
}

// epochsOf enters the epochs of a segment's batches, up to its first damage. An
// epoch that the next batch does not reach is taken for damage too.
func (l *Log) epochsOf(s *segment.Segment, h *epochs.History) error {
	f, err := s.Log()
	if err != nil {
		return err
	}
	sc := segment.NewScanner(f, 0, l.sizeOf(s))
	defer sc.Close()
	pending := epochs.Entry{Epoch: ids.NoEpoch}
	for {
		b, _, err := sc.Next()
		if last, _ := h.Latest(); pending.Epoch > last.Epoch && (err != nil || b.Epoch >= pending.Epoch) {
			h.Assign(pending.Epoch, pending.Start)
		}
		if err == io.EOF || errors.Is(err, segment.ErrCorrupt) {
			return nil
		}
		if err != nil {
			return err
		}
		pending = epochs.Entry{Epoch: b.Epoch, Start: b.Base}
	}
}
