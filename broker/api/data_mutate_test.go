package api

import (
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dataKeys are the keys whose handlers take records, offsets and positions from
// strangers.
var dataKeys = []apikey.Key{apikey.Produce, apikey.Fetch, apikey.ListOffsets, apikey.DeleteRecords, apikey.InitProducerId,
	apikey.OffsetForLeaderEpoch, apikey.DescribeLogDirs, apikey.DescribeProducers}

// someRequest is a sound request of any version, as a base for damage.
func someRequest(rng *rand.Rand) []byte {
	key := dataKeys[rng.IntN(len(dataKeys))]
	e, _ := apikey.Lookup(key)
	version := e.Min + int16(rng.IntN(int(e.MaxStable-e.Min)+1))
	var req kmsg.Request
	switch key {
	case apikey.Produce:
		o := batch.Options{Codec: batch.Codec(rng.IntN(5)), Producer: &batch.Producer{ID: int64(rng.IntN(3)), Sequence: int32(rng.IntN(3))}}
		req = produceRequest(version, int16(rng.IntN(3)-1), "t", int32(rng.IntN(2)), testBatch(1+rng.IntN(5), rng.IntN(300), o))
	case apikey.Fetch:
		r := fetchRequest(version, "t", map[int32]int64{0: int64(rng.IntN(9)), 1: 0})
		r.SessionEpoch, r.MaxWaitMillis = int32(rng.IntN(3)-1), int32(rng.IntN(3))
		req = r
	case apikey.ListOffsets:
		req = listRequest(version, "t", int64(rng.IntN(12)-8))
	default:
		req = kmsg.RequestForKey(int16(key))
		req.SetVersion(version)
	}
	return frame.AppendRequest(nil, req, 1, "mutant")
}

// damage changes bytes behind the size prefix, cuts or doubles a part, and
// makes the size fit again.
func damage(rng *rand.Rand, raw []byte) []byte {
	for range 1 + rng.IntN(4) {
		at := 4 + rng.IntN(len(raw)-4)
		switch rng.IntN(4) {
		case 0:
			raw[at] = byte(rng.Uint32())
		case 1:
			raw[at] = []byte{0, 0xff, 0x7f, 0x80, 1}[rng.IntN(5)]
		case 2:
			if len(raw) > 20 {
				n := min(1+rng.IntN(8), len(raw)-at)
				raw = append(raw[:at:at], raw[at+n:]...)
			}
		case 3:
			raw = append(raw[:at:at], append([]byte{byte(rng.Uint32())}, raw[at:]...)...)
		}
		if len(raw) < 13 {
			break
		}
	}
	n := len(raw) - 4
	raw[0], raw[1], raw[2], raw[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return raw
}

// Damaged requests cost at most their connection: no panic, no silence, and
// the node goes on.
func TestDamagedRequests(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var nc net.Conn
	for i := range 3000 {
		raw := damage(rng, someRequest(rng))
		if nc == nil {
			c, err := net.Dial("tcp", n.addr)
			if err != nil {
				t.Fatal(err)
			}
			nc = c
		}
		nc.Write(raw)
		// A request that must be answered behind it: ApiVersions' refusal, or the end.
		nc.Write([]byte("\x00\x00\x00\x0b\x00\x12\x00\x63\x00\x00\x00\x09\xff\xff\x00"))
		nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err := readUntil(nc, 9); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("round %d: silence after %x", i, raw)
			}
			nc.Close()
			nc = nil
		}
		if p := n.server.Counters().Panics.Load(); p != 0 {
			t.Fatalf("round %d: panic after %x", i, raw)
		}
	}
	if nc != nil {
		nc.Close()
	}
	if p := n.produceOne(n.dial(), 9, 1, "t", 0, testBatch(1, 1, batch.Options{})); p.ErrorCode != 0 {
		t.Fatalf("the node is broken: %+v", p)
	}
}

// readUntil reads replies until the one with that correlation id.
func readUntil(r io.Reader, correlation byte) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		size := int64(head[0])<<24 | int64(head[1])<<16 | int64(head[2])<<8 | int64(head[3])
		if _, err := io.CopyN(io.Discard, r, size-4); err != nil {
			return err
		}
		if head[7] == correlation {
			return nil
		}
	}
}
