package raftio

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// A snapshot is a file of record batches with offsets of their own, from 0 on:
//
//	control batch   SnapshotHeader, and from kraft.version 1 on KRaftVersion and Voters
//	data batches    the records of an image
//	control batch   SnapshotFooter; a file without it is incomplete

const (
	checkpointSuffix = ".checkpoint"
	partSuffix       = ".part"
	deletedSuffix    = ".deleted"
)

// ErrSnapshot says that a checkpoint file is incomplete or damaged.
var ErrSnapshot = errors.New("bad checkpoint file")

// SnapshotName is the file name of the snapshot that ends before id: "<offset>-<epoch>.checkpoint".
func SnapshotName(id ids.OffsetAndEpoch) string {
	return fmt.Sprintf("%020d-%010d%s", id.Offset, id.Epoch, checkpointSuffix)
}

// parseSnapshotName is the reverse; suffix is what follows ".checkpoint".
func parseSnapshotName(name string) (id ids.OffsetAndEpoch, suffix string, ok bool) {
	stem, suffix, ok := strings.Cut(name, checkpointSuffix)
	if !ok || len(stem) != 31 || stem[20] != '-' {
		return id, "", false
	}
	off, err1 := strconv.ParseInt(stem[:20], 10, 64)
	epoch, err2 := strconv.ParseInt(stem[21:], 10, 32)
	if err1 != nil || err2 != nil || off < 0 || epoch < 0 {
		return id, "", false
	}
	return ids.OffsetAndEpoch{Offset: ids.Offset(off), Epoch: ids.LeaderEpoch(epoch)}, suffix, true
}

// SnapshotReader reads a checkpoint file (also bootstrap.checkpoint).
type SnapshotReader struct {
	file   vfs.File
	id     ids.OffsetAndEpoch
	size   int64
	pos    int64 // of the first data batch
	header controls
}

// OpenSnapshot opens a checkpoint file and reads its header. Whether the file is whole
// shows at the end of Batches.
func OpenSnapshot(fsys vfs.FS, name string) (*SnapshotReader, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	r := &SnapshotReader{file: f}
	r.id, _, _ = parseSnapshotName(path.Base(name))
	if err := r.readHeader(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func (r *SnapshotReader) readHeader() error {
	var err error
	if r.size, err = r.file.Size(); err != nil {
		return err
	}
	v, err := r.batchAt(0)
	if err != nil {
		return err
	}
	if !v.IsControl() {
		return fmt.Errorf("%w: it begins with no control batch", ErrSnapshot)
	}
	if r.header, err = parseControl(v); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if r.header.header == nil {
		return fmt.Errorf("%w: it begins without a header", ErrSnapshot)
	}
	r.pos = int64(v.Len())
	return nil
}

// batchAt reads and checks the batch at pos.
func (r *SnapshotReader) batchAt(pos int64) (batch.View, error) {
	head := make([]byte, batch.HeaderSize)
	if _, err := r.file.ReadAt(head, pos); err != nil {
		return nil, fmt.Errorf("%w: position %d of %d: %w", ErrSnapshot, pos, r.size, err)
	}
	size, err := batch.Size(head)
	if err != nil {
		return nil, fmt.Errorf("%w: position %d: %w", ErrSnapshot, pos, err)
	}
	if size > maxBatch || int64(size) > r.size-pos {
		return nil, fmt.Errorf("%w: a batch of %d bytes at position %d of %d", ErrSnapshot, size, pos, r.size)
	}
	buf := make([]byte, size)
	if _, err := r.file.ReadAt(buf, pos); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	v := batch.View(buf)
	if err = v.Check(); err == nil {
		err = v.VerifyCRC()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: position %d: %w", ErrSnapshot, pos, err)
	}
	return v, nil
}

// ID is the position of the snapshot from its file name; zero for other names.
func (r *SnapshotReader) ID() ids.OffsetAndEpoch { return r.id }

// AppendTime is the append time of the last record it covers, ms since 1970.
func (r *SnapshotReader) AppendTime() int64 { return r.header.header.LastContainedLogTimestamp }

// KRaftVersion is the level that the header sets, 0 without.
func (r *SnapshotReader) KRaftVersion() int16 {
	if r.header.KRaftVersion == nil {
		return 0
	}
	return *r.header.KRaftVersion
}

// Voters is the voter set of the header, empty without.
func (r *SnapshotReader) Voters() raft.VoterSet {
	if r.header.Voters == nil {
		return raft.VoterSet{}
	}
	return *r.header.Voters
}

// Size is the file's size in bytes.
func (r *SnapshotReader) Size() int64 { return r.size }

// Batches yields the data batches in order; an error ends the sequence. A
// sequence that ends without an error has seen the footer.
func (r *SnapshotReader) Batches() iter.Seq2[CommittedBatch, error] {
	return func(yield func(CommittedBatch, error) bool) {
		for pos := r.pos; ; {
			v, err := r.batchAt(pos)
			if err == nil && v.IsControl() {
				if err = r.atFooter(v, pos); err == nil {
					return
				}
			}
			var b CommittedBatch
			if err == nil {
				b, err = parseRecords(v)
			}
			if !yield(b, err) || err != nil {
				return
			}
			pos += int64(v.Len())
		}
	}
}

// atFooter checks that a control batch behind the header is the footer, and the end.
func (r *SnapshotReader) atFooter(v batch.View, pos int64) error {
	c, err := parseControl(v)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if !c.footer || pos+int64(v.Len()) != r.size {
		return fmt.Errorf("%w: a control batch that is not the footer at its end", ErrSnapshot)
	}
	return nil
}

// check reads the whole file.
func (r *SnapshotReader) check() error {
	for _, err := range r.Batches() {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *SnapshotReader) state() raft.SnapshotState {
	return raft.SnapshotState{ID: r.id, KRaftVersion: r.KRaftVersion(), HasVoters: r.header.Voters != nil, Voters: r.Voters()}
}

// Close closes the file.
func (r *SnapshotReader) Close() error { return r.file.Close() }

// SnapshotOptions describe a checkpoint file to write.
type SnapshotOptions struct {
	FS         vfs.FS
	Path       string // it appears there only when it is complete and on disk
	AppendTime int64  // ms, of the last record that the snapshot covers
	Now        int64  // ms, timestamp of its batches
	Epoch      ids.LeaderEpoch
	// KRaftVersion and Voters are written as control records from kraft.version 1 on.
	KRaftVersion int16
	Voters       raft.VoterSet
}

// recordsPerBatch and bytesPerBatch bound the data batches of a snapshot.
const recordsPerBatch, bytesPerBatch = 1024, 256 << 10

// WriteSnapshotFile writes header, control records, recs and footer. It keeps no
// record beyond the call that yields it. Usable
// offline, for bootstrap.checkpoint and for 00000000000000000000-0000000000.checkpoint
// that `gregor format` makes.
func WriteSnapshotFile(o SnapshotOptions, recs iter.Seq[[]byte]) (err error) {
	part := o.Path + partSuffix
	f, err := o.FS.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	w := &snapshotWriter{o: o, file: f}
	err = w.write(recs)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = o.FS.Remove(part) // it is no snapshot yet; the next start removes it otherwise
		return fmt.Errorf("write a snapshot: %w", err)
	}
	return publish(o.FS, part, o.Path)
}

// publish gives a complete, flushed file its name.
func publish(fsys vfs.FS, part, name string) error {
	if err := fsys.Rename(part, name); err != nil {
		return fmt.Errorf("publish a snapshot: %w", err)
	}
	return fsys.SyncDir(path.Dir(name))
}

type snapshotWriter struct {
	o    SnapshotOptions
	file vfs.File
	pos  int64
	next ids.Offset
	buf  []byte // encoded batches not yet written
}

func (w *snapshotWriter) write(recs iter.Seq[[]byte]) error {
	b := w.builder(true)
	b.AppendControl(w.o.Now, batch.ControlSnapshotHeader, (&batch.SnapshotHeader{LastContainedLogTimestamp: w.o.AppendTime}).AppendTo(nil, 0))
	if w.o.KRaftVersion > 0 {
		appendControls(b, &raft.Control{KRaftVersion: &w.o.KRaftVersion, Voters: &w.o.Voters}, w.o.Now)
	}
	if err := w.add(b); err != nil {
		return err
	}
	if err := w.data(recs); err != nil {
		return err
	}
	b = w.builder(true)
	b.AppendControl(w.o.Now, batch.ControlSnapshotFooter, (&batch.SnapshotFooter{}).AppendTo(nil, 0))
	if err := w.add(b); err != nil {
		return err
	}
	return w.flush()
}

func (w *snapshotWriter) data(recs iter.Seq[[]byte]) error {
	b := w.builder(false)
	for rec := range recs {
		if b.Count() > 0 && (b.Count() == recordsPerBatch || b.Len()+len(rec) > bytesPerBatch) {
			if err := w.add(b); err != nil {
				return err
			}
			b = w.builder(false)
		}
		b.Append(w.o.Now, nil, rec, nil)
	}
	if b.Count() == 0 {
		return nil
	}
	return w.add(b)
}

func (w *snapshotWriter) builder(control bool) *batch.Builder {
	return batch.NewBuilder(batch.Options{BaseOffset: w.next, LeaderEpoch: w.o.Epoch, Control: control})
}

func (w *snapshotWriter) add(b *batch.Builder) error {
	v, err := b.Bytes()
	if err != nil {
		return err
	}
	w.next = v.NextOffset()
	w.buf = append(w.buf, v...)
	if len(w.buf) < 1<<20 {
		return nil
	}
	return w.flush()
}

func (w *snapshotWriter) flush() error {
	n, err := w.file.WriteAt(w.buf, w.pos)
	w.pos += int64(n)
	w.buf = w.buf[:0]
	return err
}
