package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topics creates -n topics in requests of 100 and then asks for metadata until
// every partition has a leader.
func topics(ctx context.Context, o options) error {
	cl, err := o.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	adm.SetTimeoutMillis(120_000)
	used, start := cpu(o.pid), time.Now()
	for i := 0; i < o.n; i += 100 {
		var names []string
		for k := i; k < min(i+100, o.n); k++ {
			names = append(names, fmt.Sprintf("%s-%06d", o.topic, k))
		}
		rs, err := adm.CreateTopics(ctx, int32(o.partitions), int16(o.rf), nil, names...)
		if err != nil {
			return err
		}
		if err := rs.Error(); err != nil {
			return err
		}
	}
	created := time.Since(start)
	ready, metadata, err := awaitLeaders(ctx, cl, o)
	if err != nil {
		return err
	}
	fmt.Printf("mode=topics n=%d partitions=%d create_s=%.3f ready_s=%.3f cpu_s=%.2f metadata_ms=%.1f rss_mib=%.1f\n",
		o.n, o.partitions, created.Seconds(), ready.Sub(start).Seconds(), cpu(o.pid)-used, ms(metadata), rss(o.pid))
	return nil
}

// awaitLeaders returns when all had leaders and how long the last full metadata request took.
func awaitLeaders(ctx context.Context, cl *kgo.Client, o options) (time.Time, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		asked := time.Now()
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
		if err != nil {
			return time.Time{}, 0, err
		}
		led := 0
		for _, t := range resp.Topics {
			if t.Topic == nil || !strings.HasPrefix(*t.Topic, o.topic+"-") {
				continue
			}
			for _, p := range t.Partitions {
				if p.ErrorCode == 0 && p.Leader >= 0 {
					led++
				}
			}
		}
		if led >= o.n*o.partitions {
			return time.Now(), time.Since(asked), nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// apiVersions is ApiVersions v0 with correlation id 1 and no client id.
var apiVersions = []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}

// idle opens -n connections that ask once and then hold still for -d.
func idle(_ context.Context, o options) error {
	if err := raiseFileLimit(uint64(o.n) + 100); err != nil {
		return err
	}
	before, start := rss(o.pid), time.Now()
	var held []net.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for range o.n {
		c, err := greet(o.addr)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(held), err)
		}
		held = append(held, c)
	}
	opened, used := time.Since(start), cpu(o.pid)
	time.Sleep(o.duration)
	after := rss(o.pid)
	fmt.Printf("mode=idle connections=%d open_s=%.2f rss_before_mib=%.1f rss_after_mib=%.1f kib_per_connection=%.1f cpu_pct=%.2f\n",
		o.n, opened.Seconds(), before, after, (after-before)*1024/float64(o.n), (cpu(o.pid)-used)/o.duration.Seconds()*100)
	return nil
}

// greet opens a connection that has asked one question. It tries for a while: a
// server may still be busy with closing those of an earlier run.
func greet(addr string) (c net.Conn, err error) {
	for range 20 {
		if c, err = net.Dial("tcp", addr); err == nil {
			if _, err = c.Write(apiVersions); err == nil {
				_, err = io.ReadAtLeast(c, make([]byte, 4096), 4)
			}
			if err == nil {
				return c, nil
			}
			_ = c.Close()
		}
		time.Sleep(250 * time.Millisecond)
	}
	return nil, err
}
