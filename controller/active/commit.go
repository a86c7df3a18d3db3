package active

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// commit takes committed batches. Those we appended ourselves in this epoch are
// already worked out; the others are replayed, in one step as far as no
// transaction lies between them.
func (c *core) commit(batches []raftio.CommittedBatch, now int64) error {
	var delta *image.Delta
	flush := func() {
		if delta != nil {
			c.advance(delta, delta.Apply(c.provenance()))
			delta = nil
		}
	}
	for i := range batches {
		b := &batches[i]
		c.passed(b)
		if b.Epoch == c.epoch {
			flush()
			c.commitOwn(b)
			continue
		}
		for i, raw := range b.Records {
			var err error
			if delta, err = c.replay(delta, raw, b.BaseOffset+ids.Offset(i)); err != nil {
				return fmt.Errorf("metadata batch %d to %d of epoch %d: %w", b.BaseOffset, b.LastOffset, b.Epoch, err)
			}
		}
	}
	flush()
	if replies := c.release(); len(replies) > 0 {
		c.publish(publication{replies: replies})
	}
	c.maybeSnapshot(now)
	return nil
}

func (c *core) passed(b *raftio.CommittedBatch) {
	c.next = ids.OffsetAndEpoch{Offset: b.LastOffset + 1, Epoch: b.Epoch}
	c.lastTime = b.AppendTime
	c.snapshotBytes += int64(b.Bytes)
}

func (c *core) provenance() image.Provenance {
	return image.Provenance{Last: ids.OffsetAndEpoch{Offset: c.next.Offset - 1, Epoch: c.next.Epoch}, AppendTime: c.lastTime}
}

// commitOwn makes our oldest pending image the committed one.
func (c *core) commitOwn(b *raftio.CommittedBatch) {
	if len(c.queue) == 0 || c.queue[0].last != b.LastOffset {
		panic(fmt.Sprintf("active: committed batch %d to %d of our epoch %d is none that we appended next", b.BaseOffset, b.LastOffset, b.Epoch))
	}
	own := c.queue[0]
	c.queue = c.queue[1:]
	if own.closes {
		c.tx = nil
	}
	c.committed = own.image
	c.publish(publication{delta: own.delta, image: own.image, replies: c.release()})
}

func (c *core) advance(delta *image.Delta, img *image.Image) {
	c.committed = img
	c.publish(publication{delta: delta, image: img})
}

// replay takes one record of another leader into delta, which it opens when
// there is none, and returns the delta to go on with.
func (c *core) replay(delta *image.Delta, raw []byte, offset ids.Offset) (*image.Delta, error) {
	rec, _, err := records.Parse(raw)
	if err != nil {
		return nil, err
	}
	switch rec.(type) {
	case *records.BeginTransactionRecord:
		if c.tx != nil {
			return nil, fmt.Errorf("%w: a transaction begins within another", image.ErrReplay)
		}
		// What came before must not wait for the transaction's end.
		if delta != nil {
			before := c.provenance()
			before.Last.Offset = offset - 1
			c.advance(delta, delta.Apply(before))
		}
		c.tx = &transaction{image.NewDelta(c.committed)}
		return nil, nil
	case *records.EndTransactionRecord, *records.AbortTransactionRecord:
		return c.endTransaction(rec)
	}
	if c.tx != nil {
		return delta, c.tx.delta.Replay(rec)
	}
	if delta == nil {
		delta = image.NewDelta(c.committed)
	}
	return delta, delta.Replay(rec)
}

func (c *core) endTransaction(rec records.Record) (*image.Delta, error) {
	if c.tx == nil {
		return nil, fmt.Errorf("%w: %T without a transaction", image.ErrReplay, rec)
	}
	delta := c.tx.delta
	c.tx = nil
	if _, aborted := rec.(*records.AbortTransactionRecord); aborted {
		return nil, nil
	}
	return delta, nil
}

// load replaces the image by a snapshot.
func (c *core) load(r SnapshotReader, now int64) error {
	loader := image.NewLoader(c.committed)
	for b, err := range r.Batches() {
		if err != nil {
			return fmt.Errorf("snapshot %v: %w", r.ID(), err)
		}
		for _, raw := range b.Records {
			if err := loader.Add(raw); err != nil {
				return fmt.Errorf("snapshot %v: %w", r.ID(), err)
			}
		}
	}
	delta, err := loader.Finish()
	if err != nil {
		return fmt.Errorf("snapshot %v: %w", r.ID(), err)
	}
	c.tx, c.next, c.lastTime = nil, r.ID(), r.AppendTime()
	c.snapshotBytes, c.snapshotTime = 0, now
	c.meters.loaded++
	c.advance(delta, delta.Apply(c.provenance()))
	c.log.Info("Loaded a metadata snapshot", zap.Stringer("end", r.ID()), zap.Int("topics", c.committed.Topics.Len()), zap.Int("partitions", c.committed.Topics.PartitionCount()))
	return nil
}

// maybeSnapshot starts a checkpoint when enough was committed since the last
// one, or when enough time passed and anything was. In an open transaction the
// image is behind the log, and no snapshot can be made.
func (c *core) maybeSnapshot(now int64) {
	if c.tx != nil || c.committed.Features.MetadataVersion() == 0 {
		return
	}
	if c.snapshotTime == 0 {
		c.snapshotTime = now
	}
	if c.snapshotBytes < c.o.SnapshotBytes && now < c.snapshotDue() {
		return
	}
	c.snapshotBytes, c.snapshotTime = 0, now
	c.snapshot(c.next, c.lastTime, c.committed)
}

// snapshotDue is when a snapshot is due by time.
func (c *core) snapshotDue() int64 {
	if c.snapshotBytes == 0 || c.snapshotTime == 0 || c.o.SnapshotInterval <= 0 {
		return never
	}
	return c.snapshotTime + c.o.SnapshotInterval.Milliseconds()
}
