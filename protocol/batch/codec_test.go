package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"
)

var codecs = []Codec{None, Gzip, Snappy, Lz4, Zstd}

func mustCompress(t testing.TB, c Codec, src []byte) []byte {
	t.Helper()
	out, err := Compress(nil, c, DefaultLevel, src)
	if err != nil {
		t.Fatal(c, err)
	}
	return out
}

func TestCodecsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := codecs[rapid.IntRange(0, 4).Draw(t, "codec")]
		level := DefaultLevel
		if lowest, highest, _ := c.Levels(); lowest != highest {
			level = rapid.IntRange(lowest, highest).Draw(t, "level")
		}
		src := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "unit"), rapid.IntRange(0, 400).Draw(t, "times"))
		packed, err := Compress([]byte("before"), c, level, src)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Decompress([]byte("prefix"), c, packed[len("before"):], int64(len(src)))
		if err != nil || string(out[:6]) != "prefix" || !bytes.Equal(out[6:], src) {
			t.Fatalf("%v level %d: %d bytes became %d: %v", c, level, len(src), len(out)-6, err)
		}
		if len(src) > 0 {
			if _, err := Decompress(nil, c, packed[6:], int64(len(src)-1)); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%v: one byte below the size: %v", c, err)
			}
		}
	})
}

func TestLevels(t *testing.T) {
	for _, c := range codecs {
		lowest, highest, def := c.Levels()
		if name, ok := ParseCodec(c.String()); !ok || name != c {
			t.Errorf("%v does not parse", c)
		}
		if lowest == highest {
			continue
		}
		for _, level := range []int{lowest, highest, def} {
			if _, err := Compress(nil, c, level, []byte("x")); err != nil {
				t.Errorf("%v level %d: %v", c, level, err)
			}
		}
		below := lowest - 1 // for gzip 0: -1 is its default
		for _, level := range []int{below, highest + 1} {
			if _, err := Compress(nil, c, level, []byte("x")); !errors.Is(err, ErrInvalid) {
				t.Errorf("%v level %d: %v", c, level, err)
			}
		}
	}
	if _, err := Compress(nil, 5, 0, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("codec 5: %v", err)
	}
	if _, err := Decompress(nil, 5, nil, 1); !errors.Is(err, ErrDecompress) {
		t.Errorf("codec 5: %v", err)
	}
}

// A bomb costs what its budget allows, whatever it would become.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	const limit = 1 << 20
	for _, c := range codecs[1:] {
		bomb := mustCompress(t, c, zeros)
		for _, one := range [][]byte{bomb, bytes.Repeat(mustCompress(t, c, zeros[:limit+1]), 4)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decompress(nil, c, one, limit)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrDecompress) {
				t.Errorf("%v: %v", c, err)
			}
			// Twice the limit for the output, and the coders themselves.
			if got := after.TotalAlloc - before.TotalAlloc; got > 2*limit+(9<<20) {
				t.Errorf("%v: a bomb of %d bytes allocated %d", c, len(one), got)
			}
		}
	}
}

// Nothing that is cut off, joined or flipped may pass for what it was, panic or
// allocate more than the budget. Where a format has no checksum a flip may
// change bytes; the batch's CRC is there for that.
func TestDamagedStreams(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	src := bytes.Repeat([]byte("some text that repeats, but not always the same way "), 3000)
	for i := 0; i < len(src); i += 97 {
		src[i] = byte(rnd.Uint32())
	}
	for _, c := range codecs[1:] {
		packed := mustCompress(t, c, src)
		for range 300 {
			cut := packed[:rnd.IntN(len(packed))]
			if out, err := Decompress(nil, c, cut, 1<<20); err == nil && len(out) >= len(src) {
				t.Errorf("%v: %d of %d bytes gave all", c, len(cut), len(packed))
			}
			bad := bytes.Clone(packed)
			bad[rnd.IntN(len(bad))] ^= 1 << rnd.IntN(8)
			if out, err := Decompress(nil, c, bad, 1<<20); len(out) > 1<<20 {
				t.Errorf("%v: %d bytes: %v", c, len(out), err)
			}
		}
		// Java ignores what is behind a gzip member or an lz4 frame, and fails
		// for the others (asked).
		junk := append(bytes.Clone(packed), "junk behind the stream"...)
		out, err := Decompress(nil, c, junk, 1<<20)
		if lenient := c == Gzip || c == Lz4; lenient && !bytes.Equal(out, src) || !lenient && !errors.Is(err, ErrDecompress) {
			t.Errorf("%v: trailing junk: %d bytes, %v", c, len(out), err)
		}
		if _, err := Decompress(nil, c, nil, 1<<20); err != nil && !errors.Is(err, ErrDecompress) {
			t.Errorf("%v: nothing: %v", c, err)
		}
	}
}

func TestManyEmptyFrames(t *testing.T) {
	for _, c := range codecs[1:] {
		frames := bytes.Repeat(mustCompress(t, c, nil), 10000)
		if out, err := Decompress(nil, c, frames, 10); len(out) != 0 {
			t.Errorf("%v: %d bytes of empty frames: %v", c, len(out), err)
		}
	}
}

// gzip members in a row are one stream, within one budget.
func TestGzipMembers(t *testing.T) {
	members := bytes.Repeat(mustCompress(t, Gzip, []byte("member ")), 5)
	if out, err := Decompress([]byte("> "), Gzip, members, 35); err != nil || string(out) != "> member member member member member " {
		t.Errorf("%q %v", out, err)
	}
	if _, err := Decompress(nil, Gzip, members, 34); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte below: %v", err)
	}
}

// snappy comes bare from librdkafka and others, framed from Java, and framed
// more than once where streams were joined.
func TestSnappyForms(t *testing.T) {
	src := bytes.Repeat([]byte("snappy "), 20000)
	framed := compressSnappy(nil, src)
	forms := map[string][]byte{
		"bare":   s2.EncodeSnappy(nil, src),
		"framed": framed,
		"joined": append(compressSnappy(nil, src[:70000]), compressSnappy(nil, src[70000:])...),
	}
	for name, packed := range forms {
		if out, err := Decompress(nil, Snappy, packed, 1<<20); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	// A block of five bytes that claims four gigabytes.
	if _, err := Decompress(nil, Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 1<<40); !errors.Is(err, ErrDecompress) {
		t.Errorf("lying block: %v", err)
	}
}

func FuzzDecompress(f *testing.F) {
	for _, g := range goldenBatches(f) {
		if v := View(g.bytes); v.Codec() != None {
			f.Add(uint8(v.Codec()), v.Payload())
		}
	}
	f.Fuzz(func(t *testing.T, codec uint8, in []byte) {
		c := Codec(codec % 5)
		const limit = 1 << 16
		out, err := Decompress(nil, c, in, limit)
		if len(out) > limit {
			t.Fatalf("%v: %d bytes", c, len(out))
		}
		if err == nil {
			if _, err := Decompress(nil, c, mustCompress(t, c, out), limit); err != nil {
				t.Fatalf("%v: what we compressed: %v", c, err)
			}
		}
	})
}

func benchmarkPayload() []byte {
	rnd := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	for i := 0; b.Len() < 64<<10; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","amount":%d.%02d,"city":"Town %d"},`, i, rnd.IntN(1000), rnd.IntN(10000), rnd.IntN(100), rnd.IntN(50))
	}
	return b.Bytes()
}

func BenchmarkCodecs(b *testing.B) {
	src := benchmarkPayload()
	for _, c := range codecs[1:] {
		packed := mustCompress(b, c, src)
		b.Run("compress/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			b.ReportMetric(float64(len(src))/float64(len(packed)), "ratio")
			dst := make([]byte, 0, 2*len(src))
			for b.Loop() {
				if _, err := Compress(dst, c, DefaultLevel, src); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decompress/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			dst := make([]byte, 0, 2*len(src))
			for b.Loop() {
				if _, err := Decompress(dst, c, packed, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
