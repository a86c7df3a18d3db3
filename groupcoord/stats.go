package groupcoord

import (
	"slices"
	"sync/atomic"

	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// groupsAtOnce is how many groups one operation of EachGroup looks at, so that
// requests get their turn between.
const groupsAtOnce = 256

// counters count what happened since the start: to offsets in all shards, and the
// rebalances of shards that are gone.
type counters struct {
	committed, expired, deleted atomic.Uint64 // offsets
	classic, consumer           atomic.Uint64 // rebalances
}

// Stats is the coordinator in numbers: kafka.server:type=group-coordinator-metrics
// and kafka.coordinator.group:type=GroupMetadataManager.
type Stats struct {
	Loading, Active, Failed int // partitions, num-partitions by state

	Classic  map[string]int // groups by state: NumGroups…, group-count{protocol=classic}
	Consumer map[string]int // groups by state: consumer-group-count, group-count{protocol=consumer}
	Offsets  int            // NumOffsets

	// Counters, since the process started.
	OffsetCommits      uint64 // offset-commit-count
	OffsetExpirations  uint64 // offset-expiration-count
	OffsetDeletions    uint64 // offset-deletion-count
	ClassicRebalances  uint64 // group-completed-rebalance-count
	ConsumerRebalances uint64 // consumer-group-rebalance-count
	HeldHeartbeats     int    // that wait for news now
}

// Stats is the coordinator in numbers, as far as its partitions are loaded. It
// waits for each of them in turn.
func (s *Service) Stats() Stats {
	out := Stats{Classic: map[string]int{}, Consumer: map[string]int{}}
	out.Loading, out.Active, out.Failed = s.rt.Phases()
	out.OffsetCommits, out.OffsetExpirations, out.OffsetDeletions = s.count.committed.Load(), s.count.expired.Load(), s.count.deleted.Load()
	out.ClassicRebalances, out.ConsumerRebalances = s.count.classic.Load(), s.count.consumer.Load()
	for _, p := range s.rt.Partitions() {
		s.onShard(p, func(sh *shard) { sh.addTo(&out) })
	}
	return out
}

func (sh *shard) addTo(out *Stats) {
	for _, id := range sh.groups.IDs() {
		out.Classic[sh.groups.Get(id).State().String()]++
	}
	for _, id := range sh.consumers.IDs() {
		out.Consumer[sh.consumers.Get(id).State().String()]++
	}
	out.Offsets += sh.offsets.Len()
	out.ClassicRebalances += sh.groups.Rebalances()
	out.ConsumerRebalances += sh.consumers.Rebalances()
	out.HeldHeartbeats += sh.holds.count
}

// GroupInfo is a group and what it has committed.
type GroupInfo struct {
	Group   string
	Type    string // as ListGroups has it: "classic" or "consumer"
	State   string
	Members int
	Offsets []GroupOffset
}

// GroupOffset is one committed offset.
type GroupOffset struct {
	Topic     string
	TopicID   ids.TopicID // zero: not known
	Partition int32
	Offset    ids.Offset
}

// EachGroup calls f with every group of the partitions that are loaded here, on
// the caller's goroutine, in no order. Groups that come or go meanwhile may be
// missed. Requests to the coordinator go on between a few hundred groups.
func (s *Service) EachGroup(f func(GroupInfo)) {
	for _, p := range s.rt.Partitions() {
		var names []string
		s.onShard(p, func(sh *shard) { names = append(sh.groups.IDs(), sh.consumers.IDs()...) })
		for part := range slices.Chunk(names, groupsAtOnce) {
			var list []GroupInfo
			s.onShard(p, func(sh *shard) { list = sh.infos(part) })
			for _, g := range list {
				f(g)
			}
		}
	}
}

func (sh *shard) infos(names []string) []GroupInfo {
	out := make([]GroupInfo, 0, len(names))
	for _, id := range names {
		var g GroupInfo
		if c := sh.consumers.Get(id); c != nil {
			g = consumerInfo(c)
		} else if c := sh.groups.Get(id); c != nil {
			g = classicInfo(c)
		} else {
			continue
		}
		g.Offsets = make([]GroupOffset, 0, sh.offsets.CountOf(id))
		sh.offsets.EachOf(id, func(topic string, topicID ids.TopicID, partition int32, offset ids.Offset) {
			g.Offsets = append(g.Offsets, GroupOffset{topic, topicID, partition, offset})
		})
		out = append(out, g)
	}
	return out
}

func consumerInfo(g *consumer.Group) GroupInfo {
	return GroupInfo{Group: g.ID, Type: "consumer", State: g.State().String(), Members: g.Members()}
}

func classicInfo(g *classic.Group) GroupInfo {
	return GroupInfo{Group: g.ID, Type: "classic", State: g.State().String(), Members: g.Members()}
}

// onShard looks at one shard and waits for it; it does nothing if that is not
// loaded.
func (s *Service) onShard(partition int32, look func(*shard)) {
	done := make(chan struct{})
	s.rt.Do(partition, "", func(sh *shard, _ int64) runtime.Outcome {
		look(sh)
		close(done)
		return runtime.Outcome{}
	}, func(error) { close(done) })
	<-done
}
