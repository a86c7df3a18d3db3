package forward

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Principal is who sent a request.
type Principal struct {
	Type, Name         string
	TokenAuthenticated bool // by delegation token
}

// Anonymous is everybody on a listener without authentication.
var Anonymous = Principal{Type: "User", Name: "ANONYMOUS"}

// Bytes encodes the principal as Kafka's default principal builder does, so
// that either side may be Apache Kafka:
//
//	int16  version (0)
//	compact string  type
//	compact string  name
//	bool            token authenticated
//	uvarint         number of tagged fields (0)
func (p Principal) Bytes() []byte {
	b := make([]byte, 2, 8+len(p.Type)+len(p.Name))
	b = kbin.AppendCompactString(b, p.Type)
	b = kbin.AppendCompactString(b, p.Name)
	b = kbin.AppendBool(b, p.TokenAuthenticated)
	return kbin.AppendUvarint(b, 0)
}

// ParsePrincipal reads what Bytes writes.
func ParsePrincipal(b []byte) (Principal, error) {
	r := kbin.Reader{Src: b}
	version := r.Int16()
	p := Principal{Type: r.CompactString(), Name: r.CompactString(), TokenAuthenticated: r.Bool()}
	kmsg.ReadTags(&r)
	if err := r.Complete(); err != nil {
		return Principal{}, err
	}
	if version != 0 {
		return Principal{}, errors.New("principal of an unknown version")
	}
	return p, nil
}

// Origin is the client on whose behalf a request is forwarded.
type Origin struct {
	Principal     Principal
	Host          netip.Addr // invalid for a client in this process
	ClientID      string
	CorrelationID int32
}

// OriginOf is the origin of a call on a listener without authentication.
func OriginOf(c *conn.Call) Origin {
	o := Origin{Principal: Anonymous, ClientID: c.Header.ClientID, CorrelationID: c.Header.CorrelationID}
	if c.Conn != nil {
		if a, ok := c.Conn.RemoteAddr().(*net.TCPAddr); ok {
			o.Host = a.AddrPort().Addr().Unmap()
		}
	}
	return o
}

func (o Origin) hostBytes() []byte {
	if !o.Host.IsValid() {
		return []byte{127, 0, 0, 1}
	}
	return o.Host.AsSlice()
}

// Forward passes a call on to the active controller and the controller's answer
// back, both as they are. When that fails the call is answered with fail(code).
// It returns at once.
func (c *Client) Forward(call *conn.Call, fail func(code int16) kmsg.Response) {
	req, err := call.Request() // a malformed request must not reach the controller
	if err != nil {
		call.Close(err)
		return
	}
	data := append(appendHeader(nil, call.Header, req.IsFlexible()), call.Body...)
	go func() {
		out, err := c.envelope(context.Background(), data, OriginOf(call))
		switch {
		case errors.Is(err, errVersion):
			// The controller does not know this version: the client must ask
			// for ApiVersions anew, and does when its connection breaks.
			call.Close(err)
		case err != nil:
			call.Reply(fail(forwardCode(err)))
		default:
			head := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(out)), uint32(len(out)))
			call.ReplyRegions(append(head, out...), nil)
		}
	}()
}

// ForwardAs sends req, which a broker made or changed, on behalf of a client
// and decodes the answer. It blocks until ctx ends at most.
func (c *Client) ForwardAs(ctx context.Context, from Origin, req kmsg.Request) (kmsg.Response, error) {
	data := frame.AppendRequest(nil, req, from.CorrelationID, from.ClientID)
	out, err := c.envelope(ctx, data[4:], from)
	if err != nil {
		return nil, err
	}
	if len(out) < 4 || int32(binary.BigEndian.Uint32(out)) != from.CorrelationID {
		return nil, errors.New("the controller answered another request")
	}
	return frame.DecodeResponse(req, out)
}

// errVersion says that the controller does not take the embedded request's version.
var errVersion = errors.New("the controller does not know this version of the request")

func (c *Client) envelope(ctx context.Context, data []byte, from Origin) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.RequestTimeout)
	defer cancel()
	req := &kmsg.EnvelopeRequest{RequestData: data, RequestPrincipal: from.Principal.Bytes(), ClientHostAddress: from.hostBytes()}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	r, ok := resp.(*kmsg.EnvelopeResponse)
	switch {
	case !ok:
		return nil, errors.New("the controller answered with another message")
	case r.ErrorCode == kerr.UnsupportedVersion.Code:
		return nil, errVersion
	case r.ErrorCode != 0:
		return nil, kerr.ErrorForCode(r.ErrorCode)
	}
	return r.ResponseData, nil
}

// forwardCode is what a client is told when its request could not be forwarded.
// An error of the envelope itself would mean nothing to it.
func forwardCode(err error) int16 {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return kerr.RequestTimedOut.Code
	}
	return kerr.UnknownServerError.Code
}

// Code is the error code for a failure of Do, ForwardAs or a creation.
func Code(err error) int16 {
	if err == nil {
		return 0
	}
	return forwardCode(err)
}

// appendHeader writes a request header (version 2 when flexible, else 1).
func appendHeader(b []byte, h frame.Header, flexible bool) []byte {
	b = kbin.AppendInt16(b, int16(h.Key))
	b = kbin.AppendInt16(b, h.Version)
	b = kbin.AppendInt32(b, h.CorrelationID)
	if h.HasClientID {
		b = kbin.AppendString(b, h.ClientID)
	} else {
		b = kbin.AppendInt16(b, -1)
	}
	if flexible {
		b = kbin.AppendUvarint(b, 0)
	}
	return b
}
