package check

import (
	"errors"
	"fmt"
	"io"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// unpacked bounds what the records of one batch may take.
const unpacked = 512 << 20

// walk is the reading of one segment.
type walk struct {
	*partition
	f      vfs.File
	base   ids.Offset
	last   bool // segment of the log
	offset *offsetCursor
	times  *timeCursor
	told   ids.LeaderEpoch // the epoch whose mismatch was told of last
	// strange: the batch in front contradicts the epoch checkpoint.
	strange bool
}

// segment verifies one segment. Its error is one of opening the file.
func (p *partition) segment(base ids.Offset, last bool) error {
	name := p.dir + "/" + segment.FileName(base, segment.LogSuffix)
	f, err := p.fs.OpenFile(name, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if base < p.next {
		p.find(name, 0, "begins at offset %d, the segment before ends at %d", base, p.next)
	}
	if p.total.Segments++; base > p.next && base != p.bases[0] {
		p.holes = true
		p.gaps = append(p.gaps, gap{name, p.next, base})
	}
	if size == 0 && !last {
		p.thin = true // all of it was removed
	}
	p.next = max(p.next, base)
	p.replay.segment(base)
	w := &walk{partition: p, f: f, base: base, last: last, told: ids.NoEpoch}
	w.offset, w.times = newOffsetCursor(p, base, last), newTimeCursor(p, base, last)
	good := w.batches(size)
	w.offset.end(good)
	w.times.end(good == size)
	p.replay.endSegment()
	return nil
}

// batches reads all batches and returns where the good ones end.
func (w *walk) batches(size int64) int64 {
	r := segment.NewReader(w.f, 0, size, nil)
	for {
		h, v, pos, err := r.Next()
		if errors.Is(err, io.EOF) {
			return size
		}
		if err == nil {
			err = w.order(&h, pos)
		}
		if err != nil {
			next := w.bad(pos, size, err)
			if next == 0 {
				return pos
			}
			r = segment.NewReader(w.f, next, size, nil)
			continue
		}
		if _, err := v.Validate(unpacked); err != nil {
			w.find(w.f.Name(), pos, "%v", err)
		}
		w.batch(&h, v, pos, w.oddEpoch(r, &h, pos))
		if w.o.Progress != nil {
			w.o.Progress(int64(h.Size))
		}
	}
}

// bad reports a batch that is not one and returns where the next begins, 0 if
// that cannot be told or does not matter: behind the good batches of the last
// segment, above what was flushed, may be anything.
func (w *walk) bad(pos, size int64, err error) (next int64) {
	reason := err.Error()
	if c := new(segment.CorruptError); errors.As(err, &c) {
		reason = c.Reason
	}
	switch {
	case w.last && w.zeros(pos, size):
		if w.facts.closed {
			w.repairable(w.f.Name(), pos, "%d bytes of reserved space after a clean stop", size-pos)
		}
		return 0
	case w.last && w.facts.known && !w.flushed(w.next):
		w.repairable(w.f.Name(), pos, "%s: a torn tail of %d bytes", reason, size-pos)
		return 0
	}
	w.replay.lost, w.holes, w.thin = true, true, true
	head := make([]byte, batch.HeaderSize)
	if n, _ := w.f.ReadAt(head, pos); n == len(head) {
		if h, wrong := segment.ParseHeader(head); wrong == "" && pos+int64(h.Size) <= size && h.Base >= w.next {
			w.find(w.f.Name(), pos, "%s", reason) // its length can be believed: the others are told of too
			w.next = h.Next()
			return pos + int64(h.Size)
		}
	}
	w.find(w.f.Name(), pos, "%s; %d bytes from here on cannot be read", reason, size-pos)
	return 0
}

// zeros tells whether nothing but zeros follows: space reserved by preallocate.
func (w *walk) zeros(pos, size int64) bool {
	buf := make([]byte, 64<<10)
	for pos < size {
		b := buf[:min(int64(len(buf)), size-pos)]
		if n, _ := w.f.ReadAt(b, pos); n < len(b) {
			return false
		}
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
		pos += int64(len(b))
	}
	return true
}

func (w *walk) order(h *segment.Header, pos int64) error {
	bad := func(format string, args ...any) error {
		return &segment.CorruptError{Path: w.f.Name(), Pos: pos, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case h.Last-w.base > 1<<31-1:
		return bad("offset %d in a segment that begins at %d", h.Last, w.base)
	case h.Base < w.next:
		return bad("batch begins at offset %d, the one before ends at %d", h.Base, w.next)
	case h.Epoch >= 0 && h.Epoch < w.epoch:
		return bad("leader epoch %d after %d", h.Epoch, w.epoch)
	}
	return nil
}

// batch holds a good batch against everything that tells of it. odd: its leader
// epoch is damaged, and no measure for those behind it.
func (w *walk) batch(h *segment.Header, v batch.View, pos int64, odd bool) {
	if h.Base > w.next || int64(h.Count) != int64(h.Last-h.Base)+1 {
		w.holes, w.thin = true, true
	}
	w.offset.batch(h, pos)
	w.times.batch(h)
	w.replay.batch(h, v, pos)
	if w.next = h.Next(); !odd {
		w.epochOf(h, pos)
		w.epoch = max(w.epoch, h.Epoch)
	}
	w.total.Batches++
	w.total.Records += int64(h.Count)
	w.total.Bytes += int64(h.Size)
}

// oddEpoch tells of a flushed batch whose leader epoch, which no checksum covers,
// is not the checkpoint's while that of the batches beside it is: the batch is
// damaged. Where one beside it contradicts the checkpoint too, that is.
func (w *walk) oddEpoch(r *segment.Reader, h *segment.Header, pos int64) bool {
	said, strange := w.contradicts(h)
	before := w.strange
	if w.strange = strange; !strange || before || !w.flushed(h.Base) {
		return false
	}
	beside := w.next > w.base
	if next, err := r.Peek(); err == nil {
		if _, strange := w.contradicts(&next); strange && next.Epoch == h.Epoch {
			return false
		}
		beside = true
	}
	if beside {
		w.find(w.f.Name(), pos, "leader epoch %d, that of the offsets %d to %d is %d by %s", h.Epoch, h.Base, h.Last, said, epochs.FileName)
	}
	return beside
}

// contradicts tells the epoch that the checkpoint has for a batch, and whether it is another one.
func (w *walk) contradicts(h *segment.Header) (ids.LeaderEpoch, bool) {
	if w.partition.epochs == nil {
		return ids.NoEpoch, false
	}
	e, ok := w.partition.epochs.ForOffset(h.Last)
	return e, ok && e != h.Epoch
}

// epochOf compares the checkpoint with a batch, once an epoch.
func (w *walk) epochOf(h *segment.Header, pos int64) {
	if w.partition.epochs == nil || h.Epoch < 0 || w.told == h.Epoch {
		return
	}
	for _, off := range []ids.Offset{h.Base, h.Last} {
		e, ok := w.partition.epochs.ForOffset(off)
		if ok && e == h.Epoch {
			continue
		}
		w.told = h.Epoch
		said := "no epoch"
		if ok {
			said = fmt.Sprintf("epoch %d", e)
		}
		name := w.dir + "/" + epochs.FileName
		if w.flushed(h.Base) {
			w.find(name, -1, "%s at offset %d, but the batch at byte %d of %s has epoch %d", said, off, pos, w.f.Name(), h.Epoch)
		} else {
			w.repairable(name, -1, "%s at offset %d, the batch there has epoch %d", said, off, h.Epoch)
		}
		return
	}
}
