package epochs

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// naive is the epoch of every offset, written down one by one.
type naive struct {
	epochs []ids.LeaderEpoch // by offset, from start on
	start  ids.Offset
}

func (n *naive) end() ids.Offset { return n.start + ids.Offset(len(n.epochs)) }

// FuzzOps drives a history as a log does, by appends of one record in epochs
// that never fall and by truncations at both ends, and compares with the epochs
// of the records.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 9, 0, 20, 0, 30, 1, 200, 100})
	f.Add([]byte{255, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte("epochs come and go, offsets stay"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		h, n, epoch := &History{}, naive{}, ids.LeaderEpoch(0)
		for _, op := range ops {
			switch arg := int(op >> 2); op & 3 {
			case 0, 1:
				epoch += ids.LeaderEpoch(arg / 8)
				h.Assign(epoch, n.end())
				n.epochs = append(n.epochs, epoch)
			case 2:
				to := max(n.start, n.end()-ids.Offset(arg%16))
				h.TruncateEnd(to)
				n.epochs = n.epochs[:to-n.start]
				epoch++ // whoever truncates follows a new leader
			case 3:
				to := min(n.end(), n.start+ids.Offset(arg%16))
				h.TruncateStart(to)
				n.epochs, n.start = n.epochs[to-n.start:], to
			}
			compare(t, h, &n, epoch)
		}
	})
}

func compare(t *testing.T, h *History, n *naive, newest ids.LeaderEpoch) {
	t.Helper()
	for i, want := range n.epochs {
		if got, ok := h.ForOffset(n.start + ids.Offset(i)); !ok || got != want {
			t.Fatalf("epoch of offset %d: %d %v, want %d (%v)", n.start+ids.Offset(i), got, ok, want, h.Entries())
		}
	}
	if len(n.epochs) == 0 {
		return
	}
	for e := n.epochs[0]; e <= newest && e < n.epochs[0]+100; e++ {
		end := n.start
		for i, x := range n.epochs {
			if x <= e {
				end = n.start + ids.Offset(i) + 1
			}
		}
		got := h.EndOffset(e, n.end())
		if last, _ := h.Latest(); e > last.Epoch {
			if got.Offset != ids.NoOffset {
				t.Fatalf("end of epoch %d, which is not known: %v", e, got)
			}
		} else if got.Offset != end {
			t.Fatalf("end of epoch %d: %v, want %d (%v)", e, got, end, h.Entries())
		}
	}
}
