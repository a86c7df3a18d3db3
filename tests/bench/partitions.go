package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// go run ./tests/bench -partitions 100000 alone measures a node with that many
// partitions, a little data in some thousands of them, that is killed with
// SIGKILL: the time to ready, memory and open files before and after, and that
// everything acknowledged is there. It needs no Apache Kafka. As a work it is
// done with 100,000.
var manyPartitions = flag.Int("partitions", 0, "measure only a node with so many partitions that is killed and started")

const (
	partitionsATopic = 1000
	writtenTo        = 3000 // partitions that get records
)

func partitionWorks() []work {
	return []work{{"partitions-100k", true, func(b *bench, like *node.Server) (figures, error) {
		if like.Name() == "apache" {
			return nil, nil // an open file for each: more than a process may have here
		}
		return partitionsRun(like.Software(), 100_000)
	}}}
}

// partitionRows are the lines of the report that it fills.
func partitionRows() []row {
	atMost := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g <= limit }
	}
	return []row{
		{"partitions-100k", "ready_s", "100,000 partitions, records in 3,000, after kill -9: ready", "s", 2, "", "≤ 1", atMost(1)},
		{"partitions-100k", "kib", "… an idle one, in memory", "KiB", 2, "", "≤ 1", atMost(1)},
		{"partitions-100k", "rss_mib", "… memory", "MiB", 0, "", "", nil},
	}
}

// partitionsRun does it.
func partitionsRun(sw node.Software, total int) (figures, error) {
	sw.Ready = time.Minute
	ports, err := node.FreePorts(1)
	if err != nil {
		return nil, err
	}
	port := fmt.Sprintf("127.0.0.1:%d", ports[0])
	s, err := node.New(sw, map[string]string{"gregor.http.listener": port})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Start(); err != nil {
		return nil, err
	}
	empty, err := liveHeap(port)
	if err != nil {
		return nil, err
	}
	out := figures{}
	tell := func(when string) error { return tellProcess(s, port, when, empty, total, out) }
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	topics := max(total/partitionsATopic, 1)
	if err := createMany(ctx, s, topics, min(total, partitionsATopic)); err != nil {
		return nil, err
	}
	fmt.Printf("%d partitions made in %v\n", total, time.Since(began).Round(time.Millisecond))
	if err := tell("made"); err != nil {
		return nil, err
	}
	began = time.Now()
	if err := fillSome(ctx, s, topics, min(total, partitionsATopic)); err != nil {
		return nil, err
	}
	fmt.Printf("a record in each of %d in %v\n", min(writtenTo, total), time.Since(began).Round(time.Millisecond))
	if err := tell("written"); err != nil {
		return nil, err
	}
	if err := s.Kill(); err != nil {
		return nil, err
	}
	began = time.Now()
	if err := s.Start(); err != nil {
		return nil, err
	}
	out["ready_s"] = time.Since(began).Seconds()
	fmt.Printf("ready %v after the start that followed kill -9\n", time.Since(began).Round(time.Millisecond))
	for _, line := range strings.Split(s.Output(), "\n") {
		if strings.Contains(line, "Kafka Server started") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	if err := tell("started again"); err != nil {
		return nil, err
	}
	if err := countSome(ctx, s, topics, min(total, partitionsATopic)); err != nil {
		return nil, err
	}
	fmt.Println("every record is there")
	time.Sleep(45 * time.Second) // what nobody uses rests after 30 seconds
	return out, tell("idle")
}

// tellProcess prints what the process holds. What a partition costs goes by live
// memory: resident is also what the collector has not given back yet. The figures
// are those of the last call.
func tellProcess(s *node.Server, port, when string, empty float64, total int, out figures) error {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		return err
	}
	live, err := liveHeap(port)
	out["rss_mib"], out["kib"] = rss(s.PID()), (live-empty)*1024/float64(total)
	fmt.Printf("%-14s %6.0f MiB resident, %6.1f MiB live, %.2f KiB a partition, %d files open\n",
		when, rss(s.PID()), live, (live-empty)*1024/float64(total), len(files))
	return err
}

// liveHeap asks the node for its live heap in MiB, after a collection.
func liveHeap(addr string) (float64, error) {
	resp, err := http.Get("http://" + addr + "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(b), "# HeapAlloc = ")
	var bytes float64
	_, err = fmt.Sscan(after, &bytes)
	return bytes / (1 << 20), err
}

func manyTopic(i int) string { return fmt.Sprintf("many-%03d", i) }

func createMany(ctx context.Context, s *node.Server, topics, partitions int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := range topics {
		req := kmsg.NewPtrCreateTopicsRequest()
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = manyTopic(i), int32(partitions), 1
		req.Topics, req.TimeoutMillis = append(req.Topics, t), 60_000
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the partitions that get records, spread over all topics.
func chosen(topics, partitions int, f func(topic string, partition int32)) {
	for i := range min(writtenTo, topics*partitions) {
		f(manyTopic(i%topics), int32(i/topics*7%partitions))
	}
}

func fillSome(ctx context.Context, s *node.Server, topics, partitions int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	var mu sync.Mutex
	var failed error
	chosen(topics, partitions, func(topic string, p int32) {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: p, Value: []byte("a little data")}, func(_ *kgo.Record, err error) {
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	})
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return failed
}

func countSome(ctx context.Context, s *node.Server, topics, partitions int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()))
	if err != nil {
		return err
	}
	defer cl.Close()
	ask := map[string]*kmsg.ListOffsetsRequestTopic{}
	want := map[string]map[int32]int64{}
	chosen(topics, partitions, func(topic string, p int32) {
		if ask[topic] == nil {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = topic
			ask[topic], want[topic] = &t, map[int32]int64{}
		}
		if want[topic][p]++; want[topic][p] == 1 {
			r := kmsg.NewListOffsetsRequestTopicPartition()
			r.Partition, r.Timestamp = p, -1
			ask[topic].Partitions = append(ask[topic].Partitions, r)
		}
	})
	for topic, t := range ask {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.Topics = -1, append(req.Topics, *t)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, p := range resp.Topics[0].Partitions {
			if p.ErrorCode != 0 || p.Offset != want[topic][p.Partition] {
				return fmt.Errorf("%s-%d ends at %d, not %d: %v", topic, p.Partition, p.Offset, want[topic][p.Partition], kerr.ErrorForCode(p.ErrorCode))
			}
		}
	}
	return nil
}
