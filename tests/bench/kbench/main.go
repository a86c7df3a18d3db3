// Command kbench measures one Kafka-compatible server from outside: rates, the
// server's own CPU seconds for a GiB, latencies, memory.
//
//	kbench MODE -b HOST:PORT -pid SERVER_PID [flags]
//
//	create    one topic of -partitions
//	topics    -n topics of -partitions each, until every partition has a leader
//	produce   -bytes of -size records
//	consume   the same back
//	e2e       -rate records/s for -d: acknowledgement and produce-to-consume latency
//	pace      -rate records/s for -d by a client that does nothing else: acknowledgement latency
//	load      -mbps of -size keyed records in batches, until interrupted
//	drain     -mbps of partition 0 back, again and again, until interrupted
//	awake     keep the cores from halting, until interrupted
//	floor-ack acknowledge what pace sends, beside the same disk work as a broker's, until interrupted
//	idle      -n idle connections for -d
//	members   -n KIP-848 members of one group: all join, steady for -d, one more joins
//	classic   -n members of one classic group: how long after the last join all are assigned
//	commits   -clients groups commit offsets for -d, -inflight at a time each
//	fill-offsets, loaded  commit -n offsets; wait until a server that was started anew has them
//	changes   -n changes of a topic's configuration, -inflight at a time, each a commit of its own; -b is a controller
//	floor     what a process that only receives, checksums, writes and sends back must spend here
//
// Every mode prints one line of key=value figures. Each run wants a fresh
// topic. The server's CPU and memory are read from /proc, so -pid works on
// Linux only; without it those figures are zero.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the flags; a mode reads those it needs.
type options struct {
	addr, topic, acks, codec  string
	pid, size, batch, clients int
	partitions, rf, rate, n   int
	bytes                     int64
	linger, duration          time.Duration
	group, samples            string
	dir, cold, address        string
	inflight, addresses, mbps int
	idempotent                bool
}

func parse(args []string) options {
	var o options
	fs := flag.NewFlagSet("kbench", flag.ExitOnError)
	fs.StringVar(&o.addr, "b", "127.0.0.1:9092", "bootstrap server")
	fs.StringVar(&o.topic, "t", "kbench", "topic")
	fs.IntVar(&o.pid, "pid", 0, "the server's process, for its CPU and memory")
	fs.IntVar(&o.size, "size", 1024, "bytes of a record's value")
	fs.Int64Var(&o.bytes, "bytes", 2<<30, "payload to move")
	fs.StringVar(&o.acks, "acks", "all", "all, 1 or 0")
	fs.StringVar(&o.codec, "compression", "none", "none, gzip, snappy, lz4 or zstd")
	fs.DurationVar(&o.linger, "linger", 5*time.Millisecond, "producer linger")
	fs.IntVar(&o.batch, "batch", 1<<20, "largest batch in bytes")
	fs.BoolVar(&o.idempotent, "idempotent", true, "idempotent producer")
	fs.IntVar(&o.clients, "clients", 1, "producers at once")
	fs.IntVar(&o.partitions, "partitions", 6, "partitions of a topic")
	fs.IntVar(&o.rf, "rf", 1, "replication factor")
	fs.StringVar(&o.dir, "dir", "", "folder to write to (floor-ack)")
	fs.StringVar(&o.address, "address", "", "file to write the address to (floor-ack)")
	fs.StringVar(&o.cold, "cold", "", "file to read as well (floor-ack)")
	fs.StringVar(&o.samples, "samples", "", "file for every single latency (pace)")
	fs.IntVar(&o.mbps, "mbps", 10, "MB/s (load, drain)")
	fs.IntVar(&o.rate, "rate", 2000, "records a second (e2e)")
	fs.DurationVar(&o.duration, "d", 15*time.Second, "how long (e2e, idle)")
	fs.IntVar(&o.n, "n", 500, "topics or connections")
	fs.StringVar(&o.group, "group", "kbench", "group, or the beginning of groups' names")
	fs.IntVar(&o.inflight, "inflight", 1, "requests at a time on a connection (commits)")
	fs.IntVar(&o.addresses, "addresses", 1, "spread connections over 127.0.0.1, 127.0.1.1, … (members)")
	_ = fs.Parse(args) // ExitOnError
	return o
}

func main() {
	modes := map[string]func(context.Context, options) error{
		"create": create, "topics": topics, "produce": produce, "consume": consume, "e2e": endToEnd, "pace": paceLean, "load": loadLean, "drain": drainLean, "awake": awake, "floor-ack": floorAck, "idle": idle,
		"members": members, "classic": classic, "commits": commits, "fill-offsets": fillOffsets, "loaded": loaded, "changes": changes, "floor": floor, floorServerMode: floorServer,
	}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: kbench create|topics|produce|consume|e2e|pace|load|drain|awake|floor-ack|idle|members|classic|commits|fill-offsets|loaded|changes|floor [flags]")
		os.Exit(2)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := modes[os.Args[1]](ctx, parse(os.Args[2:])); err != nil {
		fmt.Fprintln(os.Stderr, "kbench:", err)
		os.Exit(1)
	}
}
