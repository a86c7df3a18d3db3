// Package records has the records of the cluster metadata log, generated from
// metadata.txt, and the frame each is wrapped in as the value of a log record:
//
//	uvarint frame version (1) | uvarint record type | uvarint record version | fields
//
// All versions of a record are one struct. A version is chosen when a record
// is written, by the cluster's metadata.version; fields that version lacks are
// left out, so the writer must not set what it may not say.
package records

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

//go:generate go run ../../protocol/schema/gen -in metadata.txt -package records

// frameVersion is the only version of the frame.
const frameVersion = 1

// ErrUnknown: a frame version, record type or record version that is not known
// here. A node that meets one cannot follow the log: it must not skip it.
var ErrUnknown = errors.New("unknown metadata record")

// Record is a metadata record: a pointer to one of the structs of this package.
type Record interface {
	// ApiKey is the number of the record type.
	ApiKey() int16
	// Versions are the lowest and highest version there is.
	Versions() (lowest, highest int16)
	// AppendTo appends the fields, without the frame.
	AppendTo(dst []byte, version int16) []byte
	// ReadFrom replaces the record by the one in src, which must hold nothing more.
	ReadFrom(version int16, src []byte) error
}

// Versioned is a record together with the version it is to be written in.
type Versioned struct {
	Record  Record
	Version int16
}

// Append appends rec, framed, in a version it has; another is a bug and panics.
func Append(dst []byte, rec Record, version int16) []byte {
	if lowest, highest := rec.Versions(); version < lowest || version > highest {
		panic(fmt.Sprintf("records: %T has no version %d", rec, version))
	}
	dst = wire.AppendUvarint(dst, frameVersion)
	dst = wire.AppendUvarint(dst, uint32(rec.ApiKey()))
	dst = wire.AppendUvarint(dst, uint32(version))
	return rec.AppendTo(dst, version)
}

// Append appends the record in its version.
func (v Versioned) Append(dst []byte) []byte { return Append(dst, v.Record, v.Version) }

// Parse takes a framed record apart. Its bytes fields alias b.
func Parse(b []byte) (rec Record, version int16, err error) {
	r := wire.NewReader(b)
	frame, key, v := r.Uvarint(), r.Uvarint(), r.Uvarint()
	if err := r.Err(); err != nil {
		return nil, 0, fmt.Errorf("metadata record frame: %w", err)
	}
	if frame != frameVersion {
		return nil, 0, fmt.Errorf("%w: frame version %d", ErrUnknown, frame)
	}
	if key <= maxKey {
		rec = newMetadata(int16(key))
	}
	if rec == nil {
		return nil, 0, fmt.Errorf("%w: type %d", ErrUnknown, key)
	}
	if _, highest := rec.Versions(); v > uint32(highest) {
		return nil, 0, fmt.Errorf("%w: %T version %d", ErrUnknown, rec, v)
	}
	return rec, int16(v), rec.ReadFrom(int16(v), r.Rest())
}

// maxKey keeps a type number from wrapping when it becomes an int16.
const maxKey = 1<<15 - 1
