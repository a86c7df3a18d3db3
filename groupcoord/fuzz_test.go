package groupcoord

import (
	"bytes"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"go.uber.org/zap"
)

// FuzzReplay: no record makes a shard panic, and one that it takes can be loaded
// again and again.
func FuzzReplay(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 0}, []byte{0, 4}, false)
	f.Add([]byte{0, 2, 0, 1, 'g'}, []byte(nil), true)
	f.Add([]byte{0, 2, 0, 1, 'g'}, []byte("\x00\x03\x00\x08consumer\x00\x00\x00\x01\x00\x05range\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), false)
	cfg := DefaultConfig()
	s0 := &Service{cfg: cfg, logger: zap.NewNop(), consumerConfig: cfg.consumers(nil)}
	f.Fuzz(func(t *testing.T, key, value []byte, tombstone bool) {
		if tombstone {
			value = nil
		}
		s := newShard(0, s0, catalog{}.image)
		e := runtime.Entry{Offset: 1, Timestamp: 5, ProducerID: batch.NoProducerID, Key: bytes.Clone(key), Value: bytes.Clone(value)}
		err := s.Replay(e, true)
		if again := s.Replay(e, true); (err == nil) != (again == nil) {
			t.Fatalf("first %v, then %v", err, again)
		}
		s.Loaded(10)
		for now := int64(10); ; now += 1 << 40 {
			at, ok := s.Deadline()
			if !ok || now > 1<<42 {
				break
			}
			for i := 0; ok && at <= now && i < 100; i++ {
				if o := s.Expire(now); o.Done != nil {
					o.Done(now, nil)
				}
				at, ok = s.Deadline()
			}
		}
		s.Unloaded()
	})
}
