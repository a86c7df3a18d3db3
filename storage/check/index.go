package check

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

// cursor goes through an index while the batches that it tells of are read.
// Its first fault is told, the rest left out: what follows a wrong entry says little.
type cursor struct {
	*partition
	name  string
	base  ids.Offset
	b     []byte // whole entries, without padding
	width int
	at    int // byte of the next entry
	bad   bool
}

// newCursor reads an index file. last is true for that of the segment that is
// appended to: it may be missing or lack entries after a crash.
func newCursor(p *partition, base ids.Offset, suffix string, width int, last bool) cursor {
	c := cursor{partition: p, name: p.dir + "/" + segment.FileName(base, suffix), base: base, width: width}
	b, there := p.read(c.name)
	if !there {
		if !last || p.facts.closed {
			p.repairable(c.name, -1, "missing")
		}
		c.bad = true
		return c
	}
	if tail := len(b) % width; tail != 0 {
		c.fault(len(b)-tail, true, "%d bytes are no whole entry of %d", tail, width)
	}
	c.b = b[:len(b)/width*width]
	for i := 0; i < len(c.b); i += width {
		if zero(c.b[i : i+width]) {
			if !zero(c.b[i:]) {
				c.fault(i, false, "an entry of zeros, and others behind it")
			}
			c.b = c.b[:i]
			break
		}
	}
	return c
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// fault tells of the entry at byte pos. One that contradicts itself is noticed
// and rebuilt by the next start, one that only contradicts the log is not.
func (c *cursor) fault(pos int, noticed bool, format string, args ...any) {
	if c.bad {
		return
	}
	c.bad = true
	problem := fmt.Sprintf(format, args...)
	if noticed {
		c.repairable(c.name, int64(pos), "%s", problem)
	} else {
		c.find(c.name, int64(pos), "%s; remove the file while no server runs: it is rebuilt from the log", problem)
	}
}

func (c *cursor) more() bool { return !c.bad && c.at < len(c.b) }

// offsetCursor holds batches against the offset index. The entry for a position
// has the last offset of the batch there; those of Kafka before 4.0 that of a later one
// that was appended together with it.
type offsetCursor struct {
	cursor
	prev    segment.OffsetAt
	pending segment.OffsetAt // an entry whose offset lies behind its batch
	owed    bool
}

func newOffsetCursor(p *partition, base ids.Offset, last bool) *offsetCursor {
	return &offsetCursor{cursor: newCursor(p, base, segment.IndexSuffix, 8, last), prev: segment.OffsetAt{Offset: base - 1, Position: -1}}
}

func (c *offsetCursor) batch(h *segment.Header, pos int64) {
	for c.more() {
		e := segment.OffsetIndex(c.b[c.at:]).At(c.base, 0)
		switch {
		case e.Offset <= c.prev.Offset || e.Position <= c.prev.Position:
			c.fault(c.at, true, "the entry (offset %d, byte %d) is not above the one before", e.Offset, e.Position)
			return
		case e.Position > pos:
			c.settle(h)
			return
		case c.owed:
			c.fault(c.at-c.width, false, "no batch behind byte %d ends at offset %d", c.pending.Position, c.pending.Offset)
			return
		case e.Position < pos:
			c.fault(c.at, false, "no batch begins at byte %d", e.Position)
			return
		case e.Offset < h.Last:
			c.fault(c.at, false, "offset %d, but the batch at byte %d ends at offset %d", e.Offset, pos, h.Last)
			return
		}
		c.pending, c.owed, c.prev = e, true, e
		c.at += c.width
	}
	c.settle(h)
}

// settle looks whether the batch ends at the offset that is owed.
func (c *offsetCursor) settle(h *segment.Header) {
	if c.owed && h.Last > c.pending.Offset {
		c.fault(c.at-c.width, false, "offset %d, but the batch at byte %d ends elsewhere", c.pending.Offset, c.pending.Position)
	}
	c.owed = c.owed && h.Last != c.pending.Offset
}

// end tells of entries behind the last batch, which ends at byte good.
func (c *offsetCursor) end(good int64) {
	if c.more() {
		e := segment.OffsetIndex(c.b[c.at:]).At(c.base, 0)
		c.fault(c.at, e.Position >= good, "offset %d at byte %d, but the batches end at byte %d", e.Offset, e.Position, good)
	} else if c.owed {
		c.fault(c.at-c.width, true, "offset %d is beyond the last batch", c.pending.Offset)
	}
}

// timeCursor holds batches against the time index: an entry has the largest
// timestamp up to its offset, which lies in the batch with that timestamp.
type timeCursor struct {
	cursor
	last    bool
	prev    segment.TimeAt
	largest int64
}

func newTimeCursor(p *partition, base ids.Offset, last bool) *timeCursor {
	return &timeCursor{cursor: newCursor(p, base, segment.TimeSuffix, 12, last), last: last, prev: segment.TimeAt{Timestamp: -1, Offset: base - 1}, largest: -1}
}

func (c *timeCursor) batch(h *segment.Header) {
	for c.more() {
		e := segment.TimeIndex(c.b[c.at:]).At(c.base, 0)
		switch {
		case e.Timestamp <= c.prev.Timestamp || e.Offset < c.prev.Offset:
			c.fault(c.at, true, "the entry (timestamp %d, offset %d) is not above the one before", e.Timestamp, e.Offset)
		case e.Offset > h.Last:
			c.largest = max(c.largest, h.MaxTimestamp)
			return
		case e.Offset < h.Base:
			c.fault(c.at, false, "no batch holds offset %d", e.Offset)
		case e.Timestamp != h.MaxTimestamp:
			c.fault(c.at, false, "timestamp %d, but the largest of the batch with offset %d is %d", e.Timestamp, e.Offset, h.MaxTimestamp)
		case c.largest > e.Timestamp:
			c.fault(c.at, false, "timestamp %d, but there is a larger one, %d, in front of offset %d", e.Timestamp, c.largest, e.Offset)
		}
		c.prev = e
		c.at += c.width
	}
	c.largest = max(c.largest, h.MaxTimestamp)
}

// end tells of entries behind the last batch, and of a sealed segment's largest
// timestamp that no entry has: retention and lookups by time rely on it.
func (c *timeCursor) end(whole bool) {
	switch {
	case c.more():
		e := segment.TimeIndex(c.b[c.at:]).At(c.base, 0)
		c.fault(c.at, whole, "offset %d is beyond the last batch", e.Offset)
	case whole && c.largest > c.prev.Timestamp && (!c.last || c.facts.closed):
		c.fault(len(c.b), false, "the last entry has timestamp %d, the largest of the segment is %d", c.prev.Timestamp, c.largest)
	}
}
