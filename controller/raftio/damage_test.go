package raftio

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// filled is the disk of a voter that committed n batches and stopped.
func filled(t *testing.T, n int) (*vfs.Mem, Options) {
	t.Helper()
	fs, rec := vfs.NewMem(), newRecorder()
	o := testOptions(fs, rec)
	node := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	for i := range n {
		if _, err := node.Append(1, [][]byte{fmt.Appendf(nil, "record %d", i)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	rec.wait(t, "commit", func() bool { return len(rec.records) == n })
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, o
}

// change opens a file and lets f change it, durably.
func change(t *testing.T, fs vfs.FS, name string, f func(vfs.File, int64) error) {
	t.Helper()
	file, err := fs.OpenFile(name, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	size, err := file.Size()
	if err = errors.Join(err, f(file, size), file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

const testLog = "/data/__cluster_metadata-0/00000000000000000000.log"

// Bits that turn below what was known to be committed and on disk are damage:
// the node does not start, names the place, and cuts nothing. Wherever they turn.
func TestDamageInTheMiddleStopsTheStart(t *testing.T) {
	for part := int64(1); part < 10; part++ {
		fs, o := filled(t, 200)
		var size int64
		change(t, fs, testLog, func(f vfs.File, s int64) error {
			size = s
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, size*part/10); err != nil {
				return err
			}
			b[0] ^= 4
			_, err := f.WriteAt(b, size*part/10)
			return err
		})
		_, err := New(o)
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("damage at %d of %d: %v", size*part/10, size, err)
		}
		if !strings.Contains(err.Error(), "00000000000000000000.log") || !strings.Contains(err.Error(), " at byte ") {
			t.Errorf("the error names no place: %v", err)
		}
		change(t, fs, testLog, func(_ vfs.File, s int64) error {
			if s != size {
				t.Errorf("the log was cut to %d of %d bytes", s, size)
			}
			return nil
		})
	}
}

// A file that ends below the mark at the end of a batch lost as much.
func TestALogThatIsTooShortStopsTheStart(t *testing.T) {
	fs, o := filled(t, 50)
	if err := fs.Remove(testLog); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); !errors.Is(err, ErrDamaged) {
		t.Fatalf("started on an empty log: %v", err)
	}
	o.CanBeVoter, o.StaticVoters = false, []raft.Voter{{Key: raft.ReplicaKey{ID: 9}, Endpoints: o.Endpoints}}
	n, err := New(o)
	if err != nil {
		t.Fatalf("an observer can fetch again: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// A power cut while the front of the log is dropped leaves any of its files, which is a gap
// below the snapshot and no damage; one above it is.
func TestAGapBelowTheSnapshotIsALeftover(t *testing.T) {
	for _, above := range []bool{false, true} {
		fs, rec := vfs.NewMem(), newRecorder()
		o := testOptions(fs, rec)
		o.Config.SegmentBytes = 2048
		n := startNode(t, o)
		rec.wait(t, "leadership", leads(rec))
		for i := range 200 {
			add(t, n, rec, 1, fmt.Sprint(i))
			if i == 120 && !above {
				if err := n.WriteSnapshot(rec.at, 0, slices.Values([][]byte{[]byte("all")})); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		names, err := fs.ReadDir(o.Dir)
		if err != nil {
			t.Fatal(err)
		}
		names = slices.DeleteFunc(names, func(e vfs.Entry) bool { return !strings.HasSuffix(e.Name, ".log") })
		if err := fs.Remove(o.Dir + "/" + names[1].Name); err != nil {
			t.Fatal(err)
		}
		rec = newRecorder()
		o.Listener = rec
		again, err := New(o)
		if above {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("a gap above every snapshot: %v", err)
			}
			continue
		}
		if err == nil {
			err = again.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.wait(t, "leadership", leads(rec))
		if len(rec.snapshots) != 1 || rec.records[0] != "all" || rec.records[len(rec.records)-1] != "199" {
			t.Errorf("loaded %v, %d records", rec.snapshots, len(rec.records))
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A torn write at the end is no damage: it was never answered.
func TestATornTailIsCut(t *testing.T) {
	fs, o := filled(t, 50)
	var size int64
	change(t, fs, testLog, func(f vfs.File, s int64) error {
		size = s
		tail := make([]byte, 70)
		if _, err := f.ReadAt(tail, s-70); err != nil {
			return err
		}
		_, err := f.WriteAt(tail, s) // half of a batch, with offsets that were before
		return err
	})
	rec := newRecorder()
	o.Listener = rec
	n := startNode(t, o)
	rec.wait(t, "leadership", leads(rec))
	if len(rec.records) != 50 {
		t.Errorf("%d records are left", len(rec.records))
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, fs, testLog, func(_ vfs.File, s int64) error {
		if s < size {
			t.Errorf("the log was cut to %d of %d bytes", s, size)
		}
		return nil
	})
}

// Bits that turn while the node runs are found when they are read: the node ends
// rather than apply or send what nobody wrote.
func TestDamageWhileRunningIsFoundWhenRead(t *testing.T) {
	s := &store{}
	fs, o := filled(t, 20)
	var err error
	o = o.withDefaults()
	if s, _, _, err = openStore(&o); err != nil {
		t.Fatal(err)
	}
	change(t, fs, testLog, func(f vfs.File, size int64) error {
		_, err := f.WriteAt([]byte{0xff}, size/2)
		return err
	})
	a := &applier{store: s, listener: newRecorder(), self: 1, started: true}
	v := &view{hw: s.log.EndOffset(), leader: ids.LeaderAndEpoch{Leader: ids.NoNode}}
	for more := true; more && err == nil; {
		more, err = a.advance(v)
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("applied all: %v", err)
	}
	if err := s.close(false); err != nil {
		t.Error(err)
	}
}

func TestMarkFile(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	if off, err := loadMark(fs, "/d"); off != 0 || err != nil {
		t.Errorf("without a file: %d, %v", off, err)
	}
	s := &store{fs: fs, dir: "/d"}
	for _, hw := range []ids.Offset{ids.NoOffset, 7, 5} {
		if err := s.keepMark(hw); err != nil {
			t.Fatal(err)
		}
	}
	if off, err := loadMark(fs, "/d"); off != 7 || err != nil {
		t.Errorf("read %d, %v", off, err)
	}
	for _, bad := range []string{"", "0\n", "1\n7\n", "0\n-7\n", "0\n7", "0\n7\n8\n"} {
		if err := writeWhole(fs, "/d/"+markFile, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		if _, err := loadMark(fs, "/d"); !errors.Is(err, errMark) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
