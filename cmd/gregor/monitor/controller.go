package monitor

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gregorbroker/gregor/controller/active"
)

// Metadata is a node's copy of the metadata, and with the controller role the
// controller too, active or waiting; the loop is asked once for both.
// ignoresVoters: controller.quorum.voters is set, and the quorum has voters of
// its own (KIP-853).
func Metadata(get func() active.Metrics, ignoresVoters func() bool, isController bool) Source {
	return func(p *Page) {
		m, ignores := get(), flag(ignoresVoters())
		metadata(p, &m, ignores)
		if isController {
			controller(p, &m, ignores)
		}
	}
}

func controller(p *Page, m *active.Metrics, ignoresVoters float64) {
	controllerBrokers(p, m.Brokers)
	gauge := func(name string, v float64) { p.Gauge("kafka.controller", "KafkaController", name, v) }
	gauge("ActiveControllerCount", flag(m.Active))
	gauge("GlobalTopicCount", float64(m.Topics))
	gauge("GlobalPartitionCount", float64(m.Partitions))
	gauge("OfflinePartitionsCount", float64(m.OfflinePartitions))
	gauge("PreferredReplicaImbalanceCount", float64(m.WithoutPreferred))
	gauge("MetadataErrorCount", float64(m.Errors))
	gauge("NewActiveControllersCount", float64(m.NewActive))
	gauge("TimedOutBrokerHeartbeatCount", float64(m.HeartbeatsTimedOut))
	gauge("EventQueueOperationsStartedCount", float64(m.OperationsStarted))
	gauge("EventQueueOperationsTimedOutCount", float64(m.OperationsTimedOut))
	gauge("IgnoredStaticVoters", ignoresVoters)
	gauge("LastAppliedRecordOffset", float64(m.Applied))
	gauge("LastAppliedRecordTimestamp", float64(m.AppliedTime))
	gauge("LastAppliedRecordLagMs", lag(m))
	gauge("LastCommittedRecordOffset", float64(m.Committed))
	p.Counter("kafka.controller", "ControllerStats", "UncleanLeaderElectionsPerSec", float64(m.UncleanElections))
	p.Counter("kafka.controller", "ControllerStats", "ElectionFromEligibleLeaderReplicasPerSec", float64(m.ElectionsFromELR))
	p.Gauge("kafka.controller", "ControllerEventManager", "AvgIdleRatio", m.IdleRatio)
	histogram(p, "kafka.controller", "ControllerEventManager", "EventQueueTimeMs", &m.QueueTime)
	histogram(p, "kafka.controller", "ControllerEventManager", "EventQueueProcessingTimeMs", &m.ProcessingTime)
}

func controllerBrokers(p *Page, brokers []active.BrokerMetrics) {
	var alive, fenced, leaving float64
	for _, b := range brokers {
		fenced += flag(b.Fenced)
		alive += flag(!b.Fenced)
		leaving += flag(b.ShuttingDown)
		label := Label{"broker", strconv.Itoa(int(b.ID))}
		p.Gauge("kafka.controller", "KafkaController", "BrokerRegistrationState", float64(b.State), label)
		if b.SinceHeartbeat >= 0 {
			p.Gauge("kafka.controller", "KafkaController", "TimeSinceLastHeartbeatReceivedMs", float64(b.SinceHeartbeat), label)
		}
	}
	p.Gauge("kafka.controller", "KafkaController", "ActiveBrokerCount", alive)
	p.Gauge("kafka.controller", "KafkaController", "FencedBrokerCount", fenced)
	p.Gauge("kafka.controller", "KafkaController", "ControlledShutdownBrokerCount", leaving)
}

// lag is how far the copy may be behind, in ms. Where the records come from it is not,
// as Kafka says too, however old the last one is: an idle controller that nobody
// follows writes none.
func lag(m *active.Metrics) float64 {
	if m.Active {
		return 0
	}
	return float64(m.AppliedLag)
}

// metadata prints the copy. The two error counts of broker-metadata-metrics stay 0
// while the process lives: a record that does not replay ends it.
func metadata(p *Page, m *active.Metrics, ignoresVoters float64) {
	gauge := func(name string, v float64) { p.Gauge("kafka.server", "broker-metadata-metrics", name, v) }
	gauge("last-applied-record-offset", float64(m.Applied))
	gauge("last-applied-record-timestamp", float64(m.AppliedTime))
	gauge("last-applied-record-lag-ms", lag(m))
	gauge("ignored-static-voters", ignoresVoters)
	gauge("metadata-load-error-count", 0)
	gauge("metadata-apply-error-count", 0)
	p.Gauge("kafka.server", "MetadataLoader", "CurrentControllerId", float64(m.Leader))
	p.Gauge("kafka.server", "MetadataLoader", "HandleLoadSnapshotCount", float64(m.Snapshots.Loaded))
	for _, f := range m.Features {
		p.Gauge("kafka.server", "MetadataLoader", "FinalizedLevel", float64(f.Level), Label{"feature_name", f.Name})
	}
	if m.Snapshots.Written > 0 {
		age := max(0, time.Now().UnixMilli()-m.Snapshots.Written)
		p.Gauge("kafka.server", "SnapshotEmitter", "LatestSnapshotGeneratedAgeMs", float64(age))
		p.Gauge("kafka.server", "SnapshotEmitter", "LatestSnapshotGeneratedBytes", float64(m.Snapshots.Bytes))
	}
}

// quantiles are those that the exporter rules make labels of.
var quantiles = []struct {
	label string
	q     float64
}{{"0.50", 0.5}, {"0.75", 0.75}, {"0.95", 0.95}, {"0.98", 0.98}, {"0.99", 0.99}, {"0.999", 0.999}}

// histogram prints quantiles as gauges and a count, as the exporter rules do
// with Kafka's histograms.
func histogram(p *Page, domain, bean, name string, h *active.Histogram) {
	for _, q := range quantiles {
		p.Gauge(domain, bean, name, h.Quantile(q.q), Label{"quantile", q.label})
	}
	p.put(MetricName(domain, bean, name+"_count"), "Count of "+beanText(domain, bean, name), prometheus.GaugeValue, float64(h.Count), nil)
}
