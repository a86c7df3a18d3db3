package raftio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// markFile holds an offset up to which the log was known to be committed and on
// this disk, as text: the version 0, a line end, the offset, a line end. What is
// damaged below it at a start is no torn write but damage, and is not cut off: the
// node may have voted, and others counted, on the strength of what it then lost. The
// file is behind the high watermark, by housekeeping at most, and never ahead of it. Kafka
// takes no notice of it.
const markFile = "high-watermark"

// errMark says that the file cannot be read.
var errMark = errors.New("high-watermark is damaged")

// loadMark reads the mark, 0 when there is none.
func loadMark(fsys vfs.FS, dir string) (ids.Offset, error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+markFile, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the high watermark: %w", err)
	}
	text, version := strings.CutPrefix(string(b), "0\n")
	text, line := strings.CutSuffix(text, "\n")
	off, err := strconv.ParseInt(text, 10, 64)
	if !version || !line || err != nil || off < 0 {
		return 0, fmt.Errorf("%s/%s: %w", dir, markFile, errMark)
	}
	return ids.Offset(off), nil
}

// keepMark moves the mark up to hw, which must be on disk.
func (s *store) keepMark(hw ids.Offset) error {
	if hw <= s.mark {
		return nil
	}
	return s.setMark(hw)
}

func (s *store) setMark(at ids.Offset) error {
	if at == s.mark {
		return nil
	}
	if err := partlog.ReplaceFile(s.fs, s.dir+"/"+markFile, fmt.Appendf(nil, "0\n%d\n", at)); err != nil {
		return fmt.Errorf("write the high watermark: %w", err)
	}
	s.mark = at
	return nil
}

// inspect reads what lies below the mark before anything is opened: batch follows batch
// without gap, each whole. The recovery of the log, which is made for logs that
// were compacted as well, would take a forged offset for a gap and cut off what follows it.
// What lies above is partlog's to recover, which takes no cached page for what is on the disk: the process
// before this one may have ended because a flush failed.
//
// A gap below the latest snapshot is none: a power cut while the front was dropped may have left any
// of its files. What is in front of such a gap goes.
func (s *store) inspect(snapshot ids.Offset) error {
	if s.mark == 0 {
		return nil
	}
	names, err := s.fs.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next := ids.NoOffset
	var front []string
	for _, e := range names { // by name, and so by offset
		base, ok := logBase(e.Name)
		if !ok || next >= s.mark {
			continue
		}
		if next >= 0 && base != next {
			if base < next || base > snapshot {
				return fmt.Errorf("%w: %s begins at offset %d, the file before it ends at %d", ErrDamaged, e.Name, base, next)
			}
			if err := s.removeAll(front); err != nil {
				return err
			}
			front = nil
		}
		front = append(front, e.Name)
		if next, err = s.inspectFile(s.dir+"/"+e.Name, base); err != nil {
			return err
		}
	}
	if next < s.mark && snapshot < s.mark { // else a power cut took the log while it began anew behind the snapshot
		return fmt.Errorf("%w: %s ends at offset %d, but all below %d was committed and on this disk", ErrDamaged, s.dir, max(next, 0), s.mark)
	}
	return nil
}

func (s *store) removeAll(names []string) error {
	for _, name := range names {
		if err := s.fs.Remove(s.dir + "/" + name); err != nil {
			return err
		}
	}
	return s.fs.SyncDir(s.dir)
}

// logBase is the offset that a segment's name tells.
func logBase(name string) (ids.Offset, bool) {
	stem, ok := strings.CutSuffix(name, segment.LogSuffix)
	base, err := strconv.ParseInt(stem, 10, 64)
	return ids.Offset(base), ok && err == nil && len(stem) == 20 && base >= 0
}

// inspectFile reads batches up to the mark or the end of the file.
func (s *store) inspectFile(name string, next ids.Offset) (ids.Offset, error) {
	f, err := s.fs.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return next, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return next, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), int(min(size, 1<<20)))
	for pos := int64(0); pos < size && next < s.mark; {
		v, err := nextBatch(r, size-pos)
		if err == nil && v.BaseOffset() != next {
			err = fmt.Errorf("offset %d where %d was expected", v.BaseOffset(), next)
		}
		if err != nil {
			return next, fmt.Errorf("%w: %s at byte %d: %w", ErrDamaged, name, pos, err)
		}
		pos, next = pos+int64(v.Len()), v.NextOffset()
	}
	return next, nil
}

// nextBatch reads and checks a batch of a file of which left bytes are left. It is valid until the next.
func nextBatch(r *bufio.Reader, left int64) (batch.View, error) {
	head, err := r.Peek(batch.HeaderSize)
	if err != nil {
		return nil, err
	}
	n, err := batch.Size(head)
	if err != nil {
		return nil, err
	}
	if n > maxBatch || int64(n) > left {
		return nil, fmt.Errorf("a batch of %d bytes, %d are left", n, left)
	}
	v, err := r.Peek(n)
	if errors.Is(err, bufio.ErrBufferFull) {
		v = make([]byte, n)
		_, err = io.ReadFull(r, v)
	} else if err == nil {
		_, err = r.Discard(n)
	}
	if err != nil {
		return nil, err
	}
	if err := batch.View(v).Check(); err != nil {
		return nil, err
	}
	return v, batch.View(v).VerifyCRC()
}
