package main

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// endsTimeout bounds how long a scrape waits for other brokers.
const endsTimeout = 3 * time.Second

// logEnds finds the high watermarks that lag is measured against: its own
// partitions' here, those of others by asking their leaders as any client would.
type logEnds struct {
	replicas *replica.Manager
	seed     string // where this broker serves clients
	logger   *zap.Logger
}

// newLogEnds asks through the first listener that needs no authentication.
func newLogEnds(m *replica.Manager, advertised []configs.Endpoint, log *zap.Logger) *logEnds {
	e := &logEnds{replicas: m, logger: log}
	for _, a := range advertised {
		if a.Protocol == "PLAINTEXT" {
			e.seed = net.JoinHostPort(orLocalhost(a), strconv.Itoa(a.Port))
			break
		}
	}
	return e
}

// find implements monitor.Ends.
func (e *logEnds) find(list []ids.TopicPartition) map[ids.TopicPartition]ids.Offset {
	known := make(map[ids.TopicPartition]ids.Offset, len(list))
	far := map[string]bool{}
	for _, tp := range list {
		p, err := e.replicas.Get(tp)
		if err != nil || p.CheckLeader(ids.NoEpoch) != nil {
			if e.replicas.Image().Topics.Partition(tp) != nil {
				far[tp.Topic] = true
			}
			continue
		}
		if _, hw, _, err := e.replicas.Offsets(tp); err == nil {
			known[tp] = hw
		}
	}
	if len(far) > 0 && e.seed != "" {
		e.ask(far, known)
	}
	return known
}

// ask adds the ends of topics that are led elsewhere.
func (e *logEnds) ask(topics map[string]bool, known map[ids.TopicPartition]ids.Offset) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(e.seed), kgo.ClientID("gregor-lag"), kgo.RetryTimeout(endsTimeout))
	if err != nil {
		e.logger.Warn("Lag of partitions on other brokers is not measured", zap.Error(err))
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), endsTimeout)
	defer cancel()
	names := make([]string, 0, len(topics))
	for t := range topics {
		names = append(names, t)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, names...)
	if err != nil {
		e.logger.Warn("Some brokers did not tell where their partitions end; their lag is missing in this scrape", zap.Error(err))
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			known[ids.TopicPartition{Topic: o.Topic, Partition: o.Partition}] = ids.Offset(o.Offset)
		}
	})
}
