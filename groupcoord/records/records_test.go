package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/schema/schematest"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

// types finds a record type by its key's Go name.
var types = func() map[string]int16 {
	out := map[string]int16{}
	for t := int16(0); t < 64; t++ {
		if k := newKey(t); k != nil {
			out[strings.TrimPrefix(fmt.Sprintf("%T", k), "*records.")] = t
		}
	}
	return out
}()

func decode(l schematest.Line) (any, []byte, error) {
	if strings.HasSuffix(l.Name, "Key") {
		key, err := ParseKey(l.Bytes)
		if err != nil {
			return nil, nil, err
		}
		return key, AppendKey(nil, key), nil
	}
	t, ok := types[strings.TrimSuffix(l.Name, "Value")+"Key"]
	if !ok {
		return nil, nil, fmt.Errorf("no such type")
	}
	value, version, err := ParseValue(newKey(t), l.Bytes)
	if err != nil {
		return nil, nil, err
	}
	return value, AppendValue(nil, value, version), nil
}

// Every key, value and version, as Apache Kafka 4.3.1 serializes it.
func TestGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range schematest.Golden(t, "testdata/groups.golden", decode) {
		seen[fmt.Sprint(l.Name, l.Version)] = true
	}
	for name, id := range types {
		value := newValue(id)
		_, highest := value.Versions()
		for v := int16(0); v <= highest; v++ {
			if n := strings.TrimSuffix(name, "Key") + "Value"; !seen[fmt.Sprint(n, v)] {
				t.Errorf("no golden bytes for %s version %d", n, v)
			}
		}
	}
	if len(types) != 22 {
		t.Errorf("%d record types, Kafka has 22", len(types))
	}
}

func TestErrors(t *testing.T) {
	key := &OffsetCommitKey{Group: "g", Topic: "t", Partition: 1}
	good := AppendKey(nil, key)
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"empty": {nil, wire.ErrShort}, "type": {[]byte{0, 99}, ErrUnknown}, "short": {good[:len(good)-1], wire.ErrShort},
		"trailing": {append(bytes.Clone(good), 1), wire.ErrTrailing},
	} {
		if _, err := ParseKey(c.in); !errors.Is(err, c.want) {
			t.Errorf("key %s: %v, want %v", name, err, c.want)
		}
	}
	if v, _, err := ParseValue(key, nil); v != nil || err != nil {
		t.Errorf("tombstone: %v %v", v, err)
	}
	if _, _, err := ParseValue(key, []byte{0, 5}); !errors.Is(err, ErrUnknown) {
		t.Errorf("version 5: %v", err)
	}
	if _, _, err := ParseValue(key, []byte{}); !errors.Is(err, wire.ErrShort) {
		t.Errorf("empty value: %v", err)
	}
}

func FuzzRecords(f *testing.F) {
	for _, l := range schematest.Golden(f, "testdata/groups.golden", decode) {
		t := types[strings.TrimSuffix(strings.TrimSuffix(l.Name, "Key"), "Value")+"Key"]
		f.Add(binary.BigEndian.AppendUint16(nil, uint16(t)), l.Bytes)
	}
	f.Fuzz(func(t *testing.T, k, v []byte) {
		key, err := ParseKey(k)
		if err == nil {
			if again, err := ParseKey(AppendKey(nil, key)); err != nil || !bytes.Equal(AppendKey(nil, again), AppendKey(nil, key)) {
				t.Fatalf("key: %v", err)
			}
		}
		if len(k) < 2 {
			return
		}
		empty := newKey(int16(binary.BigEndian.Uint16(k)))
		if empty == nil {
			return
		}
		value, version, err := ParseValue(empty, v)
		if err != nil || value == nil {
			return
		}
		out := AppendValue(nil, value, version)
		again, _, err := ParseValue(empty, out)
		if err != nil || !bytes.Equal(AppendValue(nil, again, version), out) {
			t.Fatalf("value: %v\n%x", err, out)
		}
	})
}
