package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// busyPairs is how often calm and busy take turns. A p99 of a few seconds is one
// stall more or less, and the machine's mood drifts: neighbours in time are compared.
const busyPairs = 3

// busy measures the latency of acknowledgements in turns, always beside the same
// clients: 15 MB/s of writes to two topics and a reader that takes 50 MB/s. Calm:
// cleaner and retention are held off, and what is read lies in the page cache.
// Busy: both work on these topics without a pause, and the reader catches up
// with what the page cache no longer holds.
func busy(b *bench, like *node.Server) (figures, error) {
	l, err := b.lab(like, always)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.prepareBusy(); err != nil {
		return nil, err
	}
	var (
		stop   = make(chan struct{})
		cold   atomic.Bool
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
		read   float64
	)
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
	background(func() (err error) { read, err = l.catchUp("cold", &cold, stop); return err })
	out, err := l.inTurns(&cold)
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

// inTurns measures calm and busy, pair by pair.
func (l *lab) inTurns(cold *atomic.Bool) (figures, error) {
	calm, busy := map[string][]float64{}, map[string][]float64{}
	for range busyPairs {
		for _, working := range []bool{false, true} {
			if err := l.setWorking(working); err != nil {
				return nil, err
			}
			cold.Store(working)
			f, err := l.onTopic(l.Server, "e2e", "-rate", "2000", "-d", "10s")
			if err != nil {
				return nil, err
			}
			into := calm
			if working {
				into = busy
			}
			for k, v := range f {
				into[k] = append(into[k], v)
			}
		}
	}
	if files, active := l.segments("old"); l.cleanedUpTo("keys") <= 0 || strings.HasSuffix(files[0], "/00000000000000000000.log") {
		return nil, fmt.Errorf("the cleaner stands at %d, retention has left %d segments up to offset %d: they did not work", l.cleanedUpTo("keys"), len(files), active)
	}
	out := figures{}
	for _, k := range []string{"ack_p50_ms", "ack_p99_ms", "cpu_pct"} {
		out["quiet_"+strings.TrimPrefix(k, "ack_")] = middle(calm[k])
		out["busy_"+strings.TrimPrefix(k, "ack_")] = middle(busy[k])
	}
	out["over_pct"] = (out["busy_p99_ms"]/out["quiet_p99_ms"] - 1) * 100
	return out, nil
}

// setWorking lets cleaner and retention work on what is written, or holds them off.
func (l *lab) setWorking(on bool) error {
	young, most := frozen, "-1"
	if on {
		young, most = "0", fmt.Sprint(16<<20)
	}
	return errors.Join(l.set("keys", lag, young), l.set("old", "retention.bytes", most))
}

// catchUp reads a topic from its start, again and again, and returns the rate.
// What is cold was put out of the page cache before.
func (l *lab) catchUp(topic string, cold *atomic.Bool, stop <-chan struct{}) (float64, error) {
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
		was := cold.Load()
		if was {
			if err := l.chill(topic); err != nil {
				return 0, err
			}
		}
		cl, err := kgo.NewClient(kgo.SeedBrokers(l.Addr()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return 0, err
		}
		for end := false; !end && ctx.Err() == nil && cold.Load() == was; {
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
