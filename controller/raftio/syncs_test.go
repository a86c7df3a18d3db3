package raftio

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/storage/vfs"
)

// syncCounter lists the flushes in order.
type syncCounter struct {
	vfs.FS
	mu  sync.Mutex
	log []string
}

func (s *syncCounter) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *syncCounter) SyncDir(name string) error {
	began := time.Now()
	err := s.FS.SyncDir(name)
	s.add("dir %s %v", path.Base(name), time.Since(began).Round(100*time.Microsecond))
	return err
}

func (s *syncCounter) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	return &countedFile{f, s}, err
}

type countedFile struct {
	vfs.File
	s *syncCounter
}

func (f *countedFile) Sync() error {
	began := time.Now()
	err := f.File.Sync()
	f.s.add("file %s %v", path.Base(f.Name()), time.Since(began).Round(100*time.Microsecond))
	return err
}

func TestZZ(t *testing.T) {
	dir := t.TempDir()
	rec := newRecorder()
	fs := &syncCounter{FS: vfs.OS}
	o := testOptions(fs, rec)
	o.Dir = dir + "/__cluster_metadata-0"
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	fs.add("-- leads")
	if _, err := n.Append(1, [][]byte{{1}}, 0); err != nil { t.Fatal(err) }
	rec.wait(t, "commit", func() bool { return len(rec.records) == 1 })
	fs.add("-- committed")
	t.Log("\n" + strings.Join(fs.log, "\n"))
	n.Close()
	t.Log("\n" + strings.Join(fs.log, "\n"))
}
