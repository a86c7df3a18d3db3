package batch

import (
	"fmt"
	"io"
	"math"
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
// the limit. Bytes that do not decompress are ErrDecompress.
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
	return dst, fmt.Errorf("%w: %v", ErrDecompress, c)
}

func tooLarge(c Codec, limit int64) error {
	return fmt.Errorf("%w: %v, more than %d bytes", ErrTooLarge, c, limit)
}

func corrupt(c Codec, err error) error { return fmt.Errorf("%w: %v: %w", ErrDecompress, c, err) }

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
