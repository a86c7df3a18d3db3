package compact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestKeyMap compares with Go's map, up to a full one and beyond.
func TestKeyMap(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 4))
		keys := 1 + r.IntN(5000)
		m, model := newKeyMap(keys+r.IntN(keys), keys), map[string]ids.Offset{}
		for off := range ids.Offset(3 * keys) {
			key := binary.AppendUvarint(nil, uint64(r.IntN(2*keys)))
			_, known := model[string(key)]
			if ok := m.put(key, off); ok != (known || len(model) < keys) {
				t.Fatalf("seed %d: put with %d of %d keys, known %v: %v", seed, len(model), keys, known, ok)
			} else if ok {
				model[string(key)] = off
			}
		}
		for i := range 2 * keys {
			key := binary.AppendUvarint(nil, uint64(i))
			want, known := model[string(key)]
			if !known {
				want = -1
			}
			if got := m.get(key); got != want {
				t.Fatalf("seed %d: key %d: %d, want %d", seed, i, got, want)
			}
		}
		if len(m.slots) > m.limit {
			t.Fatalf("%d slots, limit %d", len(m.slots), m.limit)
		}
	}
}

// TestBrokenDisk: a disk that cannot be read or written fails its directory, as
// in Kafka; a full one is waited for; neither blames the log.
func TestBrokenDisk(t *testing.T) {
	for _, c := range []struct {
		fault   vfs.Fault
		offline bool
	}{
		{vfs.Fault{Op: vfs.OpRead, Name: ".log", Err: syscall.EIO}, true},
		{vfs.Fault{Op: vfs.OpWrite, Name: ".cleaned", Err: syscall.EIO}, true},
		{vfs.Fault{Op: vfs.OpSync, Name: ".cleaned", Err: syscall.EIO}, true},
		{vfs.Fault{Op: vfs.OpRename, Name: ".cleaned", Err: syscall.EIO}, true},
		{vfs.Fault{Op: vfs.OpWrite, Name: ".cleaned", Err: vfs.ErrNoSpace, Short: true}, false},
		{vfs.Fault{Op: vfs.OpOpen, Name: ".cleaned", Err: syscall.EMFILE}, false},
	} {
		t.Run(fmt.Sprint(c.fault.Op, c.fault.Name, c.fault.Err), func(t *testing.T) {
			mem := vfs.NewMem()
			fs := vfs.NewFaulty(mem)
			set := newSet(t, fs, func() int64 { return start })
			cfg := partlog.DefaultConfig()
			cfg.Compact, cfg.Delete, cfg.SegmentBytes = true, false, 1500
			l, dir, err := set.OpenPartition(ids.TopicPartition{Topic: "t"}, ids.TopicID{1}, nil, &cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 60 {
				b := batch.NewBuilder(batch.Options{})
				b.Append(start, fmt.Appendf(nil, "k%d", i%5), make([]byte, 100), nil)
				v, _ := b.Bytes()
				if _, err := l.AppendAsLeader(v, 1, partlog.Client, start); err != nil {
					t.Fatal(err)
				}
			}
			cl := Cleaner{Set: set, Stable: func(ids.TopicPartition) (ids.Offset, bool) { return 60, true },
				Failed: func(tp ids.TopicPartition, err error) { t.Errorf("%v is blamed: %v", tp, err) }}
			fs.Set(c.fault)
			for cl.Round(start, nil) {
			}
			if offline := dir.Err() != nil; offline != c.offline {
				t.Fatalf("offline: %v", dir.Err())
			}
			if c.offline {
				return
			}
			fs.Set()
			if !cl.Round(start, nil) || l.Size() > 3500 || errors.Is(l.Err(), partlog.ErrFailed) {
				t.Fatalf("%d bytes are left when there is room again", l.Size())
			}
		})
	}
}
