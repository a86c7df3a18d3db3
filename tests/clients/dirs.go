package clients

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
