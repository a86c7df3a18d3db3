package clients

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/protocol/frame"
)

// PipelinedCommits sends commits and what depends on them over one connection, all
// in one write, and returns the answers as text, one a line. It makes the topic.
func PipelinedCommits(addr, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 2, 1, nil, name); err != nil {
		return "", err
	}
	for _, err = kadm.NewClient(cl).FetchOffsets(ctx, name); err != nil; { // until the coordinator is there
		if ctx.Err() != nil {
			return "", err
		}
		time.Sleep(20 * time.Millisecond)
		_, err = kadm.NewClient(cl).FetchOffsets(ctx, name)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var text strings.Builder
	reqs := pipelined(name)
	var all []byte
	for i, req := range reqs {
		all = frame.AppendRequest(all, req, int32(i), "pipelined")
	}
	if _, err := c.Write(all); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // a read that fails says so
	for i, req := range reqs {
		resp, err := answerTo(c, int32(i), req)
		if err != nil {
			return text.String(), fmt.Errorf("answer %d: %w", i, err)
		}
		fmt.Fprintln(&text, inShort(resp))
	}
	return text.String(), nil
}

func answerTo(c net.Conn, correlation int32, req kmsg.Request) (kmsg.Response, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	if got, err := frame.CorrelationID(b); err != nil || got != correlation {
		return nil, fmt.Errorf("it is the one to request %d (%w)", got, err)
	}
	return frame.DecodeResponse(req, b)
}

// pipelined are the requests: commits that see each other, what removes offsets
// and the group, and commits that depend on whether the group is there.
func pipelined(name string) []kmsg.Request {
	commit := func(generation int32, offset int64, partitions ...int32) kmsg.Request {
		r := kmsg.NewPtrOffsetCommitRequest()
		r.Version, r.Group, r.Generation = 9, name, generation
		if generation >= 0 {
			r.MemberID = "nobody"
		}
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = name
		for _, p := range partitions {
			x := kmsg.NewOffsetCommitRequestTopicPartition()
			x.Partition, x.Offset, x.Metadata = p, offset, new(string)
			t.Partitions = append(t.Partitions, x)
		}
		r.Topics = append(r.Topics, t)
		return r
	}
	fetch := func() kmsg.Request {
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Version = 8
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = name, []int32{0, 1}
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = name, append(g.Topics, t)
		r.Groups = append(r.Groups, g)
		return r
	}
	forget := func(partition int32) kmsg.Request {
		r := kmsg.NewPtrOffsetDeleteRequest()
		t := kmsg.NewOffsetDeleteRequestTopic()
		t.Topic, t.Partitions = name, []kmsg.OffsetDeleteRequestTopicPartition{{Partition: partition}}
		r.Group, r.Topics = name, append(r.Topics, t)
		return r
	}
	remove := func() kmsg.Request {
		r := kmsg.NewPtrDeleteGroupsRequest()
		r.Version, r.Groups = 2, []string{name}
		return r
	}
	reqs := []kmsg.Request{
		commit(3, 1, 0), commit(-1, 1, 0), commit(3, 2, 0), commit(-1, 2, 0), fetch(),
		commit(-1, 5, 0, 1, 7), fetch(), forget(1), fetch(), remove(), fetch(), commit(3, 6, 0), commit(-1, 9, 1), fetch(), commit(3, 7, 0), remove(), remove(),
	}
	for offset := range int64(300) { // more than a connection may have under way
		reqs = append(reqs, commit(-1, offset, int32(offset%2)))
	}
	return append(reqs, fetch())
}

// inShort is what matters of an answer.
func inShort(resp kmsg.Response) string {
	var b strings.Builder
	switch r := resp.(type) {
	case *kmsg.OffsetCommitResponse:
		b.WriteString("commit")
		for _, p := range r.Topics[0].Partitions {
			fmt.Fprintf(&b, " %d:%d", p.Partition, p.ErrorCode)
		}
	case *kmsg.OffsetFetchResponse:
		fmt.Fprintf(&b, "fetch %d", r.Groups[0].ErrorCode)
		for _, p := range r.Groups[0].Topics[0].Partitions {
			fmt.Fprintf(&b, " %d:%d@%d", p.Partition, p.ErrorCode, p.Offset)
		}
	case *kmsg.OffsetDeleteResponse:
		fmt.Fprintf(&b, "forget %d", r.ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		fmt.Fprintf(&b, "remove %d", r.Groups[0].ErrorCode)
	}
	return b.String()
}
