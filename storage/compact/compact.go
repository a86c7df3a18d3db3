// Package compact is the log cleaner (cleanup.policy=compact): for every key it
// keeps the newest record and drops the older ones. Offsets never change and
// the order stays.
//
// The flow of Clean: read the dirty part (what was written since the last time)
// into a map from key to newest offset; then rewrite all sealed segments from
// the start up to the map's end, dropping records that the map knows a newer
// one of, several small segments into one; each rewritten segment replaces the
// old ones atomically (partlog.Replace).
//
// What is kept besides the newest records:
//   - nothing at or above the active segment, the last stable offset, or younger
//     than min.compaction.lag.ms is looked at;
//   - a tombstone (null value) that is the newest of its key lives for
//     delete.retention.ms after the first cleaning that met it: the batch then
//     carries the time of its end as its base timestamp (KIP-534);
//   - records of aborted transactions go; a transaction's marker goes
//     delete.retention.ms after a cleaning found none of its batches left;
//   - the last batch of a producer stays, without records if need be, so that its
//     sequence is not forgotten; so does the last batch of the cleaned range.
//
// Nothing is allocated a record: one iterator, one map and a few buffers serve a
// whole cleaning, a batch that loses nothing is copied as it lies, and what is
// kept goes to the file a buffer at a time.
package compact

import (
	"errors"
	"fmt"
	"io"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/throttle"
)

// ErrTooManyKeys: not even one batch's keys fit into MaxKeys.
var ErrTooManyKeys = errors.New("the cleaner's key map is too small for a batch")

// ErrStopped: the owner stops; the log is as it was.
var ErrStopped = errors.New("the cleaner stops")

// budget bounds what one batch may take unpacked.
const budget = 256 << 20

// Options say how to clean one log.
type Options struct {
	FirstDirty ids.Offset // end of the last cleaning, from the cleaner checkpoint
	Stable     ids.Offset // last stable offset: nothing at or above is touched
	Now        int64      // ms
	MaxKeys    int        // bound of the key map, 0 = none
	Slots      int        // of the key map, SlotBytes each: where it stops growing
	// Buffer is how much is read and written at once; 0 = 1 MiB. A larger batch is taken whole.
	Buffer   int
	Throttle *throttle.Throttle // may be nil
	Share    *throttle.Share    // of the time; may be nil
	// Stopped is asked before every batch, see Cleaner; may be nil.
	Stopped func() bool
}

// Stats says what a cleaning did.
type Stats struct {
	FirstDirty              ids.Offset // for the checkpoint: the next cleaning begins here
	BytesRead, BytesWritten int64
	RecordsRead, Records    int64
}

// Dirty tells how dirty a log is: the share of its cleanable bytes that lie at
// or above firstDirty, and the age in ms of the oldest of them (0 without any).
func Dirty(sealed partlog.Sealed, o Options, cfg *partlog.Config) (ratio float64, age int64) {
	var clean, dirty int64
	for _, s := range cleanable(sealed, o, cfg) {
		if s.Next <= o.FirstDirty {
			clean += s.Size
			continue
		}
		if dirty == 0 {
			age = o.Now - s.Oldest
		}
		dirty += s.Size
	}
	if clean+dirty == 0 {
		return 0, 0
	}
	return float64(dirty) / float64(clean+dirty), age
}

// cleanable is the segments that may be looked at.
func cleanable(sealed partlog.Sealed, o Options, cfg *partlog.Config) []partlog.SealedSegment {
	for i, s := range sealed.Segments {
		if s.Next > o.Stable || cfg.MinCompactionLagMs > 0 && s.MaxTimestamp > o.Now-cfg.MinCompactionLagMs {
			return sealed.Segments[:i]
		}
	}
	return sealed.Segments
}

type cleaner struct {
	l     *partlog.Log
	o     Options
	cfg   *partlog.Config
	keys  *keyMap
	end   ids.Offset                       // the map covers [FirstDirty, end)
	last  map[int64]partlog.LastOfProducer // must stay, for sequences and epochs
	txns  transactions
	stats Stats

	// used again from batch to batch
	it                       batch.Iterator
	record                   batch.Record
	stays                    []uint64 // a bit for every record of the batch in hand
	one, body, packed, batch []byte
	in                       []byte
	out                      []byte // kept batches that are not in the file yet
	heads                    []segment.Header
}

// Clean cleans a log once. The caller runs one cleaning of a log at a time.
func Clean(l *partlog.Log, o Options) (Stats, error) {
	if err := l.Flush(); err != nil { // what replaces a segment must not outlive what follows it
		return Stats{}, err
	}
	sealed, err := l.Sealed()
	if err != nil {
		return Stats{}, err
	}
	c := &cleaner{l: l, o: o, cfg: l.Config(), end: o.FirstDirty}
	if c.o.Buffer <= 0 {
		c.o.Buffer = 1 << 20
	}
	c.stats.FirstDirty = o.FirstDirty
	segs := cleanable(sealed, o, c.cfg)
	if len(segs) == 0 || segs[len(segs)-1].Next <= o.FirstDirty {
		return c.stats, nil
	}
	if c.last, err = l.LastOfProducers(); err != nil {
		return c.stats, err
	}
	// A marker may lie behind the last sealed segment: the index of the whole log counts.
	aborted, err := l.AbortedIndex()
	if err != nil {
		return c.stats, err
	}
	c.txns = newTransactions(aborted)
	c.keys = newKeyMap(o.Slots, o.MaxKeys)
	if err := c.buildMap(segs); err != nil {
		return c.stats, err
	}
	c.txns = newTransactions(aborted)
	for len(segs) > 0 && segs[0].Base < c.end {
		n := group(segs, c.cfg, c.end)
		if err := c.rewrite(sealed, segs[:n]); err != nil {
			return c.stats, err
		}
		segs = segs[n:]
	}
	c.stats.FirstDirty = c.end
	return c.stats, nil
}

// group counts the segments that fit into one together.
func group(segs []partlog.SealedSegment, cfg *partlog.Config, end ids.Offset) int {
	size := segs[0].Size
	n := 1
	for n < len(segs) && segs[n].Base < end && size+segs[n].Size <= int64(cfg.SegmentBytes) && segs[n].Next-segs[0].Base < 1<<31-1 {
		size += segs[n].Size
		n++
	}
	return n
}

// each calls f for every batch of a segment.
func (c *cleaner) each(base ids.Offset, f func(h *segment.Header, v batch.View) error) error {
	file, err := c.l.Segment(base)
	if err != nil {
		return err
	}
	defer file.Release()
	size, err := file.Size()
	if err != nil {
		return err
	}
	r := segment.NewReader(file, 0, size, c.in)
	r.Ahead = c.o.Buffer
	defer func() { c.in = r.Buffer() }()
	for {
		h, v, _, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if c.o.Stopped != nil && c.o.Stopped() || !c.o.Throttle.Take(h.Size) || !c.o.Share.Step() {
			return ErrStopped
		}
		if err == nil {
			err = f(&h, v)
		}
		if err != nil {
			return err
		}
	}
}

var errFull = errors.New("the key map is full")

// buildMap reads the dirty part.
func (c *cleaner) buildMap(segs []partlog.SealedSegment) error {
	for _, s := range segs {
		if s.Next <= c.o.FirstDirty {
			continue
		}
		err := c.each(s.Base, c.mapBatch)
		if errors.Is(err, errFull) {
			if c.end == c.o.FirstDirty {
				return fmt.Errorf("partition %s: %w: %d", c.l.TP(), ErrTooManyKeys, c.o.MaxKeys)
			}
			return nil
		}
		if err != nil {
			return err
		}
		c.end = s.Next
	}
	return nil
}

func (c *cleaner) mapBatch(h *segment.Header, v batch.View) error {
	discard := c.txns.see(h)
	if h.Last < c.o.FirstDirty {
		return nil
	}
	if !h.Control() && !discard {
		if err := c.mapRecords(v); err != nil {
			return err
		}
	}
	c.end = h.Next()
	return nil
}

// mapRecords may stop in the middle of a batch: a key that is known from a
// record at or behind the end only lets older records go that it outdates.
func (c *cleaner) mapRecords(v batch.View) error {
	if err := c.it.Reset(v, budget); err != nil {
		return err
	}
	defer c.it.Release()
	r := &c.record
	for c.it.Next(r) {
		if r.Key != nil && r.Offset >= c.o.FirstDirty && !c.keys.put(r.Key, r.Offset) {
			return errFull
		}
	}
	return c.it.Err()
}

// rewrite cleans a group of segments into one.
func (c *cleaner) rewrite(sealed partlog.Sealed, segs []partlog.SealedSegment) error {
	dir := c.l.CleanedDir()
	base := segs[0].Base
	out, err := segment.Create(dir, base, c.o.Now, 0)
	if err != nil {
		return err
	}
	defer out.Cool()
	old := make([]ids.Offset, len(segs))
	c.out, c.heads = c.out[:0], c.heads[:0]
	for i, s := range segs {
		old[i] = s.Base
		if err = c.each(s.Base, func(h *segment.Header, v batch.View) error { return c.write(out, h, v) }); err != nil {
			break
		}
		c.stats.BytesRead += s.Size
	}
	if err == nil {
		err = c.flush(out)
	}
	if err == nil {
		err = errors.Join(out.Save(true, true), out.SyncTxns())
	}
	if err != nil {
		return errors.Join(err, segment.Remove(dir, base, ""))
	}
	return c.l.Replace(sealed, base, old)
}

// write keeps what is left of a batch.
func (c *cleaner) write(out *segment.Segment, h *segment.Header, v batch.View) error {
	c.stats.RecordsRead += int64(h.Count)
	gone := h.Control() && h.Transactional() && !c.txns.met[h.ProducerID]
	kept, err := c.filter(h, v)
	if err != nil || kept == nil {
		return err
	}
	nh, reason := segment.ParseHeader(kept)
	if reason != "" {
		return fmt.Errorf("partition %s: cleaned batch %d: %s", c.l.TP(), h.Base, reason)
	}
	if len(c.out)+len(kept) > c.o.Buffer {
		if err := c.flush(out); err != nil {
			return err
		}
	}
	c.out, c.heads = append(c.out, kept...), append(c.heads, nh)
	c.stats.BytesWritten += int64(len(kept))
	c.stats.Records += int64(nh.Count)
	// A marker that only waits for its time has no records left to tell readers about.
	if t, ok := c.txns.abortedAt(h); ok && !gone {
		return out.AddTxn(t)
	}
	return nil
}

// flush writes the batches that were kept since the last one.
func (c *cleaner) flush(out *segment.Segment) error {
	if len(c.out) == 0 {
		return nil
	}
	if !c.o.Throttle.Take(len(c.out)) {
		return ErrStopped
	}
	if err := out.Append(c.out); err != nil {
		return err
	}
	for i := range c.heads {
		out.Added(&c.heads[i], c.cfg.IndexIntervalBytes)
	}
	c.out, c.heads = c.out[:0], c.heads[:0]
	return nil
}
