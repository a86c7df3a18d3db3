package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gregorbroker/gregor/protocol/ids"
	"pgregory.net/rapid"
)

func build(t testing.TB, opts Options, n int) View {
	t.Helper()
	b := NewBuilder(opts)
	for i := range n {
		b.Append(1000+int64(i), fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte("v"), 100), nil)
	}
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNextCutsBatches(t *testing.T) {
	a, b := build(t, Options{BaseOffset: 5}, 3), build(t, Options{BaseOffset: 8}, 1)
	buf := append(bytes.Clone(a), b...)
	v, rest, err := Next(buf)
	if err != nil || !bytes.Equal(v, a) || !bytes.Equal(rest, b) || v.NextOffset() != 8 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	if v, rest, err = Next(rest); err != nil || !bytes.Equal(v, b) || len(rest) != 0 {
		t.Fatal(err)
	}
	for n := range len(a) {
		if _, rest, err := Next(a[:n]); !errors.Is(err, ErrIncomplete) || len(rest) != n {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	// An append to a view must not reach the batch behind it.
	v, _, _ = Next(buf)
	_ = append(v, 'x')
	if !bytes.Equal(buf[len(a):], b) {
		t.Error("the next batch was overwritten")
	}
}

func TestHeaderFaults(t *testing.T) {
	set := func(at int, b ...byte) View {
		v := bytes.Clone(build(t, Options{BaseOffset: 5}, 3))
		copy(v[at:], b)
		return v
	}
	for name, c := range map[string]struct {
		v    View
		want error
	}{
		"magic 0": {set(atMagic, 0), ErrMagic}, "magic 1": {set(atMagic, 1), ErrMagic}, "magic 3": {set(atMagic, 3), ErrCorrupt},
		"magic -1": {set(atMagic, 0xff), ErrCorrupt}, "short length": {set(atLength, 0, 0, 0, 48), ErrCorrupt},
		"negative length": {set(atLength, 0xff), ErrCorrupt}, "long length": {set(atLength, 0x7f), ErrIncomplete},
	} {
		if _, _, err := Next(c.v); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		v    View
		want error
	}{
		"codec": {set(atAttributes, 0, 7), ErrDecompress}, "negative count": {set(atCount, 0xff), ErrInvalid},
		"count": {set(atCount, 0, 0, 0, 4), ErrInvalid}, "negative delta": {set(atLastOffsetDelta, 0xff), ErrInvalid},
		"negative offset": {set(atBaseOffset, 0xff), ErrInvalid}, "last offset": {set(atBaseOffset, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ErrInvalid},
	} {
		if err := c.v.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.v.VerifyCRC() == nil && name != "negative offset" && name != "last offset" {
			t.Errorf("%s: the CRC does not cover it", name)
		}
	}
	for name, v := range map[string]View{
		"gap": set(atLastOffsetDelta, 0, 0, 0, 9), "empty": set(atCount, 0, 0, 0, 0),
		"no sequence": set(atProducerID, 0, 0, 0, 0, 0, 0, 0, 1),
	} {
		if err := v.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.CheckProduced(); !errors.Is(err, ErrInvalid) {
			t.Errorf("produced with %s: %v", name, err)
		}
	}
}

func TestPatching(t *testing.T) {
	v := build(t, Options{}, 3)
	v.SetBaseOffset(1 << 40)
	v.SetLeaderEpoch(9)
	if err := v.VerifyCRC(); err != nil || v.BaseOffset() != 1<<40 || v.LeaderEpoch() != 9 || v.LastOffset() != 1<<40+2 {
		t.Errorf("%d %d %v", v.BaseOffset(), v.LeaderEpoch(), err)
	}
	v.SetTimestamps(LogAppendTime, 777)
	records, err := v.Records(nil, 1<<20)
	if err != nil || v.VerifyCRC() != nil || v.MaxTimestamp() != 777 || records[0].Timestamp != 777 {
		t.Errorf("%v %+v", err, records)
	}
	v.SetTimestamps(CreateTime, 1002)
	if v.VerifyCRC() != nil || v.TimestampType() != CreateTime {
		t.Error("back to create time")
	}
}

func TestSequencesWrap(t *testing.T) {
	for _, c := range []struct{ seq, delta, want int32 }{{0, 0, 0}, {1<<31 - 1, 0, 1<<31 - 1}, {1<<31 - 1, 1, 0}, {1<<31 - 3, 5, 2}} {
		if got := AddSequence(c.seq, c.delta); got != c.want {
			t.Errorf("%d+%d: %d, want %d", c.seq, c.delta, got, c.want)
		}
	}
}

// Records that go into a builder come out of the batch, by every way to read them.
func TestBuildAndRead(t *testing.T) {
	bytesGen := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")
	})
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1<<50).Draw(t, "base")
		b := NewBuilder(Options{Codec: codecs[rapid.IntRange(0, 4).Draw(t, "codec")], BaseOffset: ids.Offset(base)})
		want := []Record{}
		for i := range rapid.IntRange(1, 30).Draw(t, "n") {
			r := Record{Offset: ids.Offset(base) + ids.Offset(i), OffsetDelta: int32(i)}
			r.Timestamp = rapid.Int64Range(-1, 1<<42).Draw(t, "timestamp")
			r.Key, r.Value = bytesGen.Draw(t, "key"), bytesGen.Draw(t, "value")
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				r.Headers = append(r.Headers, Header{rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "name"), bytesGen.Draw(t, "header")})
			}
			b.Append(r.Timestamp, r.Key, r.Value, r.Headers)
			want = append(want, r)
		}
		v, err := b.Bytes()
		if err != nil || v.VerifyCRC() != nil || v.CheckProduced() != nil {
			t.Fatal(err)
		}
		got, err := v.Records(nil, 1<<20)
		for i := range got {
			want[i].TimestampDelta = want[i].Timestamp - v.BaseTimestamp()
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		checkInfo(t, v, want)
	})
}

// checkInfo compares Validate with a naive pass over the records.
func checkInfo(t rapid.TB, v View, records []Record) {
	info, err := v.Validate(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	want := Info{MaxTimestamp: NoTimestamp, MinTimestamp: NoTimestamp, NullKey: -1, Contiguous: true, Size: info.Size}
	for i, r := range records {
		want.Contiguous = want.Contiguous && r.OffsetDelta == int32(i)
		if r.Key == nil && want.NullKey < 0 {
			want.NullKey = int32(i)
		}
		if r.Timestamp > want.MaxTimestamp {
			want.MaxTimestamp, want.MaxTimestampDelta = r.Timestamp, r.OffsetDelta
		}
		if r.Timestamp != NoTimestamp && (want.MinTimestamp == NoTimestamp || r.Timestamp < want.MinTimestamp) {
			want.MinTimestamp = r.Timestamp
		}
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Fatal(diff)
	}
}

// withPayload is a batch of count records whose bytes are payload.
func withPayload(count int32, payload []byte) View {
	v := make(View, HeaderSize, HeaderSize+len(payload))
	b := Builder{opts: Options{}, count: count}
	v = append(v, payload...)
	b.header(v)
	binary.BigEndian.PutUint32(v[atLength:], uint32(len(v)-LogOverhead))
	return v
}

func TestRecordFaults(t *testing.T) {
	record := []byte{14, 0, 0, 0, 1, 1, 0}
	for name, v := range map[string]View{
		"count above":      withPayload(2, append(bytes.Repeat(record[:0], 0), append([]byte{12, 0, 0, 0, 1, 1, 0}, make([]byte, 7)...)...)),
		"count below":      withPayload(1, append([]byte{12, 0, 0, 0, 1, 1, 0}, 12, 0, 0, 2, 1, 1, 0)),
		"size beyond":      withPayload(1, record),
		"size below":       withPayload(1, []byte{10, 0, 0, 0, 1, 1, 0}),
		"negative size":    withPayload(1, []byte{11, 0, 0, 0, 1, 1, 0}),
		"key beyond":       withPayload(1, []byte{12, 0, 0, 0, 40, 1, 0}),
		"headers beyond":   withPayload(1, []byte{12, 0, 0, 0, 1, 1, 2}),
		"negative headers": withPayload(1, []byte{12, 0, 0, 0, 1, 1, 1}),
		"null header key":  withPayload(1, []byte{16, 0, 0, 0, 1, 1, 2, 1, 1}),
		"rest in record":   withPayload(1, []byte{14, 0, 0, 0, 1, 1, 0, 0}),
		"long varint":      withPayload(1, []byte{26, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}),
	} {
		if _, err := v.Validate(1 << 20); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := v.Records(nil, 1<<20); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Records: %v", name, err)
		}
	}
	good := withPayload(1, []byte{12, 0, 0, 0, 1, 1, 0})
	if _, err := good.Validate(1 << 20); err != nil {
		t.Error(err)
	}
	beyond := withPayload(1, []byte{12, 0, 0, 2, 1, 1, 0})
	if info, err := beyond.Validate(1 << 20); err != nil || info.Contiguous {
		t.Errorf("offset 1 of one record: %+v %v", info, err)
	}
	gap := withPayload(2, []byte{12, 0, 0, 2, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0})
	if info, err := gap.Validate(1 << 20); err != nil || info.Contiguous {
		t.Errorf("offsets 1, 0: %+v %v", info, err)
	}
}

// Records and headers count against the budget as the slices they become.
func TestRecordsBudget(t *testing.T) {
	b := NewBuilder(Options{Codec: Zstd})
	headers := make([]Header, 20000)
	for i := range headers {
		headers[i].Key = []byte{}
	}
	b.Append(0, nil, nil, headers)
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Validate(50000); err != nil {
		t.Error(err)
	}
	if _, err := v.Records(nil, 50000); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a million bytes of headers within 50000: %v", err)
	}
	many := build(t, Options{}, 5000)
	if _, err := many.Records(nil, 100000); !errors.Is(err, ErrTooLarge) {
		t.Errorf("5000 records within 100000 bytes: %v", err)
	}
}

func TestIteratorReuse(t *testing.T) {
	plain, packed := build(t, Options{}, 50), build(t, Options{Codec: Lz4, BaseOffset: 100}, 50)
	var it Iterator
	var r Record
	for range 3 {
		for _, v := range []View{plain, packed} {
			if err := it.Reset(v, 1<<20); err != nil {
				t.Fatal(err)
			}
			n := v.BaseOffset()
			for it.Next(&r) {
				if r.Offset != n {
					t.Fatalf("offset %d, want %d", r.Offset, n)
				}
				n++
			}
			if it.Err() != nil || n != v.NextOffset() || it.Next(&r) {
				t.Fatal(it.Err(), n)
			}
		}
	}
	it.Release()
	it.Release()
}

func FuzzBatch(f *testing.F) {
	for _, g := range goldenBatches(f) {
		f.Add(g.bytes)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, rest, err := Next(in)
		if err != nil {
			return
		}
		if len(v)+len(rest) != len(in) {
			t.Fatal("bytes lost")
		}
		const budget = 1 << 16
		info, verr := v.Validate(budget)
		records, rerr := v.Records(nil, 1<<20)
		if verr == nil && rerr != nil {
			t.Fatalf("Validate passed, Records: %v", rerr)
		}
		if rerr == nil && verr != nil && !errors.Is(verr, ErrTooLarge) {
			t.Fatalf("Records passed, Validate: %v", verr)
		}
		if verr != nil {
			return
		}
		checkInfo(t, v, records)
		if int32(len(records)) != v.Count() || info.Size > budget {
			t.Fatalf("%d records of %d, %d bytes", len(records), v.Count(), info.Size)
		}
		if v.IsControl() && len(records) > 0 {
			if kind, err := ControlTypeOf(records[0].Key); err == nil && NewControlMessage(kind) != nil {
				_, _ = ParseControlMessage(kind, records[0].Value)
			}
		}
	})
}

func BenchmarkPasses(b *testing.B) {
	v := build(b, Options{}, 140) // about 16 KiB
	run := func(name string, v View, fn func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(v)))
			for b.Loop() {
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(v.Count()), "ns/record")
		})
	}
	run("crc", v, v.VerifyCRC)
	run("validate", v, func() error { _, err := v.Validate(1 << 20); return err })
	var it Iterator
	var r Record
	run("iterate", v, func() error {
		err := it.Reset(v, 1<<20)
		for err == nil && it.Next(&r) {
		}
		return err
	})
	for _, c := range codecs[1:] {
		packed := build(b, Options{Codec: c}, 140)
		run("validate-"+c.String(), v, func() error { _, err := packed.Validate(1 << 20); return err })
	}
}

func BenchmarkBuilder(b *testing.B) {
	value := make([]byte, 100)
	bld := NewBuilder(Options{})
	b.ReportAllocs()
	b.SetBytes(int64(140 * len(value)))
	for b.Loop() {
		bld.Reset(Options{})
		for i := range 140 {
			bld.Append(int64(i), nil, value, nil)
		}
	}
}
