package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// MetadataDir is where a node keeps the metadata log and its snapshots.
func (s *Server) MetadataDir() string { return filepath.Join(s.LogDir(), "__cluster_metadata-0") }

// Batches of a metadata log by their base offset.
type Batches map[int64][]byte

// MetadataLog reads the batches in a node's metadata log, of a running node as
// far as they are written.
func (s *Server) MetadataLog() (Batches, error) {
	files, err := filepath.Glob(filepath.Join(s.MetadataDir(), "*.log"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	out := Batches{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for len(b) >= batchOverhead {
			size := batchOverhead + int(binary.BigEndian.Uint32(b[8:]))
			if size > len(b) || size == batchOverhead {
				break // being written, or not written yet
			}
			out[int64(binary.BigEndian.Uint64(b))], b = b[:size], b[size:]
		}
	}
	return out, nil
}

// batchOverhead is what stands before a batch's content: base offset and size.
const batchOverhead = 12

// SameHistory fails where two logs have different batches before end, the offset
// that both have at least: what is committed is the same everywhere.
func SameHistory(a, b Batches, end int64) error {
	for at, batch := range a {
		other, ok := b[at]
		if at >= end || !ok && beforeAll(b, at) {
			continue
		}
		if !bytes.Equal(batch, other) {
			return fmt.Errorf("at offset %d one log has %d bytes and the other %d that differ:\n%x\n%x", at, len(batch), len(other), batch, other)
		}
	}
	return nil
}

// beforeAll tells whether a log begins behind an offset, with a snapshot.
func beforeAll(b Batches, at int64) bool {
	for other := range b {
		if other <= at {
			return false
		}
	}
	return true
}
