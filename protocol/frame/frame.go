// Package frame is the envelope of a Kafka message, and the gate before the
// decoder: headers, and bodies that strangers wrote.
//
//	request:  int32 size | int16 key | int16 version | int32 correlation | nullable string client id | [tags] | body
//	response: int32 size | int32 correlation | [tags] | body
//
// The tags are there in flexible versions, but never in ApiVersions responses,
// which a client must be able to read before it knows what the broker speaks.
//
// Flow of a request: Header.Parse, then at leisure Check or DecodeRequest. The
// decoder (kmsg) allocates arrays by the counts it finds, for which one byte an
// element is enough, and keeps every unknown tag in a map, so a small frame can
// ask for a lot of memory. Check goes before it: one pass over the bytes by the
// shape of the message (messages.txt), which allocates nothing, verifies every
// length and count, and adds up what decoding would allocate.
//
// Invariants: no input panics; a body that passed Check decodes without an
// error and within the budget; strings of decoded messages are copies, byte
// slices alias the frame.
package frame

import (
	"errors"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// Errors of this package, wrapped with their context. All mean bytes that
// cannot be answered: like Kafka, the caller closes the connection.
var (
	// ErrMalformed: the bytes do not have the shape of their key and version.
	ErrMalformed = errors.New("malformed message")
	// ErrTooCostly: they have, but would decode to more memory than a message
	// of that size may ask for.
	ErrTooCostly = errors.New("message decodes to too much memory")
	// ErrUnsupportedKey: the key is not assigned or has no version any more.
	ErrUnsupportedKey = errors.New("unsupported api key")
	// ErrUnsupportedVersion: the key has no such version.
	ErrUnsupportedVersion = errors.New("unsupported api version")
)

// Header is a request's header.
type Header struct {
	Key           apikey.Key
	Version       int16
	CorrelationID int32
	ClientID      string
	HasClientID   bool // false: it was null, which Kafka takes for empty
}
