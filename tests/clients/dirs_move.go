package clients

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

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
