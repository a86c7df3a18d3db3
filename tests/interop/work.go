package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// work is a producer, a consumer and a creator of topics that go on while a
// case does something to the cluster: nothing may be lost, and no request may
// fail for good.
type work struct {
	k        *cluster
	cl       *kgo.Client
	topics   *node.Creations
	stop     chan struct{}
	wg       sync.WaitGroup
	mu       sync.Mutex // guards what follows
	produced int
	consumed map[string]int
	failed   error
}

// work begins; end must follow.
func (k *cluster) work() *work {
	k.topic("work", 2)
	w := &work{k: k, stop: make(chan struct{}), consumed: map[string]int{},
		cl: k.kgo(kgo.DefaultProduceTopic("work"), kgo.ConsumeTopics("work"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))}
	var err error
	w.topics, err = node.Create(k.srv, "work", 200*time.Millisecond)
	k.check(err)
	w.wg.Go(w.produce)
	w.wg.Go(w.consume)
	return w
}

func (w *work) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// until calls f again and again until the case has done what it does.
func (w *work) until(every time.Duration, f func(n int) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := f(n); err != nil {
			w.fail(err)
			return
		}
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

func (w *work) produce() {
	w.until(10*time.Millisecond, func(n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(n))).FirstErr(); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.produced = n + 1
		return nil
	})
}

func (w *work) consume() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-w.stop
		cancel()
	}()
	for ctx.Err() == nil {
		w.take(w.cl.PollFetches(ctx))
	}
}

func (w *work) take(fs kgo.Fetches) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fs.EachRecord(func(r *kgo.Record) { w.consumed[string(r.Value)]++ })
}

// end stops the work and judges it.
func (w *work) end() {
	defer w.cl.Close()
	close(w.stop)
	w.wg.Wait()
	created, err := w.topics.Stop()
	w.k.check(err)
	if w.failed != nil {
		w.k.fatalf("%v", w.failed)
	}
	ctx, cancel := patience()
	defer cancel()
	for len(w.consumed) < w.produced && ctx.Err() == nil {
		w.take(w.cl.PollFetches(ctx))
	}
	for n := range w.produced {
		if got := w.consumed[fmt.Sprint(n)]; got != 1 {
			w.k.fatalf("record %d was read %d times", n, got)
		}
	}
	// Apache Kafka's brokers learn of a topic a moment after its creation was answered.
	w.k.await("every created topic to be there", func() bool {
		topics, err := kadm.NewClient(w.cl).ListTopics(ctx, created...)
		w.k.check(err)
		return !slices.ContainsFunc(created, func(name string) bool { return !topics.Has(name) })
	})
	w.k.log = append(w.k.log, fmt.Sprintf("%d records, %d topics", w.produced, len(created)))
}
