package frame

import (
	"encoding/binary"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sizePrefix is the length in bytes of a frame's size.
const sizePrefix = 4

// codeUnsupportedVersion is Kafka's UNSUPPORTED_VERSION: the one error code
// this package knows, because it changes how a message is read.
const codeUnsupportedVersion = 35

// DecodeRequest checks and decodes a request's body. Strings are copies, byte
// slices alias body. An ApiVersions request of a version that does not exist
// is not looked at: it decodes to an empty one of version 0, to be answered
// with UnsupportedApiVersions.
func DecodeRequest(h Header, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(int16(h.Key))
	if req == nil {
		return nil, fmt.Errorf("%w %d", ErrUnsupportedKey, int16(h.Key))
	}
	if h.IsUnknownApiVersions() {
		return req, nil
	}
	size, err := checkRequest(h, body)
	if err != nil {
		return nil, err
	}
	req.SetVersion(h.Version)
	if err := req.ReadFrom(body[:size:size]); err != nil {
		return nil, fmt.Errorf("%w: %v version %d: %w", ErrMalformed, h.Key, h.Version, err)
	}
	return req, nil
}

// IsUnknownApiVersions tells whether the request is an ApiVersions of a
// version that does not exist: a client's first word, spoken too new.
func (h *Header) IsUnknownApiVersions() bool {
	e, _ := apikey.Lookup(apikey.ApiVersions)
	return h.Key == apikey.ApiVersions && !e.Exists(h.Version)
}

// UnsupportedApiVersions is the answer to IsUnknownApiVersions, to be sent as
// version 0: the error, and the versions of ApiVersions itself to try next.
func UnsupportedApiVersions() *kmsg.ApiVersionsResponse {
	e, _ := apikey.Lookup(apikey.ApiVersions)
	key := kmsg.NewApiVersionsResponseApiKey()
	key.ApiKey, key.MinVersion, key.MaxVersion = int16(e.Key), e.Min, e.MaxStable
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = codeUnsupportedVersion
	resp.ApiKeys = append(resp.ApiKeys, key)
	return resp
}

// AppendResponse appends a response in the given version, framed: size prefix
// and header included.
func AppendResponse(dst []byte, key apikey.Key, version int16, correlation int32, resp kmsg.Response) []byte {
	start := len(dst)
	dst = AppendResponseHeader(dst, key, version, correlation)
	resp.SetVersion(version)
	return patchSize(resp.AppendTo(dst), start)
}

// AppendResponseHeader appends a response's size prefix, as zero, and header;
// for responses whose body is not in memory.
func AppendResponseHeader(dst []byte, key apikey.Key, version int16, correlation int32) []byte {
	dst = wire.AppendInt32(append(dst, 0, 0, 0, 0), correlation)
	if responseFlexible(key, version) {
		dst = append(dst, 0)
	}
	return dst
}

// AppendRequest appends req in the version it has, framed.
func AppendRequest(dst []byte, req kmsg.Request, correlation int32, clientID string) []byte {
	start := len(dst)
	dst = wire.AppendInt16(append(dst, 0, 0, 0, 0), req.Key())
	dst = wire.AppendInt16(dst, req.GetVersion())
	dst = wire.AppendInt32(dst, correlation)
	dst = wire.AppendString(dst, clientID)
	if req.IsFlexible() {
		dst = append(dst, 0)
	}
	return patchSize(req.AppendTo(dst), start)
}

func patchSize(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-sizePrefix))
	return dst
}

// CorrelationID is the correlation id of a response frame, which begins behind
// the size prefix.
func CorrelationID(frame []byte) (int32, error) {
	if len(frame) < 4 {
		return 0, fmt.Errorf("%w: response of %d bytes", ErrMalformed, len(frame))
	}
	return int32(binary.BigEndian.Uint32(frame)), nil
}

// DecodeResponse checks and decodes the response to req. A broker that does
// not know the version of an ApiVersions request answers in version 0, which
// the decoded response then has.
func DecodeResponse(req kmsg.Request, frame []byte) (kmsg.Response, error) {
	if _, err := CorrelationID(frame); err != nil {
		return nil, err
	}
	key, version, body := apikey.Key(req.Key()), req.GetVersion(), frame[4:]
	if key == apikey.ApiVersions && len(body) > 2 && int16(binary.BigEndian.Uint16(body)) == codeUnsupportedVersion {
		version = 0
	}
	if responseFlexible(key, version) {
		s := scan{buf: body, limit: headerBudget}
		if s.tags(nil); s.err != nil {
			return nil, fmt.Errorf("%w: response header: %w", ErrMalformed, s.err)
		}
		body = body[s.at:]
	}
	size, err := check(response, key, version, body, budget(len(body), maxResponseBudget))
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	if err := resp.ReadFrom(body[:size:size]); err != nil {
		return nil, fmt.Errorf("%w: %v response version %d: %w", ErrMalformed, key, version, err)
	}
	return resp, nil
}
