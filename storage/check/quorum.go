package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
)

const checkpointSuffix = ".checkpoint"

// isSnapshot tells the name of a snapshot of the metadata: <offset>-<epoch>.checkpoint.
func isSnapshot(name string) bool {
	stem, ok := strings.CutSuffix(name, checkpointSuffix)
	return ok && len(stem) == 31 && stem[20] == '-'
}

// quorumState verifies the election state: a node that does not know how it
// voted must not start.
func (p *partition) quorumState(name string) {
	b, ok := p.read(name)
	if !ok {
		return
	}
	var s struct {
		LeaderID, LeaderEpoch, VotedID *int32
		VotedDirectoryID               *string
		Version                        *int16 `json:"data_version"`
	}
	err := json.Unmarshal(b, &s)
	var at *json.SyntaxError
	switch {
	case errors.As(err, &at):
		p.find(name, at.Offset, "%v", err)
	case err != nil:
		p.find(name, 0, "%v", err)
	case s.Version == nil || *s.Version < 0 || *s.Version > 1:
		p.find(name, 0, "no data_version 0 or 1")
	case s.LeaderID == nil || s.LeaderEpoch == nil || s.VotedID == nil || *s.LeaderEpoch < 0 || *s.LeaderID < -1 || *s.VotedID < -1:
		p.find(name, 0, "no leaderId, leaderEpoch and votedId that can be")
	case *s.Version == 1 && (s.VotedDirectoryID == nil || badUUID(*s.VotedDirectoryID)):
		p.find(name, 0, "votedDirectoryId is no id")
	default:
		e := ids.LeaderEpoch(*s.LeaderEpoch)
		p.elected = &e
	}
}

func badUUID(s string) bool {
	_, err := ids.ParseUUID(s)
	return err != nil
}

// snapshot verifies a file of metadata records: whole batches with offsets from 0
// on, a header first and a footer last. It tells whether all that is so.
func (c *checker) snapshot(name string) bool {
	f, err := c.fs.OpenFile(name, 0)
	if err != nil {
		c.find(name, -1, "cannot be read: %v", err)
		return false
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		c.find(name, -1, "cannot be read: %v", err)
		return false
	}
	s := snapshot{want: batch.ControlSnapshotHeader}
	r := segment.NewReader(f, 0, size, nil)
	for {
		h, v, pos, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		problem := ""
		if err != nil {
			problem = err.Error()
			if bad := new(segment.CorruptError); errors.As(err, &bad) {
				problem = bad.Reason
			}
		} else {
			problem = s.batch(&h, v)
		}
		if problem != "" {
			c.find(name, pos, "%s", problem)
			return false
		}
	}
	if !s.footer {
		c.find(name, size, "it ends without a footer: it was not finished")
	}
	return s.footer
}

// snapshot is where the reading of one stands.
type snapshot struct {
	want   batch.ControlType // of the next control batch's first record
	next   ids.Offset
	footer bool
}

// batch takes the next batch and tells what is wrong with it.
func (s *snapshot) batch(h *segment.Header, v batch.View) string {
	if _, err := v.Validate(unpacked); err != nil {
		return err.Error()
	}
	switch {
	case s.footer:
		return "a batch behind the footer"
	case h.Base != s.next:
		return "the batches' offsets are not contiguous"
	case s.next == 0 && !h.Control():
		return "it begins without a header"
	}
	s.next = h.Next()
	if !h.Control() {
		return ""
	}
	it, err := v.Iterate(unpacked)
	if err != nil {
		return err.Error()
	}
	defer it.Release()
	var r batch.Record
	if !it.Next(&r) {
		return "a control batch without a record"
	}
	t, err := batch.ControlTypeOf(r.Key)
	switch {
	case err != nil:
		return err.Error()
	case t != s.want:
		return "its control records are not a header first and a footer last"
	}
	s.footer = t == batch.ControlSnapshotFooter
	s.want = batch.ControlSnapshotFooter
	return ""
}

// markFile says up to where the metadata log was committed and on this disk: "0",
// then the offset, a line each. It is gregor's own; Kafka takes no notice of it.
const markFile = "high-watermark"

// mark takes what lies below the mark for flushed.
func (p *partition) mark(name string) {
	b, ok := p.read(name)
	if !ok {
		return
	}
	var version, off int64
	n, err := fmt.Sscanf(string(b), "%d\n%d\n", &version, &off)
	if err != nil || n != 2 || version != 0 || off < 0 || string(b) != fmt.Sprintf("0\n%d\n", off) {
		p.find(name, 0, "no version 0 and offset in %.80q", b)
		return
	}
	p.facts.recovery, p.marked = ids.Offset(off), true
}

// reach verifies what the metadata log's files say together.
func (p *partition) reach() {
	if !p.raft || len(p.bases) == 0 {
		return
	}
	if first := p.bases[0]; first > 0 && p.covered < first {
		p.find(p.dir+"/"+segment.FileName(first, segment.LogSuffix), 0, "the log begins at offset %d, and no whole snapshot reaches up to there", first)
	}
	if p.elected != nil && p.epoch > *p.elected {
		p.find(p.dir+"/"+quorumState, 0, "leaderEpoch is %d, but the log has batches of epoch %d", *p.elected, p.epoch)
	}
}
