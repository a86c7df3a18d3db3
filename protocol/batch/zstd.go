package batch

import (
	"errors"

	"github.com/klauspost/compress/zstd"
)

// zstdGuess is the size of the first output buffer: what the frame tells, if
// it is one that its input could be, or a multiple of the input, but no less
// than the room there is.
func zstdGuess(src []byte, room int) int64 {
	guess := int64(max(zstdFirstGuess*len(src), 4096, room))
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS && h.FrameContentSize < uint64(guess) {
		// A second frame may follow; then the next try is larger.
		return max(int64(h.FrameContentSize), int64(room), 1)
	}
	return guess
}

// zstdFull tells whether decoding stopped because the output was full.
func zstdFull(err error) bool { return errors.Is(err, zstd.ErrDecoderSizeExceeded) }

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
