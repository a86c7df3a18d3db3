// Package epochs is the leader-epoch history of one partition: which leader
// epoch began at which offset (KIP-101, KIP-279, KIP-320). A follower compares
// it with its leader's to find where their logs part.
//
// It is pure: no file, no lock, no clock. Encode and Parse are the contents of
// leader-epoch-checkpoint, a text file:
//
//	0                  version
//	2                  number of entries
//	0 0                epoch, start offset
//	3 1500
//
// Invariant: epochs and start offsets both grow strictly from entry to entry.
package epochs

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// FileName is the checkpoint's name in the partition's directory.
const FileName = "leader-epoch-checkpoint"

// ErrInvalid marks a checkpoint that cannot be parsed.
var ErrInvalid = errors.New("invalid leader-epoch-checkpoint")

// Entry says that the leader of Epoch wrote first at Start.
type Entry struct {
	Epoch ids.LeaderEpoch
	Start ids.Offset
}

// History is the entries in order. The zero value is empty and usable.
type History struct{ entries []Entry }

// Entries returns the entries; they must not be changed.
func (h *History) Entries() []Entry { return h.entries }

// Latest returns the newest entry.
func (h *History) Latest() (Entry, bool) {
	if len(h.entries) == 0 {
		return Entry{ids.NoEpoch, ids.NoOffset}, false
	}
	return h.entries[len(h.entries)-1], true
}

// Assign notes that epoch begins at start and tells whether that was news.
// Entries that contradict it (same or higher epoch, same or higher start) go:
// an epoch without records is replaced by the next one.
func (h *History) Assign(epoch ids.LeaderEpoch, start ids.Offset) bool {
	if epoch < 0 || start < 0 {
		return false
	}
	last, ok := h.Latest()
	if ok && last.Epoch == epoch && start >= last.Start {
		return false
	}
	n := len(h.entries)
	for n > 0 && (h.entries[n-1].Epoch >= epoch || h.entries[n-1].Start >= start) {
		n--
	}
	h.entries = append(h.entries[:n:n], Entry{epoch, start})
	return true
}

// EndOffset answers an OffsetsForLeaderEpoch request: the largest epoch up to
// the one asked for, and where it ends. NoEpoch and NoOffset mean undefined.
func (h *History) EndOffset(epoch ids.LeaderEpoch, logEnd ids.Offset) ids.OffsetAndEpoch {
	undefined := ids.OffsetAndEpoch{Offset: ids.NoOffset, Epoch: ids.NoEpoch}
	last, ok := h.Latest()
	if !ok || epoch < 0 || epoch > last.Epoch {
		return undefined
	}
	if epoch == last.Epoch {
		return ids.OffsetAndEpoch{Offset: logEnd, Epoch: epoch}
	}
	i := sort.Search(len(h.entries), func(i int) bool { return h.entries[i].Epoch > epoch })
	if i == 0 {
		// Older than all that is kept: the log begins with the first entry.
		return ids.OffsetAndEpoch{Offset: h.entries[0].Start, Epoch: epoch}
	}
	return ids.OffsetAndEpoch{Offset: h.entries[i].Start, Epoch: h.entries[i-1].Epoch}
}

// ForOffset returns the epoch in which the record at off was written.
func (h *History) ForOffset(off ids.Offset) (ids.LeaderEpoch, bool) {
	i := sort.Search(len(h.entries), func(i int) bool { return h.entries[i].Start > off })
	if i == 0 {
		return ids.NoEpoch, false
	}
	return h.entries[i-1].Epoch, true
}

// TruncateEnd forgets epochs that begin at or after end.
func (h *History) TruncateEnd(end ids.Offset) bool {
	n := len(h.entries)
	for n > 0 && h.entries[n-1].Start >= end {
		n--
	}
	changed := n < len(h.entries)
	h.entries = h.entries[:n:n]
	return changed
}

// TruncateStart forgets what lies before start; the epoch in force there now begins at start.
func (h *History) TruncateStart(start ids.Offset) bool {
	n := 0
	for n < len(h.entries) && h.entries[n].Start <= start {
		n++
	}
	if n == 0 || n == 1 && h.entries[0].Start == start {
		return false
	}
	h.entries = append([]Entry{{h.entries[n-1].Epoch, start}}, h.entries[n:]...)
	return true
}

// Clear forgets everything.
func (h *History) Clear() { h.entries = nil }

// Encode renders the checkpoint file.
func (h *History) Encode() []byte {
	b := fmt.Appendf(nil, "0\n%d\n", len(h.entries))
	for _, e := range h.entries {
		b = fmt.Appendf(b, "%d %d\n", e.Epoch, e.Start)
	}
	return b
}

// Parse reads a checkpoint file. Entries that break the invariant are
// dropped as Assign drops them, which is what Kafka's loader does.
func Parse(b []byte) (*History, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "0" {
		return nil, fmt.Errorf("%w: no version 0 and count in the first two lines", ErrInvalid)
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("%w: %q entries announced, %d lines follow", ErrInvalid, lines[1], len(lines)-2)
	}
	h := &History{}
	for i, line := range lines[2:] {
		epoch, start, ok := strings.Cut(line, " ")
		e, err1 := strconv.ParseInt(epoch, 10, 32)
		s, err2 := strconv.ParseInt(start, 10, 64)
		if !ok || err1 != nil || err2 != nil || e < 0 || s < 0 {
			return nil, fmt.Errorf("%w: line %d: %q", ErrInvalid, i+3, line)
		}
		h.Assign(ids.LeaderEpoch(e), ids.Offset(s))
	}
	return h, nil
}
