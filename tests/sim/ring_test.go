package sim

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// TestARingKeepsItsLeader: where each voter sees a majority and no two the same, pre-votes
// and check-quorum could take turns to depose every leader. There must be one, which
// stays, and commits.
func TestARingKeepsItsLeader(t *testing.T) {
	const cut, calm, end = 2000, 5000, 15_000 // ms: the ring begins, whatever it upset is over, it ends
	held := 0
	for s := range uint64(150) {
		w := newWorld(Config{Seed: s + 1})
		var res Result
		var err error
		var epochs, leaders []ids.LeaderEpoch
		var committed ids.Offset
		func() {
			defer w.judgement(&res, &err)
			w.draw()
			w.plan = plan{voters: 3 + int(s%3), delay: 3, appendEvery: 50, kraft: int16(s % 2), config: w.plan.config}
			w.build()
			w.after(cut, func() { w.ringFor(end - cut) })
			w.play(calm)
			committed = w.judge.committedEnd
			for _, n := range w.nodes {
				epochs = append(epochs, n.rep.Core().HardState().Epoch)
			}
			w.play(end)
			for i, n := range w.nodes {
				if n.rep.Core().HardState().Epoch != epochs[i] {
					t.Errorf("seed %d, %d voters: node %d went from epoch %d to %d", s+1, w.plan.voters, n.id, epochs[i], n.rep.Core().HardState().Epoch)
				}
				if n.rep.Core().Role() == raft.Leader {
					leaders = append(leaders, n.rep.Core().HardState().Epoch)
				}
			}
		}()
		if err != nil || len(leaders) != 1 || w.judge.committedEnd < committed+50 {
			t.Errorf("seed %d, %d voters: leaders of epochs %v, committed %d and %d in the end: %v", s+1, w.plan.voters, leaders, committed, w.judge.committedEnd, err)
		}
		if w.faults[Ring] > 0 { // else the leader is the one of three that sees both others
			held++
		}
	}
	if held < 100 {
		t.Errorf("in %d runs only the ring held anything", held)
	}
}
