package batch

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipWriters has a pool a level, -1 to 9; 0, no compression, is not one of Kafka's.
var gzipWriters [11]sync.Pool

var gzipReaders = sync.Pool{New: func() any { return &sourced[*gzip.Reader]{dec: new(gzip.Reader)} }}

func compressGzip(dst []byte, level int, src []byte) ([]byte, error) {
	if level < -1 || level == 0 || level > 9 {
		return dst, fmt.Errorf("%w: gzip level %d", ErrInvalid, level)
	}
	out := &appendWriter{dst}
	pool := &gzipWriters[level+1]
	w, _ := pool.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(out, level); err != nil {
			return dst, err
		}
	}
	w.Reset(out)
	_, err := w.Write(src)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	w.Reset(nil) // the pool must not hold the caller's bytes
	pool.Put(w)
	return out.b, err
}

func decompressGzip(dst, src []byte, limit int64) ([]byte, error) {
	r := gzipReaders.Get().(*sourced[*gzip.Reader])
	defer gzipReaders.Put(r)
	r.in.Reset(src)
	defer r.in.Reset(nil) // the pool must not hold the caller's bytes
	if err := r.dec.Reset(&r.in); err != nil {
		return dst, corrupt(Gzip, err)
	}
	out := dst
	for {
		r.dec.Multistream(false)
		var err error
		if out, err = drain(out, Gzip, r.dec, limit-int64(len(out)-len(dst))); err != nil {
			return dst, err
		}
		// Another member may follow; what is none is ignored, as Java does.
		if r.in.Len() == 0 || r.dec.Reset(&r.in) != nil {
			return out, nil
		}
	}
}
