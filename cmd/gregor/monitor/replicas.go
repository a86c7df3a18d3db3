package monitor

import (
	"strconv"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Replicas is the broker's partitions and logs. Numbers of a log that is not
// open are left out: a scrape opens no log.
func Replicas(m *replica.Manager) Source {
	return func(p *Page) {
		var n tally
		m.EachStats(func(s replica.Stats) {
			n.count(&s)
			labels := partitionLabels(s.TP)
			p.Gauge("kafka.cluster", "Partition", "UnderReplicated", flag(s.UnderReplicated()), labels...)
			p.Gauge("kafka.cluster", "Partition", "UnderMinIsr", flag(s.UnderMinISR()), labels...)
			if !s.Opened {
				return
			}
			p.Gauge("kafka.cluster", "Partition", "LastStableOffsetLag", float64(s.HighWatermark-s.LastStable), labels...)
			p.Gauge("kafka.log", "Log", "Size", float64(s.Bytes), labels...)
			p.Gauge("kafka.log", "Log", "LogStartOffset", float64(s.Start), labels...)
			p.Gauge("kafka.log", "Log", "LogEndOffset", float64(s.End), labels...)
			p.Gauge("kafka.log", "Log", "NumLogSegments", float64(s.Segments), labels...)
		})
		n.print(p)
	}
}

// tally is what ReplicaManager counts over its partitions.
type tally struct{ partitions, leaders, offline, under, underMin, atMin float64 }

func (n *tally) count(s *replica.Stats) {
	n.partitions++
	n.leaders += flag(s.Leads)
	n.offline += flag(s.Offline)
	n.under += flag(s.UnderReplicated())
	n.underMin += flag(s.UnderMinISR())
	n.atMin += flag(s.AtMinISR())
}

func (n *tally) print(p *Page) {
	for _, g := range []struct {
		name  string
		value float64
	}{
		{"PartitionCount", n.partitions}, {"LeaderCount", n.leaders}, {"OfflineReplicaCount", n.offline},
		{"UnderReplicatedPartitions", n.under}, {"UnderMinIsrPartitionCount", n.underMin}, {"AtMinIsrPartitionCount", n.atMin},
	} {
		p.Gauge("kafka.server", "ReplicaManager", g.name, g.value)
	}
}

func partitionLabels(tp ids.TopicPartition) []Label {
	return []Label{{"topic", tp.Topic}, {"partition", strconv.Itoa(int(tp.Partition))}}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
