package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Dirs is a node with several log directories and the story of what they do.
// Every line is the same whichever broker it is: interop asks both.
type Dirs struct {
	srv   *node.Server
	cl    *kgo.Client
	paths []string // the first has the metadata log
	story []string

	here, there int32 // partitions of t in A and in B
}

// DirsSettings are what a node needs for Directories: its directories below dir.
func DirsSettings(dir string) (extra map[string]string, paths []string) {
	paths = []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	return map[string]string{"log.dirs": strings.Join(paths, ","), "replica.fetch.max.bytes": "200000"}, paths
}

// Directories tells the life of a node with two log directories: placement, the
// refusals of AlterReplicaLogDirs, a move while records come in, one that is
// called off, cordoned directories, a directory that fails and comes back, and
// at last the end of the one with the metadata log. The node ends with it.
func Directories(ctx context.Context, srv *node.Server, paths []string) ([]string, error) {
	d := &Dirs{srv: srv, paths: paths}
	for _, step := range []func(context.Context) error{
		d.connect, d.place, d.refuse, d.move, d.callOff, d.cordon, d.fail, d.startBroken, d.comeBack, d.failLast,
	} {
		if err := step(ctx); err != nil {
			return d.story, fmt.Errorf("after %q: %w", strings.Join(d.story[max(0, len(d.story)-3):], "; "), err)
		}
	}
	return d.story, nil
}

func (d *Dirs) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	for i, p := range d.paths {
		line = strings.ReplaceAll(line, p, string(rune('A'+i)))
	}
	d.story = append(d.story, line)
}

func (d *Dirs) connect(context.Context) (err error) {
	if d.cl != nil {
		d.cl.Close()
	}
	d.cl, err = kgo.NewClient(kgo.SeedBrokers(d.srv.Addr()), kgo.RetryTimeout(5*time.Second), kgo.RequestRetries(0), kgo.MetadataMinAge(10*time.Millisecond))
	return err
}

func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	var k *kerr.Error
	if errors.As(kerr.ErrorForCode(c), &k) {
		return k.Message
	}
	return fmt.Sprint(c)
}

func (d *Dirs) ask(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return d.cl.Broker(1).Request(ctx, req)
}

func (d *Dirs) create(ctx context.Context, topic string, partitions int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 10000
	resp, err := req.RequestWith(ctx, d.cl)
	if err != nil {
		return err
	}
	if c := resp.Topics[0].ErrorCode; c != 0 {
		return kerr.ErrorForCode(c)
	}
	return nil
}

// produce sends one batch with one record of size bytes; what it is answered.
func (d *Dirs) produce(ctx context.Context, topic string, partition int32, size int) (string, error) {
	b := batch.NewBuilder(batch.Options{})
	b.Append(time.Now().UnixMilli(), nil, make([]byte, size), nil)
	v, err := b.Bytes()
	if err != nil {
		return "", err
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	if t.TopicID, err = d.topicID(ctx, topic); err != nil {
		return "", err
	}
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, v
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return "", err
	}
	return code(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode), nil
}

// begin sends a first record to a partition, whose leader may not know of it yet.
func (d *Dirs) begin(ctx context.Context, topic string, partition int32) error {
	return until(ctx, "the leader", func() (bool, error) {
		got, err := d.produce(ctx, topic, partition, 10)
		return got == "ok", err
	})
}

func (d *Dirs) topicID(ctx context.Context, topic string) ([16]byte, error) {
	m, err := d.metadata(ctx, topic)
	return m.TopicID, err
}

func (d *Dirs) metadata(ctx context.Context, topic string) (kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return kmsg.MetadataResponseTopic{}, err
	}
	return resp.(*kmsg.MetadataResponse).Topics[0], nil
}

// lies is where partitions and their copies lie: "t-0" → path; copies have the suffix "+".
func (d *Dirs) lies(ctx context.Context) (map[string]string, *kmsg.DescribeLogDirsResponse, error) {
	resp, err := d.ask(ctx, kmsg.NewPtrDescribeLogDirsRequest())
	if err != nil {
		return nil, nil, err
	}
	r := resp.(*kmsg.DescribeLogDirsResponse)
	out := map[string]string{}
	for _, dir := range r.Dirs {
		for _, t := range dir.Topics {
			for _, p := range t.Partitions {
				name := fmt.Sprintf("%s-%d", t.Topic, p.Partition)
				if p.IsFuture {
					name += "+"
				}
				out[name] = dir.Dir
			}
		}
	}
	return out, r, nil
}

func (d *Dirs) other(path string) string {
	if path == d.paths[0] {
		return d.paths[1]
	}
	return d.paths[0]
}

func (d *Dirs) alter(ctx context.Context, topic string, partition int32, path string) (string, error) {
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	dir := kmsg.NewAlterReplicaLogDirsRequestDir()
	dir.Dir = path
	dir.Topics = append(dir.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: topic, Partitions: []int32{partition}})
	req.Dirs = append(req.Dirs, dir)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return "", err
	}
	return code(resp.(*kmsg.AlterReplicaLogDirsResponse).Topics[0].Partitions[0].ErrorCode), nil
}

// until asks again and again, a little later each time, until yes says so.
func until(ctx context.Context, what string, yes func() (bool, error)) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		ok, err := yes()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// made makes a topic and writes to each of its partitions, so that all lie somewhere.
func (d *Dirs) made(ctx context.Context, topic string, partitions int32) error {
	if err := d.create(ctx, topic, partitions); err != nil {
		return err
	}
	for i := range partitions {
		if err := d.begin(ctx, topic, i); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dirs) place(ctx context.Context) error {
	if err := d.made(ctx, "t", 4); err != nil {
		return err
	}
	lies, resp, err := d.lies(ctx)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, path := range lies {
		count[path]++
	}
	d.say("4 partitions: %d in %s, %d in %s", count[d.paths[0]], d.paths[0], count[d.paths[1]], d.paths[1])
	for _, dir := range resp.Dirs {
		d.say("%s: %s, space told %v, cordoned %v", dir.Dir, code(dir.ErrorCode), dir.TotalBytes > dir.UsableBytes && dir.UsableBytes > 0, dir.IsCordoned)
	}
	return nil
}

func (d *Dirs) refuse(ctx context.Context) error {
	for _, c := range []struct {
		what, topic string
		partition   int32
		path        string
	}{
		{"an unknown directory", "t", 0, filepath.Join(filepath.Dir(d.paths[0]), "x")},
		{"an unknown partition", "t", 9, d.paths[0]},
		{"an unknown topic", "nope", 0, d.paths[0]},
		{"a long name", strings.Repeat("x", 220), 0, d.paths[0]},
		{"a long name and an unknown directory", strings.Repeat("x", 220), 0, "/x"},
		{"no name", "", 0, d.paths[0]},
		{"a relative path", "t", 0, "a"},
	} {
		got, err := d.alter(ctx, c.topic, c.partition, c.path)
		if err != nil {
			return err
		}
		d.say("move %s: %s", c.what, got)
	}
	return nil
}

// move moves t-0 while records come in.
func (d *Dirs) move(ctx context.Context) error {
	lies, _, err := d.lies(ctx)
	if err != nil {
		return err
	}
	from := lies["t-0"]
	sent := 1
	for range 40 {
		if got, err := d.produce(ctx, "t", 0, 20_000); err != nil || got != "ok" {
			return errors.Join(errors.New(got), err)
		}
		sent++
	}
	got, err := d.alter(ctx, "t", 0, d.other(from))
	d.say("move t-0: %s", got)
	if err != nil {
		return err
	}
	err = until(ctx, "the move", func() (bool, error) {
		if got, err := d.produce(ctx, "t", 0, 1000); err != nil || got != "ok" {
			return false, errors.Join(errors.New("while it moves: "+got), err)
		}
		sent++
		lies, _, err := d.lies(ctx)
		return lies["t-0"] == d.other(from) && lies["t-0+"] == "", err
	})
	if err != nil {
		return err
	}
	n, err := d.count(ctx, "t", 0)
	d.say("moved, with all records: %v", n == sent)
	again, err2 := d.alter(ctx, "t", 0, d.other(from))
	d.say("move it where it is: %s", again)
	return errors.Join(err, err2)
}

// count reads a partition from its beginning.
func (d *Dirs) count(ctx context.Context, topic string, partition int32) (n int, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.srv.Addr()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return 0, err
	}
	end := resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
	for int64(n) < end {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			return n, err
		}
		n += fs.NumRecords()
	}
	return n, nil
}

func (d *Dirs) config(ctx context.Context, broker, name, value string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, broker
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}

// callOff begins a move that the throttle holds up, and moves back.
func (d *Dirs) callOff(ctx context.Context) error {
	if err := d.config(ctx, "", "replica.alter.log.dirs.io.max.bytes.per.second", "1"); err != nil {
		return err
	}
	lies, _, err := d.lies(ctx)
	if err != nil {
		return err
	}
	from := lies["t-0"]
	got, err := d.alter(ctx, "t", 0, d.other(from))
	if err != nil {
		return err
	}
	lies, resp, err := d.lies(ctx)
	if err != nil {
		return err
	}
	d.say("move t-0 slowly: %s, it stays: %v, the copy is seen: %v, behind: %v", got, lies["t-0"] == from, lies["t-0+"] == d.other(from), behind(resp) > 0)
	got, err = d.alter(ctx, "t", 0, from)
	if err != nil {
		return err
	}
	lies, _, err = d.lies(ctx)
	if err != nil {
		return err
	}
	d.say("move it back: %s, it stays: %v, no copy: %v", got, lies["t-0"] == from, lies["t-0+"] == "")
	return d.config(ctx, "", "replica.alter.log.dirs.io.max.bytes.per.second", "1000000000")
}

// behind is what copies lack.
func behind(resp *kmsg.DescribeLogDirsResponse) (n int64) {
	for _, dir := range resp.Dirs {
		for _, t := range dir.Topics {
			for _, p := range t.Partitions {
				if p.IsFuture {
					n += p.OffsetLag
				}
			}
		}
	}
	return n
}

func (d *Dirs) cordon(ctx context.Context) error {
	if err := d.config(ctx, "1", "cordoned.log.dirs", d.paths[1]); err != nil {
		return err
	}
	var resp *kmsg.DescribeLogDirsResponse
	err := until(ctx, "the cordon", func() (ok bool, err error) {
		_, resp, err = d.lies(ctx)
		return err == nil && resp.Dirs[1].IsCordoned, err
	})
	if err != nil {
		return err
	}
	if err := d.made(ctx, "cordoned", 3); err != nil {
		return err
	}
	lies, _, err := d.lies(ctx)
	if err != nil {
		return err
	}
	got, err := d.alter(ctx, "cordoned", 0, d.paths[1])
	d.say("B is cordoned: new partitions in %s %s %s; move there: %s", lies["cordoned-0"], lies["cordoned-1"], lies["cordoned-2"], got)
	return errors.Join(err, d.config(ctx, "1", "cordoned.log.dirs", ""))
}

// fail puts a file in the place of B: what is open goes on, nothing new can be made.
func (d *Dirs) fail(ctx context.Context) error {
	lies, _, err := d.lies(ctx)
	if err != nil {
		return err
	}
	for i := range int32(4) {
		if lies[fmt.Sprintf("t-%d", i)] == d.paths[0] {
			d.here = i
		} else {
			d.there = i
		}
	}
	if err := errors.Join(os.Rename(d.paths[1], d.paths[1]+".gone"), os.WriteFile(d.paths[1], nil, 0o600)); err != nil {
		return err
	}
	err = until(ctx, "the failure", func() (bool, error) {
		_, _ = d.produce(ctx, "t", d.there, 10)
		_, resp, err := d.lies(ctx)
		return err == nil && resp.Dirs[1].ErrorCode != 0, err
	})
	if err != nil {
		return err
	}
	if err := d.describe(ctx, "t", d.here, d.there); err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		p    int32
		path string
	}{{"into B", d.here, d.paths[1]}, {"out of B", d.there, d.paths[0]}} {
		got, err := d.alter(ctx, "t", c.p, c.path)
		if err != nil {
			return err
		}
		d.say("move %s: %s", c.what, got)
	}
	return nil
}

// describe says what clients see of a partition that is online and of one that is not.
func (d *Dirs) describe(ctx context.Context, topic string, here, there int32) error {
	_, resp, err := d.lies(ctx)
	if err != nil {
		return err
	}
	for _, dir := range resp.Dirs {
		d.say("%s: %s, space told %v", dir.Dir, code(dir.ErrorCode), dir.TotalBytes > 0)
	}
	err = until(ctx, "the controller", func() (bool, error) {
		m, err := d.metadata(ctx, topic)
		return err == nil && slices.ContainsFunc(m.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader < 0 }), err
	})
	if err != nil {
		return err
	}
	m, err := d.metadata(ctx, topic)
	if err != nil {
		return err
	}
	slices.SortFunc(m.Partitions, func(a, b kmsg.MetadataResponseTopicPartition) int {
		return strings.Compare(d.where(a.Partition == here), d.where(b.Partition == here))
	})
	for _, p := range m.Partitions {
		if p.Partition == here || p.Partition == there {
			d.say("%s: metadata %s, leader %d, ISR %v, offline %v", d.where(p.Partition == here), code(p.ErrorCode), p.Leader, p.ISR, p.OfflineReplicas)
		}
	}
	for _, p := range []int32{here, there} {
		produced, err := d.produce(ctx, topic, p, 10)
		if err != nil {
			return err
		}
		fetched, err := d.fetch(ctx, m.TopicID, p)
		if err != nil {
			return err
		}
		listed, err := d.list(ctx, topic, p)
		if err != nil {
			return err
		}
		d.say("%s: produce %s, fetch %s, list %s", d.where(p == here), produced, fetched, listed)
	}
	return nil
}

func (d *Dirs) where(here bool) string {
	if here {
		return "in A"
	}
	return "in B"
}

func (d *Dirs) fetch(ctx context.Context, id [16]byte, partition int32) (string, error) {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.TopicID = id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.PartitionMaxBytes = partition, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return "", err
	}
	return code(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode), nil
}

func (d *Dirs) list(ctx context.Context, topic string, partition int32) (string, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return "", err
	}
	return code(resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode), nil
}

// startBroken starts the node while B is no directory.
func (d *Dirs) startBroken(ctx context.Context) error {
	if err := d.srv.Kill(); err != nil {
		return err
	}
	err := d.srv.Start()
	d.say("start without B: %v", err == nil)
	if err != nil {
		return err
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	if err := d.describe(ctx, "t", d.here, d.there); err != nil {
		return err
	}
	for _, p := range []int32{d.here, d.there} {
		got, err := d.alter(ctx, "t", p, d.paths[0])
		if err != nil {
			return err
		}
		d.say("%s: move to A: %s", d.where(p == d.here), got)
	}
	return d.srv.Kill()
}

// comeBack gives B back.
func (d *Dirs) comeBack(ctx context.Context) error {
	if err := errors.Join(os.Remove(d.paths[1]), os.Rename(d.paths[1]+".gone", d.paths[1]), d.srv.Start()); err != nil {
		return err
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	err := until(ctx, "leaders", func() (bool, error) {
		m, err := d.metadata(ctx, "t")
		return err == nil && !slices.ContainsFunc(m.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader < 0 }), err
	})
	if err != nil {
		return err
	}
	for i := range int32(4) {
		got, err := d.produce(ctx, "t", i, 10)
		if err != nil {
			return err
		}
		d.say("t-%d is back: produce %s", i, got)
	}
	return nil
}

// failLast takes the directory with the metadata log away.
func (d *Dirs) failLast(ctx context.Context) error {
	defer d.cl.Close()
	if err := errors.Join(os.Rename(d.paths[0], d.paths[0]+".gone"), os.WriteFile(d.paths[0], nil, 0o600)); err != nil {
		return err
	}
	err := until(ctx, "the end", func() (bool, error) {
		for i := range int32(4) {
			if _, err := d.produce(ctx, "t", i, 10); errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
		}
		return !d.srv.Alive(), nil
	})
	d.say("without A: the process ended: %v", err == nil)
	return err
}
