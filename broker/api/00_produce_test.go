package api

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestProduceEveryVersion(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	c := n.dial()
	next := int64(0)
	for v := int16(3); v <= 13; v++ {
		for _, acks := range []int16{1, -1} {
			p := n.produceOne(c, v, acks, "t", 1, testBatch(3, 10, batch.Options{}))
			if p.ErrorCode != 0 || p.BaseOffset != next || p.LogAppendTime != -1 || v >= 5 && p.LogStartOffset != 0 {
				t.Fatalf("version %d acks %d: %+v, want offset %d", v, acks, p, next)
			}
			next += 3
		}
	}
}

func TestProduceErrors(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	n.topic("elsewhere", 1, 2)
	n.topic("__consumer_offsets", 1)
	n.broker(2, 9999)
	c := n.dial()
	good := func(o batch.Options) []byte { return testBatch(2, 10, o) }
	tamper := func(at int, b ...byte) []byte {
		x := good(batch.Options{})
		copy(x[at:], b)
		return x
	}
	cases := []struct {
		name    string
		version int16
		acks    int16
		topic   string
		index   int32
		records []byte
		want    *kerr.Error
	}{
		{"unknown topic", 9, 1, "nope", 0, good(batch.Options{}), kerr.UnknownTopicOrPartition},
		{"unknown partition", 9, 1, "t", 1, good(batch.Options{}), kerr.UnknownTopicOrPartition},
		{"negative partition", 9, 1, "t", -1, good(batch.Options{}), kerr.UnknownTopicOrPartition},
		{"unknown topic id", 13, 1, "nope", 0, good(batch.Options{}), kerr.UnknownTopicID},
		{"led elsewhere", 9, 1, "elsewhere", 0, good(batch.Options{}), kerr.NotLeaderForPartition},
		{"internal topic", 9, 1, "__consumer_offsets", 0, good(batch.Options{}), kerr.InvalidTopicException},
		{"acks 2", 9, 2, "t", 0, good(batch.Options{}), kerr.InvalidRequiredAcks},
		{"acks -2", 9, -2, "t", 0, good(batch.Options{}), kerr.InvalidRequiredAcks},
		{"no records", 9, 1, "t", 0, []byte{}, kerr.InvalidRecord},
		{"cut short", 9, 1, "t", 0, good(batch.Options{})[:70], kerr.InvalidRecord},
		{"magic 1", 9, 1, "t", 0, tamper(16, 1), kerr.InvalidRecord},
		{"magic 3", 9, 1, "t", 0, tamper(16, 3), kerr.CorruptMessage},
		{"checksum", 9, 1, "t", 0, tamper(17, 1, 2, 3, 4), kerr.CorruptMessage},
		{"two batches", 9, 1, "t", 0, append(good(batch.Options{}), good(batch.Options{})...), kerr.InvalidRecord},
		{"zstd for an old client", 6, 1, "t", 0, good(batch.Options{Codec: batch.Zstd}), kerr.UnsupportedCompressionType},
		{"codec 6", 9, 1, "t", 0, setCRC(tamper(21, 0, 6)), kerr.UnknownServerError},
		{"control batch", 9, 1, "t", 0, setCRC(tamper(21, 0, 0x20)), kerr.InvalidRecord},
		{"count lies", 9, 1, "t", 0, setCRC(tamper(57, 0, 0, 0, 9)), kerr.InvalidRecord},
		{"too large", 9, 1, "t", 0, testBatch(1, 1<<20+100, batch.Options{}), kerr.MessageTooLarge},
		{"transactional without id", 9, 1, "t", 0, setCRC(tamper(21, 0, 0x10)), kerr.TransactionalIDAuthorizationFailed},
		{"first sequence", 9, 1, "t", 0, testBatch(1, 1, batch.Options{Producer: &batch.Producer{ID: 77, Epoch: 0, Sequence: 5}}), nil},
		{"gap in sequence", 9, 1, "t", 0, testBatch(1, 1, batch.Options{Producer: &batch.Producer{ID: 77, Epoch: 0, Sequence: 9}}), kerr.OutOfOrderSequenceNumber},
		{"new epoch", 9, 1, "t", 0, testBatch(1, 1, batch.Options{Producer: &batch.Producer{ID: 77, Epoch: 1}}), nil},
		{"old epoch", 9, 1, "t", 0, testBatch(1, 1, batch.Options{Producer: &batch.Producer{ID: 77, Epoch: 0, Sequence: 6}}), kerr.InvalidProducerEpoch},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := n.produceOne(c, tc.version, tc.acks, tc.topic, tc.index, tc.records)
			want := int16(0)
			if tc.want != nil {
				want = tc.want.Code
			}
			if p.ErrorCode != want || want != 0 && p.BaseOffset != -1 {
				t.Fatalf("%+v (%v), want %v", p, kerr.ErrorForCode(p.ErrorCode), tc.want)
			}
		})
	}
	resp := do[*kmsg.ProduceResponse](t, c, produceRequest(10, 1, "elsewhere", 0, good(batch.Options{})))
	if p := resp.Topics[0].Partitions[0]; p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != 3 ||
		len(resp.Brokers) != 1 || resp.Brokers[0].Port != 9999 {
		t.Fatalf("no way to the leader: %+v", resp)
	}
}

// The producer's last five batches are remembered; each is answered again at
// its first offset, an older one is out of order.
func TestDuplicatesAreAnsweredAtTheirFirstOffset(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	c := n.dial()
	send := func(seq int32) kmsg.ProduceResponseTopicPartition {
		b := testBatch(10, 5, batch.Options{Producer: &batch.Producer{ID: 5, Sequence: seq}})
		return n.produceOne(c, 9, -1, "t", 0, b)
	}
	for i := range int32(7) {
		if p := send(10 * i); p.ErrorCode != 0 || p.BaseOffset != int64(10*i) {
			t.Fatalf("%+v", p)
		}
	}
	for i := int32(2); i < 7; i++ {
		if p := send(10 * i); p.ErrorCode != 0 || p.BaseOffset != int64(10*i) || p.LogStartOffset != 0 {
			t.Fatalf("repeated %d: %+v", i, p)
		}
	}
	if p := send(0); p.ErrorCode != kerr.OutOfOrderSequenceNumber.Code && p.ErrorCode != kerr.DuplicateSequenceNumber.Code {
		t.Fatalf("forgotten batch: %+v", p)
	}
	list := do[*kmsg.ListOffsetsResponse](t, c, listRequest(9, "t", -1))
	if o := list.Topics[0].Partitions[0].Offset; o != 70 {
		t.Fatalf("log end %d: a duplicate was stored", o)
	}
}

func TestAcks0(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	c := n.dial()
	req := produceRequest(9, 0, "t", 0, testBatch(1, 1, batch.Options{}))
	go c.Do(t.Context(), req) // never answered
	other := n.dial()
	for i := 0; do[*kmsg.ListOffsetsResponse](t, other, listRequest(9, "t", -1)).Topics[0].Partitions[0].Offset != 1; i++ {
		if i == 1000 {
			t.Fatal("not appended")
		}
		time.Sleep(time.Millisecond)
	}
	go c.Do(t.Context(), produceRequest(9, 0, "nope", 0, testBatch(1, 1, batch.Options{})))
	<-c.Done() // an error can only be told by closing
}

func TestManyPartitionsInOneRequest(t *testing.T) {
	n := newDataNode(t)
	n.topic("a", 50)
	c := n.dial()
	req := produceRequest(9, -1, "a", 0, testBatch(2, 100, batch.Options{}))
	for i := int32(1); i < 51; i++ { // the last one does not exist
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = i, testBatch(2, 100, batch.Options{})
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
	}
	for round := range int64(3) {
		resp := do[*kmsg.ProduceResponse](t, c, req)
		for i, p := range resp.Topics[0].Partitions {
			if i < 50 && (p.ErrorCode != 0 || p.BaseOffset != 2*round || p.Partition != int32(i)) || i == 50 && p.ErrorCode != 3 {
				t.Fatalf("%d: %+v", i, p)
			}
		}
		for i := range req.Topics[0].Partitions { // the offsets were written into our own copy on the wire only
			if binary.BigEndian.Uint64(req.Topics[0].Partitions[i].Records) != 0 {
				t.Fatal("request changed")
			}
		}
	}
}
