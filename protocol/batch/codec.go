package batch

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is the compression of a batch's records.
type Codec uint8

// The codecs, by their number on the wire.
const (
	None Codec = iota
	Gzip
	Snappy
	Lz4
	Zstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// Valid tells whether the codec exists.
func (c Codec) Valid() bool { return int(c) < len(codecNames) }

func (c Codec) String() string {
	if !c.Valid() {
		return fmt.Sprintf("codec(%d)", uint8(c))
	}
	return codecNames[c]
}

// ParseCodec reads the name of a codec as compression.type has it. "uncompressed"
// and "producer" are not codecs and left to the caller.
func ParseCodec(name string) (Codec, bool) {
	for i, n := range codecNames {
		if n == name {
			return Codec(i), true
		}
	}
	return None, false
}

// DefaultLevel asks for a codec's own default level. It is outside of every
// codec's range, which for zstd has almost all small numbers.
const DefaultLevel = math.MinInt32

// Levels returns the range of levels that Kafka takes for the codec and its
// default; for codecs without levels all are 0. gzip also takes -1, its default.
func (c Codec) Levels() (lowest, highest, def int) {
	switch c {
	case Gzip:
		return 1, 9, -1
	case Lz4:
		return 1, 17, 9
	case Zstd:
		return -131072, 22, 3
	}
	return 0, 0, 0
}

// Compress appends src, compressed, to dst. The bytes differ from those Java
// would write at the same level; every client reads both.
func Compress(dst []byte, c Codec, level int, src []byte) ([]byte, error) {
	if _, _, def := c.Levels(); level == DefaultLevel {
		level = def
	}
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return compressGzip(dst, level, src)
	case Snappy:
		return compressSnappy(dst, src), nil
	case Lz4:
		return compressLz4(dst, level, src)
	case Zstd:
		return compressZstd(dst, level, src)
	}
	return dst, fmt.Errorf("%w: %v", ErrInvalid, c)
}

// Decompress appends src, decompressed, to dst: at most limit bytes, beyond
// which it fails with ErrTooLarge having allocated no more than about twice
// the limit. Bytes that do not decompress are ErrCorrupt.
func Decompress(dst []byte, c Codec, src []byte, limit int64) ([]byte, error) {
	switch c {
	case None:
		if int64(len(src)) > limit {
			return dst, tooLarge(c, limit)
		}
		return append(dst, src...), nil
	case Gzip:
		return decompressGzip(dst, src, limit)
	case Snappy:
		return decompressSnappy(dst, src, limit)
	case Lz4:
		return decompressLz4(dst, src, limit)
	case Zstd:
		return decompressZstd(dst, src, limit)
	}
	return dst, fmt.Errorf("%w: %v", ErrCorrupt, c)
}

func tooLarge(c Codec, limit int64) error {
	return fmt.Errorf("%w: %v, more than %d bytes", ErrTooLarge, c, limit)
}

func corrupt(c Codec, err error) error { return fmt.Errorf("%w: %v: %w", ErrCorrupt, c, err) }

// appendWriter lets a compressor write behind a slice.
type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// drain appends what r has to dst, at most limit bytes. It grows dst by
// doubling, so that memory follows what really came out and no claim of the
// input is believed.
func drain(dst []byte, c Codec, r io.Reader, limit int64) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(4096, len(dst)-start))...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)-start) > limit:
			return dst[:start], tooLarge(c, limit)
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst[:start], corrupt(c, err)
		}
	}
}

// gzip

// gzipWriters has a pool a level, -1 to 9.
var gzipWriters [11]sync.Pool

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func compressGzip(dst []byte, level int, src []byte) ([]byte, error) {
	if level < -1 || level > 9 {
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
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(src)); err != nil {
		return dst, corrupt(Gzip, err)
	}
	return drain(dst, Gzip, r, limit)
}

// lz4

// lz4Levels maps Kafka's levels 1 to 17 to the library's. Kafka uses its fast
// compressor for its default, 9, and the slow one for all others.
var lz4Levels = [18]lz4.CompressionLevel{
	1: lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8,
	9: lz4.Fast, 10: lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9,
}

var (
	lz4Writers = sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
	lz4Readers = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
)

// compressLz4 writes the frame that Java does: independent blocks of 64 KiB, no checksums.
func compressLz4(dst []byte, level int, src []byte) ([]byte, error) {
	if level < 1 || level > 17 {
		return dst, fmt.Errorf("%w: lz4 level %d", ErrInvalid, level)
	}
	out := &appendWriter{dst}
	w := lz4Writers.Get().(*lz4.Writer)
	defer lz4Writers.Put(w)
	w.Reset(out)
	err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false),
		lz4.ConcurrencyOption(1), lz4.CompressionLevelOption(lz4Levels[level]))
	if err == nil {
		_, err = w.Write(src)
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return out.b, err
}

func decompressLz4(dst, src []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(src)
	r := lz4Readers.Get().(*lz4.Reader)
	defer lz4Readers.Put(r)
	r.Reset(in)
	out, err := drain(dst, Lz4, r, limit)
	if err == nil && in.Len() > 0 {
		return dst, fmt.Errorf("%w: lz4: %d bytes behind the frame", ErrCorrupt, in.Len())
	}
	return out, err
}

// zstd

const (
	// zstdMaxWindow is the largest window that Java's decoder takes (log 27).
	zstdMaxWindow = 1 << 27
	// zstdFirstGuess is how many times larger than its input the output of a
	// frame that does not tell its size is at first taken to be.
	zstdFirstGuess = 8
)

// zstdEncoders has a pool for each of the library's four speeds.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

var zstdDecoders = sync.Pool{New: func() any {
	// DecodeAll with a capped output needs no window of its own: it looks back
	// into the output, and the cap is the budget.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdMaxWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(fmt.Sprintf("zstd decoder options: %v", err))
	}
	return d
}}

func compressZstd(dst []byte, level int, src []byte) ([]byte, error) {
	if level < -131072 || level > 22 {
		return dst, fmt.Errorf("%w: zstd level %d", ErrInvalid, level)
	}
	speed := zstd.EncoderLevelFromZstd(level)
	pool := &zstdEncoders[speed]
	e, _ := pool.Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(speed),
			zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	defer pool.Put(e)
	return e.EncodeAll(src, dst), nil
}

// decompressZstd decodes into a buffer whose capacity is the bound. Where the
// first guess is too small it doubles and starts again, which costs at most as
// much as the last try.
func decompressZstd(dst, src []byte, limit int64) ([]byte, error) {
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(d)
	for size := zstdGuess(src, cap(dst)-len(dst)); ; size *= 2 {
		size = min(size, limit)
		out, err := d.DecodeAll(src, withRoom(dst, int(size)))
		switch {
		case err == nil:
			return out, nil
		case !zstdFull(err):
			return dst, corrupt(Zstd, err)
		case size == limit:
			return dst, tooLarge(Zstd, limit)
		}
	}
}
