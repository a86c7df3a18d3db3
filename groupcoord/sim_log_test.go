package groupcoord

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
)

// simParts is how many partitions __consumer_offsets has in the simulation.
const simParts = 2

// simLog is __consumer_offsets as the brokers of the simulation have it. A partition
// has one log that counts, which its leader appends to; a broker that has not heard
// yet that it leads no longer goes on with a copy of its own, of which nothing will
// ever be committed.
type simLog struct {
	mu    sync.Mutex
	parts [simParts]simPart
	wrong simMutant
}

type simPart struct {
	batches []batch.View
	end, hw ids.Offset
	leader  int // −1: none
	epoch   ids.LeaderEpoch
	hold    bool // what is appended is not committed by itself
	refuse  *kerr.Error
	forks   map[int]*simFork
}

type simFork struct {
	batches []batch.View
	end, hw ids.Offset
}

// simPort is the log as one broker sees it.
type simPort struct {
	log *simLog
	b   *simBroker
}

// Append implements runtime.Log.
func (l simPort) Append(p int32, epoch ids.LeaderEpoch, data []byte) (ids.Offset, error) {
	l.log.mu.Lock()
	part := &l.log.parts[p]
	v := batch.View(slices.Clone(data))
	v.SetLeaderEpoch(epoch)
	if leads := part.leader == l.b.id && epoch == part.epoch; !leads && !l.log.wrong.unfenced {
		defer l.log.mu.Unlock()
		f := part.forks[l.b.id]
		if f == nil {
			return 0, kerr.NotLeaderForPartition
		}
		v.SetBaseOffset(f.end)
		f.batches, f.end = append(f.batches, v), v.NextOffset()
		return f.end, nil
	}
	if part.refuse != nil {
		defer l.log.mu.Unlock()
		return 0, part.refuse
	}
	v.SetBaseOffset(part.end)
	part.batches, part.end = append(part.batches, v), v.NextOffset()
	end, hold := part.end, part.hold
	if !hold {
		part.hw = end
	}
	l.log.mu.Unlock()
	if !hold || l.log.wrong.early {
		l.b.svc.Committed(p, end)
	}
	return end, nil
}

// view is the log that the broker reads; the caller holds the lock.
func (l simPort) view(p int32) (batches []batch.View, end, hw ids.Offset) {
	part := &l.log.parts[p]
	if f := part.forks[l.b.id]; f != nil {
		return f.batches, f.end, f.hw
	}
	return part.batches, part.end, part.hw
}

// Read implements runtime.Log. It waits while the broker's disk is slow.
func (l simPort) Read(p int32, from ids.Offset, maxBytes int) ([]byte, error) {
	if gate := l.b.gates[p]; gate != nil {
		l.log.mu.Lock()
		l.b.reads[p] = true
		l.log.mu.Unlock()
		if l.log.wrong.hasty {
			return nil, nil
		}
		<-gate
	}
	l.log.mu.Lock()
	defer l.log.mu.Unlock()
	batches, _, _ := l.view(p)
	return runtimetest.Cut(batches, from, maxBytes), nil
}

// Bounds implements runtime.Log.
func (l simPort) Bounds(p int32) (end, hw ids.Offset, err error) {
	l.log.mu.Lock()
	defer l.log.mu.Unlock()
	_, end, hw = l.view(p)
	if l.log.wrong.short {
		end = hw
	}
	return end, hw, nil
}

// MaxBatchBytes implements runtime.Log.
func (l simPort) MaxBatchBytes(int32) int { return 1 << 20 }

// commit commits all that the leader has, and returns up to where.
func (l *simLog) commit(p int32) (leader int, hw ids.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	part.hw = part.end
	return part.leader, part.hw
}

// move gives a partition to another leader, −1 for none. What was not committed may
// be lost, from some batch on. The one that led keeps what it had, as its own.
func (l *simLog) move(p int32, to int, rnd *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	if old := part.leader; old >= 0 && old != to {
		part.forks[old] = &simFork{slices.Clone(part.batches), part.end, part.hw}
	}
	keep := len(part.batches)
	for to != part.leader && keep > 0 && part.batches[keep-1].BaseOffset() >= part.hw && rnd.IntN(2) == 0 {
		keep--
		part.end = part.batches[keep].BaseOffset()
	}
	part.batches = part.batches[:keep]
	part.leader, part.epoch = to, part.epoch+1
}

// heard: the broker has heard that it leads, or does not, and has the log that counts.
func (l *simLog) heard(p int32, node int) (leads bool, epoch ids.LeaderEpoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	delete(part.forks, node)
	return part.leader == node, part.epoch
}

// compact keeps of what is committed the last record of each key, and maybe no
// tombstones.
func (l *simLog) compact(p int32, tombstones bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	n := 0
	for n < len(part.batches) && part.batches[n].NextOffset() <= part.hw {
		n++
	}
	records := recordsOf(part.batches[:n])
	last := map[string]ids.Offset{}
	for _, r := range records {
		last[string(r.Key)] = r.Offset
	}
	var kept []batch.View
	for i, r := range records {
		if last[string(r.Key)] != r.Offset || r.Value == nil && !tombstones || l.wrong.lossy && i%7 == 6 {
			continue
		}
		b := batch.NewBuilder(batch.Options{BaseOffset: r.Offset})
		b.Append(r.Timestamp, r.Key, r.Value, nil)
		v, err := b.Bytes()
		if err != nil {
			panic(err)
		}
		kept = append(kept, v)
	}
	part.batches = append(kept, part.batches[n:]...)
}

func recordsOf(batches []batch.View) []runtimetest.Record {
	var out []runtimetest.Record
	for _, v := range batches {
		recs, err := v.Records(nil, 1<<30)
		if err != nil {
			panic(err)
		}
		for _, r := range recs {
			out = append(out, runtimetest.Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
		}
	}
	return out
}
