package logdir

import (
	"os"
	"testing"

	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestNoCleanMark: a directory in which one log could not be closed, for want of
// room, or not be recovered, because it is damaged, is not marked clean: the next
// start would trust what nobody made sure of.
func TestNoCleanMark(t *testing.T) {
	for name, spoil := range map[string]func(n *node, faulty *vfs.Faulty){
		"no room for a snapshot": func(n *node, faulty *vfs.Faulty) {
			faulty.Set(vfs.Fault{Op: vfs.OpWrite, Name: ".snapshot", Err: vfs.ErrNoSpace})
		},
		"damage that nobody has met yet": func(n *node, faulty *vfs.Faulty) {
			n.must(n.s.Save(n.hw))
			n.s.Abandon()
			f, err := n.fs.OpenFile("/d/my-topic-0/00000000000000000000.log", os.O_RDWR)
			n.must(err)
			_, err = f.WriteAt([]byte{0xff}, 8) // the length of the first batch
			n.must(err)
			n.must(f.Close())
			n.s = n.open("/d")
		},
	} {
		faulty := vfs.NewFaulty(vfs.NewMem())
		n := newNode(t, faulty, "/d")
		l := n.log(tp0, id1)
		n.must(n.append(l))
		n.must(n.append(l))
		n.must(l.Flush())
		spoil(n, faulty)
		_ = n.s.Close(1, n.hw)
		faulty.Set()
		if n.s = n.open("/d"); n.s.CleanShutdown() || len(n.lost) != 0 {
			t.Errorf("%s: marked clean %v, %d directories failed", name, n.s.CleanShutdown(), len(n.lost))
		}
	}
}
