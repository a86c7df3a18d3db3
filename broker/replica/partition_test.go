package replica

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

func reg(leader ids.NodeID, epoch ids.LeaderEpoch, isr ...ids.NodeID) *image.Partition {
	return &image.Partition{Replicas: []ids.NodeID{1, 2, 3}, ISR: isr, Leader: leader, LeaderEpoch: epoch}
}

func TestAssign(t *testing.T) {
	c := core{self: 1, role: role{leader: ids.NoNode, epoch: ids.NoEpoch}}
	for i, tc := range []struct {
		p    *image.Partition
		want transition
	}{
		{reg(2, 0, 2), transition{newEpoch: true}},
		{reg(1, 1, 1), transition{began: true, newEpoch: true}},
		{reg(1, 1, 1, 2), transition{}},
		{reg(1, 2, 1), transition{newEpoch: true}},
		{reg(3, 3, 3), transition{ended: true, newEpoch: true}},
		{reg(1, 4, 1), transition{began: true, newEpoch: true}},
		{nil, transition{ended: true}},
	} {
		if got := c.assign(tc.p); got != tc.want {
			t.Errorf("step %d: %+v, want %+v", i, got, tc.want)
		}
	}
}

func TestEpochChecks(t *testing.T) {
	r := role{leader: 1, epoch: 5, leads: true}
	follower := role{leader: 2, epoch: 5}
	for _, tc := range []struct {
		r       role
		current ids.LeaderEpoch
		want    error
	}{
		{r, ids.NoEpoch, nil}, {r, 5, nil}, {r, 4, ErrFencedEpoch}, {r, 6, ErrUnknownEpoch},
		{follower, 5, ErrNotLeader}, {follower, 4, ErrFencedEpoch}, {follower, 6, ErrUnknownEpoch}, {follower, ids.NoEpoch, ErrNotLeader},
	} {
		if err := tc.r.checkLeader(tc.current); !errors.Is(err, tc.want) {
			t.Errorf("%+v asked with %d: %v, want %v", tc.r, tc.current, err, tc.want)
		}
	}
}

func TestAppendChecks(t *testing.T) {
	c := core{self: 1}
	c.role.epoch = ids.NoEpoch
	c.assign(reg(1, 5, 1))
	for _, tc := range []struct {
		o    AppendOptions
		min  int
		want error
	}{
		{AppendOptions{Acks: -1, Epoch: ids.NoEpoch}, 1, nil},
		{AppendOptions{Acks: -1, Epoch: ids.NoEpoch}, 2, ErrNotEnoughReplicas},
		{AppendOptions{Acks: 1, Epoch: ids.NoEpoch}, 2, nil},
		{AppendOptions{Acks: 1, Epoch: 5}, 1, nil},
		{AppendOptions{Acks: 1, Epoch: 4}, 1, ErrNotLeader},
	} {
		if err := c.checkAppend(tc.o, tc.min); !errors.Is(err, tc.want) {
			t.Errorf("%+v with min %d: %v, want %v", tc.o, tc.min, err, tc.want)
		}
	}
	c.replicas = c.replicas[:1]
	if err := c.checkAppend(AppendOptions{Acks: -1, Epoch: ids.NoEpoch}, 9); err != nil {
		t.Errorf("more in-sync replicas demanded than there are replicas: %v", err)
	}
}

// Random histories: the high watermark never falls within an epoch, never
// passes the end, and is the end when this broker is the whole ISR.
func TestHighWatermark(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		c := core{self: 1, role: role{leader: ids.NoNode, epoch: ids.NoEpoch}}
		epoch, end := ids.LeaderEpoch(0), ids.Offset(rng.IntN(10))
		c.assign(reg(1, epoch, 1))
		c.opened(0, end, ids.Offset(rng.IntN(20)))
		for range 50 {
			before, sameEpoch := c.highWatermark, true
			switch rng.IntN(4) {
			case 0:
				epoch++
				sameEpoch = false
				c.assign(reg(ids.NodeID(1+rng.IntN(2)), epoch, [][]ids.NodeID{{1}, {1, 2}}[rng.IntN(2)]...))
				c.advance()
			default:
				if c.role.leads {
					end += ids.Offset(rng.IntN(3))
					moved := c.appended(end)
					if moved != (c.highWatermark > before) {
						t.Fatalf("seed %d: moved %v from %d to %d", seed, moved, before, c.highWatermark)
					}
				}
			}
			if c.highWatermark > c.end || sameEpoch && c.highWatermark < before {
				t.Fatalf("seed %d: high watermark %d, before %d, end %d", seed, c.highWatermark, before, c.end)
			}
			if c.role.leads && len(c.isr) == 1 && c.highWatermark != c.end {
				t.Fatalf("seed %d: sole replica at %d of %d", seed, c.highWatermark, c.end)
			}
		}
	}
}
