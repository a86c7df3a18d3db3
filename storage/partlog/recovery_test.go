package partlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// readCounter counts the bytes read of files that end in .log.
type readCounter struct {
	vfs.FS
	read int64
}

type countedReads struct {
	vfs.File
	fs *readCounter
}

func (f *readCounter) OpenFile(name string, flag int) (vfs.File, error) {
	file, err := f.FS.OpenFile(name, flag)
	if err == nil && strings.HasSuffix(name, segment.LogSuffix) {
		file = &countedReads{file, f}
	}
	return file, err
}

func (c *countedReads) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.fs.read += int64(n)
	return n, err
}

// TestRecoveryReadsTheTailOnly: an open after a kill reads what was not flushed and
// what lies between the recovery point and the index entry in front of it, however
// long the log is; after a clean stop it reads nothing.
func TestRecoveryReadsTheTailOnly(t *testing.T) {
	fs := &readCounter{FS: vfs.NewMem()}
	if err := errors.Join(fs.MkdirAll("/data"), fs.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 200_000, 1000
	l := mustOpen(t, testOptions(fs, quietEnv(), &cfg))
	var size int64
	fill := func(n int) (bytes int64) {
		for i := range n {
			b := makeBatch(1, testNow, 900, int64(i), batch.Options{})
			if _, err := l.AppendAsLeader(b, 1, Client, testNow); err != nil {
				t.Fatal(err)
			}
			bytes += int64(len(b))
		}
		size += bytes
		return bytes
	}
	fill(1000)
	if err := errors.Join(l.Flush(), l.Tick(testNow)); err != nil { // Tick writes the index entries, as it does every second
		t.Fatal(err)
	}
	flushed := l.RecoveryPoint()
	tail := fill(20)
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		clean bool
		tail  int64
	}{{"killed", false, tail}, {"stopped cleanly", true, -3 * 1000}} {
		o := testOptions(fs, quietEnv(), &cfg)
		o.CleanShutdown, o.RecoveryPoint = c.clean, flushed
		fs.read = 0
		l = mustOpen(t, o)
		if limit := c.tail + 3*int64(cfg.IndexIntervalBytes); fs.read > limit {
			t.Errorf("%s: %d of %d bytes read, %d were not flushed", c.name, fs.read, size, tail)
		}
		if l.EndOffset() != 1020 {
			t.Fatalf("%s: the log ends at %d", c.name, l.EndOffset())
		}
		if err := l.Close(true); err != nil { // everything is flushed, indexes are saved
			t.Fatal(err)
		}
		flushed = l.RecoveryPoint()
	}
}
