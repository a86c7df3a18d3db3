package active

import (
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Metrics is what Kafka tells of a controller, and of a broker that follows one,
// under kafka.controller and kafka.server:type=broker-metadata-metrics and
// MetadataLoader. Counters count since the node started.
type Metrics struct {
	Active    bool       // ActiveControllerCount
	Leader    ids.NodeID // CurrentControllerId; -1 when unknown
	Brokers   []BrokerMetrics
	Topics    int // GlobalTopicCount
	Features  []image.NamedLevel
	Snapshots SnapshotMetrics

	Partitions         int   // GlobalPartitionCount
	OfflinePartitions  int64 // OfflinePartitionsCount
	WithoutPreferred   int64 // PreferredReplicaImbalanceCount
	UncleanElections   uint64
	ElectionsFromELR   uint64
	NewActive          uint64 // NewActiveControllersCount: how often another node became the active one
	Errors             uint64 // MetadataErrorCount: requests and records that the controller failed on
	HeartbeatsTimedOut uint64 // TimedOutBrokerHeartbeatCount

	// Applied is the last record in the image, and AppliedTime when it was
	// appended, in ms since 1970; AppliedLag the time since.
	Applied                 ids.Offset
	AppliedTime, AppliedLag int64
	Committed               ids.Offset // LastCommittedRecordOffset

	OperationsStarted, OperationsTimedOut uint64
	QueueTime, ProcessingTime             Histogram // EventQueueTimeMs, EventQueueProcessingTimeMs
	// IdleRatio is the share of the last minute or so in which the loop waited.
	IdleRatio float64
}

// SnapshotMetrics is SnapshotEmitter and MetadataLoader's HandleLoadSnapshotCount.
type SnapshotMetrics struct {
	Loaded uint64
	// Written is when the latest checkpoint was written, in ms since 1970, and how
	// large it is; 0 before the first.
	Written, Bytes int64
}

// Registration states of brokers, as BrokerRegistrationState has them.
const (
	BrokerFenced             = 10
	BrokerControlledShutdown = 20
	BrokerActive             = 30
)

// BrokerMetrics is one registered broker.
type BrokerMetrics struct {
	ID    ids.NodeID
	State int // BrokerRegistrationState
	// SinceHeartbeat is in ms; -1 when the broker was not heard of, or another
	// node is the active controller.
	SinceHeartbeat int64
	// Fenced and ShuttingDown are what FencedBrokerCount and
	// ControlledShutdownBrokerCount count; ActiveBrokerCount counts the others of Fenced.
	Fenced, ShuttingDown bool
}

// meters belong to the loop.
type meters struct {
	started, timedOut, newActive, errors, heartbeats, loaded uint64
	queueTime, processing                                    Histogram
	idle                                                     idleness
}

// idleness is an average that forgets with a time constant of a minute.
type idleness struct{ ratio, weight float64 }

func (i *idleness) add(waited, worked time.Duration) {
	total := float64(waited + worked)
	if total <= 0 {
		return
	}
	const memory = float64(time.Minute)
	keep := memory / (memory + total)
	i.weight = i.weight*keep + total
	i.ratio = i.ratio + (float64(waited)/total-i.ratio)*total/max(i.weight, total)
}

// tally counts partitions as the publisher shows them.
type tally struct {
	offline, misled, unclean, fromELR atomic.Int64
}

func (t *tally) follow(d *image.Delta) {
	topics := d.Topics()
	if topics == nil {
		return
	}
	for _, gone := range topics.Deleted {
		for _, p := range gone.Partitions {
			t.count(p, -1)
		}
	}
	for i := range topics.Changed {
		for _, c := range topics.Changed[i].Partitions {
			t.count(c.Old, -1)
			t.count(c.New, 1)
			t.election(c.Old, c.New)
		}
	}
}

func (t *tally) count(p *image.Partition, n int64) {
	switch {
	case p == nil:
		return
	case !p.HasLeader():
		t.offline.Add(n)
	}
	if p.Leader != p.Preferred() {
		t.misled.Add(n)
	}
}

func (t *tally) election(was, is *image.Partition) {
	if was == nil || is == nil || was.Leader == is.Leader || !is.HasLeader() {
		return
	}
	if is.Recovering && !was.Recovering {
		t.unclean.Add(1)
	}
	for _, r := range was.ELR {
		if r == is.Leader {
			t.fromELR.Add(1)
		}
	}
}

// Metrics asks the loop, so it waits for what is before it there. It may be
// called from any goroutine but a publisher's or a reply's.
func (c *Controller) Metrics() Metrics {
	m := Metrics{Leader: c.Leader().Leader}
	answered := make(chan struct{})
	if c.post(event{drop: func() { close(answered) }, do: func(now int64) error {
		c.core.measure(&m, now)
		close(answered)
		return nil
	}}) {
		select {
		case <-answered:
		case <-c.done:
		}
	}
	c.fromImage(&m)
	m.OfflinePartitions, m.WithoutPreferred = c.tally.offline.Load(), c.tally.misled.Load()
	m.UncleanElections, m.ElectionsFromELR = uint64(c.tally.unclean.Load()), uint64(c.tally.fromELR.Load())
	m.Snapshots.Written, m.Snapshots.Bytes = c.written.Load(), c.writtenBytes.Load()
	return m
}

// measure is the loop's part.
func (c *core) measure(m *Metrics, now int64) {
	m.Active = c.epoch != notLeading
	m.Committed = c.next.Offset - 1
	m.NewActive, m.Errors, m.HeartbeatsTimedOut = c.meters.newActive, c.meters.errors, c.meters.heartbeats
	m.OperationsStarted, m.OperationsTimedOut = c.meters.started, c.meters.timedOut
	m.QueueTime, m.ProcessingTime = c.meters.queueTime.clone(), c.meters.processing.clone()
	m.IdleRatio, m.Snapshots.Loaded = c.meters.idle.ratio, c.meters.loaded
	if c.live == nil {
		return
	}
	c.committed.Cluster.EachBroker(func(b *image.Broker) bool {
		m.Brokers = append(m.Brokers, BrokerMetrics{ID: b.ID, SinceHeartbeat: c.live.Silence(b.ID, now)})
		return true
	})
}

func (c *Controller) fromImage(m *Metrics) {
	img := c.Image()
	m.Topics, m.Partitions = img.Topics.Len(), img.Topics.PartitionCount()
	img.Features.Each(func(name string, level int16) bool {
		m.Features = append(m.Features, image.NamedLevel{Name: name, Level: level})
		return true
	})
	m.Applied, m.AppliedTime = img.Provenance.Last.Offset, img.Provenance.AppendTime
	m.AppliedLag = max(0, c.o.Clock().UnixMilli()-m.AppliedTime)
	silence := map[ids.NodeID]int64{}
	for _, b := range m.Brokers {
		silence[b.ID] = b.SinceHeartbeat
	}
	m.Brokers = nil
	img.Cluster.EachBroker(func(b *image.Broker) bool {
		x := BrokerMetrics{ID: b.ID, State: BrokerActive, SinceHeartbeat: -1, Fenced: b.Fenced, ShuttingDown: b.InControlledShutdown}
		switch {
		case b.Fenced:
			x.State = BrokerFenced
		case b.InControlledShutdown:
			x.State = BrokerControlledShutdown
		}
		if ms, ok := silence[b.ID]; ok {
			x.SinceHeartbeat = ms
		}
		m.Brokers = append(m.Brokers, x)
		return true
	})
}
