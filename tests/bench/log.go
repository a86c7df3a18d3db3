package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// logWorks are those of the log. Each starts a server of its own: they kill it,
// or set the cleaner and retention to work all the time.
func logWorks() []work {
	return []work{
		{"recovery", true, recovery},
		{"compact", true, compactRate},
		{"busy", true, busy},
	}
}

// logRows are the lines of the report that these works fill.
func logRows() []row {
	return []row{
		{"recovery", "ready_s", "start after kill -9, payload not flushed: ready", "s", 2, "", "", nil},
		{"recovery", "served_s", "… the last record of every partition is read", "s", 2, "", "", nil},
		{"recovery", "cpu_s", "… CPU until then", "s", 2, "", "", nil},
		{"compact", "MBps_core", "compaction, 250-byte records: of one core", "MB/s", 0, "", "", nil},
		{"compact", "MBps", "… in the run", "MB/s", 0, "", "", nil},
		{"compact", "lz4_MBps_core", "… lz4", "MB/s", 0, "", "", nil},
		{"busy", "quiet_p99_ms", "2,000 rec/s beside 15 MB/s of writes: acknowledged, p99", "ms", 2, "busy_quiet_p99_ms", "", nil},
		{"busy", "busy_p99_ms", "… while compaction, retention and a cold reader run", "ms", 2, "busy_p99_ms", "", nil},
		{"busy", "over_pct", "… above quiet", "%", 0, "busy_over_pct", "≤ 10", func(_, g, _ float64) bool { return g <= 10 }},
		{"busy", "cold_MBps", "… cold reader", "MB/s", 0, "", "", nil},
	}
}

// always makes cleaner and retention look for work many times a second.
var always = map[string]string{
	"log.cleaner.backoff.ms": "50", "log.retention.check.interval.ms": "200", "log.segment.delete.delay.ms": "200",
}

// lab is a server of one work's own, and clients of it.
type lab struct {
	*bench
	*node.Server
	cl *kgo.Client
}

func (b *bench) lab(like *node.Server, extra map[string]string) (*lab, error) {
	s, err := node.Run(like.Software(), extra)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		s.Close()
		return nil, err
	}
	return &lab{b, s, cl}, nil
}

func (l *lab) close() {
	l.cl.Close()
	l.Close()
}

// topic creates one of a single partition.
func (l *lab) topic(name string, configs map[string]string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	m := map[string]*string{}
	for k, v := range configs {
		m[k] = &v
	}
	_, err := kadm.NewClient(l.cl).CreateTopic(ctx, 1, 1, m, name)
	return err
}

func (l *lab) set(topic, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	res, err := kadm.NewClient(l.cl).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	return err
}

// recovery kills a server right after the payload was written and measures its
// next start. Sealed segments are flushed when they roll; with default sizes
// everything is in the active ones.
func recovery(b *bench, like *node.Server) (figures, error) {
	l, err := b.lab(like, nil)
	if err != nil {
		return nil, err
	}
	defer l.close()
	topic, err := b.newTopic(l.Server)
	if err != nil {
		return nil, err
	}
	if _, err := b.kb(l.Server, "produce", "-t", topic, "-bytes", fmt.Sprint(*mib<<20)); err != nil {
		return nil, err
	}
	if err := l.Kill(); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := l.Start(); err != nil {
		return nil, err
	}
	ready := time.Since(begin)
	if err := l.readEnds(topic); err != nil {
		return nil, err
	}
	f := figures{"ready_s": ready.Seconds(), "served_s": time.Since(begin).Seconds(), "cpu_s": cpuSeconds(l.PID())}
	fmt.Printf("%-8s recovery %v\n", l.Name(), f)
	return f, nil
}

// readEnds reads the last record of every partition.
func (l *lab) readEnds(topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(l.Addr()), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd().Relative(-1)))
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left := len(ends[topic])
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return err
		}
		fs.EachRecord(func(r *kgo.Record) {
			if end, ok := ends.Lookup(topic, r.Partition); ok && r.Offset == end.Offset-1 {
				left--
			}
		})
	}
	return nil
}

// cpuSeconds is what a process has used so far; 0 where there is no /proc.
func cpuSeconds(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b)[strings.LastIndexByte(string(b), ')')+1:])
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100
}

// The cleaner is held off, or set to work, by the age a record must have.
const (
	lag    = "min.compaction.lag.ms"
	frozen = "9000000000000"
)

// compactRate writes keys over and over while the cleaner is held off, sets it
// to work and measures until its checkpoint has reached the active segment.
func compactRate(b *bench, like *node.Server) (figures, error) {
	l, err := b.lab(like, always)
	if err != nil {
		return nil, err
	}
	defer l.close()
	out := figures{}
	for _, codec := range []string{"uncompressed", "lz4"} {
		topic := "compact-" + codec
		if err := l.topic(topic, map[string]string{"cleanup.policy": "compact", lag: frozen, "min.cleanable.dirty.ratio": "0.01", "segment.bytes": fmt.Sprint(64 << 20), "compression.type": codec}); err != nil {
			return nil, err
		}
		if err := l.write(topic, *mib<<20/2); err != nil {
			return nil, err
		}
		f, err := l.clean(topic)
		if err != nil {
			return nil, err
		}
		fmt.Printf("%-8s compact %s %v\n", l.Name(), codec, f)
		for k, v := range f {
			if codec == "uncompressed" {
				out[k] = v
			} else {
				out[codec+"_"+k] = v
			}
		}
	}
	return out, nil
}

// clean sets the cleaner to work on a topic.
func (l *lab) clean(topic string) (figures, error) {
	files, end := l.segments(topic)
	if len(files) < 2 {
		return nil, fmt.Errorf("%s: there is nothing to clean but the active segment, -bytes is too small", topic)
	}
	bytes := int64(0)
	for _, name := range files[:len(files)-1] {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		bytes += info.Size()
	}
	begin, used := time.Now(), cpuSeconds(l.PID())
	if err := l.set(topic, lag, "0"); err != nil {
		return nil, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for l.cleanedUpTo(topic) < end {
		if <-tick.C; time.Since(begin) > 5*time.Minute {
			return nil, fmt.Errorf("%s: the cleaner stands at %d of %d", topic, l.cleanedUpTo(topic), end)
		}
	}
	used = cpuSeconds(l.PID()) - used
	mb := float64(bytes) / 1e6
	return figures{"MBps": mb / time.Since(begin).Seconds(), "MBps_core": mb / used, "MB": mb}, nil
}

// segments are the log files of partition 0, and the offset the active one begins with.
func (l *lab) segments(topic string) (files []string, active int64) {
	files, _ = filepath.Glob(filepath.Join(l.LogDir(), topic+"-0", "*.log"))
	slices.Sort(files)
	active, _ = strconv.ParseInt(strings.TrimSuffix(filepath.Base(files[len(files)-1]), ".log"), 10, 64)
	return files, active
}

// cleanedUpTo is the cleaner's checkpoint of partition 0, -1 without.
func (l *lab) cleanedUpTo(topic string) int64 {
	b, _ := os.ReadFile(filepath.Join(l.LogDir(), "cleaner-offset-checkpoint"))
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == topic {
			n, _ := strconv.ParseInt(f[2], 10, 64)
			return n
		}
	}
	return -1
}

// write produces bytes in keyed records of 250 bytes.
func (l *lab) write(topic string, bytes int64) error {
	const size = 250
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	rnd := rand.New(rand.NewPCG(1, 2))
	done := make(chan error, 1)
	for ; bytes > 0; bytes -= size {
		v := make([]byte, size)
		for i := 0; i < size; i += 2 { // half of it compresses
			v[i] = byte(rnd.Uint32())
		}
		l.cl.Produce(ctx, &kgo.Record{Topic: topic, Key: strconv.AppendInt(nil, rnd.Int64N(200_000), 10), Value: v}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case done <- err:
				default:
				}
			}
		})
	}
	if err := l.cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	default:
		return nil
	}
}
