// Package frame is the envelope of a Kafka message: size prefix, request and
// response headers, and the decoding of bodies that strangers wrote.
package frame

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Errors of this package. All of them mean that the bytes are not a request we
// can answer; Kafka closes the connection then.
var (
	// ErrMalformed: the bytes do not have the shape of their key and version.
	ErrMalformed = errors.New("malformed message")
	// ErrTooCostly: the bytes have the shape, but decoding them would take
	// more memory than a frame of that size may claim.
	ErrTooCostly = errors.New("message would decode to too much memory")
	// ErrUnsupportedKey: no such key is assigned.
	ErrUnsupportedKey = errors.New("unknown api key")
	// ErrUnsupportedVersion: the key has no such version.
	ErrUnsupportedVersion = errors.New("unsupported api version")
)

// Header is a request's header.
type Header struct {
	Key           apikey.Key
	Version       int16
	CorrelationID int32
	ClientID      string
	HasClientID   bool // false: the client id was null
}

// ParseHeader reads the header of a request frame (without its size prefix).
func ParseHeader(frame []byte) (Header, []byte, error) { return Header{}, nil, ErrMalformed }

// Check verifies the structure of a request body.
func Check(h Header, body []byte) error { return ErrMalformed }

// DecodeRequest checks and decodes a request body.
func DecodeRequest(h Header, body []byte) (kmsg.Request, error) { return nil, ErrMalformed }

// DecodeResponse decodes the response to req.
func DecodeResponse(req kmsg.Request, frame []byte) (kmsg.Response, error) { return nil, ErrMalformed }

// AppendResponse appends a response frame with its size prefix.
func AppendResponse(dst []byte, key apikey.Key, version int16, correlation int32, resp kmsg.Response) []byte {
	return dst
}

// AppendRequest appends a request frame with its size prefix.
func AppendRequest(dst []byte, req kmsg.Request, correlation int32, clientID string) []byte {
	return dst
}
