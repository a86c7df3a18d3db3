// Package records has the records of __consumer_offsets, generated from
// groups.txt: offsets, and groups of all kinds. A log record's key and value
// are framed alike, with a number of two bytes before the fields:
//
//	key:   int16 record type    | fields of the key, version 0
//	value: int16 record version | fields of the value; a null value is a tombstone
//
// All versions of a value are one struct; a version is chosen when it is written.
package records

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

//go:generate go run ../../protocol/schema/gen -in groups.txt -package records

// ErrUnknown: a record type or version that is not known here. Kafka skips
// unknown types when it loads a partition, so that a downgrade can work, and
// fails on unknown versions.
var ErrUnknown = errors.New("unknown group record")

// Record is a key or a value: a pointer to one of the structs of this package.
type Record interface {
	// ApiKey is the number of the record type; a key and its value have the same.
	ApiKey() int16
	// Versions are the lowest and highest version there is.
	Versions() (lowest, highest int16)
	// AppendTo appends the fields, without the frame.
	AppendTo(dst []byte, version int16) []byte
	// ReadFrom replaces the record by the one in src, which must hold nothing more.
	ReadFrom(version int16, src []byte) error
}

// AppendKey appends a key with its frame.
func AppendKey(dst []byte, key Record) []byte {
	return key.AppendTo(wire.AppendInt16(dst, key.ApiKey()), 0)
}

// AppendValue appends a value with its frame, in a version it has; another is
// a bug and panics.
func AppendValue(dst []byte, value Record, version int16) []byte {
	if lowest, highest := value.Versions(); version < lowest || version > highest {
		panic(fmt.Sprintf("records: %T has no version %d", value, version))
	}
	return value.AppendTo(wire.AppendInt16(dst, version), version)
}

// ParseKey takes a framed key apart.
func ParseKey(b []byte) (Record, error) {
	r := wire.NewReader(b)
	t := r.Int16()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("group record key: %w", err)
	}
	key := newKey(t)
	if key == nil {
		return nil, fmt.Errorf("%w: type %d", ErrUnknown, t)
	}
	return key, key.ReadFrom(0, r.Rest())
}

// ParseValue takes the framed value of key apart; its bytes fields alias b. It
// is nil for a tombstone, which a nil b is.
func ParseValue(key Record, b []byte) (value Record, version int16, err error) {
	if b == nil {
		return nil, 0, nil
	}
	r := wire.NewReader(b)
	version = r.Int16()
	if err := r.Err(); err != nil {
		return nil, 0, fmt.Errorf("group record value: %w", err)
	}
	if value = newValue(key.ApiKey()); value == nil {
		return nil, 0, fmt.Errorf("%w: type %d", ErrUnknown, key.ApiKey())
	}
	if lowest, highest := value.Versions(); version < lowest || version > highest {
		return nil, 0, fmt.Errorf("%w: %T version %d", ErrUnknown, value, version)
	}
	return value, version, value.ReadFrom(version, r.Rest())
}
