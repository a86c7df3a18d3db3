package decide

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Replicas are placed in stripes. Racks stand in a circle, brokers in a circle
// within their rack. Each partition starts one rack further than the one before
// it and takes one broker of each rack in turn, so that leaders spread over
// racks, and replicas of a partition over racks first and brokers second. In
// three racks A, B and C of three brokers:
//
//	partition 0: A0 B0 C0    partition 3: A1 B1 C1
//	partition 1: B1 C1 A1    partition 4: B2 C2 A2
//	partition 2: C2 A2 B2    partition 5: C0 A0 B0
//
// When all racks have led once, each goes on one broker further than it
// began the turn before. (Kafka does not, and lets the same broker of a rack
// lead as long as the number of racks is a multiple of the brokers in it.)
// Unfenced brokers are taken before fenced ones, and the first replica, the
// leader, is never fenced. When there were as many partitions as there are
// unfenced brokers the circles are shuffled, lest the same brokers follow each
// other for ever.

// circle is the brokers of one rack that are all fenced, or all not.
type circle struct {
	brokers []ids.NodeID
	start   int   // where round 0 starts
	index   int   // how many were taken in this round
	at      round // the round of index
}

// round is one partition's turn: which one it is, and by how many brokers the
// circles are turned.
type round struct{ n, turned int }

// take returns the next broker of a round, each once, or false.
func (c *circle) take(r round) (ids.NodeID, bool) {
	if c.at != r {
		c.at, c.index = r, 0
	}
	if c.index >= len(c.brokers) {
		return ids.NoNode, false
	}
	b := c.brokers[(c.start+r.turned+c.index)%len(c.brokers)]
	c.index++
	return b, true
}

type rack struct {
	name             string
	unfenced, fenced circle
}

func (r *rack) take(at round) (ids.NodeID, bool) {
	if b, ok := r.unfenced.take(at); ok {
		return b, true
	}
	return r.fenced.take(at)
}

// placer places the partitions of one topic.
type placer struct {
	rand            *rand.Rand
	racks           []*rack
	total, unfenced int
	n, offset       int // of the next round, and the rack that leads it
}

// newPlacer looks at the brokers that can take replicas: registered, not
// shutting down, with a log directory that is not cordoned.
func newPlacer(e *Env) *placer {
	p := &placer{rand: e.Rand}
	byName := map[string]*rack{}
	e.Image.Cluster.EachBroker(func(b *image.Broker) bool {
		if e.Live.shutdownOffset(b.ID) >= 0 || b.InControlledShutdown || allCordoned(b) {
			return true
		}
		name := ""
		if b.Rack != nil {
			name = "=" + *b.Rack
		}
		r := byName[name]
		if r == nil {
			r = &rack{name: name}
			byName[name] = r
			p.racks = append(p.racks, r)
		}
		p.total++
		if b.Fenced {
			r.fenced.brokers = append(r.fenced.brokers, b.ID)
		} else {
			p.unfenced++
			r.unfenced.brokers = append(r.unfenced.brokers, b.ID)
		}
		return true
	})
	slices.SortFunc(p.racks, func(a, b *rack) int { return strings.Compare(a.name, b.name) })
	for _, r := range p.racks {
		r.fenced.start, r.unfenced.start = start(p.rand, r.fenced.brokers), start(p.rand, r.unfenced.brokers)
	}
	if len(p.racks) > 0 {
		p.offset = p.rand.IntN(len(p.racks))
	}
	return p
}

func start(r *rand.Rand, brokers []ids.NodeID) int {
	if len(brokers) == 0 {
		return 0
	}
	return r.IntN(len(brokers))
}

func allCordoned(b *image.Broker) bool {
	if len(b.Directories) == 0 {
		return false
	}
	for _, d := range b.Directories {
		if !slices.Contains(b.CordonedDirs, d) {
			return false
		}
	}
	return true
}

// check tells whether replicas brokers can be found for each partition.
func (p *placer) check(replicas int) *Error {
	switch {
	case replicas <= 0:
		return fail(kerr.InvalidReplicationFactor, "Invalid replication factor %d: the replication factor must be positive.", replicas)
	case p.unfenced == 0:
		return fail(kerr.InvalidReplicationFactor, "All brokers are currently fenced, or have all their log directories cordoned.")
	case replicas > p.total:
		return fail(kerr.InvalidReplicationFactor, "The target replication factor of %d cannot be reached because only %d broker(s) are registered or some brokers have all their log directories cordoned.", replicas, p.total)
	}
	return nil
}

// next places one partition. check(replicas) must have passed.
func (p *placer) next(replicas int) []ids.NodeID {
	if p.n == p.unfenced && p.unfenced > 1 {
		p.shuffle()
	}
	now := round{p.n, p.n%len(p.racks) + p.n/len(p.racks)}
	p.offset %= len(p.racks)
	out := make([]ids.NodeID, 0, replicas)
	first := p.offset
	for {
		if b, ok := p.racks[first].unfenced.take(now); ok {
			out = append(out, b)
			break
		}
		first = (first + 1) % len(p.racks)
	}
	for at := p.offset; len(out) < replicas; at = (at + 1) % len(p.racks) {
		if at == first {
			first = -1 // its turn was the leader's, once
			continue
		}
		if b, ok := p.racks[at].take(now); ok {
			out = append(out, b)
		}
	}
	p.n++
	p.offset++
	return out
}

func (p *placer) shuffle() {
	p.rand.Shuffle(len(p.racks), func(i, j int) { p.racks[i], p.racks[j] = p.racks[j], p.racks[i] })
	for _, r := range p.racks {
		for _, c := range []*circle{&r.unfenced, &r.fenced} {
			c.at, c.index = round{}, 0
			p.rand.Shuffle(len(c.brokers), func(i, j int) { c.brokers[i], c.brokers[j] = c.brokers[j], c.brokers[i] })
		}
	}
	p.n = 0
}

// directoryFor is the log directory a new replica is recorded in: the only one
// the broker has, or none yet, for the broker to choose and tell.
func (e *Env) directoryFor(id ids.NodeID) ids.DirectoryID {
	b := e.Image.Cluster.Broker(id)
	switch {
	case b == nil:
		return ids.UnassignedDir
	case len(b.Directories) == 0:
		return ids.MigratingDir
	case len(b.Directories) == 1:
		return b.Directories[0]
	}
	return ids.UnassignedDir
}

// newPartition registers a partition on replicas; isr must not be empty.
func (e *Env) newPartition(replicas, isr []ids.NodeID) *image.Partition {
	p := &image.Partition{Replicas: replicas, ISR: isr, Leader: isr[0]}
	for _, r := range replicas {
		p.Directories = append(p.Directories, e.directoryFor(r))
	}
	return p
}

// activeOf are the members of replicas that can be in sync.
func (e *Env) activeOf(replicas []ids.NodeID) []ids.NodeID {
	var out []ids.NodeID
	for _, r := range replicas {
		if e.active(r) {
			out = append(out, r)
		}
	}
	return out
}

// checkAssignment checks the replicas a user chose for a partition; factor -1
// is any number.
func (e *Env) checkAssignment(replicas []ids.NodeID, factor int) *Error {
	if len(replicas) == 0 {
		return fail(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, id := range sorted {
		if e.Image.Cluster.Broker(id) == nil {
			return fail(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if i > 0 && sorted[i-1] == id {
			return fail(kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	if factor >= 0 && len(replicas) != factor {
		return fail(kerr.InvalidReplicaAssignment, "The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(replicas), factor)
	}
	return nil
}
