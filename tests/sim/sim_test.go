package sim

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/invariant"
)

var (
	seed     = flag.Uint64("seed", 0, "run this seed only, with its log")
	messages = flag.Bool("messages", false, "with -seed: log messages too")
	seeds    = flag.Uint64("seeds", 5000, "number of seeds; a tenth of it with -short")
	mutant   = flag.Uint64("mutant", 0, "with -seed: the errors to switch on")
)

// enough seeds reach every state and see every fault.
const enough = 2000

// rare are the states that the faults are there for.
var rare = []string{
	"raft: a follower truncates", "raft: a follower installs a snapshot", "raft: the leader's port refuses",
	"raft: a lost pre-vote leads back to the leader", "raft: a vote is split", "raft: check-quorum ends a leadership",
	"raft: a voter is added", "raft: a voter is removed", "raft: a leader removed itself",
	"raft: a node campaigns whose removal is not committed", "raft: a former leader restarts",
	"raft: a node is asked for the vote of its lost disk",
	"raft: kraft.version is upgraded", "raft: a voter tells of new endpoints", "raft: a node asks to join",
	"raft: a node asks that its lost disk be removed", "sim: the disk of a leader fails", "sim: a start finds that the log rotted", "sim: a process finds that its log rots",
	"sim: two nodes take themselves for the leader, of different epochs", "sim: the quorum comes back without one of its voters",
	"raft: a vote for a shorter log is refused", "raft: a pre-vote is refused by who hears from the leader",
	"raft: a second vote in an epoch is refused", "raft: the first successor campaigns at once",
	"raft: a second change of the voters is refused", "raft: a new voter lags behind", "raft: a change of the voters takes too long",
	"raft: a change of the voters is truncated", "raft: a leader learns of its successor",
	"raft: an answer comes that nobody waits for any more", "raft: a snapshot is gone while it is downloaded",
	"raft: a follower's fetch timeout ends", "raft: a leader steps down while followers wait",
}

// each runs seeds from 1 on, on all processors, until do returns false or n are done.
func each(n uint64, do func(seed uint64) bool) {
	var next atomic.Uint64
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for s := next.Add(1); s <= n && !stop.Load(); s = next.Add(1) {
				if !do(s) {
					stop.Store(true)
				}
			}
		}()
	}
	wait.Wait()
}

func TestQuorumSurvivesFaults(t *testing.T) {
	if *seed != 0 {
		res, err := Run(Config{Seed: *seed, Mutants: raft.Mutant(*mutant), Messages: *messages, Log: func(s string) { t.Log(s) }})
		t.Logf("%+v", res)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		*seeds /= 10
	}
	var events, committed, leaders atomic.Int64
	var faults Faults
	var mu sync.Mutex
	each(*seeds, func(s uint64) bool {
		res, err := Run(Config{Seed: s})
		if err != nil {
			t.Error(err)
		}
		events.Add(int64(res.Events))
		committed.Add(int64(res.Committed))
		leaders.Add(int64(res.Leaders))
		mu.Lock()
		faults.Add(&res.Faults)
		mu.Unlock()
		if s%100 == 0 { // the same seed is the same run
			again, _ := Run(Config{Seed: s})
			if again.Hash != res.Hash {
				t.Errorf("seed %d ran twice with different traces", s)
			}
		}
		return true
	})
	t.Logf("%d seeds: %d events, %d leaders, %d records committed", *seeds, events.Load(), leaders.Load(), committed.Load())
	for f, n := range faults {
		t.Logf("%9d %v", n, Fault(f))
	}
	if *seeds < enough {
		return
	}
	for _, state := range rare {
		if invariant.Reached()[state] == 0 {
			t.Errorf("never reached: %s", state)
		}
	}
	for _, f := range faults.Missing() {
		t.Errorf("never happened: %v", f)
	}
}

// TestMutantsAreCaught proves that the judges bite: each error of the bug museum,
// switched on, is found within 500 seeds.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range []struct {
		name string
		bit  raft.Mutant
	}{
		{"skip fsync of vote", raft.MutantSkipVoteSync},
		{"same-epoch leader after restart", raft.MutantSameEpochLeader},
		{"high watermark before majority", raft.MutantCommitBeforeMajority},
		{"no check-quorum", raft.MutantNoCheckQuorum},
		{"record of a former epoch committed by counting", raft.MutantCommitOldEpoch},
		{"one-shot truncation", raft.MutantOneShotTruncation},
		{"voter changes overlap", raft.MutantOverlappingChanges},
		{"pre-vote raises epochs", raft.MutantPreVoteRaisesEpoch},
		{"log acknowledged before fsync", raft.MutantAckBeforeSync},
		{"two votes in an epoch", raft.MutantVoteTwice},
		{"vote for a shorter log", raft.MutantVoteForShortLog},
		{"voter with an empty disk votes", raft.MutantIgnoreDirectory},
		{"a failed fsync is trusted", raft.MutantTrustFailedSync},
		{"vote renamed without fsync of its folder", raft.MutantNoDirSync},
		{"truncation to the high watermark", raft.MutantTruncateToHW},
	} {
		var first atomic.Uint64
		var why atomic.Value
		each(500, func(s uint64) bool {
			_, err := Run(Config{Seed: s, Mutants: m.bit})
			if err != nil {
				first.Store(s)
				why.Store(err.Error())
			}
			return err == nil
		})
		if first.Load() == 0 {
			t.Errorf("%s: not found in 500 seeds", m.name)
			continue
		}
		t.Logf("%-48s %v", m.name, why.Load())
	}
}

// TestWallClocksDoNotMatter runs seeds whose wall clocks jump by up to an hour once more
// with clocks that do not: elections, commits and everything else in the trace
// happen at the same moment, in the same way.
func TestWallClocksDoNotMatter(t *testing.T) {
	var jumps, runs atomic.Int64
	each(400, func(s uint64) bool {
		w := newWorld(Config{Seed: s})
		w.draw()
		// A bit that flipped is told of with a checksum, over timestamps too; and which blocks a power cut
		// leaves by chance depends on how many there are, of the time index too.
		if !w.plan.jumps || w.plan.rots || w.plan.survive == 0.5 {
			return true
		}
		with, err := Run(Config{Seed: s})
		without, _ := Run(Config{Seed: s, SteadyClocks: true})
		if with.Hash != without.Hash {
			t.Errorf("seed %d goes another way when clocks jump: %v", s, err)
		}
		jumps.Add(int64(with.Faults[ClockJump]))
		runs.Add(1)
		return true
	})
	if runs.Load() < 20 {
		t.Errorf("only %d seeds have clocks that jump", runs.Load())
	}
	t.Logf("%d seeds with %d jumps", runs.Load(), jumps.Load())
}
