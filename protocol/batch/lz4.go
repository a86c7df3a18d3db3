package batch

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// lz4Levels maps Kafka's levels 1 to 17 to the library's. Kafka uses its fast
// compressor for its default, 9, and the slow one for all others.
var lz4Levels = [18]lz4.CompressionLevel{
	1: lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8,
	9: lz4.Fast, 10: lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9, lz4.Level9,
}

var (
	lz4Writers = sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
	lz4Readers = sync.Pool{New: func() any { return &sourced[*lz4.Reader]{dec: lz4.NewReader(nil)} }}
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

// decompressLz4 reads one frame; like Java it ignores what is behind it, and the
// checksum of the whole contents: the batch has one of its own.
func decompressLz4(dst, src []byte, limit int64) ([]byte, error) {
	size, err := lz4FrameSize(src)
	if err != nil {
		return dst, corrupt(Lz4, err)
	}
	if out, plain, err := lz4Blocks(dst, src[:size], limit); plain {
		return out, err
	}
	r := lz4Readers.Get().(*sourced[*lz4.Reader])
	defer lz4Readers.Put(r)
	r.in.Reset(src[:size])
	defer r.in.Reset(nil) // the pool must not hold the caller's bytes
	r.dec.Reset(&r.in)
	return drain(dst, Lz4, r.dec, limit)
}

// lz4Blocks decompresses a frame as Kafka's clients write it, block by block to
// where it belongs: the library's reader would copy every block twice and sum it
// up. plain is false for a frame that is anything else, which is left to that
// reader. src is one whole frame, see lz4FrameSize.
func lz4Blocks(dst, src []byte, limit int64) (out []byte, plain bool, err error) {
	const independent, version, must = 0x20, 0x40, 0xd3 // must: the flags that are as in a plain frame
	flags, head := src[4], 7
	if flags&contentSizeLz4 != 0 {
		head += 8
	}
	shift := int(src[5] >> 4 & 7)
	if binary.LittleEndian.Uint32(src) != magicLz4 || flags&(must|independent) != version|independent || src[5]&0x8f != 0 || shift < 4 ||
		head > len(src) || byte(xxh32(src[4:head-1])>>8) != src[head-1] {
		return dst, false, nil
	}
	start, most := len(dst), 1<<(2*shift+8)
	for at := head; ; {
		word := binary.LittleEndian.Uint32(src[at:])
		size := int(word &^ (1 << 31))
		at += 4
		if size == 0 {
			return dst, true, nil
		}
		if size > most {
			return dst[:start], true, corrupt(Lz4, fmt.Errorf("a block of %d bytes, at most %d", size, most))
		}
		if word>>31 != 0 {
			dst = append(dst, src[at:at+size]...)
		} else if dst, err = lz4Block(dst, src[at:at+size], most); err != nil {
			return dst[:start], true, corrupt(Lz4, err)
		}
		if int64(len(dst)-start) > limit {
			return dst[:start], true, tooLarge(Lz4, limit)
		}
		at += size
	}
}

// lz4Block appends what a block holds: at most 255 times its size, so that memory
// follows what is really there.
func lz4Block(dst, block []byte, most int) ([]byte, error) {
	dst = slices.Grow(dst, min(most, 255*len(block)+64))
	n, err := lz4.UncompressBlock(block, dst[len(dst):min(cap(dst), len(dst)+most)])
	return dst[:len(dst)+max(n, 0)], err
}

// xxh32 is xxHash32 with seed 0 of fewer than 16 bytes: a frame's header.
func xxh32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(p5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}

const (
	magicLz4       = 0x184d2204
	contentSizeLz4 = 0x08
)

// lz4FrameSize is the size of the frame that src begins with:
//
//	4 bytes magic | flags | block size | [8 content size] | [4 dictionary] | header checksum |
//	{ 4 bytes little-endian size, top bit: not compressed | block | [4 checksum] }… | 4 bytes zero | [4 checksum]
func lz4FrameSize(src []byte) (int, error) {
	const dictionary, blockChecksum, contentChecksum = 0x01, 0x10, 0x04
	if len(src) < 7 {
		return 0, errShort
	}
	flags, at := src[4], 7
	extra := func(flag byte, n int) int {
		if flags&flag != 0 {
			return n
		}
		return 0
	}
	at += extra(contentSizeLz4, 8) + extra(dictionary, 4)
	for {
		if len(src)-at < 4 {
			return 0, errShort
		}
		size := int(binary.LittleEndian.Uint32(src[at:]) &^ (1 << 31))
		at += 4
		if size == 0 {
			break
		}
		at += size + extra(blockChecksum, 4)
	}
	if at += extra(contentChecksum, 4); at > len(src) {
		return 0, errShort
	}
	return at, nil
}
