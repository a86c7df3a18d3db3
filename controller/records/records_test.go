package records

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/schema/schematest"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
	"pgregory.net/rapid"
)

func decode(l schematest.Line) (any, []byte, error) {
	rec, version, err := Parse(l.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if version != l.Version || fmt.Sprintf("%T", rec) == "" {
		return nil, nil, fmt.Errorf("parsed as %T version %d", rec, version)
	}
	return rec, Append(nil, rec, version), nil
}

// Every record and version, as Apache Kafka 4.3.1 serializes it.
func TestGolden(t *testing.T) {
	lines := schematest.Golden(t, "testdata/metadata.golden", decode)
	seen := map[string]bool{}
	for _, l := range lines {
		seen[fmt.Sprint(l.Bytes[1], l.Version)] = true
	}
	for key := int16(0); key < 64; key++ {
		if rec := newMetadata(key); rec != nil {
			lowest, highest := rec.Versions()
			for v := lowest; v <= highest; v++ {
				if !seen[fmt.Sprint(key, v)] {
					t.Errorf("no golden bytes for %T version %d", rec, v)
				}
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	good := Append(nil, &TopicRecord{Name: "t"}, 0)
	cases := map[string]struct {
		in   []byte
		want error
	}{
		"empty":         {nil, wire.ErrShort},
		"frame version": {append([]byte{2}, good[1:]...), ErrUnknown},
		"no such type":  {[]byte{1, 6, 0}, ErrUnknown},
		"far type":      {[]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, ErrUnknown},
		"version":       {[]byte{1, 2, 1}, ErrUnknown},
		"short":         {good[:len(good)-1], wire.ErrShort},
		"trailing":      {append(bytes.Clone(good), 0), wire.ErrTrailing},
		"null name":     {[]byte{1, 2, 0, 0}, wire.ErrNull},
		"count":         {append([]byte{1, 3, 0, 0, 0, 0, 0}, append(make([]byte, 16), 0xff, 0xff, 0xff, 0xff, 0x07)...), wire.ErrLength},
	}
	for name, c := range cases {
		if _, _, err := Parse(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAppendRefusesUnknownVersion(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a version that does not exist was written")
		}
	}()
	Append(nil, &TopicRecord{}, 1)
}

// The record whose tags matter most: what is unchanged takes no byte.
func TestPartitionChangeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want PartitionChangeRecord
		want.Default()
		nodes := func(name string) []ids.NodeID {
			if rapid.Bool().Draw(t, "has "+name) {
				return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ids.NodeID { return ids.NodeID(rapid.Int32().Draw(t, "id")) }), 0, 60).Draw(t, name)
			}
			return nil
		}
		want.PartitionID = rapid.Int32().Draw(t, "partition")
		want.ISR, want.Replicas = nodes("isr"), nodes("replicas")
		want.EligibleLeaderReplicas = nodes("elr")
		want.Leader = ids.NodeID(rapid.Int32Range(-2, 3).Draw(t, "leader"))
		b := Append(nil, &want, 2)
		got, version, err := Parse(b)
		if err != nil || version != 2 {
			t.Fatal(version, err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, l := range schematest.Golden(f, "testdata/metadata.golden", decode) {
		f.Add(l.Bytes)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		rec, version, err := Parse(in)
		if err != nil {
			return
		}
		out := Append(nil, rec, version)
		again, _, err := Parse(out)
		if err != nil {
			t.Fatalf("what we wrote: %v\n%x", err, out)
		}
		if third := Append(nil, again, version); !bytes.Equal(out, third) {
			t.Fatalf("%x\n%x", out, third)
		}
	})
}

func BenchmarkPartitionRecord(b *testing.B) {
	rec := &PartitionRecord{Replicas: []ids.NodeID{1, 2, 3}, ISR: []ids.NodeID{1, 2, 3}, Directories: make([]ids.DirectoryID, 3), EligibleLeaderReplicas: []ids.NodeID{}}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst = Append(dst[:0], rec, 2)
		}
	})
	framed := Append(nil, rec, 2)
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Parse(framed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
