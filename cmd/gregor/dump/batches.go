package dump

import (
	"errors"
	"hash/crc32"
	"io"
	"path"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const (
	// maxBatch is the largest batch whose records are read; beyond it only the header is.
	maxBatch = 128 << 20
	// unpacked bounds what a batch's records may take when they are decompressed.
	unpacked = 512 << 20
	chunk    = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// log is a walk through the batches of one file.
type log struct {
	*dumper
	f       vfs.File
	size    int64
	decoder Decoder
	buf     []byte
}

// batches dumps a file of record batches: a segment or a snapshot of the metadata.
func (d *dumper) batches(f vfs.File, size int64) error {
	l := &log{dumper: d, f: f, size: size, decoder: d.decoderFor(f.Name()), buf: make([]byte, chunk)}
	for pos := int64(0); pos < size; {
		n, err := l.batch(pos)
		if err != nil || n == 0 {
			return err
		}
		pos += n
	}
	return nil
}

// batch dumps the batch at pos and returns its size, 0 when nothing follows.
func (l *log) batch(pos int64) (int64, error) {
	head := make([]byte, batch.HeaderSize)
	if l.size-pos < batch.HeaderSize {
		if l.zero(pos) {
			return 0, nil
		}
		return 0, broken(pos, "the file ends within the header of a batch, %d bytes behind its begin", l.size-pos)
	}
	if err := readAt(l.f, head, pos); err != nil {
		return 0, err
	}
	h, reason := segment.ParseHeader(head)
	if reason != "" {
		if l.zero(pos) {
			return 0, nil
		}
		return 0, broken(pos, "%s", reason)
	}
	rest := l.size - pos
	if int64(h.Size) > rest {
		l.header(&h, batch.View(head), pos, "cut")
		return 0, broken(pos, "a batch of %d bytes, %d are left", h.Size, rest)
	}
	ok, err := l.checksum(head, pos, int64(h.Size))
	if err != nil {
		return 0, err
	}
	if !ok {
		l.header(&h, batch.View(head), pos, "wrong")
		l.tell(&damage{pos, "the checksum is not that of the bytes"})
		return int64(h.Size), l.out.err
	}
	l.header(&h, batch.View(head), pos, "right")
	if l.o.Records {
		l.records(pos, h.Size)
	}
	return int64(h.Size), l.out.err
}

// zero tells whether nothing but zeros follows, which is space that was
// reserved (preallocate) and not used yet, and says so.
func (l *log) zero(pos int64) bool {
	for at := pos; at < l.size; {
		b := l.buf[:min(int64(len(l.buf)), l.size-at)]
		if readAt(l.f, b, at) != nil || !allZero(b) {
			return false
		}
		at += int64(len(b))
	}
	l.out.line("padding", num("position", pos), num("bytes", l.size-pos))
	return true
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// checksum compares a batch's CRC with its bytes, a chunk at a time.
func (l *log) checksum(head []byte, pos, size int64) (bool, error) {
	const from = 21 // what the CRC covers
	sum := uint32(0)
	for at := int64(from); at < size; {
		b := l.buf[:min(int64(len(l.buf)), size-at)]
		if err := readAt(l.f, b, pos+at); err != nil {
			return false, err
		}
		sum = crc32.Update(sum, castagnoli, b)
		at += int64(len(b))
	}
	return sum == batch.View(head).CRC(), nil
}

// header prints a batch; v holds at least its header.
func (l *log) header(h *segment.Header, v batch.View, pos int64, crc string) {
	stamps := "create"
	if v.TimestampType() == batch.LogAppendTime {
		stamps = "append"
	}
	fields := []field{
		num("position", pos), num("size", h.Size), num("baseOffset", h.Base), num("lastOffset", h.Last), num("count", h.Count),
		num("leaderEpoch", h.Epoch), text("codec", v.Codec().String()), text("timestamps", stamps), num("maxTimestamp", h.MaxTimestamp),
		num("producerId", h.ProducerID), num("producerEpoch", h.ProducerEpoch), num("baseSequence", h.BaseSequence), num("lastSequence", h.LastSequence()),
		flag("transactional", h.Transactional()), flag("control", h.Control()),
	}
	if v.HasDeleteHorizon() {
		fields = append(fields, num("deleteHorizon", h.BaseTimestamp))
	} else {
		fields = append(fields, num("baseTimestamp", h.BaseTimestamp))
	}
	l.out.line("batch", append(fields, text("crc", crc))...)
}

// records prints the records of the batch at pos, whose checksum is right.
func (l *log) records(pos int64, size int) {
	if size > maxBatch {
		l.tell(&damage{pos, "the batch is too large for its records to be shown"})
		return
	}
	v := make(batch.View, size)
	err := readAt(l.f, v, pos)
	if err == nil {
		err = l.each(v)
	}
	var bad *damage
	switch {
	case errors.As(err, &bad):
		l.tell(bad)
	case err != nil:
		l.tell(&damage{pos, err.Error()})
	}
}

func (l *log) each(v batch.View) error {
	it, err := v.Iterate(unpacked)
	if err != nil {
		return err
	}
	defer it.Release()
	var r batch.Record
	for it.Next(&r) {
		if v.IsControl() {
			l.control(&r)
		} else {
			l.record(&r)
		}
	}
	return it.Err()
}

// readAt fills b or says at which byte it could not.
func readAt(f vfs.File, b []byte, pos int64) error {
	n, err := f.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return broken(pos+int64(n), "the file ends here, %d bytes are missing", len(b)-n)
	}
	return broken(pos+int64(n), "%v", err)
}

// decoderFor chooses by the name of the partition's folder, or that of a snapshot.
func (d *dumper) decoderFor(name string) Decoder {
	if d.o.Decoder != ByFolder {
		return d.o.Decoder
	}
	switch topic, _ := topicOf(path.Base(path.Dir(name))); {
	case topic == "__cluster_metadata" || isSnapshot(path.Base(name)):
		return Metadata
	case topic == "__consumer_offsets":
		return Groups
	case topic == "__transaction_state":
		return Transactions
	case topic == "__share_group_state":
		return Shares
	}
	return Plain
}
