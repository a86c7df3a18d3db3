package api

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// follower is a quorum that another node leads.
type follower struct{ quiet }

func (follower) Handle(req kmsg.Request, reply func(kmsg.Response)) {
	resp := req.ResponseKind()
	switch r := resp.(type) {
	case *kmsg.DescribeQuorumResponse:
		r.Topics = []kmsg.DescribeQuorumResponseTopic{{Partitions: []kmsg.DescribeQuorumResponseTopicPartition{{ErrorCode: kerr.NotLeaderForPartition.Code}}}}
	case *kmsg.AddRaftVoterResponse:
		r.ErrorCode = kerr.NotLeaderForPartition.Code
	case *kmsg.RemoveRaftVoterResponse:
		r.ErrorCode = kerr.NotLeaderForPartition.Code
	}
	reply(resp)
}

// TestForwardedToAFollower: a broker whose connection is to a controller that
// does not lead any more is made to look for the one that does.
func TestForwardedToAFollower(t *testing.T) {
	s, err := New(Parts{Node: decide.Node{ID: 1}, Active: &elsewhere{}, Quorum: follower{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, inner := range []kmsg.Request{&kmsg.DescribeQuorumRequest{Version: 2}, &kmsg.AddRaftVoterRequest{}, &kmsg.RemoveRaftVoterRequest{}} {
		env := kmsg.NewPtrEnvelopeRequest()
		env.RequestData, env.ClientHostAddress = frame.AppendRequest(nil, inner, 7, "c")[4:], []byte{127, 0, 0, 1}
		env.RequestPrincipal = append([]byte{0, 0, 5}, "User\x02a\x00\x00"...)
		var got *kmsg.EnvelopeResponse
		s.envelope()(&request{body: env, reply: func(r kmsg.Response) { got = r.(*kmsg.EnvelopeResponse) }})
		if got == nil || got.ErrorCode != kerr.NotController.Code || got.ResponseData != nil {
			t.Errorf("%T: %+v", inner, got)
		}
	}
}
