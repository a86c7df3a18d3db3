package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

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
