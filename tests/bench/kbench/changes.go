package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// changes changes the retention of -t -n times, -inflight requests at a time,
// each over a connection of its own to a controller, because a connection's
// requests are carried out one after another. Each change is a commit of its own.
func changes(ctx context.Context, o options) error {
	clients := make([]*kgo.Client, max(o.inflight, 1))
	for i := range clients {
		cl, err := kgo.NewClient(kgo.SeedBrokers(o.addr))
		if err != nil {
			return err
		}
		defer cl.Close()
		clients[i] = cl
	}
	used, start := cpu(o.pid), time.Now()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for _, cl := range clients {
		wg.Go(func() {
			for failed.Load() == nil {
				n := next.Add(1)
				if n > int64(o.n) {
					return
				}
				if err := change(ctx, cl.SeedBrokers()[0], o.topic, n); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	took, cores := time.Since(start).Seconds(), cpu(o.pid)-used
	fmt.Printf("mode=changes n=%d s=%.3f cpu_s=%.3f kcommits_s=%.2f kcommits_per_core_s=%.2f rss_mib=%.1f\n",
		o.n, took, cores, float64(o.n)/took/1e3, float64(o.n)/cores/1e3, rss(o.pid))
	return nil
}

func change(ctx context.Context, b *kgo.Broker, topic string, n int64) error {
	req, value := kmsg.NewPtrIncrementalAlterConfigsRequest(), fmt.Sprint(86_400_000+n)
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	cfg := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	cfg.Name, cfg.Value = "retention.ms", &value
	res.Configs = append(res.Configs, cfg)
	req.Resources = append(req.Resources, res)
	r, err := b.Request(ctx, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(r.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}
