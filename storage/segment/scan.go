package segment

import (
	"fmt"
	"io"
	"sync"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// scanChunk is read at once when hopping from header to header: one index
// interval, so that a lookup after an index search is usually one read.
const scanChunk = 4096

var scanBufs = sync.Pool{New: func() any { b := make([]byte, scanChunk); return &b }}

// Scanner hops over the batch headers in [pos, end) of a log file. It reads
// no record and checks no CRC.
type Scanner struct {
	f        vfs.File
	pos, end int64
	buf      *[]byte
	at       int64 // file position of buf
	n        int   // valid bytes in buf
}

// NewScanner starts at pos, which must be the start of a batch. Close it.
func NewScanner(f vfs.File, pos, end int64) Scanner {
	return Scanner{f: f, pos: pos, end: end, buf: scanBufs.Get().(*[]byte)}
}

// Close gives the buffer back.
func (s *Scanner) Close() {
	if s.buf != nil {
		scanBufs.Put(s.buf)
		s.buf = nil
	}
}

// Next returns the next batch's header and position; io.EOF at the end. A
// batch that does not fit before the end is a CorruptError.
func (s *Scanner) Next() (Header, int64, error) {
	pos := s.pos
	if pos >= s.end {
		return Header{}, pos, io.EOF
	}
	b, err := s.window(pos)
	if err != nil {
		return Header{}, pos, err
	}
	h, reason := ParseHeader(b)
	if reason == "" && pos+int64(h.Size) > s.end {
		reason = "batch ends after the log"
	}
	if reason != "" {
		return h, pos, &CorruptError{s.f.Name(), pos, reason}
	}
	s.pos += int64(h.Size)
	return h, pos, nil
}

func (s *Scanner) window(pos int64) ([]byte, error) {
	if off := pos - s.at; s.n > 0 && off >= 0 && off+batch.HeaderSize <= int64(s.n) {
		return (*s.buf)[off:s.n], nil
	}
	want := min(int64(scanChunk), s.end-pos)
	if want < batch.HeaderSize {
		return nil, &CorruptError{s.f.Name(), pos, "the log ends within a batch header"}
	}
	n, err := s.f.ReadAt((*s.buf)[:want], pos)
	if n < batch.HeaderSize {
		s.n = 0
		if err == io.EOF || err == nil {
			return nil, &CorruptError{s.f.Name(), pos, "the file is shorter than the log"}
		}
		return nil, err
	}
	s.at, s.n = pos, n
	return (*s.buf)[:n], nil
}

// Reader reads whole batches in [pos, end) with large reads and verifies each
// (size, magic, CRC).
type Reader struct {
	f        vfs.File
	pos, end int64
	buf      []byte
	have     []byte // unread part of buf; have[0] is at pos
	stop     int64  // no batch that begins behind is wanted: nothing is read ahead of it
	// Ahead is how much is read at once, a larger batch whole.
	Ahead int
}

const readChunk = 1 << 20

var readBufs = sync.Pool{New: func() any { b := make([]byte, readChunk); return &b }}

// NewReader starts at pos, which must be the start of a batch. buf is scratch
// and may be nil; it grows to the largest batch, never beyond end-pos.
func NewReader(f vfs.File, pos, end int64, buf []byte) *Reader {
	return &Reader{f: f, pos: pos, end: end, buf: buf, stop: end, Ahead: readChunk}
}

// Buffer is the scratch, for the next Reader.
func (r *Reader) Buffer() []byte { return r.buf }

// skip goes on behind n bytes, the batch that Peek returned.
func (r *Reader) skip(n int) {
	r.have = r.have[min(n, len(r.have)):]
	r.pos += int64(n)
}

// Peek returns the header of the batch that Next would return.
func (r *Reader) Peek() (Header, error) {
	if err := r.fill(batch.HeaderSize); err != nil {
		return Header{}, err
	}
	h, reason := ParseHeader(r.have)
	if reason != "" {
		return h, &CorruptError{r.f.Name(), r.pos, reason}
	}
	return h, nil
}

// Next returns the next batch, valid until the following call, and its
// position; io.EOF at the end.
func (r *Reader) Next() (Header, batch.View, int64, error) {
	pos := r.pos
	if pos >= r.end {
		return Header{}, nil, pos, io.EOF
	}
	if err := r.fill(batch.HeaderSize); err != nil {
		return Header{}, nil, pos, err
	}
	h, reason := ParseHeader(r.have)
	if reason == "" && pos+int64(h.Size) > r.end {
		reason = "batch ends after the log"
	}
	if reason != "" {
		return h, nil, pos, &CorruptError{r.f.Name(), pos, reason}
	}
	if err := r.fill(h.Size); err != nil {
		return h, nil, pos, err
	}
	v := batch.View(r.have[:h.Size:h.Size])
	if err := v.VerifyCRC(); err != nil {
		return h, nil, pos, &CorruptError{r.f.Name(), pos, fmt.Sprintf("batch of offsets %d to %d: %v", h.Base, h.Last, err)}
	}
	r.have = r.have[h.Size:]
	r.pos += int64(h.Size)
	return h, v, pos, nil
}

// fill makes at least n bytes available in have.
func (r *Reader) fill(n int) error {
	if len(r.have) >= n {
		return nil
	}
	if r.pos+int64(n) > r.end {
		return &CorruptError{r.f.Name(), r.pos, "the log ends within a batch"}
	}
	want := max(n, int(min(int64(r.Ahead), r.end-r.pos, r.stop-r.pos)))
	kept := len(r.have)
	if cap(r.buf) < want {
		nb := make([]byte, want)
		copy(nb, r.have)
		r.buf = nb
	} else {
		r.buf = r.buf[:want]
		copy(r.buf, r.have)
	}
	got, err := r.f.ReadAt(r.buf[kept:want], r.pos+int64(kept))
	r.have = r.buf[:kept+got]
	if len(r.have) >= n {
		return nil
	}
	if err == nil || err == io.EOF {
		return &CorruptError{r.f.Name(), r.pos, "the file is shorter than the log"}
	}
	return err
}
