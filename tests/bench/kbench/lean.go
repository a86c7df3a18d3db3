package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/protocol/batch"
)

// Lean clients send batches that were built before and decode nothing that they
// need not: on two cores a client's own work would be most of what a latency
// measured beside it shows.

// paceLean sends one record of -size a request, -rate a second for -d, and times
// the acknowledgements. Like endToEnd it never waits for an answer before it
// sends, and the first fifth does not count.
func paceLean(ctx context.Context, o options) error {
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	request := produceRequest(o.topic, 0, batchOf([]byte("key"), values(o.size)[0]))
	if err := accepted(c, request); err != nil {
		return err
	}
	sent := make(chan time.Time, 1<<16) // in the order of the answers; room for half a minute's
	var acks latencies
	done := make(chan error, 1)
	warm := time.Now().Add(o.duration / 5)
	go func() {
		err := timeAnswers(c, sent, warm, &acks)
		if err != nil {
			c.Close() // else the sender waits for a server that waits for us to read
		}
		done <- err
	}()
	used, start := cpu(o.pid), time.Now()
	for i := 0; ; i++ {
		due := time.Duration(float64(i) * float64(time.Second) / float64(o.rate))
		if due >= o.duration {
			break
		}
		if d := due - time.Since(start); d > 0 {
			time.Sleep(d)
		}
		sent <- time.Now()
		if _, err := c.Write(request); err != nil {
			return errors.Join(<-done, err)
		}
	}
	close(sent)
	if err := <-done; err != nil {
		return err
	}
	if err := acks.save(o.samples); err != nil {
		return err
	}
	n, q := acks.quantiles()
	fmt.Printf("mode=pace rate=%d n=%d ack_p50_ms=%.3f ack_p99_ms=%.3f ack_p999_ms=%.3f cpu_pct=%.2f\n",
		o.rate, n, q[0], q[1], q[2], (cpu(o.pid)-used)/o.duration.Seconds()*100)
	return nil
}

// accepted sends the request until it succeeds: Kafka tells of a topic before the
// broker leads it.
func accepted(c net.Conn, request []byte) (err error) {
	buf := make([]byte, 1024)
	for range 500 {
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err = readProduced(c, buf); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// timeAnswers reads one answer for each time at which a request was sent.
func timeAnswers(c net.Conn, sent <-chan time.Time, warm time.Time, acks *latencies) error {
	buf := make([]byte, 1024)
	for at := range sent {
		if err := readProduced(c, buf); err != nil {
			return err
		}
		if at.After(warm) {
			acks.add(time.Since(at))
		}
	}
	return nil
}

// save writes the durations to a file, a line of microseconds each in their order,
// for whoever takes a quantile of several runs together.
func (l *latencies) save(file string) error {
	if file == "" {
		return nil
	}
	var b []byte
	for _, d := range l.l {
		b = append(strconv.AppendInt(b, d.Microseconds(), 10), '\n')
	}
	return os.WriteFile(file, b, 0o644)
}

// loadLean writes keyed records of -size, one batch every 5 ms, -mbps in all, until it is interrupted.
func loadLean(ctx context.Context, o options) error {
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const every = 5 * time.Millisecond
	requests := loadRequests(o, o.mbps*1e6/int(time.Second/every))
	tick := time.NewTicker(every)
	defer tick.Stop()
	buf := make([]byte, 1024)
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := c.Write(requests[i%len(requests)]); err != nil {
			return err
		}
		if err := readProduced(c, buf); err != nil {
			return err
		}
	}
}

// loadRequests are requests of about size bytes whose keys are those of 200,000
// records at random, and half of whose values compresses. The seed is fixed.
func loadRequests(o options, size int) [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	requests := make([][]byte, 256)
	for i := range requests {
		var kvs [][]byte
		for range max(1, size/o.size) {
			v := make([]byte, o.size)
			for at := 0; at < len(v); at += 2 {
				v[at] = byte(rnd.Uint32())
			}
			kvs = append(kvs, strconv.AppendInt(nil, rnd.Int64N(200_000), 10), v)
		}
		requests[i] = produceRequest(o.topic, 0, batchOf(kvs...))
	}
	return requests
}

// batchOf builds a batch of keys and values in turn.
func batchOf(kvs ...[]byte) []byte {
	b := batch.NewBuilder(batch.Options{})
	for i := 0; i < len(kvs); i += 2 {
		b.Append(time.Now().UnixMilli(), kvs[i], kvs[i+1], nil)
	}
	v, err := b.Bytes()
	if err != nil {
		panic(err) // nothing is compressed, so nothing can fail
	}
	return v
}

const produceVersion = 9 // topics by name

func produceRequest(topic string, partition int32, records []byte) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, 30_000
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("kbench")).AppendRequest(nil, req, 1)
}

// readProduced reads the answer to a produceRequest into buf and fails unless it tells of success.
func readProduced(c net.Conn, buf []byte) error {
	if _, err := io.ReadFull(c, buf[:4]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(buf)
	if int(n) > len(buf) || n < 5 {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if _, err := io.ReadFull(c, buf[:n]); err != nil {
		return err
	}
	resp := kmsg.ProduceResponse{Version: produceVersion}
	if err := resp.ReadFrom(buf[5:n]); err != nil { // correlation id, no tags
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// drainLean reads partition 0 from its start, and again when it has reached the end,
// -mbps on the average, until it is interrupted; then it tells the rate.
func drainLean(ctx context.Context, o options) error {
	w, err := dialWire(o.addr, "")
	if err != nil {
		return err
	}
	defer w.conn.Close()
	begin, bytes, offset := time.Now(), 0.0, int64(0)
	for ctx.Err() == nil {
		p, err := w.fetch(o.topic, offset)
		if err != nil {
			return err
		}
		bytes += float64(len(p.RecordBatches))
		if offset = afterBatches(p.RecordBatches, offset); offset >= p.HighWatermark {
			offset = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(bytes/float64(o.mbps)*1e3) - time.Since(begin)):
		}
	}
	fmt.Printf("mode=drain MBps=%.1f\n", bytes/1e6/time.Since(begin).Seconds())
	return nil
}

func (w *wire) fetch(topic string, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 12, 500, 1, 1<<20, -1
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := w.do(req)
	if err != nil {
		return nil, err
	}
	resp := r.(*kmsg.FetchResponse)
	if resp.ErrorCode != 0 || len(resp.Topics) == 0 {
		return nil, errors.Join(kerr.ErrorForCode(resp.ErrorCode), fmt.Errorf("a fetch of %d topics", len(resp.Topics)))
	}
	got := &resp.Topics[0].Partitions[0]
	return got, kerr.ErrorForCode(got.ErrorCode)
}

// afterBatches is the offset behind the last whole batch.
func afterBatches(records []byte, offset int64) int64 {
	for {
		v, rest, err := batch.Next(records)
		if err != nil {
			return offset
		}
		offset, records = int64(v.NextOffset()), rest
	}
}
