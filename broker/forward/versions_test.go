package forward

import (
	"context"
	"errors"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// older is a controller of an earlier release: it serves heartbeats up to
// version 1, registrations from version 5 on, and nothing else.
func older(sent *int16, code int16) *peer {
	return &peer{done: make(chan struct{}), do: func(_ context.Context, _ ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
		resp := req.ResponseKind()
		if r, ok := resp.(*kmsg.ApiVersionsResponse); ok {
			r.ErrorCode = code
			r.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 63, MaxVersion: 1}, {ApiKey: 62, MinVersion: 5, MaxVersion: 6}}
		}
		*sent = req.GetVersion()
		return resp, nil
	}}
}

func TestNegotiate(t *testing.T) {
	var sent int16
	p, err := Negotiate(t.Context(), older(&sent, 0))
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[int16]int16{0: 0, 1: 1, 2: 1} {
		req := kmsg.NewPtrBrokerHeartbeatRequest()
		req.Version = asked
		resp, err := p.Do(t.Context(), req)
		if err != nil || sent != want || resp.GetVersion() != want {
			t.Errorf("version %d was sent as %d: %v", asked, sent, err)
		}
	}
	for _, req := range []kmsg.Request{&kmsg.BrokerRegistrationRequest{Version: 4}, &kmsg.AllocateProducerIDsRequest{}} {
		if _, err := p.Do(t.Context(), req); !errors.Is(err, kerr.UnsupportedVersion) {
			t.Errorf("%T: %v", req, err)
		}
	}
}

func TestNegotiateFails(t *testing.T) {
	var sent int16
	refusing := older(&sent, kerr.UnsupportedVersion.Code)
	if _, err := Negotiate(t.Context(), refusing); !errors.Is(err, kerr.UnsupportedVersion) {
		t.Errorf("got %v", err)
	}
	select {
	case <-refusing.done:
	default:
		t.Error("the connection is still open")
	}
}
