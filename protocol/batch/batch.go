// Package batch is the record batch v2: views without copy, records, builder,
// control records and the four codecs.
package batch

import "errors"

// HeaderSize is the size of a batch's fixed part, LogOverhead that of the base
// offset and the length, which the length does not count.
const (
	HeaderSize  = 61
	LogOverhead = 12
)

// Errors of this package.
var (
	// ErrIncomplete: the buffer ends within the batch.
	ErrIncomplete = errors.New("incomplete record batch")
	// ErrCorrupt: the bytes are not a batch, or its CRC does not match.
	ErrCorrupt = errors.New("corrupt record batch")
	// ErrMagic: the message format is not version 2.
	ErrMagic = errors.New("unsupported record batch magic")
	// ErrInvalid: a well-formed batch with contents that make no sense.
	ErrInvalid = errors.New("invalid record batch")
	// ErrTooLarge: the records take more memory than the caller allows.
	ErrTooLarge = errors.New("records exceed the decompression budget")
)

// View is one whole v2 batch within a larger buffer.
type View []byte
