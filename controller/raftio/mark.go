package raftio

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
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
	if err := partlog.ReplaceFile(s.fs, s.dir+"/"+markFile, fmt.Appendf(nil, "0\n%d\n", hw)); err != nil {
		return fmt.Errorf("write the high watermark: %w", err)
	}
	s.mark = hw
	return nil
}
