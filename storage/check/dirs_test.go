package check

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// forge changes a byte of a producer snapshot and makes the checksum right again.
func forge(d disk, name string, pos int) {
	d.edit(name, func(b []byte) []byte {
		b[pos] ^= 1
		binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[6:], crc32.MakeTable(crc32.Castagnoli)))
		return b
	})
}

// second folder of the same node.
func (d disk) secondDir(m logdir.MetaProperties) {
	d.t.Helper()
	d.must(d.MkdirAll("/e"))
	d.must(logdir.WriteMeta(d, "/e", m))
}

func metaOf(t *testing.T, d disk) logdir.MetaProperties {
	t.Helper()
	m, err := logdir.ReadMeta(d, "/d")
	d.must(err)
	m.DirectoryID = ids.DirectoryID{77}
	return m
}

func TestSeveralFolders(t *testing.T) {
	for name, c := range map[string]struct {
		plant   func(d disk, m logdir.MetaProperties)
		problem string
	}{
		"nothing":         {func(d disk, m logdir.MetaProperties) { d.secondDir(m) }, ""},
		"another cluster": {func(d disk, m logdir.MetaProperties) { m.ClusterID = "x"; d.secondDir(m) }, "/e/meta.properties:2: cluster.id is x"},
		"another node":    {func(d disk, m logdir.MetaProperties) { m.NodeID = 9; d.secondDir(m) }, "node.id is 9"},
		"the same id": {func(d disk, m logdir.MetaProperties) {
			first, _ := logdir.ReadMeta(d, "/d")
			m.DirectoryID = first.DirectoryID
			d.secondDir(m)
		}, "has the same directory.id"},
		"a reserved id":     {func(d disk, m logdir.MetaProperties) { m.DirectoryID = ids.DirectoryID{15: 1}; d.secondDir(m) }, "is reserved"},
		"a partition twice": {func(d disk, m logdir.MetaProperties) { d.secondDir(m); d.must(d.MkdirAll("/e/log-none-0")) }, "/e/log-none-0: the partition lies in /d too"},
		"a copy being made": {func(d disk, m logdir.MetaProperties) {
			d.secondDir(m)
			d.must(d.MkdirAll("/e/log-none-0." + strings.Repeat("a", 32) + "-future"))
		}, ""},
	} {
		d := kafkas(t)
		c.plant(d, metaOf(t, d))
		list := d.found("/d", "/e")
		if (len(list) > 0) != (c.problem != "") || len(list) > 0 && !strings.Contains(list[0].String(), c.problem) {
			t.Errorf("%s: %v", name, list)
		}
	}
}

func TestInUse(t *testing.T) {
	d := kafkas(t)
	lock, err := d.Lock("/d/" + logdir.LockFile)
	d.must(err)
	if _, err := Dirs(d, []string{"/d"}, Options{}, func(Finding) {}); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	d.must(lock.Close())
	if list := d.found("/d"); len(list) > 0 {
		t.Fatal(list)
	}
}

// unlockable is a disk whose locks cannot be had for another reason than that somebody has them.
type unlockable struct {
	vfs.FS
	err error
}

func (u unlockable) Lock(name string) (io.Closer, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: u.err}
}

// TestLockThatCannotBeHad: what is on a read-only file system is nobody's, but what
// is another user's may be in use: half-written batches are no damage.
func TestLockThatCannotBeHad(t *testing.T) {
	d := kafkas(t)
	if lock, err := d.Lock("/d/" + logdir.LockFile); err != nil { // as a server leaves it
		t.Fatal(err)
	} else {
		d.must(lock.Close())
	}
	for cause, want := range map[error]error{syscall.EROFS: nil, syscall.EACCES: ErrWhoseLock, syscall.EIO: syscall.EIO} {
		if _, err := Dirs(unlockable{d, cause}, []string{"/d"}, Options{}, func(Finding) {}); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", cause, err, want)
		}
	}
}

// TestSetAside: what is wrong with a copy that was not finished is no damage.
func TestSetAside(t *testing.T) {
	d := kafkas(t)
	for _, state := range []string{logdir.Future, logdir.Stray} {
		dir := "/d/log-none-0." + strings.Repeat("b", 32) + state
		d.must(d.MkdirAll(dir))
		d.write(dir+"/00000000000000000000.log", d.read(noneLog)[:100])
	}
	list := d.found("/d")
	if len(list) < 2 {
		t.Fatal(list)
	}
	for _, f := range list {
		if !f.Repairable {
			t.Error(f)
		}
	}
}

// TestNeverFails damages bytes anywhere: whatever they are, a check ends, and
// a damaged log is noticed.
func TestNeverFails(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	files := allFiles(t, kafkas(t), "/d")
	for range 150 {
		d := kafkas(t)
		name := files[rnd.IntN(len(files))]
		n := len(d.read(name))
		if n == 0 || strings.HasSuffix(name, ".deleted") {
			continue
		}
		pos := rnd.IntN(n)
		d.edit(name, func(b []byte) []byte { b[pos] ^= byte(1 + rnd.IntN(255)); return b })
		list := d.found("/d")
		// Text files have no checksum. In a log, only the base offset of the last batch may be another one.
		covered := strings.HasSuffix(name, ".snapshot") || strings.HasSuffix(name, ".txnindex") || strings.HasSuffix(name, ".log") && !inLastBase(d.read(name), pos)
		if covered && len(list) == 0 {
			t.Errorf("%s byte %d: not found", name, pos)
		}
	}
}

// inLastBase tells whether a byte is of the base offset of a log's last batch.
func inLastBase(log []byte, pos int) bool {
	last := 0
	for at := 0; at+12 <= len(log); {
		size := 12 + int(int32(binary.BigEndian.Uint32(log[at+8:])))
		if size < 61 || at+size > len(log) {
			return false // the damaged batch's length: it is not the last byte that counts
		}
		last, at = at, at+size
	}
	return pos >= last && pos < last+8
}

// FuzzCheck: whatever a partition's files hold, a check of them ends.
func FuzzCheck(f *testing.F) {
	names := []string{"00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex",
		"leader-epoch-checkpoint", "partition.metadata", "00000000000000000079.snapshot"}
	whole := kafkas(f)
	for i, name := range names {
		b := whole.read("/d/log-txn-0/" + name)
		f.Add(uint8(i), b[:min(len(b), 2000)])
	}
	f.Add(uint8(7), whole.read("/d/meta.properties"))
	f.Add(uint8(8), whole.read("/d/__cluster_metadata-0/quorum-state"))
	f.Add(uint8(9), whole.read("/d/bootstrap.checkpoint"))
	contents := map[string][]byte{}
	for _, name := range names {
		contents[name] = whole.read("/d/log-txn-0/" + name)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		d := disk{vfs.NewMem(), t}
		for _, dir := range []string{"/d/log-txn-0", "/d/__cluster_metadata-0"} {
			d.must(d.MkdirAll(dir))
		}
		for i, name := range names {
			if i != int(which) {
				d.write("/d/log-txn-0/"+name, contents[name])
			} else {
				d.write("/d/log-txn-0/"+name, b)
			}
		}
		switch which {
		case 7:
			d.write("/d/meta.properties", b)
		case 8:
			d.write("/d/__cluster_metadata-0/quorum-state", b)
		case 9:
			d.write("/d/bootstrap.checkpoint", b)
		}
		d.found("/d")
	})
}
