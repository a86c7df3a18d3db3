package runtime

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// loadBudget bounds what one compressed batch of our own log may grow to.
const loadBudget = 1 << 30

// load reads the whole log into a fresh machine and makes the shard active. It
// runs on the goroutine that owns the new shard.
func (s *shard[M]) load() {
	s.rt.loading <- struct{}{}
	began := s.rt.opts.Clock.Now()
	s.machine = s.rt.opts.NewMachine(s.partition)
	end, records, err := s.replayLog()
	<-s.rt.loading
	if s.isStopping() {
		s.finish()
		return
	}
	log := s.rt.opts.Logger.With(zap.Int32("partition", s.partition), zap.Int32("epoch", int32(s.currentEpoch())))
	if err != nil {
		log.Error("could not load the coordinator's state", zap.Error(err))
		s.fail()
		return
	}
	log.Debug("coordinator loaded", zap.Int("records", records), zap.Int64("ms", s.rt.opts.Clock.Now()-began))
	s.activate(end)
	s.run()
}

// activate ends the loading phase. The high watermark is read after the phase
// has changed: one that moves earlier is seen here, a later one by Committed.
func (s *shard[M]) activate(end ids.Offset) {
	s.mu.Lock()
	s.end = end
	s.phase = active
	s.mu.Unlock()
	if _, hw, err := s.rt.opts.Log.Bounds(s.partition); err == nil {
		s.committedUpTo(hw)
	}
	now := s.now()
	s.gather(s.machine.Loaded(now), "", now)
	s.flush(now)
}

// fail ends a load that went wrong. The shard stays, so that requests are refused
// instead of answered from nothing, until the leadership changes.
func (s *shard[M]) fail() {
	s.mu.Lock()
	s.phase = failed
	s.running = false
	stopping := s.stopping
	s.running = stopping
	s.mu.Unlock()
	if stopping {
		s.finish()
	}
}

func (s *shard[M]) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// replayLog replays from the log's start to what is its end now. Nobody else
// appends under our leadership, so that end stays until the shard is active.
func (s *shard[M]) replayLog() (end ids.Offset, records int, err error) {
	end, _, err = s.rt.opts.Log.Bounds(s.partition)
	if err != nil {
		return 0, 0, err
	}
	var it batch.Iterator
	defer it.Release()
	for next := ids.Offset(0); next < end && !s.isStopping(); {
		data, err := s.rt.opts.Log.Read(s.partition, next, s.rt.opts.LoadBytes)
		if err != nil {
			return 0, records, err
		}
		before := next
		for len(data) > 0 {
			var v batch.View
			if v, data, err = batch.Next(data); err != nil {
				return 0, records, fmt.Errorf("at offset %d: %w", next, err)
			}
			n, err := s.replayBatch(v, &it)
			if err != nil {
				return 0, records, fmt.Errorf("in the batch at offset %d: %w", v.BaseOffset(), err)
			}
			records += n
			next = max(next, v.NextOffset())
		}
		if next == before {
			break // compaction and retention may leave nothing up to the end
		}
	}
	return end, records, nil
}

// replayBatch replays one batch, data or transaction marker.
func (s *shard[M]) replayBatch(v batch.View, it *batch.Iterator) (int, error) {
	if err := it.Reset(v, loadBudget); err != nil {
		return 0, err
	}
	n := 0
	var r batch.Record
	for it.Next(&r) {
		n++
		if v.IsControl() {
			s.replayMarker(v, &r)
			continue
		}
		e := Entry{Offset: r.Offset, Timestamp: r.Timestamp, ProducerID: batch.NoProducerID, Key: r.Key, Value: r.Value}
		if v.IsTransactional() {
			e.ProducerID = v.ProducerID()
		}
		if err := s.machine.Replay(e, true); err != nil {
			return n, fmt.Errorf("offset %d: %w", r.Offset, err)
		}
	}
	return n, it.Err()
}

// Control record types: the key is a version and a type, both 16 bits.
const (
	markerAbort  = 0
	markerCommit = 1
)

// replayMarker applies the end of a transaction; other control records say nothing here.
func (s *shard[M]) replayMarker(v batch.View, r *batch.Record) {
	if len(r.Key) < 4 {
		return
	}
	switch int16(r.Key[2])<<8 | int16(r.Key[3]) {
	case markerCommit:
		s.machine.EndTransaction(v.ProducerID(), true)
	case markerAbort:
		s.machine.EndTransaction(v.ProducerID(), false)
	}
}
