package raftio

import (
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/gregorbroker/gregor/storage/vfs"
)

// syncCounter lists the flushes in order.
type syncCounter struct {
	vfs.FS
	mu  sync.Mutex
	log []string
}

func (s *syncCounter) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, what)
}

// take returns the flushes since the last call.
func (s *syncCounter) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return strings.Join(log, "\n")
}

func (s *syncCounter) SyncDir(name string) error {
	s.add("dir " + path.Base(name))
	return s.FS.SyncDir(name)
}

func (s *syncCounter) OpenFile(name string, flag int) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &countedFile{f, s}, nil
}

type countedFile struct {
	vfs.File
	s *syncCounter
}

func (f *countedFile) Sync() error {
	f.s.add("file " + path.Base(f.Name()))
	return f.File.Sync()
}

// What the first start costs counts in the time to ready: the election is one
// write of quorum-state, the rest are the log's first flush and the names of new files. From
// then on an append costs one flush.
func TestFlushesOfASingleVoter(t *testing.T) {
	fs := &syncCounter{FS: vfs.NewMem()}
	rec := newRecorder()
	n := startNode(t, testOptions(fs, rec))
	rec.wait(t, "leadership", leads(rec))
	first := fs.take()
	if want := "dir data\nfile quorum-state.tmp\ndir __cluster_metadata-0\nfile 00000000000000000000.log"; !strings.HasPrefix(first, want) {
		t.Errorf("the first start flushes\n%s", first)
	}
	if count := strings.Count(first, "\n") + 1; count > 9 {
		t.Errorf("%d flushes at the first start:\n%s", count, first)
	}
	for i := range 3 {
		if _, err := n.Append(1, [][]byte{{1}}, 0); err != nil {
			t.Fatal(err)
		}
		rec.wait(t, "commit", func() bool { return len(rec.records) == i+1 })
		if got := fs.take(); got != "file 00000000000000000000.log" {
			t.Errorf("append %d flushes\n%s", i, got)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
