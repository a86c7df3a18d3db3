package check

import (
	"os"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const now = 1_760_000_000_000

// folder makes a data directory with one partition of several segments.
func folder(t *testing.T) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(fs.MkdirAll("/d"))
	must(logdir.WriteMeta(fs, "/d", logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200}}))
	s, err := logdir.Open(logdir.Options{FS: fs, Dirs: []string{"/d"}, Env: &partlog.Env{Clock: func() int64 { return now }, ProducerExpirationMs: 1 << 50}})
	must(err)
	cfg := partlog.DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 4000, 300
	l, _, err := s.OpenPartition(ids.TopicPartition{Topic: "t"}, ids.TopicID{1}, nil, &cfg)
	must(err)
	for i := range 60 {
		b := batch.NewBuilder(batch.Options{})
		b.Append(now+int64(i), []byte("k"), make([]byte, 100), nil)
		v, err := b.Bytes()
		must(err)
		_, err = l.AppendAsLeader(v, 1, partlog.Client, now)
		must(err)
	}
	must(s.Close(1, func(ids.TopicPartition) (ids.Offset, bool) { return l.EndOffset(), true }))
	return fs
}

func run(t *testing.T, fs vfs.FS) []Finding {
	t.Helper()
	var out []Finding
	total, err := Dir(fs, "/d", func(f Finding) { out = append(out, f) })
	if err != nil || total.Partitions != 1 {
		t.Fatal(total, err)
	}
	return out
}

func TestGoodFolder(t *testing.T) {
	fs := folder(t)
	if f := run(t, fs); len(f) != 0 {
		t.Fatal(f)
	}
	total, _ := Dir(fs, "/d", func(Finding) {})
	if total.Records != 60 || total.Segments < 2 {
		t.Fatal(total)
	}
}

// TestEveryFileIsLookedAt damages one file after the other.
func TestEveryFileIsLookedAt(t *testing.T) {
	fs := folder(t)
	names, _ := fs.ReadDir("/d/t-0")
	files := []string{"/d/meta.properties", "/d/recovery-point-offset-checkpoint"}
	for _, e := range names {
		files = append(files, "/d/t-0/"+e.Name)
	}
	for _, name := range files {
		fs := folder(t)
		b, err := vfs.ReadFile(fs, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			continue
		}
		f, _ := fs.OpenFile(name, os.O_RDWR)
		if _, err := f.WriteAt([]byte{b[0] ^ 0x55}, 0); err != nil {
			t.Fatal(err)
		}
		found := run(t, fs)
		if len(found) == 0 || !strings.HasPrefix(found[0].String(), name) {
			t.Errorf("%s: damage not found: %v", name, found)
		}
		if strings.HasSuffix(name, ".log") && found[0].Repairable {
			t.Errorf("%s: flushed records are damaged, no start repairs that", name)
		}
	}
}

func TestTornTail(t *testing.T) {
	fs := folder(t)
	names, _ := fs.ReadDir("/d/t-0")
	last := ""
	for _, e := range names {
		if strings.HasSuffix(e.Name, ".log") {
			last = "/d/t-0/" + e.Name
		}
	}
	f, _ := fs.OpenFile(last, os.O_RDWR)
	size, _ := f.Size()
	if _, err := f.WriteAt([]byte("torn"), size); err != nil {
		t.Fatal(err)
	}
	if found := run(t, fs); len(found) != 1 || !found[0].Repairable || found[0].Pos != size {
		t.Fatal(found)
	}
}
