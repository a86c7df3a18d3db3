package groupcoord

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// The simulation of group coordinators: three brokers, a log that is replicated
// between them as far as it is committed, and members of two groups, one of each
// protocol. One source of randomness, the seed, says what happens next; after each
// event everything comes to rest before the judge looks, so that a seed is always
// the same story. Brokers are killed and come back, leaderships move and are heard of
// late, loads take long, appends are refused, commits wait, the log is compacted,
// members join, leave, die, commit and subscribe to topics that are made meanwhile.

const (
	simBrokers   = 3
	classicGroup = "g"
	modernGroup  = "h" // on the other partition
)

// simMutant is an error of the world around the coordinator, as a coordinator that
// trusts it too much would have it.
type simMutant struct {
	early    bool // answers before the commit
	hasty    bool // serves while loading
	short    bool // loads what is committed only
	unfenced bool // a former leader writes on
	lossy    bool // compaction loses records
	deaf     bool // a coordinator is not told that it leads again
}

// simBroker is one broker, in one of its lives.
type simBroker struct {
	id    int
	svc   *Service
	life  int
	alive bool
	told  [simParts]ids.LeaderEpoch // that it leads since; 0: it does not
	gates [simParts]chan struct{}   // its disk is slow until this is closed
	reads [simParts]bool            // there is something to read behind the gate
}

// sim is one run.
type sim struct {
	rnd     *rand.Rand
	clock   *runtimetest.Clock
	log     simLog
	brokers [simBrokers]*simBroker
	topics  catalog
	born    int
	uuids   int
	calm    bool // the trouble is over

	classics []*simClassic
	moderns  []*simModern
	offsets  map[simPlace]*simOffset
	owners   map[simClaim]string
	trace    []string

	// Answers of different partitions come on goroutines of their own.
	mu     sync.Mutex
	lines  []string // of the event that goes on, in no order
	hits   map[string]int
	broken string // the first rule that was
}

func newSim(seed uint64, wrong simMutant) *sim {
	s := &sim{
		rnd: rand.New(rand.NewPCG(seed, 36)), clock: runtimetest.NewClock(1_700_000_000_000),
		topics: catalog{
			Topic: {ids.TopicID{15: 1}, simParts}, "t": {ids.TopicID{15: 7}, simPartitions},
		},
		offsets: map[simPlace]*simOffset{}, owners: map[simClaim]string{}, hits: map[string]int{},
	}
	s.log.wrong = wrong
	for p := range s.log.parts {
		s.log.parts[p] = simPart{leader: -1, forks: map[int]*simFork{}}
	}
	for i := range s.brokers {
		s.brokers[i] = &simBroker{id: i}
		s.start(s.brokers[i])
	}
	return s
}

// fail says that a rule was broken.
func (s *sim) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == "" {
		s.broken = fmt.Sprintf(format, args...)
	}
}

// note writes down what happened.
func (s *sim) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *sim) hit(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits[what]++
}

// over ends an event, when nothing moves any more.
func (s *sim) over() {
	slices.Sort(s.lines)
	s.trace = append(s.trace, s.lines...)
	s.lines = nil
}

// image is the topics as they are now.
func (s *sim) image() consumer.Image { return view{s.topics, nil} }

// hash is of all that happened.
func (s *sim) hash() uint64 {
	h := fnv.New64a()
	for _, line := range s.trace {
		h.Write([]byte(line))
	}
	return h.Sum64()
}

// start begins a broker's next life.
func (s *sim) start(b *simBroker) {
	cfg := DefaultConfig()
	cfg.InitialRebalanceDelay = 1000
	b.svc = New(Options{
		Config: cfg, Log: simPort{&s.log, b}, Topics: s.topics, Image: s.image,
		Clock: s.clock, Logger: zap.NewNop(), NewUUID: func() string {
			s.uuids++
			return fmt.Sprintf("%036d", s.uuids)
		},
	})
	b.alive, b.told = true, [simParts]ids.LeaderEpoch{}
	s.note("broker %d starts", b.id)
}

// kill ends a broker's life: nobody hears from it any more. Others lead what it led.
func (s *sim) kill(b *simBroker) {
	s.hit("a broker is killed")
	s.note("broker %d is killed", b.id)
	b.life++
	b.alive = false
	s.openGates(b)
	b.svc.Close()
	synctest.Wait()
	for p := range int32(simParts) {
		if s.log.parts[p].leader == b.id {
			s.moveTo(p, s.another(b.id))
		}
		delete(s.log.parts[p].forks, b.id)
	}
}

// another is a broker that is alive, not this one if possible; −1: none is.
func (s *sim) another(not int) int {
	var alive []int
	for _, b := range s.brokers {
		if b.alive && b.id != not {
			alive = append(alive, b.id)
		}
	}
	if len(alive) == 0 {
		return -1
	}
	return alive[s.rnd.IntN(len(alive))]
}

// moveTo gives a partition to another leader, which had followed the one before, or
// to the same one again.
func (s *sim) moveTo(p int32, to int) {
	part := &s.log.parts[p]
	if to >= 0 && to != part.leader {
		s.hear(s.brokers[to], p)
	}
	if part.hw < part.end {
		s.hit("a leader goes before its records are committed")
	}
	s.log.move(p, to, s.rnd)
	s.note("partition %d moves to %d, epoch %d", p, to, s.log.parts[p].epoch)
	if to >= 0 && s.rnd.IntN(3) > 0 {
		s.hear(s.brokers[to], p)
	}
}

// hear tells a broker whether it leads a partition.
func (s *sim) hear(b *simBroker, p int32) {
	leads, epoch := s.log.heard(p, b.id)
	switch {
	case !b.alive:
	case leads && b.told[p] != epoch:
		if b.told[p] == 0 && s.rnd.IntN(2) == 0 {
			b.gates[p], b.reads[p] = make(chan struct{}), false
		}
		if b.told[p] != 0 {
			s.hit("a coordinator is elected again")
			if s.log.wrong.deaf {
				return
			}
		}
		b.told[p] = epoch
		b.svc.Lead(p, epoch)
	case !leads && b.told[p] != 0:
		b.told[p] = 0
		if gate := b.gates[p]; gate != nil {
			close(gate)
			b.gates[p] = nil
		}
		b.svc.Resign(p, ids.NoEpoch)
	}
	s.note("broker %d hears of partition %d: leads %v", b.id, p, leads)
	synctest.Wait()
}

func (s *sim) openGates(b *simBroker) {
	for p, gate := range b.gates {
		if gate != nil {
			close(gate)
			b.gates[p] = nil
		}
	}
	synctest.Wait()
}

func (s *sim) commit(p int32) {
	leader, hw := s.log.commit(p)
	if leader >= 0 && s.brokers[leader].alive {
		s.brokers[leader].svc.Committed(p, hw)
		synctest.Wait()
	}
}

// coordinator is the broker to ask about a group: the leader, but now and then one
// that somebody takes for it.
func (s *sim) coordinator(group string) *simBroker {
	if !s.calm && s.rnd.IntN(8) == 0 {
		if i := s.another(-1); i >= 0 {
			if b := s.brokers[i]; b.told[PartitionFor(group, simParts)] != 0 && !s.leads(b, group) {
				s.hit("a former leader is asked")
			}
			return s.brokers[i]
		}
	}
	return s.leader(group)
}

// leader is the broker that leads the group's partition, nil: none.
func (s *sim) leader(group string) *simBroker {
	if i := s.log.parts[PartitionFor(group, simParts)].leader; i >= 0 && s.brokers[i].alive {
		return s.brokers[i]
	}
	return nil
}

// leads tells whether the broker is the leader of the group's partition and knows it.
func (s *sim) leads(b *simBroker, group string) bool {
	p := PartitionFor(group, simParts)
	part := &s.log.parts[p]
	return b.alive && part.leader == b.id && b.told[p] == part.epoch
}

// fetch asks for a group's offsets and calls f with the answer, if there is one.
func (s *sim) fetch(b *simBroker, group string, f func(*kmsg.OffsetFetchResponseGroup)) {
	life := b.life
	b.svc.OffsetFetch(fetchOf(group, 8, "t", 0, 1, 2, 3, 4), func(r *kmsg.OffsetFetchResponse) {
		if b.life == life {
			f(&r.Groups[0])
		}
	})
	synctest.Wait()
}

var loadInProgress = kerr.CoordinatorLoadInProgress.Code
