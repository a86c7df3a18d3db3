package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commits has -clients groups commit the offset of one partition each, again and
// again for -d, -inflight requests at a time on each connection.
func commits(ctx context.Context, o options) error {
	addr, err := o.coordinator(ctx, o.group)
	if err != nil {
		return err
	}
	if err := o.firstCommits(addr); err != nil {
		return err
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, o.clients)
	end := time.Now().Add(o.duration)
	used, start := cpu(o.pid), time.Now()
	for i := range o.clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = commitUntil(addr, commitRequest(fmt.Sprint(o.group, "-", i), o.topic, int32(i%o.partitions), 1), o.inflight, end, &done)
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	took, cost := time.Since(start).Seconds(), cpu(o.pid)-used
	n := float64(done.Load())
	fmt.Printf("mode=commits clients=%d inflight=%d commits=%.0f s=%.2f krate=%.1f cpu_s=%.2f cpu_us=%.2f kcommits_per_core_s=%.1f rss_mib=%.1f\n",
		o.clients, o.inflight, n, took, n/took/1e3, cost, cost/n*1e6, n/max(cost, 1e-9)/1e3, rss(o.pid))
	return nil
}

// firstCommits makes the groups, and waits until each has its coordinator: their
// partitions may have been made just now.
func (o options) firstCommits(addr string) error {
	w, err := dialWire(addr, "")
	if err != nil {
		return err
	}
	defer w.conn.Close()
	for i := range o.clients {
		if err := w.commit(commitOf(fmt.Sprint(o.group, "-", i), o.topic, int32(i%o.partitions), 1)); err != nil {
			return err
		}
	}
	return nil
}

// commitRequest is a framed OffsetCommit of n partitions from first on.
func commitRequest(group, topic string, first int32, n int) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("kbench")).AppendRequest(nil, commitOf(group, topic, first, n), 1)
}

func commitOf(group, topic string, first int32, n int) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 9, group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = topic
	for k := range n {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Metadata = first+int32(k), int64(1_000_000+k), new(string)
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// commitUntil keeps depth requests under way. Replies that come together are
// followed by as many requests in one write, so that the client stays cheap.
func commitUntil(addr string, request []byte, depth int, end time.Time, done *atomic.Int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var many []byte
	for range depth {
		many = append(many, request...)
	}
	if _, err := c.Write(many); err != nil {
		return err
	}
	buf, have := make([]byte, 64<<10), 0
	for under := depth; under > 0; {
		n, err := c.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
		got, rest, err := replies(buf[:have])
		if err != nil {
			return err
		}
		have = copy(buf, rest)
		done.Add(int64(got))
		if under -= got; time.Now().Before(end) {
			under += got
			if _, err := c.Write(many[:got*len(request)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// replies counts whole replies and fails on one that tells of an error: the last
// two bytes before the tags of an OffsetCommit v9 answer for one partition.
func replies(b []byte) (n int, rest []byte, err error) {
	for len(b) >= 4 {
		size := int(binary.BigEndian.Uint32(b))
		if len(b) < 4+size {
			break
		}
		body := b[4 : 4+size]
		if code := int16(binary.BigEndian.Uint16(body[size-5:])); code != 0 {
			return n, nil, kerr.ErrorForCode(code)
		}
		n++
		b = b[4+size:]
	}
	return n, b, nil
}

// fillOffsets commits -n offsets: those of 1,000 partitions a group, in requests of 1,000.
func fillOffsets(ctx context.Context, o options) error {
	addr, err := o.coordinator(ctx, o.group)
	if err != nil {
		return err
	}
	w, err := dialWire(addr, "")
	if err != nil {
		return err
	}
	defer w.conn.Close()
	start := time.Now()
	per := min(1000, o.partitions)
	for i := 0; i*per < o.n; i++ {
		if err := w.commit(commitOf(fmt.Sprint(o.group, "-", i), o.topic, 0, per)); err != nil {
			return fmt.Errorf("offsets of group %d: %w", i, err)
		}
	}
	fmt.Printf("mode=fill-offsets offsets=%d s=%.2f rss_mib=%.1f\n", o.n, time.Since(start).Seconds(), rss(o.pid))
	return nil
}

// commit commits until the group's coordinator is there: the one that was asked
// for coordinates another group, maybe on another partition that has just been made.
func (w *wire) commit(req *kmsg.OffsetCommitRequest) error {
	for range 3000 {
		r, err := w.do(req)
		if err != nil {
			return err
		}
		err = nil
		for _, p := range r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
			err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
		}
		if !errors.Is(err, kerr.CoordinatorLoadInProgress) && !errors.Is(err, kerr.NotCoordinator) && !errors.Is(err, kerr.CoordinatorNotAvailable) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("no coordinator")
}

// loaded asks for one offset of every group until all coordinators have loaded,
// and tells how long after the process started answering that was.
func loaded(ctx context.Context, o options) error {
	start := time.Now()
	addr, err := o.coordinator(ctx, o.group)
	if err != nil {
		return err
	}
	w, err := dialWire(addr, "")
	if err != nil {
		return err
	}
	defer w.conn.Close()
	per := min(1000, o.partitions)
	found := 0
	for i := 0; i*per < o.n; i++ {
		if err := w.awaitOffset(fmt.Sprint(o.group, "-", i), o.topic); err != nil {
			return err
		}
		found++
	}
	fmt.Printf("mode=loaded groups=%d load_s=%.3f cpu_s=%.2f rss_mib=%.1f\n", found, time.Since(start).Seconds(), cpu(o.pid), rss(o.pid))
	return nil
}

func (w *wire) awaitOffset(group, topic string) error {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = 8
	g := kmsg.NewOffsetFetchRequestGroup()
	t := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.Partitions = topic, []int32{0}
	g.Group, g.Topics = group, append(g.Topics, t)
	req.Groups = append(req.Groups, g)
	for {
		r, err := w.do(req)
		if err != nil {
			return err
		}
		got := r.(*kmsg.OffsetFetchResponse).Groups[0]
		switch {
		case got.ErrorCode == kerr.CoordinatorLoadInProgress.Code || got.ErrorCode == kerr.NotCoordinator.Code:
			time.Sleep(2 * time.Millisecond)
		case got.ErrorCode != 0:
			return kerr.ErrorForCode(got.ErrorCode)
		case got.Topics[0].Partitions[0].Offset < 0:
			return fmt.Errorf("the offset of %s is lost", group)
		default:
			return nil
		}
	}
}
