package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// latencies collects durations from several goroutines.
type latencies struct {
	mu sync.Mutex
	l  []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.l = append(l.l, d)
	l.mu.Unlock()
}

// quantiles returns p50, p99 and p99.9 in milliseconds.
func (l *latencies) quantiles() (n int, q [3]float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.l)
	for i, p := range []float64{.5, .99, .999} {
		if len(l.l) > 0 {
			q[i] = ms(l.l[min(len(l.l)-1, int(p*float64(len(l.l))))])
		}
	}
	return len(l.l), q
}

// endToEnd paces records and times acknowledgement and arrival. The first fifth
// warms up and does not count. A record carries the time it was sent at; sending
// never waits for an answer, so a stall of the server delays no later record.
func endToEnd(ctx context.Context, o options) error {
	cons, err := o.client(kgo.ConsumeTopics(o.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cons.Close()
	prod, err := o.producer(0)
	if err != nil {
		return err
	}
	defer prod.Close()
	if err := firstRoundTrip(ctx, prod, cons); err != nil {
		return err
	}
	var acks, arrivals latencies
	reading, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { defer wg.Done(); read(reading, cons, &arrivals) }()
	used, sent, err := pace(ctx, o, prod, &acks)
	if err != nil {
		stop()
		return err
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n, _ := arrivals.quantiles(); n >= sent {
			break
		}
	}
	stop()
	wg.Wait()
	na, a := acks.quantiles()
	ne, e := arrivals.quantiles()
	fmt.Printf("mode=e2e rate=%d acks=%s n=%d ack_p50_ms=%.3f ack_p99_ms=%.3f ack_p999_ms=%.3f e2e_n=%d e2e_p50_ms=%.3f e2e_p99_ms=%.3f e2e_p999_ms=%.3f cpu_pct=%.2f\n",
		o.rate, o.acks, na, a[0], a[1], a[2], ne, e[0], e[1], e[2], used/o.duration.Seconds()*100)
	if ne < sent {
		return fmt.Errorf("%d of %d records arrived", ne, sent)
	}
	return nil
}

// firstRoundTrip makes sure that both sides are connected and reading.
func firstRoundTrip(ctx context.Context, prod, cons *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := prod.ProduceSync(ctx, &kgo.Record{Key: []byte("warm"), Value: []byte("up")}).FirstErr(); err != nil {
		return err
	}
	return cons.PollFetches(ctx).Err()
}

func read(ctx context.Context, cons *kgo.Client, arrivals *latencies) {
	for {
		fs := cons.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		now := time.Now().UnixNano()
		fs.EachRecord(func(r *kgo.Record) {
			if len(r.Key) == 8 {
				arrivals.add(time.Duration(now - int64(binary.BigEndian.Uint64(r.Key))))
			}
		})
	}
}

func pace(ctx context.Context, o options, prod *kgo.Client, acks *latencies) (used float64, counted int, err error) {
	v := values(o.size)[0]
	var failed latencies
	start := time.Now()
	warm := start.Add(o.duration / 5)
	cpu0 := cpu(o.pid)
	for i := 0; ; i++ {
		due := start.Add(time.Duration(float64(i) * float64(time.Second) / float64(o.rate)))
		if due.Sub(start) >= o.duration {
			break
		}
		if d := time.Until(due); d > 0 {
			time.Sleep(d)
		}
		key, sent := []byte("warm"), time.Now() // not due: sleeping overshoots, which is no server's doing
		counts := due.After(warm)
		if counts {
			counted++
			key = binary.BigEndian.AppendUint64(nil, uint64(sent.UnixNano()))
		}
		prod.Produce(ctx, &kgo.Record{Key: key, Value: v}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.add(0)
			} else if counts {
				acks.add(time.Since(sent))
			}
		})
	}
	used = cpu(o.pid) - cpu0
	if err := prod.Flush(ctx); err != nil {
		return 0, 0, err
	}
	if n, _ := failed.quantiles(); n > 0 {
		return 0, 0, errors.New("records failed")
	}
	return used, counted, nil
}
