package partlog

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// A cleaned segment replaces the ones it was made from in four durable steps,
// the same names as Kafka uses:
//
//  1. <base>.log.cleaned and its indexes are written and synced
//  2. they are renamed to .swap, the log last: from now on they count
//  3. the old segments are renamed to .deleted
//  4. .swap is renamed away, the log last
//
// A crash before 2 leaves .cleaned files, which are removed. A crash after it
// leaves a .log.swap: the segments it covers are removed and step 4 is done.

// finishSwaps completes or undoes a replacement that a crash interrupted and
// returns the names that are left.
func (l *Log) finishSwaps(names []vfs.Entry) ([]vfs.Entry, error) {
	swaps := map[ids.Offset]bool{}
	dirty := false
	for _, e := range names {
		if strings.HasSuffix(e.Name, segment.CleanedSuffix) {
			if err := l.dir.FS.Remove(l.dir.Path + "/" + e.Name); err != nil {
				return nil, err
			}
			dirty = true
		}
		if base, suffix, ok := splitName(strings.TrimSuffix(e.Name, segment.SwapSuffix)); ok && strings.HasSuffix(e.Name, segment.SwapSuffix) {
			swaps[base] = swaps[base] || suffix == segment.LogSuffix
			dirty = true
		}
	}
	if !dirty {
		return names, nil
	}
	for _, base := range sortedKeys(swaps) {
		if err := l.finishSwap(base, swaps[base], names); err != nil {
			return nil, err
		}
	}
	if err := l.dir.FS.SyncDir(l.dir.Path); err != nil {
		return nil, err
	}
	return l.dir.FS.ReadDir(l.dir.Path)
}

func sortedKeys(m map[ids.Offset]bool) []ids.Offset {
	out := make([]ids.Offset, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// finishSwap installs the swap segment base if its log is there; without it
// the log was renamed already (step 4) or never (step 2), and the indexes can
// be rebuilt: what carries the suffix is removed.
func (l *Log) finishSwap(base ids.Offset, hasLog bool, names []vfs.Entry) error {
	if !hasLog {
		return l.removeSuffixed(base, segment.SwapSuffix)
	}
	f, err := l.dir.FS.OpenFile(l.dir.Path+"/"+segment.FileName(base, segment.LogSuffix+segment.SwapSuffix), 0)
	if err != nil {
		return err
	}
	next, err := lastOffset(f)
	f.Close()
	if err != nil {
		return err
	}
	for _, e := range names {
		b, suffix, ok := splitName(e.Name)
		if ok && suffix == segment.LogSuffix && b >= base && (b < next || b == base) {
			if err := segment.Remove(&l.dir, b, ""); err != nil {
				return err
			}
		}
	}
	return InstallSwap(&l.dir, base)
}

// InstallSwap renames the files of a .swap segment to their final names, the log last.
func InstallSwap(dir *segment.Dir, base ids.Offset) error {
	for i := len(segment.Suffixes) - 1; i >= 0; i-- {
		name := dir.Path + "/" + segment.FileName(base, segment.Suffixes[i])
		if err := dir.FS.Rename(name+segment.SwapSuffix, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return dir.FS.SyncDir(dir.Path)
}

func (l *Log) removeSuffixed(base ids.Offset, suffix string) error {
	for _, s := range segment.Suffixes {
		err := l.dir.FS.Remove(l.dir.Path + "/" + segment.FileName(base, s+suffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lastOffset scans a log file for the offset after its last batch, 0 if empty.
func lastOffset(f vfs.File) (ids.Offset, error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	sc := segment.NewScanner(f, 0, size)
	defer sc.Close()
	var next ids.Offset
	for {
		h, _, err := sc.Next()
		if err != nil {
			if err == io.EOF {
				return next, nil
			}
			return next, err
		}
		next = h.Next()
	}
}
