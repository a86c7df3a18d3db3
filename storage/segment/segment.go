package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Suffixes of segment files.
const (
	LogSuffix      = ".log"
	IndexSuffix    = ".index"
	TimeSuffix     = ".timeindex"
	TxnSuffix      = ".txnindex"
	SnapshotSuffix = ".snapshot"
	DeletedSuffix  = ".deleted"
	CleanedSuffix  = ".cleaned"
	SwapSuffix     = ".swap"
)

// Suffixes lists a segment's own files, the log first.
var Suffixes = [...]string{LogSuffix, IndexSuffix, TimeSuffix, TxnSuffix}

// FileName is Kafka's name for a file that belongs to base.
func FileName(base ids.Offset, suffix string) string { return fmt.Sprintf("%020d%s", base, suffix) }

// Dir is where a log's segments live; they share one. The owner changes Path
// when the directory is renamed.
type Dir struct {
	FS   vfs.FS
	Path string
	Tail string // what file names carry at their end: ".cleaned" while a cleaner writes
}

func (d *Dir) name(base ids.Offset, suffix string) string {
	return d.Path + "/" + FileName(base, suffix) + d.Tail
}

// File is an open log file shared by its segment and readers.
type File struct {
	vfs.File
	refs    atomic.Int32
	Release func() // gives one reference back; the last one closes the file
}

func newFile(f vfs.File) *File {
	sf := &File{File: f}
	sf.refs.Store(1)
	sf.Release = func() {
		if sf.refs.Add(-1) == 0 {
			sf.Close()
		}
	}
	return sf
}

// Acquire takes a reference; the caller must know that one is held.
func (f *File) Acquire() *File { f.refs.Add(1); return f }

// unknown marks facts that were not read from disk yet.
const unknown = -2

// Segment is one segment. A cold one is a few words; everything else is
// loaded on use and dropped by Cool.
type Segment struct {
	Base ids.Offset
	dir  *Dir
	size int64  // valid bytes of .log; unknown until stat'ed
	max  TimeAt // largest timestamp and the last offset of its batch; Timestamp unknown until loaded
	// First is the largest timestamp of the first batch, on which time-based
	// rolling counts; unknown until loaded, -1 in an empty segment.
	first   int64
	Created int64 // ms, when the segment was made or opened: rolling counts on it without timestamps
	// Active and Used belong to the owner: prepared for appends; read since the last look.
	Active, Used bool
	Behind       bool // the index files lack entries that the log has: a clean close must save them
	// Partial: the indexes end where damage begins, and so may the largest timestamp.
	Partial bool
	// TxnsVouched: the owner compared the transaction index with the log, or this
	// process wrote all of it.
	TxnsVouched bool
	// TxnsInOrder: and no later transaction began below one of its last stable offsets.
	TxnsInOrder bool
	// TxnsProved: that, and no entry lacks, as far as the batches can tell.
	TxnsProved bool
	// Unclean: it was recovered after a crash, and its transaction index may lack entries.
	Unclean   bool
	reindexed bool // Reindex was called: an index that misleads now is the log's damage
	// markers: the offset index was lost, the log holds ends of transactions, and so
	// the transaction index may be lost too where it is missing.
	markers bool
	trust   trust
	// kept are the sizes plus one at which this process last synced the index files;
	// 0 when it did not, or wrote to one since.
	kept struct{ index, times uint32 }
	hot  *hot
}

type hot struct {
	log      *File
	index    entries
	times    entries
	txns     []AbortedTxn
	hasTxn   bool // txns loaded
	txnSaved int  // entries in the file
	last     int64
	// last is the position of the newest offset entry, 0 without: an entry is due
	// when the next batch begins more than the interval after it.
}

// Existing describes a segment whose files are there; nothing is opened.
func Existing(dir *Dir, base ids.Offset, now int64) *Segment {
	return &Segment{Base: base, dir: dir, size: unknown, max: TimeAt{unknown, base}, first: unknown, Created: now, trust: trust{from: unknown}}
}

// Replacing is Existing for a segment whose log this process has just written.
func Replacing(dir *Dir, base ids.Offset, now int64) *Segment {
	s := Existing(dir, base, now)
	s.trust.from = 0
	return s
}

// Create makes the .log file of a new segment; the index files follow with
// the first save. preallocate is the size to reserve, 0 for none. Stale files
// of the same base are emptied.
func Create(dir *Dir, base ids.Offset, now, preallocate int64) (*Segment, error) {
	f, err := dir.FS.OpenFile(dir.name(base, LogSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	if preallocate > 0 {
		if err := f.Allocate(preallocate); err != nil {
			f.Close()
			return nil, errors.Join(err, dir.FS.Remove(dir.name(base, LogSuffix)))
		}
	}
	s := &Segment{Base: base, dir: dir, max: TimeAt{-1, base}, first: -1, Created: now, TxnsVouched: true, TxnsProved: true, hot: &hot{log: newFile(f), hasTxn: true}}
	s.hot.index.reset()
	s.hot.times.reset()
	return s, nil
}

func (s *Segment) name(suffix string) string { return s.dir.name(s.Base, suffix) }

// Path is the log file's name.
func (s *Segment) Path() string { return s.name(LogSuffix) }

func (s *Segment) heat() *hot {
	if s.hot == nil {
		s.hot = &hot{}
	}
	return s.hot
}

// Log returns the open log file, opening it if need be. The segment keeps its
// reference: Acquire one to use the file outside the lock.
func (s *Segment) Log() (*File, error) {
	h := s.heat()
	if h.log == nil {
		f, err := s.dir.FS.OpenFile(s.Path(), os.O_RDWR)
		if err != nil {
			return nil, err
		}
		h.log = newFile(f)
	}
	return h.log, nil
}

// Size is the number of valid bytes.
func (s *Segment) Size() (int64, error) {
	if s.size == unknown {
		st, err := s.dir.FS.Stat(s.Path())
		if err != nil {
			return 0, err
		}
		s.size = st.Size
		s.trust.from = s.Trusted()
	}
	return s.size, nil
}

// Index returns the offset index, loading it if need be; an index file that
// is missing or cannot be true for the log is rebuilt.
func (s *Segment) Index(interval int32) (OffsetIndex, error) {
	h := s.heat()
	if !h.index.loaded {
		if err := s.loadIndex(interval); err != nil {
			return nil, err
		}
	}
	return OffsetIndex(h.index.buf), nil
}

// maxUnindexed is how much may lie behind the last entry, an interval aside: a
// batch, and what was appended at once with it by a writer that makes an entry
// an append. More is a file that was cut.
const maxUnindexed = 64 << 20

func (s *Segment) loadIndex(interval int32) error {
	size, err := s.Size()
	if err != nil {
		return err
	}
	b, err := readIndexFile(s.dir.FS, s.name(IndexSuffix))
	if err != nil {
		return err
	}
	n := OffsetIndex(b).valid(s.Base, size, 1<<62)
	covered := int64(0)
	if n > 0 {
		covered = OffsetIndex(b).At(s.Base, n/offsetEntry-1).Position
	}
	missing := b == nil && size > int64(interval)
	if n != len(b) && !allZero(b[n:]) || missing || size-covered > int64(interval)+maxUnindexed || len(b)%offsetEntry != 0 {
		return s.rebuild(interval)
	}
	h := s.heat()
	h.index = entries{buf: b[:n:n], saved: n, loaded: true, synced: n == len(b) && s.kept.index == uint32(n)+1}
	h.last = 0
	if x := OffsetIndex(h.index.buf); x.Len() > 0 {
		h.last = x.At(s.Base, x.Len()-1).Position
	}
	return nil
}

// Times returns the time index, loading it if need be.
func (s *Segment) Times(interval int32) (TimeIndex, error) {
	h := s.heat()
	if !h.times.loaded {
		b, err := readIndexFile(s.dir.FS, s.name(TimeSuffix))
		if err != nil {
			return nil, err
		}
		n := TimeIndex(b).valid(s.Base, 1<<62)
		size, err := s.Size()
		if err != nil {
			return nil, err
		}
		if n != len(b) && !allZero(b[n:]) || n == 0 && size > 0 || len(b)%timeEntry != 0 {
			if err := s.rebuild(interval); err != nil {
				return nil, err
			}
			return TimeIndex(h.times.buf), nil
		}
		h.times = entries{buf: b[:n:n], saved: n, loaded: true, synced: n == len(b) && s.kept.times == uint32(n)+1}
	}
	return TimeIndex(h.times.buf), nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Reindex makes the offset index anew because it misled a reader, and tells
// whether that changed it. It does so once; an index that is found wrong again
// is right, and the log is damaged.
func (s *Segment) Reindex(interval int32) (changed bool, err error) {
	if s.reindexed {
		return false, nil
	}
	s.reindexed = true
	h, was, top, first := s.heat(), *s.heat(), s.max, s.first
	if err := s.rebuild(interval); err != nil {
		return false, err
	}
	if s.Partial && len(h.index.buf) < len(was.index.buf) {
		// The scan cannot get over the damage; the old index knows the way around it.
		h.index, h.times, h.last, s.max, s.first = was.index, was.times, was.last, top, first
		return false, nil
	}
	return !bytes.Equal(h.index.buf, was.index.buf), nil
}

// Reindexed tells whether Reindex was called.
func (s *Segment) Reindexed() bool { return s.reindexed }

// rebuild makes both indexes anew from the headers in the log. At damage they
// end, and the segment is marked Partial.
func (s *Segment) rebuild(interval int32) error {
	f, err := s.Log()
	if err != nil {
		return err
	}
	size, err := s.Size()
	if err != nil {
		return err
	}
	h := s.heat()
	h.index.reset()
	h.times.reset()
	h.last, s.max, s.first, s.Partial = 0, TimeAt{-1, s.Base}, -1, false
	if len(h.txns) == 0 {
		h.hasTxn = false // to be looked at in the light of what the log holds
	}
	sc := NewScanner(f, 0, size)
	defer sc.Close()
	for next := s.Base; ; {
		hd, pos, err := sc.Next()
		if err == io.EOF || errors.Is(err, ErrCorrupt) || err == nil && hd.Base < next {
			s.Partial = err != io.EOF
			s.seal()
			return nil
		}
		if err != nil {
			return err
		}
		s.note(&hd, pos, interval)
		s.markers = s.markers || hd.Control() && hd.Transactional()
		next = hd.Next()
	}
}

// note enters one batch, which lies at pos, into the indexes.
func (s *Segment) note(hd *Header, pos int64, interval int32) {
	h := s.hot
	if hd.MaxTimestamp > s.max.Timestamp {
		s.max = TimeAt{hd.MaxTimestamp, hd.Last}
	}
	if pos == 0 {
		s.first = hd.MaxTimestamp
	}
	if pos-h.last > int64(interval) {
		h.index.buf = appendOffsetEntry(h.index.buf, s.Base, OffsetAt{hd.Last, pos})
		h.last = pos
		s.noteTime()
	}
}

func (s *Segment) noteTime() {
	t := &s.hot.times
	last, _ := TimeIndex(t.buf).Last(s.Base)
	if s.max.Timestamp > last.Timestamp {
		t.buf = appendTimeEntry(t.buf, s.Base, s.max)
		t.synced = false
	}
}

// seal adds the closing time entry.
func (s *Segment) seal() { s.noteTime() }

// Append writes buf, whole batches, at the end of the log file. The caller
// then calls Added for each batch: until then the bytes are not part of the
// log. After an error the file is cut back; if that fails too, both are returned.
func (s *Segment) Append(buf []byte) error {
	f, err := s.Log()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(buf, s.size); err != nil {
		if terr := f.Truncate(s.size); terr != nil {
			return errors.Join(err, terr)
		}
		return &AppendError{err}
	}
	return nil
}

// AppendError says that an append failed and left the log as it was.
type AppendError struct{ Err error }

func (e *AppendError) Error() string { return "append undone: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *AppendError) Unwrap() error { return e.Err }

// Added makes an appended batch part of the segment.
func (s *Segment) Added(h *Header, interval int32) {
	s.note(h, s.size, interval)
	s.size += int64(h.Size)
}

// Full tells whether another batch that ends at last may not be added for
// index space or because last is too far from the base.
func (s *Segment) Full(last ids.Offset, maxIndexBytes int32) bool {
	h := s.hot
	return last-s.Base > 1<<31-1 ||
		len(h.index.buf)/offsetEntry >= int(maxIndexBytes)/offsetEntry ||
		len(h.times.buf)/timeEntry >= int(maxIndexBytes)/timeEntry-1
}

// Activate loads what appending needs.
func (s *Segment) Activate(interval int32) error {
	if _, err := s.Log(); err != nil {
		return err
	}
	if _, err := s.Index(interval); err != nil {
		return err
	}
	if _, err := s.Times(interval); err != nil {
		return err
	}
	if _, err := s.MaxTimestamp(interval); err != nil {
		return err
	}
	_, err := s.FirstTimestamp()
	return err
}

// MaxTimestamp is the largest timestamp, -1 without, and the last offset of its batch.
func (s *Segment) MaxTimestamp(interval int32) (TimeAt, error) {
	if s.max.Timestamp != unknown {
		return s.max, nil
	}
	x, err := s.Times(interval)
	if err != nil || s.max.Timestamp != unknown {
		return s.max, err
	}
	last, some := x.Last(s.Base)
	if some {
		// Retention counts on this entry: it must be true, and the last one.
		ok, err := s.HoldsTime(last, interval)
		if err == nil && ok {
			ok, err = s.newestIs(last, interval)
		}
		if err != nil {
			return s.max, err
		}
		if !ok {
			return s.max, s.rebuild(interval)
		}
	}
	s.max = last
	return s.max, nil
}

// newestIs tells whether the batches behind a time entry's have no larger
// timestamp. Where timestamps grow these are an interval's worth; more than a
// chunk of them is not looked at.
func (s *Segment) newestIs(e TimeAt, interval int32) (bool, error) {
	_, pos, ok, err := s.Position(e.Offset, interval)
	if err != nil || !ok || s.size-pos > chunk {
		return true, nilIf(err, ErrCorrupt)
	}
	sc := NewScanner(s.hot.log, pos, s.size)
	defer sc.Close()
	for {
		h, _, err := sc.Next()
		if err == io.EOF || errors.Is(err, ErrCorrupt) {
			return true, nil
		}
		if err != nil || h.MaxTimestamp > e.Timestamp {
			return false, err
		}
	}
}

// HoldsTime tells whether the batch that a time entry names has its timestamp.
// Damage of the log is not the entry's fault.
func (s *Segment) HoldsTime(e TimeAt, interval int32) (bool, error) {
	h, _, ok, err := s.Position(e.Offset, interval)
	if err != nil {
		return errors.Is(err, ErrCorrupt), nilIf(err, ErrCorrupt)
	}
	return ok && h.Base <= e.Offset && h.MaxTimestamp == e.Timestamp, nil
}

func nilIf(err, is error) error {
	if errors.Is(err, is) {
		return nil
	}
	return err
}

// RebuildIndexes makes the offset and the time index anew.
func (s *Segment) RebuildIndexes(interval int32) error { return s.rebuild(interval) }

// FirstTimestamp is the largest timestamp of the first batch, -1 without.
func (s *Segment) FirstTimestamp() (int64, error) {
	if s.first != unknown {
		return s.first, nil
	}
	f, err := s.Log()
	if err != nil {
		return -1, err
	}
	size, err := s.Size()
	if err != nil {
		return -1, err
	}
	sc := NewScanner(f, 0, size)
	defer sc.Close()
	h, _, err := sc.Next()
	switch {
	case err == io.EOF:
		s.first = -1
	case err != nil:
		return -1, err
	default:
		s.first = h.MaxTimestamp
	}
	return s.first, nil
}

// ModTime is the log file's modification time in ms.
func (s *Segment) ModTime() (int64, error) {
	st, err := s.dir.FS.Stat(s.Path())
	return st.ModTime.UnixMilli(), err
}

// Save writes index entries that are only in memory; with sync it also makes
// log and indexes durable. A sealed segment gets its closing time entry first.
func (s *Segment) Save(sync, sealed bool) error {
	if sync && s.hot != nil && s.hot.log != nil {
		if err := s.hot.log.Sync(); err != nil {
			return err
		}
	}
	return s.SaveIndexes(sync, sealed)
}

// SaveIndexes is Save for a segment whose log is durable: whoever only read it must
// not make the disk flush its caches for nothing.
func (s *Segment) SaveIndexes(sync, sealed bool) error {
	h := s.hot
	if h == nil {
		return nil
	}
	if sync {
		s.Behind = false
	}
	if sealed && h.times.loaded && s.max.Timestamp != unknown {
		s.seal()
	}
	if err := h.index.save(s.dir.FS, s.name(IndexSuffix), sync, &s.kept.index); err != nil {
		return err
	}
	if err := h.times.save(s.dir.FS, s.name(TimeSuffix), sync, &s.kept.times); err != nil {
		return err
	}
	if err := s.SaveTxns(); err != nil || !sync || len(h.txns) == 0 {
		return err
	}
	return s.SyncTxns()
}

// Trim cuts the file to its valid bytes (preallocated space), durably: nobody
// looks at the end of a sealed segment again.
func (s *Segment) Trim() error {
	f, err := s.Log()
	if err != nil {
		return err
	}
	if size, err := f.Size(); err != nil || size == s.size {
		return err
	}
	if err := f.Truncate(s.size); err != nil {
		return err
	}
	return f.Sync()
}

// Cool drops open files and loaded indexes. What is unsaved must be saved before.
func (s *Segment) Cool() {
	if s.hot != nil && s.hot.log != nil {
		s.hot.log.Release()
	}
	s.hot, s.Active = nil, false
}

// Hot tells whether the segment holds files or indexes.
func (s *Segment) Hot() bool { return s.hot != nil }
