package logdir

import (
	"errors"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// fillUp leaves so many bytes free on a disk of the given size.
func fillUp(t *testing.T, mem *vfs.Mem, size, free int64) {
	t.Helper()
	mem.SetCapacity(size)
	f, err := mem.OpenFile("/filler", os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := mem.Space("/")
	if err == nil {
		_, err = f.WriteAt(make([]byte, now-free), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pour appends until that is refused and returns how many bytes were taken.
func (n *node) pour(l *partlog.Log, o partlog.Origin) (taken int64) {
	n.t.Helper()
	for taken < 4<<20 {
		b := batch.NewBuilder(batch.Options{})
		b.Append(n.now, []byte("k"), make([]byte, 4000), nil)
		v, err := b.Bytes()
		n.must(err)
		if _, err = l.AppendAsLeader(v, 1, o, n.now); errors.Is(err, partlog.ErrDiskFull) {
			return taken
		}
		n.must(err)
		taken += int64(len(v))
	}
	n.t.Fatal("never refused")
	return 0
}

// TestRoomIsCountedBetweenLooks: nobody looks at the disk while records pour in,
// and still clients are refused where the reserve begins, coordinators in the
// middle of it, and what is left is free.
func TestRoomIsCountedBetweenLooks(t *testing.T) {
	const size, above = 8 << 20, 64 << 10
	mem := vfs.NewMem()
	n := newNode(t, mem, "/d")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	reserve := Reserve(size)
	fillUp(t, mem, size, reserve+above)
	n.s.Tick(n.now, n.hw)
	for _, c := range []struct {
		who    string
		origin partlog.Origin
		takes  int64
		free   int64
	}{{"clients", partlog.Client, above, reserve}, {"coordinators", partlog.Coordinator, reserve / 2, reserve / 2}} {
		taken := n.pour(l, c.origin)
		if free, _, _ := mem.Space("/d"); taken > c.takes+5000 || taken < c.takes-10000 || free < c.free-5000 {
			t.Errorf("%s: %d bytes were taken, about %d were to be, %d are free", c.who, taken, c.takes, free)
		}
	}
}

// TestRoomDoesNotFlicker: what was refused is taken again when there is a quarter
// more than the reserve, not at its edge.
func TestRoomDoesNotFlicker(t *testing.T) {
	const size = 8 << 20
	mem := vfs.NewMem()
	n := newNode(t, mem, "/d")
	l := n.log(tp0, id1)
	n.must(n.append(l))
	fillUp(t, mem, size, Reserve(size)-1000)
	free, total, _ := mem.Space("/d")
	used := total - free
	for _, c := range []struct {
		free  int64 // of a thousand that are used: the reserve is an eighth of all
		taken bool
	}{{140, false}, {160, false}, {180, false}, {190, true}, {160, true}, {140, false}} {
		mem.SetCapacity(used + used*c.free/1000)
		n.s.Tick(n.now, n.hw)
		if err := n.append(l); (err == nil) != c.taken || err != nil && !errors.Is(err, partlog.ErrDiskFull) {
			t.Errorf("%d of 1000 free, reserve %d: %v", c.free, Reserve(used+used*c.free/1000)*1000/used, err)
		}
	}
}
