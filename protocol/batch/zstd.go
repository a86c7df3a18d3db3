package batch

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdMaxWindow is the largest window that Java's decoder takes (log 27).
	zstdMaxWindow = 1 << 27
	// zstdMaxBlock is the most that one block decodes to, by the format.
	zstdMaxBlock = 128 << 10
	// zstdFirstGuess is how many times larger than its input an output of
	// unknown size is at first taken to be.
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

// decompressZstd decodes into a buffer whose capacity is the bound. Java does
// not say the size of what it compresses, and the most its blocks could decode
// to is often far too much to reserve. So the buffer begins small and doubles
// while decoding fails, which costs at most as much as the last try; when it
// has room for all the blocks could hold, a failure is final.
func decompressZstd(dst, src []byte, limit int64) ([]byte, error) {
	most, err := zstdBound(src)
	if err != nil {
		return dst, corrupt(Zstd, err)
	}
	d := zstdDecoders.Get().(*zstd.Decoder)
	defer zstdDecoders.Put(d)
	room := int64(cap(dst) - len(dst))
	size := max(zstdFirstGuess*int64(len(src)), 4096, room)
	for ; ; size *= 2 {
		size = min(size, limit, most)
		out, err := d.DecodeAll(src, withRoom(dst, int(size)))
		switch {
		case err == nil && int64(len(out)-len(dst)) <= limit:
			return out, nil
		case size < min(limit, most):
		case size < most:
			return dst, tooLarge(Zstd, limit)
		default:
			return dst, corrupt(Zstd, err)
		}
	}
}

// zstdBound is the most that the frames of src can decode to, from the sizes
// in their headers and those of their blocks:
//
//	frame: header | { 3 bytes little-endian: 1 bit last, 2 bits type, 21 bits size | block }… | [4 bytes checksum]
func zstdBound(src []byte) (bound int64, err error) {
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, err
		}
		size, inside := h.HeaderSize+int(h.SkippableSize), int64(0)
		if !h.Skippable {
			if inside, size, err = zstdBlocks(src, &h); err != nil {
				return 0, err
			}
		}
		if size > len(src) {
			return 0, errShort
		}
		bound, src = bound+inside, src[size:]
	}
	return bound, nil
}

// zstdBlocks goes over the blocks of one frame; it returns the most they
// decode to and the size of the frame.
func zstdBlocks(src []byte, h *zstd.Header) (bound int64, size int, err error) {
	const raw, rle, reserved = 0, 1, 3
	for at, last := h.HeaderSize, false; ; {
		if last {
			if h.HasCheckSum {
				at += 4
			}
			if h.HasFCS && h.FrameContentSize < uint64(bound) {
				bound = int64(h.FrameContentSize)
			}
			return bound, at, nil
		}
		if len(src)-at < 3 {
			return 0, 0, errShort
		}
		head := int(src[at]) | int(src[at+1])<<8 | int(src[at+2])<<16
		last = head&1 != 0
		at += 3
		switch n := head >> 3; head >> 1 & 3 {
		case raw:
			at, bound = at+n, bound+int64(n)
		case rle:
			at, bound = at+1, bound+int64(n)
		case reserved:
			return 0, 0, errLength
		default:
			at, bound = at+n, bound+zstdMaxBlock
		}
	}
}

// withRoom returns dst with room for exactly n bytes more: not fewer, and not
// more either, because where the room is the bound its excess would be unbounded.
func withRoom(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		grown := make([]byte, len(dst), len(dst)+n)
		copy(grown, dst)
		return grown
	}
	return dst[: len(dst) : len(dst)+n]
}
