package ids

import (
	"encoding/base64"
	"fmt"
	"io"
)

// UUID is Kafka's 16-byte id. Its text is unpadded URL-safe base64 (22
// characters), as in meta.properties and in the tools' output.
type UUID [16]byte

// TopicID identifies a topic for its whole life (KIP-516).
type TopicID UUID

// DirectoryID identifies a log directory or a voter's metadata directory (KIP-853, KIP-858).
type DirectoryID UUID

// The directory ids with a meaning of their own (KIP-858). Ids up to 100 are
// reserved and never generated.
var (
	MigratingDir  = DirectoryID{}
	UnassignedDir = DirectoryID{15: 1}
	LostDir       = DirectoryID{15: 2}
)

func (u UUID) String() string        { return base64.RawURLEncoding.EncodeToString(u[:]) }
func (t TopicID) String() string     { return UUID(t).String() }
func (d DirectoryID) String() string { return UUID(d).String() }

// IsZero tells whether the id is unset.
func (u UUID) IsZero() bool        { return u == UUID{} }
func (t TopicID) IsZero() bool     { return t == TopicID{} }
func (d DirectoryID) IsZero() bool { return d == DirectoryID{} }

// ParseUUID reads the 22-character text form; longer or undecodable text is an error.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) > 24 {
		return u, fmt.Errorf("uuid %.24q… is longer than 24 characters", s)
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return u, fmt.Errorf("uuid %q is not URL-safe base64: %w", s, err)
	}
	if len(b) != len(u) {
		return u, fmt.Errorf("uuid %q has %d bytes, not 16", s, len(b))
	}
	copy(u[:], b)
	return u, nil
}

// RandomUUID draws a version-4 id from rnd. Like Kafka it never returns one
// of the reserved ids, nor one whose text starts with a dash, which command
// lines would take for a flag.
func RandomUUID(rnd io.Reader) (UUID, error) {
	for {
		var u UUID
		if _, err := io.ReadFull(rnd, u[:]); err != nil {
			return u, fmt.Errorf("random uuid: %w", err)
		}
		u[6] = u[6]&0x0f | 0x40
		u[8] = u[8]&0x3f | 0x80
		if u.String()[0] != '-' {
			return u, nil
		}
	}
}
