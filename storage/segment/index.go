package segment

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"sort"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const (
	offsetEntry = 8
	timeEntry   = 12
)

// entries is an index in memory, exactly as in its file. Bytes in front of
// saved are in the file; the rest is appended by save. Bytes once written are
// never changed in place except by a truncation, so that a reader may search a
// slice of it taken under the lock.
type entries struct {
	buf    []byte
	saved  int
	loaded bool
	synced bool // everything saved is on disk
	made   bool // this process saw or made the file
}

func (e *entries) reset() { *e = entries{loaded: true} }

func (e *entries) truncate(n int) {
	e.buf = e.buf[:n:n] // the capacity goes too: a later append must not overwrite what a reader searches
	e.saved = min(e.saved, n)
	e.synced = false
}

// save appends the unsaved entries to the file and makes it end there. kept is
// what the segment remembers of the file when it is cold, see Segment.
func (e *entries) save(fsys vfs.FS, name string, sync bool, kept *uint32) error {
	if !e.loaded || e.saved == len(e.buf) && (e.synced || !sync && e.made) {
		return nil
	}
	*kept = 0
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer f.Close()
	if e.saved < len(e.buf) {
		if _, err := f.WriteAt(e.buf[e.saved:], int64(e.saved)); err != nil {
			return err
		}
	}
	if size, err := f.Size(); err != nil {
		return err
	} else if size != int64(len(e.buf)) {
		if err := f.Truncate(int64(len(e.buf))); err != nil {
			return err
		}
	}
	e.saved, e.made, e.synced = len(e.buf), true, false
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
		e.synced, *kept = true, uint32(len(e.buf))+1
	}
	return nil
}

// maxIndexFile bounds what is read of an index file: segment.index.bytes is an int32.
const maxIndexFile = 1<<31 - 1

func readIndexFile(fsys vfs.FS, name string) ([]byte, error) {
	b, err := vfs.ReadFile(fsys, name, maxIndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// OffsetAt is an offset entry resolved: the batch at Position has the last offset Offset.
type OffsetAt struct {
	Offset   ids.Offset
	Position int64
}

// TimeAt is a time entry resolved.
type TimeAt struct {
	Timestamp int64
	Offset    ids.Offset
}

// OffsetIndex is the entries of an offset index in the file's format.
type OffsetIndex []byte

// Len is the number of entries.
func (x OffsetIndex) Len() int { return len(x) / offsetEntry }

// At resolves entry i.
func (x OffsetIndex) At(base ids.Offset, i int) OffsetAt {
	b := x[i*offsetEntry:]
	return OffsetAt{base + ids.Offset(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))}
}

// ByOffset returns the entry with the largest offset that is at most off.
func (x OffsetIndex) ByOffset(base, off ids.Offset) (OffsetAt, bool) {
	i := sort.Search(x.Len(), func(i int) bool { return x.At(base, i).Offset > off })
	if i == 0 {
		return OffsetAt{base, 0}, false
	}
	return x.At(base, i-1), true
}

// ByPosition returns the entry with the largest position that is at most pos.
func (x OffsetIndex) ByPosition(base ids.Offset, pos int64) (OffsetAt, bool) {
	i := sort.Search(x.Len(), func(i int) bool { return x.At(base, i).Position > pos })
	if i == 0 {
		return OffsetAt{base, 0}, false
	}
	return x.At(base, i-1), true
}

// Behind is the position of the first entry behind pos, size without one.
func (x OffsetIndex) Behind(base ids.Offset, pos, size int64) int64 {
	if i := x.after(base, pos+1); i < x.Len() {
		return x.At(base, i).Position
	}
	return size
}

// after is the number of entries that point in front of pos.
func (x OffsetIndex) after(base ids.Offset, pos int64) int {
	return sort.Search(x.Len(), func(i int) bool { return x.At(base, i).Position >= pos })
}

// valid returns the length of the longest prefix of entries that can be true
// for a log of the given size and below the given offset: it ends at Kafka's
// zero padding, at an entry that does not grow and at one beyond the log.
func (x OffsetIndex) valid(base ids.Offset, size int64, below ids.Offset) int {
	prev := OffsetAt{base - 1, -1}
	for i := range x.Len() {
		e := x.At(base, i)
		if e.Offset <= prev.Offset || e.Position <= prev.Position || e.Position >= size || e.Offset >= below {
			return i * offsetEntry
		}
		prev = e
	}
	return x.Len() * offsetEntry
}

// TimeIndex is the entries of a time index in the file's format.
type TimeIndex []byte

// Len is the number of entries.
func (x TimeIndex) Len() int { return len(x) / timeEntry }

// At resolves entry i.
func (x TimeIndex) At(base ids.Offset, i int) TimeAt {
	b := x[i*timeEntry:]
	return TimeAt{int64(binary.BigEndian.Uint64(b)), base + ids.Offset(binary.BigEndian.Uint32(b[8:]))}
}

// ByTime returns the entry with the largest timestamp that is at most ts.
func (x TimeIndex) ByTime(base ids.Offset, ts int64) (TimeAt, bool) {
	i := sort.Search(x.Len(), func(i int) bool { return x.At(base, i).Timestamp > ts })
	if i == 0 {
		return TimeAt{-1, base}, false
	}
	return x.At(base, i-1), true
}

// Last returns the last entry.
func (x TimeIndex) Last(base ids.Offset) (TimeAt, bool) {
	if x.Len() == 0 {
		return TimeAt{-1, base}, false
	}
	return x.At(base, x.Len()-1), true
}

func (x TimeIndex) valid(base, below ids.Offset) int {
	prev := TimeAt{-1, base - 1}
	for i := range x.Len() {
		e := x.At(base, i)
		if e.Timestamp <= prev.Timestamp || e.Offset < prev.Offset || e.Offset >= below {
			return i * timeEntry
		}
		prev = e
	}
	return x.Len() * timeEntry
}

func appendOffsetEntry(dst []byte, base ids.Offset, e OffsetAt) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.Offset-base))
	return binary.BigEndian.AppendUint32(dst, uint32(e.Position))
}

func appendTimeEntry(dst []byte, base ids.Offset, e TimeAt) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Timestamp))
	return binary.BigEndian.AppendUint32(dst, uint32(e.Offset-base))
}

// LastTime reads the timestamp of the last entry of a time index file; 0 where
// there is none, or Kafka's padding.
func LastTime(fsys vfs.FS, name string) (int64, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size < timeEntry {
		return 0, err
	}
	var b [timeEntry]byte
	_, err = f.ReadAt(b[:], size-size%timeEntry-timeEntry)
	return int64(binary.BigEndian.Uint64(b[:])), err
}
