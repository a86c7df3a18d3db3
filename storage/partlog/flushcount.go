package partlog

import (
	"errors"
	"math"

	"github.com/gregorbroker/gregor/storage/segment"
)

// flushByCount flushes when flush.messages says so: what an append brought is
// durable before it returns.
//
// The batches are in the log by then, so it must not end with "not now": whoever
// sent them would take them for refused. What a flush writes beside them (epochs,
// transaction indexes) is made anew from them after a crash, and may wait for room.
// Where not even they can be made durable the log has failed.
func (l *Log) flushByCount() error {
	most := l.config.Load().FlushMessages
	if most == math.MaxInt64 {
		return nil // the default: no lock for it
	}
	l.mu.Lock()
	end, waiting := l.end, int64(l.end-l.recovered)
	l.mu.Unlock()
	if waiting < most {
		return nil
	}
	_, err := l.flushTo(end)
	if errors.Is(err, ErrDiskFull) || errors.Is(err, ErrTooManyFiles) {
		err = l.syncBatches()
	}
	return err
}

// syncBatches makes the batches durable and nothing else: the recovery point stays.
func (l *Log) syncBatches() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	files, err := l.unsynced()
	for _, f := range files {
		err = errors.Join(err, f.Sync())
		f.Release()
	}
	if err == nil {
		err = l.syncNames()
	}
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fail("flush", err)
}

// unsynced is the log files above the recovery point.
func (l *Log) unsynced() (files []*segment.File, err error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.unflushedSegs() {
		f, err := s.Log()
		if err != nil {
			return files, err
		}
		files = append(files, f.Acquire())
	}
	return files, nil
}
