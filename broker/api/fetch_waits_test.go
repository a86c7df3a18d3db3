package api

import (
	"testing"
	"time"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/broker/wait"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What is answered at once, however long the client would wait.
func TestFetchesThatDoNotWait(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 2)
	n.topic("none-here", 1, 2)
	c := n.dial()
	n.produceOne(c, 9, -1, "t", 0, testBatch(3, 10, batch.Options{}))
	for name, change := range map[string]func(*kmsg.FetchRequest){
		"nothing is asked": func(q *kmsg.FetchRequest) { q.Topics = nil },
		"nothing is known": func(q *kmsg.FetchRequest) {
			q.Topics[0].Partitions[0].Partition, q.Topics[0].Partitions[1].Partition = 7, 8
		},
		"an error beside nothing": func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[1].FetchOffset = 99 },
		"led by another": func(q *kmsg.FetchRequest) {
			q.Topics[0].Topic = "none-here"
			q.Topics[0].Partitions = q.Topics[0].Partitions[:1]
		},
		"a log that diverges": func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].LastFetchedEpoch = 9 },
		"a minimum above the limit": func(q *kmsg.FetchRequest) {
			q.Topics[0].Partitions[0].FetchOffset, q.MinBytes, q.MaxBytes = 0, 1<<20, 50
		},
		"no minimum": func(q *kmsg.FetchRequest) { q.MinBytes = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			req := fetchRequest(12, "t", map[int32]int64{0: 3, 1: 0})
			req.MaxWaitMillis = 60_000
			change(req)
			do[*kmsg.FetchResponse](t, c, req)
		})
	}
}

// An unknown partition keeps a fetch of others from waiting as little as in Kafka.
func TestFetchWaitsBesideAnUnknownPartition(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	c, producer := n.dial(), n.dial()
	req := fetchRequest(12, "t", map[int32]int64{0: 0, 1: 0})
	req.MaxWaitMillis = 60_000
	got := make(chan *kmsg.FetchResponse, 1)
	go func() { got <- do[*kmsg.FetchResponse](t, c, req) }()
	n.awaitParked("t", 0)
	n.produceOne(producer, 9, -1, "t", 0, testBatch(1, 10, batch.Options{}))
	if p := (<-got).Topics[0].Partitions; len(batches(t, p[0].RecordBatches)) != 1 || p[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("%+v", p)
	}
}

// awaitParked waits until a fetch waits for records of a partition.
func (n *dataNode) awaitParked(topic string, partition int32) {
	n.t.Helper()
	p, err := n.replicas.Get(ids.TopicPartition{Topic: topic, Partition: partition})
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; p.Waiters.Len() == 0; i++ {
		if i == 10_000 {
			n.t.Fatal("no fetch waits")
		}
		time.Sleep(time.Millisecond)
	}
}

// One topic of many that goes away is news, though there is nothing of the others.
func TestHeldFetchLosesOneOfItsTopics(t *testing.T) {
	for _, version := range []int16{12, 13} {
		n := newDataNode(t)
		n.topic("gone", 1)
		n.topic("stays", 1)
		c := n.dial()
		req := fetchRequest(version, "gone", map[int32]int64{0: 0})
		req.Topics = append(req.Topics, fetchRequest(version, "stays", map[int32]int64{0: 0}).Topics...)
		req.MaxWaitMillis, req.IsolationLevel = 60_000, 1
		got := make(chan *kmsg.FetchResponse, 1)
		go func() { got <- do[*kmsg.FetchResponse](t, c, req) }()
		n.awaitParked("stays", 0)
		n.apply(removeTopic("gone"))
		r := <-got
		if p := r.Topics[0].Partitions[0]; p.ErrorCode != kerr.UnknownTopicOrPartition.Code || r.Topics[1].Partitions[0].ErrorCode != 0 {
			t.Fatalf("version %d: %+v", version, r)
		}
	}
}

// A consumer that reads back gets the rest of a segment, however many bytes it
// would rather wait for: nothing is appended there any more.
func TestFetchAtTheEndOfASegment(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	n.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "t", Name: "internal.segment.bytes", Value: kmsg.StringPtr("2000")})
	c := n.dial()
	for range 3 {
		n.produceOne(c, 9, -1, "t", 0, testBatch(1, 1200, batch.Options{}))
	}
	for _, isolation := range []int8{0, 1} {
		for at := range int64(2) {
			req := fetchRequest(12, "t", map[int32]int64{0: at})
			req.MaxWaitMillis, req.MinBytes, req.IsolationLevel = 60_000, 1300, isolation
			p := do[*kmsg.FetchResponse](t, c, req).Topics[0].Partitions[0]
			if got := batches(t, p.RecordBatches); len(got) != 1 || int64(got[0].BaseOffset()) != at {
				t.Fatalf("from %d: %d batches", at, len(got))
			}
		}
	}
}

// A partition whose leadership goes while a fetch is on its way to wait for it
// wakes nobody yet: the fetch must notice itself.
func TestLeadershipThatGoesBeforeAFetchWaitsIsNoticed(t *testing.T) {
	n := newDataNode(t)
	n.topic("t", 1)
	p, err := n.replicas.Get(ids.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	r := &read{part: p, current: 3}
	if r.res, err = p.Read(replica.ReadOptions{CurrentEpoch: 3, LastFetchedEpoch: ids.NoEpoch}); err != nil || r.moved() {
		t.Fatalf("moved for no reason, or %v", err)
	}
	n.apply(&records.PartitionChangeRecord{TopicID: topicID("t"), Leader: testNode, LeaderRecoveryState: -1, ISR: []ids.NodeID{testNode}})
	if !r.moved() {
		t.Error("a new epoch is not noticed")
	}
	if r.current = ids.NoEpoch; r.moved() {
		t.Error("who names no epoch does not mind it")
	}
	n.apply(removeTopic("t"))
	if !r.moved() {
		t.Error("deletion is not noticed")
	}
}

// The end of a connection is told once. A fetch that just looks again because of
// something else must not wait after it.
func TestFetchDoesNotWaitAfterItsConnection(t *testing.T) {
	w := wait.New(1, func(wait.Reason) {})
	w.Start(time.Hour)
	w.Fire(wait.Enough)
	f := &fetching{}
	f.waiter.Store(w)
	f.poke(conn.Closed)
	if !f.last.Load() {
		t.Error("the next look may wait again")
	}
}
