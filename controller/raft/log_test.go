package raft

import (
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// grow appends batches of rising epochs.
func grow(l *raftLog, model *[]ids.LeaderEpoch, rnd *rand.Rand, epoch ids.LeaderEpoch, batches int) ids.LeaderEpoch {
	for range batches {
		epoch += ids.LeaderEpoch(rnd.IntN(2))
		n := ids.Offset(1 + rnd.IntN(4))
		l.append(Entry{Base: l.End, Last: l.End + n - 1, Epoch: epoch})
		for range n {
			*model = append(*model, epoch)
		}
	}
	return epoch
}

// A follower that obeys what a leader makes of its position ends up with a prefix of
// the leader's log, after at most one step an epoch, and never gives up a
// record that both have. The model of a log is the epoch of each record.
func TestTruncationFindsTheCommonPrefix(t *testing.T) {
	for seed := uint64(0); seed < 3000; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var leader, follower raftLog
		var lm, fm []ids.LeaderEpoch
		epoch := grow(&leader, &lm, rnd, 1, rnd.IntN(6))
		for _, e := range leader.Epochs {
			follower.Epochs = append(follower.Epochs, e)
		}
		follower.End, fm = leader.End, append(fm, lm...)
		// What one has alone is of epochs that the other never has: every epoch has one leader.
		grow(&follower, &fm, rnd, epoch+1, rnd.IntN(5))
		grow(&leader, &lm, rnd, follower.lastEpoch()+1, rnd.IntN(5))
		if rnd.IntN(3) == 0 { // and the follower may have a part of what the leader has since
			for follower.End < leader.End && len(fm) == commonPrefix(lm, fm) && rnd.IntN(3) > 0 {
				e := lm[follower.End]
				follower.append(Entry{Base: follower.End, Last: follower.End, Epoch: e})
				fm = append(fm, e)
			}
		}
		common := commonPrefix(lm, fm)
		for step := 0; ; step++ {
			v := leader.validate(follower.last())
			if v.diverging == nil {
				break
			}
			if step > len(lm)+len(fm) {
				t.Fatalf("seed %d: no end", seed)
			}
			at := follower.truncationPoint(*v.diverging)
			if at >= follower.End || int(at) < common {
				t.Fatalf("seed %d: truncation of [0,%d) to %d, common are %d", seed, follower.End, at, common)
			}
			follower.truncateTo(at)
			fm = fm[:at]
		}
		if len(fm) != commonPrefix(lm, fm) {
			t.Fatalf("seed %d: the follower has %v, the leader %v", seed, fm, lm)
		}
		for i, e := range fm {
			if got := epochAt(&follower, ids.Offset(i)); got != e {
				t.Fatalf("seed %d: record %d has epoch %d, the log says %d", seed, i, e, got)
			}
		}
	}
}

func commonPrefix(a, b []ids.LeaderEpoch) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func epochAt(l *raftLog, off ids.Offset) ids.LeaderEpoch {
	e := ids.LeaderEpoch(0)
	for _, s := range l.Epochs {
		if s.Start <= off {
			e = s.Epoch
		}
	}
	return e
}
