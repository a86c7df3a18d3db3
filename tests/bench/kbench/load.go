package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (o options) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.addr)}, opts...)...)
}

func (o options) producer(linger time.Duration) (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.DefaultProduceTopic(o.topic), kgo.ProducerBatchCompression(clients.Kgo[o.codec]), kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(int32(o.batch) - 512), kgo.MaxBufferedRecords(100_000)}
	switch o.acks {
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
		if !o.idempotent {
			opts = append(opts, kgo.DisableIdempotentWrite())
		}
	}
	return o.client(opts...)
}

func create(ctx context.Context, o options) error {
	cl, err := o.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	start := time.Now()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, int32(o.partitions), int16(o.rf), nil, o.topic); err != nil {
		return err
	}
	fmt.Printf("mode=create ms=%.1f\n", ms(time.Since(start)))
	return nil
}

// values are payloads of random words that repeat, so that compression has
// something to do. The seed is fixed: every server gets the same bytes.
func values(size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	words := make([][]byte, 512)
	for i := range words {
		words[i] = make([]byte, 3+r.IntN(10))
		for j := range words[i] {
			words[i][j] = byte('a' + r.IntN(26))
		}
	}
	vs := make([][]byte, 256)
	for i := range vs {
		v := make([]byte, 0, size+16)
		for len(v) < size {
			v = append(append(v, words[r.IntN(len(words))]...), ' ')
		}
		vs[i] = v[:size]
	}
	return vs
}

func produce(ctx context.Context, o options) error {
	vs, per := values(o.size), o.bytes/int64(o.size)/int64(o.clients)
	var wg sync.WaitGroup
	var failed atomic.Int64
	used, start := cpu(o.pid), time.Now()
	for range o.clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			cl, err := o.producer(o.linger)
			if err != nil {
				failed.Add(per)
				return
			}
			defer cl.Close()
			for k := range per {
				cl.Produce(ctx, &kgo.Record{Value: vs[k&255]}, func(_ *kgo.Record, err error) {
					if err != nil {
						failed.Add(1)
					}
				})
			}
			if err := cl.Flush(ctx); err != nil {
				failed.Add(1)
			}
		}()
	}
	wg.Wait()
	report("produce", o, per*int64(o.clients), time.Since(start), cpu(o.pid)-used)
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d records failed", n)
	}
	return nil
}

func consume(ctx context.Context, o options) error {
	want, got := o.bytes/int64(o.size), int64(0)
	cl, err := o.client(kgo.ConsumeTopics(o.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(50<<20), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	used, start := cpu(o.pid), time.Now()
	for got < want {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", got, want, err)
		}
		got += int64(fs.NumRecords())
	}
	report("consume", o, got, time.Since(start), cpu(o.pid)-used)
	return nil
}

func report(mode string, o options, records int64, took time.Duration, used float64) {
	gib := float64(records) * float64(o.size) / (1 << 30)
	fmt.Printf("mode=%s compression=%s acks=%s size=%d gib=%.3f s=%.3f MBps=%.1f krec_s=%.1f cpu_s=%.2f cpu_s_per_gib=%.3f rss_mib=%.1f\n",
		mode, o.codec, o.acks, o.size, gib, took.Seconds(), gib*1073.741824/took.Seconds(), float64(records)/took.Seconds()/1e3, used, used/gib, rss(o.pid))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
