package groupcoord

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// roundTrip sends a request through its own encoding to the service, and the
// answer back, so that only what the version has gets across.
func (h *house) roundTrip(req kmsg.Request) (kmsg.Response, error) {
	in := kmsg.RequestForKey(req.Key())
	in.SetVersion(req.GetVersion())
	if err := in.ReadFrom(req.AppendTo(nil)); err != nil {
		return nil, err
	}
	var resp kmsg.Response
	h.dispatch(in, func(r kmsg.Response) { resp = r })
	synctest.Wait()
	for range 100 {
		if resp != nil {
			break
		}
		h.clock.Advance(100)
		synctest.Wait()
	}
	if resp == nil {
		return nil, errors.New("no answer")
	}
	out := req.ResponseKind()
	return out, out.ReadFrom(resp.AppendTo(nil))
}

func (h *house) dispatch(req kmsg.Request, reply func(kmsg.Response)) {
	caller := Caller{ClientID: "twin", Host: "/127.0.0.1"}
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		h.svc.JoinGroup(caller, r, func(r *kmsg.JoinGroupResponse) { reply(r) })
	case *kmsg.SyncGroupRequest:
		h.svc.SyncGroup(r, func(r *kmsg.SyncGroupResponse) { reply(r) })
	case *kmsg.HeartbeatRequest:
		h.svc.Heartbeat(caller, r, func(r *kmsg.HeartbeatResponse) { reply(r) })
	case *kmsg.LeaveGroupRequest:
		h.svc.LeaveGroup(r, func(r *kmsg.LeaveGroupResponse) { reply(r) })
	case *kmsg.DescribeGroupsRequest:
		h.svc.DescribeGroups(r, func(r *kmsg.DescribeGroupsResponse) { reply(r) })
	case *kmsg.ListGroupsRequest:
		h.svc.ListGroups(r, func(r *kmsg.ListGroupsResponse) { reply(r) })
	case *kmsg.DeleteGroupsRequest:
		h.svc.DeleteGroups(r, func(r *kmsg.DeleteGroupsResponse) { reply(r) })
	case *kmsg.OffsetCommitRequest:
		h.svc.OffsetCommit(r, func(r *kmsg.OffsetCommitResponse) { reply(r) })
	case *kmsg.OffsetFetchRequest:
		h.svc.OffsetFetch(r, func(r *kmsg.OffsetFetchResponse) { reply(r) })
	case *kmsg.ConsumerGroupHeartbeatRequest:
		h.svc.ConsumerGroupHeartbeat(caller, r, func(r *kmsg.ConsumerGroupHeartbeatResponse) { reply(r) })
	case *kmsg.ConsumerGroupDescribeRequest:
		h.svc.ConsumerGroupDescribe(r, func(r *kmsg.ConsumerGroupDescribeResponse) { reply(r) })
	case *kmsg.OffsetDeleteRequest:
		h.svc.OffsetDelete(r, func(r *kmsg.OffsetDeleteResponse) { reply(r) })
	}
}

// exactly makes kgo send one version.
type exactly struct{ kmsg.Request }

func (e exactly) MaxVersion() int16 { return e.GetVersion() }

// recordKafka plays the script against a fresh Apache Kafka.
func recordKafka(t *testing.T, addr string) {
	ctx := context.Background()
	newClient := func() *kgo.Client {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID("twin"), kgo.RequestRetries(3))
		if err != nil {
			t.Fatal(err)
		}
		return cl
	}
	cl := newClient()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopics(ctx, 3, 1, nil, "t", "u"); err != nil {
		t.Fatal(err)
	}
	for {
		if c := adm.FindGroupCoordinators(ctx, "g", "st"); c.Ok() {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	topics, err := adm.ListTopics(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	x := &script{do: func(req kmsg.Request) (kmsg.Response, error) {
		one := newClient() // a JoinGroup that is held must not hold up what follows
		defer one.Close()
		return one.Broker(1).Request(ctx, exactly{req})
	}}
	x.play([16]byte(topics["t"].ID))
	if err := os.WriteFile("testdata/kafka.txt", []byte(x.out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
