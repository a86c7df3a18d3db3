package groupcoord

import (
	"flag"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed of the simulation only, with its story")
	simSeeds = flag.Uint64("sim.seeds", 300, "number of seeds of the simulation")
)

// rareInSim is what the simulation is there for: all of it happens.
var rareInSim = []string{
	"a broker is killed", "a leader goes before its records are committed", "a coordinator is elected again",
	"somebody asks while the coordinator loads", "a former leader is asked", "the log is compacted", "an append is refused",
	"an offset is committed", "offsets are fetched", "a new topic is made", "a held heartbeat is released",
}

// simRun runs one seed, until it is over or a rule is broken.
func simRun(t *testing.T, seed uint64, wrong simMutant) (s *sim) {
	synctest.Test(t, func(t *testing.T) {
		s = newSim(seed, wrong)
		for range 40 + s.rnd.IntN(160) {
			s.step(s.rnd.IntN(100))
			s.judge()
			if s.over(); s.broken != "" {
				break
			}
		}
		if s.broken == "" {
			s.settle()
		}
		for _, b := range s.brokers {
			s.openGates(b)
			b.svc.Close()
		}
		synctest.Wait()
	})
	return s
}

// step is one event.
func (s *sim) step(op int) {
	p := int32(s.rnd.IntN(simParts))
	b := s.brokers[s.rnd.IntN(simBrokers)]
	switch {
	case op < 6:
		s.birth()
	case op < 12:
		s.trouble(op, p, b)
	case op < 20:
		if b.alive {
			s.hear(b, p)
		}
	case op < 23:
		part := &s.log.parts[p]
		if part.hold = !part.hold; !part.hold {
			s.commit(p)
		}
	case op < 25:
		part := &s.log.parts[p]
		if part.refuse == nil {
			s.hit("an append is refused")
			part.refuse = kerr.NotEnoughReplicas
		} else {
			part.refuse = nil
		}
	case op < 30:
		s.openGates(b)
	case op < 33:
		s.hit("the log is compacted")
		s.log.compact(p, s.rnd.IntN(2) == 0)
	case op < 46:
		s.clock.Advance(1 + s.rnd.Int64N(5000))
		synctest.Wait()
	case op < 52:
		s.probe([]string{classicGroup, modernGroup}[s.rnd.IntN(2)])
	case op < 56:
		s.lost() // a request timeout
	default:
		s.member()
	}
}

// trouble is what happens to brokers and topics.
func (s *sim) trouble(op int, p int32, b *simBroker) {
	switch {
	case op < 9:
		s.moveTo(p, s.another(-1))
	case op < 10 && b.alive && s.another(b.id) >= 0:
		s.kill(b)
	case op < 11:
		if !b.alive {
			s.start(b)
		}
	default:
		if _, made := s.topics["other"]; !made {
			s.hit("a new topic is made")
			topics := catalog{"other": {n: 1}}
			for name, e := range s.topics {
				topics[name] = e
			}
			s.topics = topics // an image never changes
			for _, b := range s.brokers {
				if b.alive && s.rnd.IntN(4) > 0 {
					b.svc.TopicsChanged([]string{"other"}, true)
				}
			}
			synctest.Wait()
		}
	}
}

// member is something that a member does.
func (s *sim) member() {
	if n := len(s.classics); n > 0 && s.rnd.IntN(2) == 0 {
		i := s.rnd.IntN(n)
		c := s.classics[i]
		switch op := s.rnd.IntN(20); {
		case op == 0:
			s.leaveClassic(i)
		case op == 1: // dies, and a static one comes back
			c.reset()
			c.life++
			c.waiting = false
		case op < 8 && len(c.owned) > 0:
			s.commits(classicGroup, c.member, c.instance, c.gen, int32(c.owned[0]))
		default:
			s.actClassic(c)
		}
		return
	}
	if n := len(s.moderns); n > 0 {
		i := s.rnd.IntN(n)
		m := s.moderns[i]
		switch op := s.rnd.IntN(20); {
		case op == 0:
			s.leaveModern(i)
		case op == 1: // dies, and comes back without knowing anything
			m.reader = reader{id: m.id, life: m.life + 1}
		case op < 4 && m.line.release != nil:
			s.hit("a held heartbeat is released")
			m.line.release()
			synctest.Wait()
		case op < 9 && len(m.reads) > 0:
			s.commits(modernGroup, m.id, nil, m.epoch, m.reads[0])
		default:
			s.beat(m, s.rnd.IntN(2) == 0)
		}
	}
}

// settle ends the trouble: everybody gets to the same epoch, everything is read, and
// every offset is there, also for coordinators that have to load.
func (s *sim) settle() {
	s.calm = true
	for i := range s.log.parts {
		s.log.parts[i].hold, s.log.parts[i].refuse = false, nil
	}
	for _, b := range s.brokers {
		if !b.alive {
			s.start(b)
		}
		s.openGates(b)
	}
	for p := range int32(simParts) {
		s.moveTo(p, s.rnd.IntN(simBrokers))
		for _, b := range s.brokers {
			s.hear(b, p)
			s.openGates(b)
		}
		s.commit(p)
	}
	s.lost()
	for range 70 {
		for _, c := range s.classics {
			s.actClassic(c)
		}
		for _, m := range s.moderns {
			s.beat(m, true)
		}
		s.clock.Advance(1500)
		synctest.Wait()
		s.judge()
		s.over()
	}
	s.probe(classicGroup)
	s.probe(modernGroup)
	s.whole()
	s.over()
}

// whole: both groups are where they should be.
func (s *sim) whole() {
	owned := 0
	for _, c := range s.classics {
		if c.gen != s.classics[0].gen {
			s.fail("not settled: %+v and %+v", c.eager, s.classics[0].eager)
		}
		owned += len(c.owned)
	}
	if len(s.classics) > 0 && owned != simPartitions {
		s.fail("%d of %d partitions are owned by classic members", owned, simPartitions)
	}
	reads := map[int32]bool{}
	for _, m := range s.moderns {
		if m.epoch != s.moderns[0].epoch {
			s.fail("not settled: %+v and %+v", m.reader, s.moderns[0].reader)
		}
		for _, p := range m.reads {
			reads[p] = true
		}
	}
	if len(s.moderns) > 0 && len(reads) != simPartitions {
		s.fail("%d of %d partitions are read", len(reads), simPartitions)
	}
}

// TestSimulation runs seeds, each a story of its own; one that breaks a rule is told
// in full by -sim.seed.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		s := simRun(t, *simSeed, simMutant{})
		for _, line := range s.trace {
			t.Log(line)
		}
		if s.broken != "" {
			t.Fatal(s.broken)
		}
		return
	}
	hits := map[string]int{}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		s := simRun(t, seed, simMutant{})
		if s.broken != "" {
			t.Fatalf("seed %d: %s", seed, s.broken)
		}
		for what, n := range s.hits {
			hits[what] += n
		}
		if seed%50 == 1 {
			if again := simRun(t, seed, simMutant{}); again.hash() != s.hash() {
				t.Fatalf("seed %d is not always the same story", seed)
			}
		}
	}
	for _, what := range rareInSim {
		if hits[what] == 0 {
			t.Errorf("it never happened that %s", what)
		}
	}
}

// TestMutantsAreCaught proves that the judge bites.
func TestMutantsAreCaught(t *testing.T) {
	for name, wrong := range map[string]simMutant{
		"answers before the commit": {early: true}, "serves while loading": {hasty: true}, "loads what is committed only": {short: true},
		"a former leader writes on": {unfenced: true}, "compaction loses records": {lossy: true}, "never told that it leads again": {deaf: true},
	} {
		found := ""
		seed := uint64(1)
		for ; found == "" && seed <= 500; seed++ {
			found = simRun(t, seed, wrong).broken
		}
		if found == "" {
			t.Errorf("%s: not caught by 500 seeds", name)
			continue
		}
		t.Logf("%s: seed %d", name, seed-1)
	}
}
