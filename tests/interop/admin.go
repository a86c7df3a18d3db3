package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What cases prepare does not prove anything, so it goes through franz-go and
// costs no start of a JVM.

func (t *c) kgo(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(t.srv.Addr())}, opts...)...)
	t.check(err)
	return cl
}

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 60*time.Second)
}

// topic creates a topic.
func (t *c) topic(name string, partitions int32, configs ...string) {
	ctx, cancel := patience()
	defer cancel()
	cl := t.kgo()
	defer cl.Close()
	m := map[string]*string{}
	for _, kv := range configs {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = &v
	}
	_, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, m, name)
	t.check(err)
}

// fill produces n records "k<i>"/"v<i>" to one partition with CreateTime base+i milliseconds.
func (t *c) fill(topic string, partition int32, n int, base time.Time) {
	ctx, cancel := patience()
	defer cancel()
	cl := t.kgo(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", i), Timestamp: base.Add(time.Duration(i) * time.Millisecond)})
	}
	t.check(cl.ProduceSync(ctx, rs...).FirstErr())
}

// commit sets a group's offset of one partition, without a member.
func (t *c) commit(group, topic string, partition int32, offset int64) {
	ctx, cancel := patience()
	defer cancel()
	cl := t.kgo()
	defer cl.Close()
	os := kadm.Offsets{}
	os.AddOffset(topic, partition, offset, -1)
	t.check(kadm.NewClient(cl).CommitAllOffsets(ctx, group, os))
}

// join brings one member into a group and returns when it owns partitions; the
// result makes it leave.
func (t *c) join(group, topic string) (leave func()) {
	ctx, cancel := patience()
	defer cancel()
	got := make(chan struct{})
	once := false
	cl := t.kgo(kgo.ClientID("interop-member"), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			if !once {
				once = true
				close(got)
			}
		}))
	pollCtx, stop := context.WithCancel(context.Background())
	go func() {
		for pollCtx.Err() == nil {
			cl.PollFetches(pollCtx)
		}
	}()
	select {
	case <-got:
	case <-ctx.Done():
		stop()
		cl.Close()
		t.fatalf("the member got no partitions in time")
	}
	return func() { stop(); cl.Close() }
}
