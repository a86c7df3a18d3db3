package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// busy measures the latency of acknowledgements twice, each time beside the
// same 15 MB/s of writes to two topics: first with the cleaner and retention held
// off, then with both at work on these topics without a pause, and a reader that
// catches up, at 50 MB/s, with what the page cache no longer holds.
func busy(b *bench, like *node.Server) (figures, error) {
	l, err := b.lab(like, always)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.prepareBusy(); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	background := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	background(func() error { return l.write("keys", 0, 5, stop) })
	background(func() error { return l.write("old", 0, 10, stop) })
	var read float64
	out, err := l.twice(func() { background(func() (err error) { read, err = l.catchUp("cold", stop); return err }) })
	close(stop)
	wg.Wait()
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	out["cold_MBps"] = read
	fmt.Printf("%-8s busy %v\n", l.Name(), out)
	return out, nil
}

// prepareBusy fills three topics, on none of which anything is to do yet.
func (l *lab) prepareBusy() error {
	small := fmt.Sprint(4 << 20)
	for topic, configs := range map[string]map[string]string{
		"keys": {"cleanup.policy": "compact", lag: frozen, "min.cleanable.dirty.ratio": "0.01", "segment.bytes": small},
		"old":  {"segment.bytes": small},
		"cold": {"segment.bytes": fmt.Sprint(64 << 20)},
	} {
		if err := l.topic(topic, configs); err != nil {
			return err
		}
		bytes := *mib << 20 / 4
		if topic == "cold" {
			bytes = *mib << 20
		}
		if err := l.write(topic, bytes, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// twice measures quiet and busy; reader begins to read.
func (l *lab) twice(reader func()) (figures, error) {
	quiet, err := l.onTopic(l.Server, "e2e", "-rate", "2000", "-d", "15s")
	if err != nil {
		return nil, err
	}
	for topic, kv := range map[string][2]string{"keys": {lag, "0"}, "old": {"retention.bytes", fmt.Sprint(16 << 20)}} {
		if err := l.set(topic, kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	reader()
	loud, err := l.onTopic(l.Server, "e2e", "-rate", "2000", "-d", "15s")
	if err != nil {
		return nil, err
	}
	if files, active := l.segments("old"); l.cleanedUpTo("keys") <= 0 || strings.HasSuffix(files[0], "/00000000000000000000.log") {
		return nil, fmt.Errorf("the cleaner stands at %d, retention has left %d segments up to offset %d: they did not work", l.cleanedUpTo("keys"), len(files), active)
	}
	return figures{"quiet_p50_ms": quiet["ack_p50_ms"], "quiet_p99_ms": quiet["ack_p99_ms"], "busy_p50_ms": loud["ack_p50_ms"], "busy_p99_ms": loud["ack_p99_ms"],
		"over_pct": (loud["ack_p99_ms"]/quiet["ack_p99_ms"] - 1) * 100, "quiet_cpu_pct": quiet["cpu_pct"], "busy_cpu_pct": loud["cpu_pct"]}, nil
}

// catchUp reads a topic from its start, again and again, each time after it was
// put out of the page cache, and returns the rate.
func (l *lab) catchUp(topic string, stop <-chan struct{}) (float64, error) {
	const rate = 50e6
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	begin, bytes := time.Now(), 0.0
	for ctx.Err() == nil {
		if err := l.chill(topic); err != nil {
			return 0, err
		}
		cl, err := kgo.NewClient(kgo.SeedBrokers(l.Addr()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return 0, err
		}
		for end := false; !end && ctx.Err() == nil; {
			fs := cl.PollFetches(ctx)
			end = fs.NumRecords() == 0
			fs.EachRecord(func(r *kgo.Record) { bytes += float64(len(r.Key) + len(r.Value)) })
			ahead := time.Duration(bytes/rate*float64(time.Second)) - time.Since(begin)
			select {
			case <-ctx.Done():
			case <-time.After(ahead):
			}
		}
		cl.Close()
	}
	return bytes / 1e6 / time.Since(begin).Seconds(), nil
}

// chill puts a topic's files out of the page cache.
func (l *lab) chill(topic string) error {
	files, err := filepath.Glob(filepath.Join(l.LogDir(), topic+"-0", "*.log"))
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = dropCache(f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
