package partlog

import (
	"errors"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Glimpse is what a directory tells of a log without opening it.
type Glimpse struct {
	// Work: retention by size, compaction or an end of what was interrupted may have something to do.
	Work bool
	// Newest is the largest timestamp in ms of the oldest segment, which is the
	// first to be due by retention.ms. It may be too small after a crash, which costs
	// an opening in vain. MaxInt64 without a segment.
	Newest int64
}

// Glance looks at a log that is not open, as cheaply as can be: one listing, 12
// bytes of a time index, and sizes where retention.bytes asks for them. start is
// the log's start offset and clean how far it was compacted, if noted, else 0.
func Glance(fsys vfs.FS, dir string, start, clean ids.Offset, c *Config) (Glimpse, error) {
	g := Glimpse{Newest: math.MaxInt64}
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return g, err
	}
	var bases []ids.Offset
	for _, e := range names {
		base, suffix, ok := splitName(e.Name)
		switch {
		case ok && suffix == segment.LogSuffix:
			bases = append(bases, base)
		case strings.HasSuffix(e.Name, segment.DeletedSuffix), strings.HasSuffix(e.Name, segment.CleanedSuffix), strings.HasSuffix(e.Name, segment.SwapSuffix):
			g.Work = true
		}
	}
	if len(bases) == 0 {
		return g, nil
	}
	slices.Sort(bases)
	if last := bases[len(bases)-1]; last > bases[0] {
		g.Work = g.Work || bases[1] <= start || c.Compact && last > max(clean, bases[0])
	}
	if c.Delete && c.RetentionBytes >= 0 && !g.Work {
		if g.Work, err = tooLarge(fsys, dir, bases, c.RetentionBytes); err != nil {
			return g, err
		}
	}
	if c.Delete {
		g.Newest, err = newestOf(fsys, dir+"/"+segment.FileName(bases[0], ""))
	}
	return g, err
}

// tooLarge tells whether the oldest segment may go by retention.bytes.
func tooLarge(fsys vfs.FS, dir string, bases []ids.Offset, limit int64) (bool, error) {
	var oldest, total int64
	for i, base := range bases {
		st, err := fsys.Stat(dir + "/" + segment.FileName(base, segment.LogSuffix))
		if err != nil {
			return false, err
		}
		if total += st.Size; i == 0 {
			oldest = st.Size
		}
	}
	return total-limit >= oldest && oldest > 0, nil
}

// newestOf is the timestamp of the last entry of a segment's time index, or the
// time of its last write where there is none.
func newestOf(fsys vfs.FS, segmentName string) (int64, error) {
	ts, err := segment.LastTime(fsys, segmentName+segment.TimeSuffix)
	if err != nil || ts > 0 {
		return ts, err
	}
	st, err := fsys.Stat(segmentName + segment.LogSuffix)
	return st.ModTime.UnixMilli(), err
}
