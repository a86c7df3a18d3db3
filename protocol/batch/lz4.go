package batch

import (
	"encoding/binary"
	"fmt"
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

// decompressLz4 reads one frame; like Java it ignores what is behind it.
func decompressLz4(dst, src []byte, limit int64) ([]byte, error) {
	size, err := lz4FrameSize(src)
	if err != nil {
		return dst, corrupt(Lz4, err)
	}
	r := lz4Readers.Get().(*sourced[*lz4.Reader])
	defer lz4Readers.Put(r)
	r.in.Reset(src[:size])
	defer r.in.Reset(nil) // the pool must not hold the caller's bytes
	r.dec.Reset(&r.in)
	return drain(dst, Lz4, r.dec, limit)
}

// lz4FrameSize is the size of the frame that src begins with:
//
//	4 bytes magic | flags | block size | [8 content size] | [4 dictionary] | header checksum |
//	{ 4 bytes little-endian size, top bit: not compressed | block | [4 checksum] }… | 4 bytes zero | [4 checksum]
func lz4FrameSize(src []byte) (int, error) {
	const contentSize, dictionary, blockChecksum, contentChecksum = 0x08, 0x01, 0x10, 0x04
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
	at += extra(contentSize, 8) + extra(dictionary, 4)
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
