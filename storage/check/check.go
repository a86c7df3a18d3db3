// Package check verifies data directories offline: it reads every file of
// every partition and says what is wrong where. It changes nothing.
//
// The flow: Dir reads the directory's own files, then Partition each partition:
// batches first (sizes, CRC, records, offsets and epochs that never fall), then
// the indexes against the positions found, then epochs and snapshots. A finding
// names file and byte. What recovery repairs by itself (a torn tail, an index
// that is behind or missing) is reported as repairable.
package check

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Finding is something wrong.
type Finding struct {
	Path       string
	Pos        int64 // byte in the file; -1 where it does not apply
	Problem    string
	Repairable bool // the next start repairs it without losing a record that was flushed
}

func (f Finding) String() string {
	where := f.Path
	if f.Pos >= 0 {
		where += ":" + strconv.FormatInt(f.Pos, 10)
	}
	if f.Repairable {
		return where + ": " + f.Problem + " (repaired by the next start)"
	}
	return where + ": " + f.Problem
}

// Totals counts what was read.
type Totals struct {
	Partitions, Segments, Batches int
	Records, Bytes                int64
}

// Add sums up.
func (t *Totals) Add(o Totals) {
	t.Partitions += o.Partitions
	t.Segments += o.Segments
	t.Batches += o.Batches
	t.Records += o.Records
	t.Bytes += o.Bytes
}

// maxFile bounds a file that is read whole.
const maxFile = 1 << 30

// Dir verifies a data directory and calls report for every finding. Its error
// is one of reading the directory itself.
func Dir(fsys vfs.FS, dir string, report func(Finding)) (Totals, error) {
	var total Totals
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return total, err
	}
	if _, err := logdir.ReadMeta(fsys, dir); err != nil {
		report(Finding{dir + "/" + logdir.MetaFile, -1, err.Error(), false})
	}
	recovery := readOffsets(fsys, dir, logdir.RecoveryFile, report)
	for _, name := range []string{logdir.StartFile, logdir.ReplicationFile, logdir.CleanerFile} {
		readOffsets(fsys, dir, name, report)
	}
	for _, e := range names {
		if tp, ok := partitionName(e); ok {
			t, err := Partition(fsys, dir+"/"+e.Name, recovery[tp], report)
			if err != nil {
				return total, err
			}
			total.Add(t)
		}
	}
	return total, nil
}

func readOffsets(fsys vfs.FS, dir, name string, report func(Finding)) logdir.Offsets {
	o, err := logdir.ReadOffsets(fsys, dir, name)
	if err != nil {
		report(Finding{dir + "/" + name, -1, err.Error(), true})
	}
	return o
}

func partitionName(e vfs.Entry) (tp ids.TopicPartition, ok bool) {
	dash := strings.LastIndexByte(e.Name, '-')
	if !e.IsDir || dash <= 0 {
		return tp, false
	}
	n, err := strconv.ParseInt(e.Name[dash+1:], 10, 32)
	return ids.TopicPartition{Topic: e.Name[:dash], Partition: int32(n)}, err == nil && n >= 0
}

// partition is a check of one partition under way.
type partition struct {
	fs      vfs.FS
	dir     string
	flushed ids.Offset // the recovery point: damage below is not a torn tail
	report  func(Finding)
	total   Totals
	next    ids.Offset
	epoch   ids.LeaderEpoch
}

// Partition verifies one partition's directory. flushed is its recovery point.
func Partition(fsys vfs.FS, dir string, flushed ids.Offset, report func(Finding)) (Totals, error) {
	p := &partition{fs: fsys, dir: dir, flushed: flushed, report: report, epoch: ids.NoEpoch, total: Totals{Partitions: 1}}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return p.total, err
	}
	var bases []ids.Offset
	for _, e := range names {
		if base, ok := strings.CutSuffix(e.Name, segment.LogSuffix); ok && len(base) == 20 {
			if n, err := strconv.ParseInt(base, 10, 64); err == nil {
				bases = append(bases, ids.Offset(n))
			}
		}
		p.small(e.Name)
	}
	slices.Sort(bases)
	for i, base := range bases {
		if err := p.segment(base, i+1 == len(bases)); err != nil {
			return p.total, err
		}
	}
	return p.total, nil
}

// small verifies the files that are read whole.
func (p *partition) small(name string) {
	var parse func([]byte) error
	repairable := true
	switch {
	case name == partlog.MetadataFile:
		parse, repairable = func(b []byte) error { _, err := partlog.ParseMetadata(b); return err }, false
	case name == epochs.FileName:
		parse = func(b []byte) error { _, err := epochs.Parse(b); return err }
	case strings.HasSuffix(name, segment.SnapshotSuffix) && !strings.Contains(p.dir, logdir.MetadataTopic):
		parse = func(b []byte) error { _, err := producers.ParseInfo(b); return err }
	default:
		return
	}
	b, err := vfs.ReadFile(p.fs, p.dir+"/"+name, maxFile)
	if err == nil {
		err = parse(b)
	}
	if err != nil {
		p.report(Finding{p.dir + "/" + name, -1, err.Error(), repairable})
	}
}

// segment verifies one segment. Its error is one of opening the file.
func (p *partition) segment(base ids.Offset, last bool) error {
	name := p.dir + "/" + segment.FileName(base, segment.LogSuffix)
	f, err := p.fs.OpenFile(name, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if base < p.next {
		p.report(Finding{name, 0, fmt.Sprintf("begins at offset %d, the segment before ends at %d", base, p.next), false})
	}
	p.next = base
	p.total.Segments++
	starts, good := p.batches(f, base, size, last)
	p.index(base, starts, good)
	p.times(base)
	p.txns(base)
	return nil
}

// batches reads all batches and returns the last offset of each by position,
// and where the good ones end.
func (p *partition) batches(f vfs.File, base ids.Offset, size int64, last bool) (map[int64]ids.Offset, int64) {
	starts := map[int64]ids.Offset{}
	r := segment.NewReader(f, 0, size, nil)
	for {
		h, v, pos, err := r.Next()
		if err == io.EOF {
			return starts, size
		}
		if err == nil {
			err = p.order(&h, base, f.Name(), pos)
		}
		if err != nil {
			torn := last && p.next >= p.flushed
			problem := err.Error()
			if c := new(segment.CorruptError); errors.As(err, &c) {
				problem = c.Reason
			}
			p.report(Finding{f.Name(), pos, problem, torn})
			return starts, pos
		}
		if _, err := v.Validate(256 << 20); err != nil {
			p.report(Finding{f.Name(), pos, err.Error(), false})
		}
		starts[pos] = h.Last
		p.next, p.epoch = h.Next(), max(p.epoch, h.Epoch)
		p.total.Batches++
		p.total.Records += int64(h.Count)
		p.total.Bytes += int64(h.Size)
	}
}

func (p *partition) order(h *segment.Header, base ids.Offset, name string, pos int64) error {
	if h.Last-base > 1<<31-1 {
		return &segment.CorruptError{Path: name, Pos: pos, Reason: fmt.Sprintf("offset %d in a segment that begins at %d", h.Last, base)}
	}
	if h.Base < p.next {
		return &segment.CorruptError{Path: name, Pos: pos, Reason: fmt.Sprintf("batch begins at offset %d, the one before ends at %d", h.Base, p.next)}
	}
	if h.Epoch >= 0 && h.Epoch < p.epoch {
		return &segment.CorruptError{Path: name, Pos: pos, Reason: fmt.Sprintf("leader epoch %d after %d", h.Epoch, p.epoch)}
	}
	return nil
}

// read returns an index file's bytes; an absent one is empty.
func (p *partition) read(base ids.Offset, suffix string) (string, []byte) {
	name := p.dir + "/" + segment.FileName(base, suffix)
	b, err := vfs.ReadFile(p.fs, name, maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.report(Finding{name, -1, err.Error(), false})
	}
	return name, b
}

func (p *partition) index(base ids.Offset, starts map[int64]ids.Offset, good int64) {
	name, b := p.read(base, segment.IndexSuffix)
	x := segment.OffsetIndex(b)
	prev := segment.OffsetAt{Offset: base - 1, Position: -1}
	for i := range x.Len() {
		e := x.At(base, i)
		if e == (segment.OffsetAt{Offset: base}) && i > 0 {
			return // the padding of an active segment
		}
		last, ok := starts[e.Position]
		switch {
		case e.Offset <= prev.Offset || e.Position <= prev.Position:
			p.report(Finding{name, int64(i * 8), "entries do not grow", true})
			return
		case !ok && e.Position < good || ok && last != e.Offset:
			p.report(Finding{name, int64(i * 8), fmt.Sprintf("no batch with last offset %d begins at byte %d", e.Offset, e.Position), true})
			return
		}
		prev = e
	}
}

func (p *partition) times(base ids.Offset) {
	name, b := p.read(base, segment.TimeSuffix)
	x := segment.TimeIndex(b)
	prev := segment.TimeAt{Timestamp: -1, Offset: base}
	for i := range x.Len() {
		e := x.At(base, i)
		if e == (segment.TimeAt{Offset: base}) && i > 0 {
			return
		}
		if e.Timestamp <= prev.Timestamp || e.Offset < prev.Offset || e.Offset >= p.next && p.next > base {
			p.report(Finding{name, int64(i * 12), fmt.Sprintf("entry (%d, %d) after (%d, %d), log end %d", e.Timestamp, e.Offset, prev.Timestamp, prev.Offset, p.next), true})
			return
		}
		prev = e
	}
}

func (p *partition) txns(base ids.Offset) {
	name, b := p.read(base, segment.TxnSuffix)
	if _, err := segment.ParseAbortedTxns(name, b); err != nil {
		pos := int64(-1)
		if c := new(segment.CorruptError); errors.As(err, &c) {
			pos = c.Pos
		}
		p.report(Finding{name, pos, err.Error(), false})
	}
}
