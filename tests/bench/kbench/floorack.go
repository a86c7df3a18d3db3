package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The floor of the work busy is what this machine's disk alone does to a latency:
// a server that appends what it gets to a file and acknowledges it, beside the
// writes that the broker's producers cause, and the reads of its cold reader. There
// is no cleaner, no index and no protocol; what its p99 gains is nobody's code.
//
// -dir is where it writes, -address the file that then tells where it listens; with
// -cold it reads that file too, -mbps of it.

func floorAck(ctx context.Context, o options) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	if err := os.WriteFile(o.address, []byte(l.Addr().String()+"\n"), 0o600); err != nil {
		return err
	}
	failed := make(chan error, 4)
	go func() { failed <- acknowledge(l, filepath.Join(o.dir, "acks")) }()
	for name, size := range map[string]int{"keys": 25_000, "old": 50_000} { // 5 and 10 MB/s
		go func() { failed <- writeAndSync(ctx, filepath.Join(o.dir, name), size) }()
	}
	if o.cold != "" {
		go func() { failed <- readCold(ctx, o) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func acknowledge(l net.Listener, name string) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	answer, buf := producedAnswer(), make([]byte, 64<<10)
	for {
		if _, err := io.ReadFull(c, buf[:4]); err != nil {
			return ended(err)
		}
		body := buf[:binary.BigEndian.Uint32(buf)]
		if _, err := io.ReadFull(c, body); err != nil {
			return err
		}
		if _, err := f.Write(body); err != nil {
			return err
		}
		if _, err := c.Write(answer); err != nil {
			return err
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		select {} // the client is done; the disk goes on until we are interrupted
	}
	return err
}

func producedAnswer() []byte {
	resp := kmsg.ProduceResponse{Version: produceVersion}
	t := kmsg.NewProduceResponseTopic()
	t.Topic, t.Partitions = "floor", append(t.Partitions, kmsg.NewProduceResponseTopicPartition())
	resp.Topics = append(resp.Topics, t)
	body := resp.AppendTo([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0}) // size, correlation id, no tags
	binary.BigEndian.PutUint32(body, uint32(len(body)-4))
	return body
}

// writeAndSync writes size bytes every 5 ms and begins a new file, having synced the
// old one, every 4 MiB; of the files it keeps the last two.
func writeAndSync(ctx context.Context, name string, size int) error {
	const segment = 4 << 20
	tick, block := time.NewTicker(5*time.Millisecond), make([]byte, size)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		f, err := os.Create(fmt.Sprint(name, n%2))
		if err != nil {
			return err
		}
		for at := 0; at < segment && ctx.Err() == nil; at += size {
			<-tick.C
			if _, err := f.Write(block); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		go func() { _ = errors.Join(f.Sync(), f.Close()) }() // as the broker's upkeep, beside the writes
	}
	return nil
}

func readCold(ctx context.Context, o options) error {
	f, err := os.Open(o.cold)
	if err != nil {
		return err
	}
	defer f.Close()
	buf, begin := make([]byte, 1<<20), time.Now()
	for n := 1; ctx.Err() == nil; n++ {
		if _, err := io.ReadFull(f, buf); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(float64(n)*float64(len(buf))/float64(o.mbps)*1e3) - time.Since(begin)):
		}
	}
	return nil
}
