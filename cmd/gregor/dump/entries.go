package dump

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// entries calls f for every entry of width bytes from pos on, reading a chunk
// at a time. What is left at the end and is no whole entry is damage.
func entries(file vfs.File, pos, size int64, width int, f func(pos int64, e []byte) error) error {
	buf := make([]byte, chunk/width*width)
	for pos < size {
		b := buf[:min(int64(len(buf)), size-pos)]
		if err := readAt(file, b, pos); err != nil {
			return err
		}
		for ; len(b) >= width; b, pos = b[width:], pos+int64(width) {
			if err := f(pos, b[:width]); err != nil {
				return err
			}
		}
		if len(b) > 0 {
			return broken(pos, "%d bytes are no whole entry of %d", len(b), width)
		}
	}
	return nil
}

// errPadding ends a walk through an index at the zeros to which Kafka
// enlarges that of an active segment.
var errPadding = errors.New("padding")

// index walks through an index whose entries are never all zeros, but for the first.
func (d *dumper) index(f vfs.File, size int64, width int, show func(pos int64, e []byte) error) error {
	at := int64(0)
	err := entries(f, 0, size, width, func(pos int64, e []byte) error {
		if at = pos; allZero(e) {
			return errPadding
		}
		return show(pos, e)
	})
	if errors.Is(err, errPadding) {
		l := &log{dumper: d, f: f, size: size, buf: make([]byte, chunk)}
		if l.zero(at) {
			return nil
		}
		return broken(at, "an entry of zeros, and others behind it")
	}
	return err
}

// offsetIndex: relative offset int32, position int32.
func (d *dumper) offsetIndex(f vfs.File, size int64) error {
	base, _ := baseOf(path.Base(f.Name()))
	last, where := ids.Offset(-1), int64(-1)
	return d.index(f, size, 8, func(pos int64, e []byte) error {
		a := segment.OffsetIndex(e).At(base, 0)
		d.out.line("entry", num("offset", a.Offset), num("position", a.Position))
		if a.Offset <= last || a.Position <= where {
			d.tell(&damage{pos, "the entry is not above the one before"})
		}
		last, where = a.Offset, a.Position
		return d.out.err
	})
}

// timeIndex: timestamp int64, relative offset int32.
func (d *dumper) timeIndex(f vfs.File, size int64) error {
	base, _ := baseOf(path.Base(f.Name()))
	last := segment.TimeAt{Timestamp: -1, Offset: -1}
	return d.index(f, size, 12, func(pos int64, e []byte) error {
		a := segment.TimeIndex(e).At(base, 0)
		d.out.line("entry", num("timestamp", a.Timestamp), num("offset", a.Offset))
		if a.Timestamp <= last.Timestamp || a.Offset < last.Offset {
			d.tell(&damage{pos, "the entry is not above the one before"})
		}
		last = a
		return d.out.err
	})
}

// txnIndex: version int16, producer id, first, last, last stable offset.
func (d *dumper) txnIndex(f vfs.File, size int64) error {
	return entries(f, 0, size, 34, func(pos int64, e []byte) error {
		list, err := segment.ParseAbortedTxns(f.Name(), e)
		var bad *segment.CorruptError
		if errors.As(err, &bad) {
			d.tell(&damage{pos, bad.Reason})
			return d.out.err
		}
		for _, a := range list {
			d.out.line("aborted", num("producerId", a.ProducerID), num("firstOffset", a.First), num("lastOffset", a.Last), num("lastStableOffset", a.LastStable))
		}
		return d.out.err
	})
}

// producers dumps a snapshot of producer state; its header is drawn in
// storage/producers.
func (d *dumper) producers(f vfs.File, size int64) error {
	head := make([]byte, producers.SnapshotHead)
	if err := readAt(f, head, 0); err != nil {
		return err
	}
	version, want := int16(binary.BigEndian.Uint16(head)), binary.BigEndian.Uint32(head[2:])
	count := int32(binary.BigEndian.Uint32(head[6:]))
	d.out.line("snapshot", num("version", version), num("producers", count))
	if version != 1 {
		return broken(0, "version %d, this reads 1", version)
	}
	sum, n := crc32.Checksum(head[6:], castagnoli), int32(0)
	err := entries(f, producers.SnapshotHead, size, producers.SnapshotEntry, func(_ int64, e []byte) error {
		sum = crc32.Update(sum, castagnoli, e)
		n++
		i := producers.ReadInfo(e)
		d.out.line("producer", num("producerId", i.ProducerID), num("producerEpoch", i.Epoch), num("lastSequence", i.LastSequence),
			num("lastOffset", i.LastOffset), num("offsetDelta", i.OffsetDelta), num("timestamp", i.Timestamp),
			num("coordinatorEpoch", i.CoordinatorEpoch), num("currentTxnFirstOffset", i.TxnFirst))
		return d.out.err
	})
	switch {
	case err != nil:
		return err
	case sum != want:
		return broken(2, "the checksum is not that of the bytes")
	case n != count:
		return broken(6, "%d producers announced, %d follow", count, n)
	}
	return nil
}
