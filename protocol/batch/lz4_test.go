package batch

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// lz4Frame packs src as a client with these options would.
func lz4Frame(t *testing.T, src []byte, opts ...lz4.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(opts...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(src); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLz4Frames: frames of every kind, read block by block or by the library,
// give back what was packed; a frame with checksums for its blocks is the library's.
func TestLz4Frames(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 100_000) // is stored, not compressed
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for _, src := range [][]byte{{}, []byte("a"), bytes.Repeat([]byte{0}, 300_000), benchmarkPayload(), noise, append(benchmarkPayload(), noise...)} {
		for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
			for _, sum := range []bool{false, true} {
				frame := lz4Frame(t, src, lz4.BlockSizeOption(size), lz4.ChecksumOption(sum))
				out, plain, err := lz4Blocks([]byte("before"), frame, 1<<20)
				if !plain || err != nil || !bytes.Equal(out, append([]byte("before"), src...)) {
					t.Fatalf("%d bytes in blocks of %v, checksum %v: %d bytes, plain %v, %v", len(src), size, sum, len(out), plain, err)
				}
				if _, _, err := lz4Blocks(nil, frame, int64(len(src)-1)); len(src) > 0 && err == nil {
					t.Fatal("more than the limit")
				}
			}
			checked := lz4Frame(t, src, lz4.BlockSizeOption(size), lz4.BlockChecksumOption(true))
			if _, plain, _ := lz4Blocks(nil, checked, 1<<20); plain {
				t.Fatal("checksums of blocks were not looked at")
			}
			if out, err := Decompress(nil, Lz4, checked, 1<<20); err != nil || !bytes.Equal(out, src) {
				t.Fatal(err)
			}
		}
	}
}

// TestLz4HeaderIsChecked: magic, flags and block size that were damaged are
// refused, whichever bit it is, and so is a checksum that does not fit.
func TestLz4HeaderIsChecked(t *testing.T) {
	frame := lz4Frame(t, benchmarkPayload(), lz4.ChecksumOption(false))
	for bit := range 7 * 8 {
		bad := bytes.Clone(frame)
		bad[bit/8] ^= 1 << (bit % 8)
		if out, err := Decompress(nil, Lz4, bad, 1<<20); err == nil {
			t.Errorf("bit %d: %d bytes", bit, len(out))
		}
	}
}
