package api

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wireClient writes frames made beforehand, so that a profile shows the broker
// and not a client.
type wireClient struct {
	b   *testing.B
	nc  net.Conn
	buf []byte
}

func newWireClient(b *testing.B, n *dataNode) *wireClient {
	nc, err := net.Dial("tcp", n.addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return &wireClient{b, nc, make([]byte, 4<<20)}
}

func (w *wireClient) send(raw []byte) {
	if _, err := w.nc.Write(raw); err != nil {
		w.b.Error(err)
	}
}

func (w *wireClient) receive() []byte {
	if _, err := io.ReadFull(w.nc, w.buf[:4]); err != nil {
		w.b.Error(err)
		return nil
	}
	n := binary.BigEndian.Uint32(w.buf)
	if _, err := io.ReadFull(w.nc, w.buf[:n]); err != nil {
		w.b.Error(err)
	}
	return w.buf[:n]
}

func benchProduce(b *testing.B, records, size, depth int) {
	n := newDataNode(b)
	n.topic("t", 1)
	w := newWireClient(b, n)
	v := testBatch(records, size, batch.Options{})
	raw := frame.AppendRequest(nil, produceRequest(9, -1, "t", 0, v), 1, "bench")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	slots := make(chan struct{}, depth)
	b.ResetTimer()
	go func() {
		for range b.N {
			slots <- struct{}{}
			w.send(raw)
		}
	}()
	for range b.N {
		w.receive()
		<-slots
	}
}

func BenchmarkProduce(b *testing.B) {
	b.Run("1MiB", func(b *testing.B) { benchProduce(b, 900, 1024, 4) })
	b.Run("16KiB", func(b *testing.B) { benchProduce(b, 15, 1024, 4) })
	b.Run("1KiB/alone", func(b *testing.B) { benchProduce(b, 1, 1024, 1) })
}

func BenchmarkFetch(b *testing.B) {
	n := newDataNode(b)
	n.topic("t", 1)
	w := newWireClient(b, n)
	produce := frame.AppendRequest(nil, produceRequest(9, -1, "t", 0, testBatch(900, 1024, batch.Options{})), 1, "bench")
	for range 64 {
		w.send(produce)
		w.receive()
	}
	req := fetchRequest(13, "t", map[int32]int64{0: 0})
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	b.ResetTimer()
	var raw []byte
	for i := range b.N {
		req.Topics[0].Partitions[0].FetchOffset = int64(i%64) * 900
		raw = frame.AppendRequest(raw[:0], req, 1, "bench")
		w.send(raw)
		w.receive()
	}
}

// BenchmarkEndToEnd is one record through: a consumer waits, a producer
// appends, both are answered.
func BenchmarkEndToEnd(b *testing.B) {
	n := newDataNode(b)
	n.topic("t", 1)
	p, c := newWireClient(b, n), newWireClient(b, n)
	produce := frame.AppendRequest(nil, produceRequest(9, -1, "t", 0, testBatch(1, 1024, batch.Options{})), 1, "bench")
	open := fetchRequest(13, "t", map[int32]int64{0: 0})
	open.SessionEpoch, open.MaxWaitMillis = 0, 0
	c.send(frame.AppendRequest(nil, open, 1, "bench"))
	session := int32(binary.BigEndian.Uint32(c.receive()[11:]))
	b.ReportAllocs()
	b.ResetTimer()
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.ReplicaID, req.SessionID = 13, 50<<20, 1, 30_000, -1, session
	var raw []byte
	for i := range b.N {
		req.SessionEpoch = int32(i + 1)
		req.Topics = fetchRequest(13, "t", map[int32]int64{0: int64(i)}).Topics
		raw = frame.AppendRequest(raw[:0], req, 1, "bench")
		c.send(raw)
		p.send(produce)
		p.receive()
		c.receive()
	}
}
