package api

import (
	"fmt"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// envelope unpacks a request that a broker sends on for its client (KIP-590).
//
//	RequestData        the client's request: header and body, without size
//	RequestPrincipal   who the client is, as the broker found out
//	ClientHostAddress  4 or 16 bytes
//
// The answer travels the same way back. An error of the envelope itself says
// that the request was not looked at: NOT_CONTROLLER makes the broker look for
// the active one, UNSUPPORTED_VERSION makes its client ask for versions anew.
func (s *Server) envelope() handle {
	return typed(func(r *request, req *kmsg.EnvelopeRequest) {
		inner, err := s.unpack(r, req)
		if err != nil {
			r.reply(sealed(req, nil, err))
			return
		}
		s.handles[inner.header.Key](inner)
	})
}

func (s *Server) unpack(r *request, req *kmsg.EnvelopeRequest) (*request, *decide.Error) {
	who, err := principalName(req.RequestPrincipal)
	if err != nil {
		return nil, &decide.Error{Code: kerr.PrincipalDeserializationFailure.Code}
	}
	if n := len(req.ClientHostAddress); n != 4 && n != 16 {
		return nil, &decide.Error{Code: kerr.InvalidRequest.Code}
	}
	unsupported := &decide.Error{Code: kerr.UnsupportedVersion.Code}
	h, data, err := frame.ParseHeader(req.RequestData)
	if err != nil {
		return nil, unsupported
	}
	if e, ok := apikey.Lookup(h.Key); !ok || !e.Forwardable {
		return nil, &decide.Error{Code: kerr.InvalidRequest.Code}
	}
	if !s.serves(h) {
		return nil, unsupported
	}
	body, err := frame.DecodeRequest(h, data)
	if err != nil {
		return nil, unsupported
	}
	return &request{
		header: h, body: body, listener: r.listener, forwarded: true, principal: who,
		reply: func(resp kmsg.Response) {
			if notLeader(resp) {
				r.reply(sealed(req, nil, &decide.Error{Code: kerr.NotController.Code}))
				return
			}
			whole := frame.AppendResponse(nil, h.Key, h.Version, h.CorrelationID, resp)
			r.reply(sealed(req, whole[4:], nil))
		},
		refuse: func(err error) {
			known, ok := err.(*decide.Error)
			if !ok {
				known = unsupported
			}
			r.reply(sealed(req, nil, known))
		},
	}, nil
}

// notLeader tells whether the quorum turned a request down because another node
// leads. In an envelope that is NOT_CONTROLLER, or a broker that still has a
// connection to us, but has nothing else to ask, would never look for the leader
// (Apache Kafka's does not, and its clients then wait in vain).
func notLeader(resp kmsg.Response) bool {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.DescribeQuorumResponse: // it says so of the partition
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				code = p.ErrorCode
			}
		}
	case *kmsg.AddRaftVoterResponse:
		code = r.ErrorCode
	case *kmsg.RemoveRaftVoterResponse:
		code = r.ErrorCode
	}
	return code == kerr.NotLeaderForPartition.Code
}

func sealed(req *kmsg.EnvelopeRequest, data []byte, err *decide.Error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.EnvelopeResponse)
	resp.ResponseData = data
	if err != nil {
		resp.ErrorCode = err.Code
	}
	return resp
}

// principalName reads a principal as Kafka's default builder writes it:
//
//	int16  version (0)
//	compact string  type
//	compact string  name
//	bool            token authenticated
//	tagged fields
func principalName(b []byte) (string, error) {
	r := kbin.Reader{Src: b}
	if v := r.Int16(); v != 0 {
		return "", fmt.Errorf("principal of version %d", v)
	}
	r.CompactString()
	name := r.CompactString()
	r.Bool()
	kmsg.ReadTags(&r)
	return name, r.Complete()
}
