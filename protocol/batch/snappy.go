package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
)

// Java writes snappy as the xerial library frames it; librdkafka and others
// write bare blocks. Both are read, the first is written.
//
//	0x82 "SNAPPY" 0x00 | int32 version 1 | int32 compatible 1 | { int32 size | block }…
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

const (
	xerialMagicSize = 8
	// xerialBlock is the size of the blocks Java cuts its input into.
	xerialBlock = 32 << 10
	// snappyMaxRatio bounds what a snappy block can decode to: its densest
	// element makes 64 bytes of 3. A block that claims more is a lie, found
	// before anything is allocated for it.
	snappyMaxRatio = 22
)

var errSnappy = errors.New("bad framing")

func compressSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlock)]
		src = src[len(block):]
		at := len(dst)
		dst = slices.Grow(dst, 4+s2.MaxEncodedLen(len(block)))
		dst = dst[:at+4+s2.MaxEncodedLen(len(block))]
		enc := s2.EncodeSnappy(dst[at+4:], block)
		binary.BigEndian.PutUint32(dst[at:], uint32(len(enc)))
		dst = dst[:at+4+len(enc)]
	}
	return dst
}

func decompressSnappy(dst, src []byte, limit int64) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialHeader[:xerialMagicSize]) {
		return snappyBlock(dst, src, limit)
	}
	start := len(dst)
	for len(src) > 0 {
		// The header may come again between blocks, where streams were joined.
		if bytes.HasPrefix(src, xerialHeader[:xerialMagicSize]) {
			if len(src) < len(xerialHeader) {
				return dst[:start], corrupt(Snappy, errSnappy)
			}
			src = src[len(xerialHeader):]
			continue
		}
		if len(src) < 4 || uint64(binary.BigEndian.Uint32(src)) > uint64(len(src)-4) {
			return dst[:start], corrupt(Snappy, errSnappy)
		}
		size := int(binary.BigEndian.Uint32(src))
		var err error
		if dst, err = snappyBlock(dst, src[4:4+size], limit-int64(len(dst)-start)); err != nil {
			return dst[:start], err
		}
		src = src[4+size:]
	}
	return dst, nil
}

// snappyBlock appends one decoded block of at most limit bytes.
func snappyBlock(dst, block []byte, limit int64) ([]byte, error) {
	size, err := s2.DecodedLen(block)
	switch {
	case err != nil:
		return dst, corrupt(Snappy, err)
	case size > len(block)*snappyMaxRatio:
		return dst, corrupt(Snappy, errSnappy)
	case int64(size) > limit:
		return dst, tooLarge(Snappy, limit)
	}
	out := slices.Grow(dst, size)[:len(dst)+size]
	if _, err := s2.Decode(out[len(dst):], block); err != nil {
		return dst, corrupt(Snappy, err)
	}
	return out, nil
}
