package api

import (
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func listRequest(version int16, topic string, ts int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = version, -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp, p.CurrentLeaderEpoch = ts, -1
	rt.Partitions = append(rt.Partitions, p)
	req.Topics = append(req.Topics, rt)
	return req
}

func TestFetchEveryVersion(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 3)
	c := n.dial()
	for i := range 4 {
		n.produceOne(c, 9, -1, "t", 1, testBatch(5, 10000*i, batch.Options{}))
	}
	for v := int16(4); v <= 18; v++ {
		resp := do[*kmsg.FetchResponse](t, c, fetchRequest(v, "t", map[int32]int64{0: 0, 1: 7, 2: 0}))
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 3 || resp.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", v, resp)
		}
		p := resp.Topics[0].Partitions[1]
		got := batches(t, p.RecordBatches)
		if len(got) != 3 || got[0].BaseOffset() != 5 || got[2].LastOffset() != 19 || got[0].LeaderEpoch() != 3 || p.HighWatermark != 20 ||
			p.LastStableOffset != 20 || v >= 5 && p.LogStartOffset != 0 || p.AbortedTransactions != nil || v >= 11 && p.PreferredReadReplica != -1 {
			t.Fatalf("version %d: %d batches %+v", v, len(got), p)
		}
		for _, b := range got {
			if err := b.VerifyCRC(); err != nil {
				t.Fatal(err)
			}
		}
		if empty := resp.Topics[0].Partitions[0]; empty.HighWatermark != 0 || len(empty.RecordBatches) != 0 || empty.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", v, empty)
		}
	}
}

func TestFetchLimits(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 3)
	c := n.dial()
	for i := range int32(3) {
		for range 3 {
			n.produceOne(c, 9, -1, "t", i, testBatch(1, 1000, batch.Options{}))
		}
	}
	one := len(testBatch(1, 1000, batch.Options{}))
	sizes := func(maxBytes, partition int32) (got [3]int) {
		req := fetchRequest(12, "t", map[int32]int64{0: 0, 1: 0, 2: 0})
		req.MaxBytes = maxBytes
		for i := range req.Topics[0].Partitions {
			req.Topics[0].Partitions[i].PartitionMaxBytes = partition
		}
		for i, p := range do[*kmsg.FetchResponse](t, c, req).Topics[0].Partitions {
			got[i] = len(batches(t, p.RecordBatches))
			if len(p.RecordBatches) != got[i]*one {
				t.Fatal("torn batch")
			}
		}
		return got
	}
	big := int32(1 << 20)
	for _, tc := range []struct {
		max, partition int32
		want           [3]int
	}{
		{big, big, [3]int{3, 3, 3}},
		{int32(4 * one), big, [3]int{3, 1, 0}},
		{1, big, [3]int{1, 0, 0}},
		{0, 0, [3]int{1, 0, 0}},
		{big, 1, [3]int{1, 0, 0}},
		{big, int32(2 * one), [3]int{2, 2, 2}},
		{int32(one), int32(one), [3]int{1, 0, 0}},
	} {
		if got := sizes(tc.max, tc.partition); got != tc.want {
			t.Errorf("max %d, partition max %d: %v, want %v", tc.max, tc.partition, got, tc.want)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	n.topic("elsewhere", 1, 2)
	n.broker(2, 9999)
	c := n.dial()
	n.produceOne(c, 9, -1, "t", 0, testBatch(5, 10, batch.Options{}))
	cases := []struct {
		name    string
		version int16
		topic   string
		change  func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)
		want    *kerr.Error
	}{
		{"unknown topic", 12, "nope", nil, kerr.UnknownTopicOrPartition},
		{"unknown id", 13, "nope", nil, kerr.UnknownTopicID},
		{"unknown partition", 12, "t", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.Partition = 7 }, kerr.UnknownTopicOrPartition},
		{"elsewhere", 16, "elsewhere", nil, kerr.NotLeaderForPartition},
		{"beyond the end", 12, "t", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = 6 }, kerr.OffsetOutOfRange},
		{"before the start", 12, "t", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = -1 }, kerr.OffsetOutOfRange},
		{"older epoch", 12, "t", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 2 }, kerr.FencedLeaderEpoch},
		{"newer epoch", 12, "t", func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 4 }, kerr.UnknownLeaderEpoch},
		{"follower", 12, "t", func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			r.ReplicaID, p.CurrentLeaderEpoch = 2, -1
		}, kerr.NotLeaderForPartition},
		{"follower with epoch", 15, "t", func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			r.ReplicaState.ID, p.CurrentLeaderEpoch = 2, 3
		}, kerr.UnknownLeaderEpoch},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			req := fetchRequest(tc.version, tc.topic, map[int32]int64{0: 0})
			if tc.change != nil {
				tc.change(req, &req.Topics[0].Partitions[0])
			}
			resp := do[*kmsg.FetchResponse](t, c, req)
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != tc.want.Code || p.HighWatermark != -1 {
				t.Fatalf("%+v, want %v", p, tc.want)
			}
			if tc.name == "elsewhere" && (p.CurrentLeader.LeaderID != 2 || len(resp.Brokers) != 1 || resp.Brokers[0].Host != "h") {
				t.Fatalf("no way to the leader: %+v", resp)
			}
		})
	}
	req := fetchRequest(12, "t", map[int32]int64{0: 3})
	req.Topics[0].Partitions[0].LastFetchedEpoch = 2 // nothing was ever written in epoch 2
	p := do[*kmsg.FetchResponse](t, c, req).Topics[0].Partitions[0]
	if p.ErrorCode == 0 && p.DivergingEpoch.Epoch == -1 {
		t.Fatalf("no divergence: %+v", p)
	}
}

// A waiting fetch is answered by the append, not by its deadline.
func TestLongPoll(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	consumer, producer := n.dial(), n.dial()
	offset := int64(0)
	for round := range 20 {
		req := fetchRequest(12, "t", map[int32]int64{0: 0, 1: offset})
		req.MaxWaitMillis, req.MinBytes = 30_000, 1
		if round%2 == 1 {
			req.IsolationLevel = 1
		}
		got := make(chan *kmsg.FetchResponse, 1)
		go func() { got <- do[*kmsg.FetchResponse](t, consumer, req) }()
		if round%4 < 2 { // with a chance to be parked already
			time.Sleep(2 * time.Millisecond)
		}
		n.produceOne(producer, 9, -1, "t", 1, testBatch(1, 10, batch.Options{}))
		if p := (<-got).Topics[0].Partitions[1]; len(batches(t, p.RecordBatches)) != 1 || p.HighWatermark != offset+1 {
			t.Fatalf("round %d: %+v", round, p)
		}
		offset++
	}
}

func TestLongPollWaitsForMinBytes(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	consumer, producer := n.dial(), n.dial()
	req := fetchRequest(12, "t", map[int32]int64{0: 0, 1: 0})
	req.MaxWaitMillis, req.MinBytes = 30_000, 3000
	got := make(chan *kmsg.FetchResponse, 1)
	go func() { got <- do[*kmsg.FetchResponse](t, consumer, req) }()
	for i := range int32(3) {
		n.produceOne(producer, 9, -1, "t", i%2, testBatch(1, 800, batch.Options{}))
		select {
		case r := <-got:
			t.Fatalf("answered after %d of 4 appends: %+v", i+1, r)
		case <-time.After(5 * time.Millisecond): // a chance to fail
		}
	}
	n.produceOne(producer, 9, -1, "t", 1, testBatch(1, 800, batch.Options{}))
	r := <-got
	if a, b := len(r.Topics[0].Partitions[0].RecordBatches), len(r.Topics[0].Partitions[1].RecordBatches); a+b < 3000 {
		t.Fatalf("%d bytes", a+b)
	}
	req.MaxWaitMillis, req.Topics[0].Partitions[0].FetchOffset = 20, 2
	req.Topics[0].Partitions[1].FetchOffset = 2
	if r := do[*kmsg.FetchResponse](t, consumer, req); len(r.Topics[0].Partitions[0].RecordBatches) != 0 {
		t.Fatalf("deadline: %+v", r)
	}
}

// Nobody waits behind a held fetch.
func TestHeldFetchGivesWay(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	c := n.dial()
	req := fetchRequest(12, "t", map[int32]int64{0: 0})
	req.MaxWaitMillis = 60_000
	go c.Do(t.Context(), req)
	for range 3 {
		do[*kmsg.ListOffsetsResponse](t, c, listRequest(5, "t", -1)) // would time out
	}
}

func TestHeldFetchOfDeletedTopic(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	c := n.dial()
	n.produceOne(c, 9, 1, "t", 0, testBatch(1, 1, batch.Options{}))
	req := fetchRequest(13, "t", map[int32]int64{0: 1})
	req.MaxWaitMillis = 60_000
	got := make(chan *kmsg.FetchResponse, 1)
	go func() { got <- do[*kmsg.FetchResponse](t, c, req) }()
	n.awaitParked("t", 0)
	n.apply(removeTopic("t"))
	if p := (<-got).Topics[0].Partitions[0]; p.ErrorCode != kerr.UnknownTopicOrPartition.Code { // it was found when the request came
		t.Fatalf("%+v", p)
	}
}

func TestSessionsOverTheWire(t *testing.T) {
	n := newDataNode(t)
	n.topic("a", 2)
	n.topic("b", 1)
	c := n.dial()
	for _, version := range []int16{7, 12, 13, 18} {
		first := fetchRequest(version, "a", map[int32]int64{0: 0, 1: 0})
		first.SessionEpoch = 0
		first.Topics = append(first.Topics, fetchRequest(version, "b", map[int32]int64{0: 0}).Topics...)
		r := do[*kmsg.FetchResponse](t, c, first)
		if r.SessionID == 0 || len(r.Topics) != 2 || len(r.Topics[0].Partitions) != 2 {
			t.Fatalf("version %d: %+v", version, r)
		}
		next := func(epoch int32) *kmsg.FetchResponse {
			req := fetchRequest(version, "a", nil)
			req.Topics, req.SessionID, req.SessionEpoch = nil, r.SessionID, epoch
			return do[*kmsg.FetchResponse](t, c, req)
		}
		next(1)
		if r := next(2); len(r.Topics) != 0 && version == 7 {
			t.Fatalf("nothing new: %+v", r)
		}
		n.produceOne(c, 9, 1, "a", 1, testBatch(1, 1, batch.Options{}))
		r3 := next(3)
		if len(r3.Topics) != 1 || len(r3.Topics[0].Partitions) != 1 || r3.Topics[0].Partitions[0].Partition != 1 || len(r3.Topics[0].Partitions[0].RecordBatches) == 0 {
			t.Fatalf("version %d: %+v", version, r3)
		}
		if r := next(9); r.ErrorCode != kerr.InvalidFetchSessionEpoch.Code {
			t.Fatalf("%+v", r)
		}
		r.SessionID++
		if r := next(4); r.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Fatalf("%+v", r)
		}
	}
}

func TestListOffsets(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	n.topic("elsewhere", 1, 2)
	c := n.dial()
	b := batch.NewBuilder(batch.Options{})
	base := time.Now().UnixMilli() - 10_000
	for i := range int64(5) {
		b.Append(base+[]int64{0, 10, 40, 20, 30}[i], nil, []byte("v"), nil)
	}
	v, _ := b.Bytes()
	n.produceOne(c, 9, -1, "t", 0, v)
	for _, tc := range []struct {
		ts      int64
		version int16
		code    int16
		offset  int64
		stamp   int64
	}{
		{-1, 1, 0, 5, -1}, {-2, 1, 0, 0, -1}, {-3, 7, 0, 2, base + 40}, {-3, 6, 35, -1, -1}, {-4, 8, 0, 0, -1}, {-4, 7, 35, -1, -1},
		{-5, 9, 0, -1, -1}, {-6, 11, 0, -1, -1}, {-6, 10, 35, -1, -1}, {-7, 11, 35, -1, -1},
		{0, 5, 0, 0, base}, {base + 1, 5, 0, 1, base + 10}, {base + 11, 5, 0, 2, base + 40}, {base + 41, 5, 0, -1, -1},
	} {
		p := do[*kmsg.ListOffsetsResponse](t, c, listRequest(tc.version, "t", tc.ts)).Topics[0].Partitions[0]
		if p.ErrorCode != tc.code || p.Offset != tc.offset || p.Timestamp != tc.stamp {
			t.Errorf("timestamp %d version %d: %+v, want %d at %d", tc.ts, tc.version, p, tc.offset, tc.stamp)
		}
		if tc.version >= 4 && tc.offset >= 0 && p.LeaderEpoch != 3 {
			t.Errorf("timestamp %d: epoch %d", tc.ts, p.LeaderEpoch)
		}
	}
	for topic, want := range map[string]*kerr.Error{"nope": kerr.UnknownTopicOrPartition, "elsewhere": kerr.NotLeaderForPartition} {
		if p := do[*kmsg.ListOffsetsResponse](t, c, listRequest(5, topic, -1)).Topics[0].Partitions[0]; p.ErrorCode != want.Code {
			t.Errorf("%s: %+v", topic, p)
		}
	}
	req := listRequest(5, "t", -1)
	req.Topics = append(req.Topics, req.Topics...)
	if rt := do[*kmsg.ListOffsetsResponse](t, c, req).Topics; len(rt) != 1 || len(rt[0].Partitions) != 1 || rt[0].Partitions[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("named twice: %+v", rt)
	}
}

func TestSmallKeys(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	c := n.dial()
	n.produceOne(c, 9, -1, "t", 0, testBatch(10, 10, batch.Options{Producer: &batch.Producer{ID: 9}}))

	pid := do[*kmsg.InitProducerIDResponse](t, c, initRequest(nil, -1, -1))
	if pid.ErrorCode != 0 || pid.ProducerID != 1 || pid.ProducerEpoch != 0 {
		t.Fatalf("%+v", pid)
	}
	for _, r := range []struct {
		req  *kmsg.InitProducerIDRequest
		want *kerr.Error
	}{{initRequest(nil, 5, -1), kerr.InvalidRequest}, {initRequest(kmsg.StringPtr(""), -1, -1), kerr.InvalidRequest}, {initRequest(kmsg.StringPtr("x"), -1, -1), kerr.NotCoordinator}, {timeoutRequest(0), kerr.InvalidTransactionTimeout}, {timeoutRequest(1 << 30), kerr.InvalidTransactionTimeout}} {
		if resp := do[*kmsg.InitProducerIDResponse](t, c, r.req); resp.ErrorCode != r.want.Code || resp.ProducerID != -1 {
			t.Fatalf("%+v, want %v", resp, r.want)
		}
	}

	deleteTo := func(to int64) kmsg.DeleteRecordsResponseTopicPartition {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.Version = 2
		req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: to}}}}
		return do[*kmsg.DeleteRecordsResponse](t, c, req).Topics[0].Partitions[0]
	}
	for _, tc := range []struct{ to, low, code int64 }{{4, 4, 0}, {2, 4, 0}, {11, -1, 1}, {-5, -1, 1}, {-1, 10, 0}} {
		if p := deleteTo(tc.to); p.LowWatermark != tc.low || int64(p.ErrorCode) != tc.code {
			t.Fatalf("delete to %d: %+v", tc.to, p)
		}
	}

	dirs := kmsg.NewPtrDescribeLogDirsRequest()
	dirs.Version = 4
	d := do[*kmsg.DescribeLogDirsResponse](t, c, dirs).Dirs
	if len(d) != 1 || d[0].Dir != n.dir || d[0].TotalBytes <= 0 || len(d[0].Topics) != 1 || len(d[0].Topics[0].Partitions) != 2 || d[0].Topics[0].Partitions[0].Size == 0 {
		t.Fatalf("%+v", d)
	}

	prod := kmsg.NewPtrDescribeProducersRequest()
	prod.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 5}}, {Topic: "/", Partitions: []int32{0}}}
	ps := do[*kmsg.DescribeProducersResponse](t, c, prod).Topics
	if a := ps[0].Partitions[0].ActiveProducers; len(a) != 1 || a[0].ProducerID != 9 || a[0].LastSequence != 9 || ps[0].Partitions[1].ErrorCode != 3 || ps[1].Partitions[0].ErrorCode != 17 {
		t.Fatalf("%+v", ps)
	}

	prod.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: make([]int32, frame.MaxRepeats+1)}}
	for i, p := range do[*kmsg.DescribeProducersResponse](t, c, prod).Topics[0].Partitions {
		if told := i < frame.MaxRepeats; told != (p.ErrorCode == 0) || told != (len(p.ActiveProducers) == 1) {
			t.Fatalf("the same partition again, %d: %+v", i, p)
		}
	}

	epoch := kmsg.NewPtrOffsetForLeaderEpochRequest()
	epoch.Version = 4
	epoch.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{
		{CurrentLeaderEpoch: -1, LeaderEpoch: 3}, {CurrentLeaderEpoch: 2, LeaderEpoch: 3}, {Partition: 9, CurrentLeaderEpoch: -1, LeaderEpoch: 3}}}}
	es := do[*kmsg.OffsetForLeaderEpochResponse](t, c, epoch).Topics[0].Partitions
	if es[0].EndOffset != 10 || es[0].LeaderEpoch != 3 || es[1].ErrorCode != kerr.FencedLeaderEpoch.Code || es[2].ErrorCode != 3 {
		t.Fatalf("%+v", es)
	}
}

func initRequest(txn *string, id int64, epoch int16) *kmsg.InitProducerIDRequest {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.TransactionTimeoutMillis = 4, txn, id, epoch, 1000
	return req
}

func timeoutRequest(ms int32) *kmsg.InitProducerIDRequest {
	req := initRequest(kmsg.StringPtr("x"), -1, -1)
	req.TransactionTimeoutMillis = ms
	return req
}
