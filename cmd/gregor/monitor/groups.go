package monitor

import (
	"strconv"

	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Ends tells up to where the partitions of committed offsets can be consumed.
// Partitions that it cannot tell of are missing in the answer.
type Ends func([]ids.TopicPartition) map[ids.TopicPartition]ids.Offset

// Groups is the group coordinator of this broker.
func Groups(stats func() groupcoord.Stats) Source {
	return func(p *Page) {
		s := stats()
		bean := func(name string, v float64, labels ...Label) {
			p.Gauge("kafka.server", "group-coordinator-metrics", name, v, labels...)
		}
		for _, x := range []struct {
			state string
			n     int
		}{{"loading", s.Loading}, {"active", s.Active}, {"failed", s.Failed}} {
			bean("num-partitions", float64(x.n), Label{"state", x.state})
		}
		classic, consumer := sum(s.Classic), sum(s.Consumer)
		bean("group-count", classic, Label{"protocol", "classic"})
		bean("group-count", consumer, Label{"protocol", "consumer"})
		for _, state := range []string{"Empty", "Assigning", "Reconciling", "Stable", "Dead"} {
			bean("consumer-group-count", float64(s.Consumer[state]), Label{"state", state})
		}
		count := func(name string, n uint64) {
			p.Counter("kafka.server", "group-coordinator-metrics", name, float64(n))
		}
		count("offset-commit-count", s.OffsetCommits)
		count("offset-expiration-count", s.OffsetExpirations)
		count("offset-deletion-count", s.OffsetDeletions)
		count("group-completed-rebalance-count", s.ClassicRebalances)
		count("consumer-group-rebalance-count", s.ConsumerRebalances)
		manager := func(name string, v float64) {
			p.Gauge("kafka.coordinator.group", "GroupMetadataManager", name, v)
		}
		manager("NumGroups", classic)
		for _, state := range []string{"PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty"} {
			manager("NumGroups"+state, float64(s.Classic[state]))
		}
		manager("NumOffsets", float64(s.Offsets))
		p.Own("gregor_group_held_heartbeats", "Heartbeats whose answer waits for news.", float64(s.HeldHeartbeats))
	}
}

func sum(by map[string]int) (n float64) {
	for _, v := range by {
		n += float64(v)
	}
	return n
}

// Lag is how far the groups of this coordinator have come, under the names that
// kafka_exporter made common. A partition whose end nobody could tell has an
// offset and no lag.
func Lag(each func(func(groupcoord.GroupInfo)), ends Ends) Source {
	return func(p *Page) {
		var groups []groupcoord.GroupInfo
		wanted := map[ids.TopicPartition]bool{}
		each(func(g groupcoord.GroupInfo) {
			groups = append(groups, g)
			for _, o := range g.Offsets {
				wanted[ids.TopicPartition{Topic: o.Topic, Partition: o.Partition}] = true
			}
		})
		list := make([]ids.TopicPartition, 0, len(wanted))
		for tp := range wanted {
			list = append(list, tp)
		}
		known := ends(list)
		for i := range groups {
			lagOf(p, &groups[i], known)
		}
	}
}

func lagOf(p *Page, g *groupcoord.GroupInfo, ends map[ids.TopicPartition]ids.Offset) {
	p.Own("kafka_consumergroup_members", "Members of a group.", float64(g.Members), Label{"consumergroup", g.Group})
	var sums []Label
	total := map[string]ids.Offset{}
	for _, o := range g.Offsets {
		labels := []Label{{"consumergroup", g.Group}, {"topic", o.Topic}, {"partition", strconv.Itoa(int(o.Partition))}}
		p.Own("kafka_consumergroup_current_offset", "Committed offset of a group.", float64(o.Offset), labels...)
		end, ok := ends[ids.TopicPartition{Topic: o.Topic, Partition: o.Partition}]
		if !ok {
			continue
		}
		lag := max(0, end-o.Offset)
		p.Own("kafka_consumergroup_lag", "Records between a group's committed offset and the high watermark.", float64(lag), labels...)
		if _, seen := total[o.Topic]; !seen {
			sums = append(sums, Label{"topic", o.Topic})
		}
		total[o.Topic] += lag
	}
	for _, topic := range sums {
		p.Own("kafka_consumergroup_lag_sum", "Lag of a group over the partitions of a topic.", float64(total[topic.Value]),
			Label{"consumergroup", g.Group}, topic)
	}
}
