package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// quorumWorks are those of the controllers.
func quorumWorks() []work {
	return []work{
		{"failover", true, failover},
		{"million", true, million},
		{"metadata-commits", true, metadataCommits},
	}
}

// failover kills the leader of three controllers again and again and measures
// until the quorum names another, and until a topic is created that was asked
// for at the moment of the kill.
func failover(_ *bench, like *node.Server) (figures, error) {
	sw, kills := like.Software(), 20
	if sw.Name == "apache" {
		kills = 5 // each takes seconds, and as many to start again
	}
	ctrls, err := node.NewQuorum(100, false, nil, sw, sw, sw)
	defer func() {
		for _, s := range ctrls {
			s.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, s := range ctrls {
		if err := s.Start(); err != nil {
			return nil, err
		}
	}
	broker, err := node.NewAt(sw, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0]}, nil)
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	if err := broker.Start(); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var elected, created []float64
	for i := range kills {
		e, c, err := kill(kadm.NewClient(cl), ctrls, fmt.Sprintf("kill-%d", i))
		if err != nil {
			return nil, err
		}
		elected, created = append(elected, e), append(created, c)
	}
	slices.Sort(elected)
	slices.Sort(created)
	f := figures{"elected_ms": elected[len(elected)/2], "created_ms": created[len(created)/2],
		"elected_max_ms": elected[len(elected)-1], "created_max_ms": created[len(created)-1]}
	fmt.Printf("%-8s failover %v\n", sw.Name, f)
	return f, nil
}

// kill kills the leader once all follow it, and starts it again.
func kill(adm *kadm.Client, ctrls []*node.Server, topic string) (elected, created float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	leads, err := settled(ctx, ctrls)
	if err != nil {
		return 0, 0, err
	}
	rest := slices.DeleteFunc(slices.Clone(ctrls), func(s *node.Server) bool { return s == leads })
	begin := time.Now()
	if err := leads.Kill(); err != nil {
		return 0, 0, err
	}
	done := make(chan error, 1)
	go func() {
		_, err := adm.CreateTopic(ctx, 1, 1, nil, topic)
		created = time.Since(begin).Seconds() * 1e3
		done <- err
	}()
	for next := (*node.Server)(nil); next == nil && ctx.Err() == nil; {
		next, _ = node.Leads(ctx, rest...)
	}
	elected = time.Since(begin).Seconds() * 1e3
	if err := <-done; err != nil {
		return 0, 0, err
	}
	return elected, created, leads.Start()
}

// settled waits until all voters have what the leader has.
func settled(ctx context.Context, ctrls []*node.Server) (*node.Server, error) {
	for ctx.Err() == nil {
		leads, q := node.Leads(ctx, ctrls...)
		if leads == nil {
			continue
		}
		if !slices.ContainsFunc(ctrls, func(s *node.Server) bool { return q.Voters[s.ID()] < q.HighWatermark }) {
			return leads, nil
		}
	}
	return nil, fmt.Errorf("the quorum does not settle: %w", ctx.Err())
}

// metadataCommits changes a topic's configuration 100,000 times, one commit each,
// at a controller of its own; with Apache Kafka 10,000 times.
func metadataCommits(b *bench, like *node.Server) (figures, error) {
	n := "100000"
	if like.Name() == "apache" {
		n = "10000"
	}
	s, err := node.Run(like.Software(), nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	topic, err := b.newTopic(s)
	if err != nil {
		return nil, err
	}
	f, err := b.exec("changes", "-b", s.Controller(), "-pid", fmt.Sprint(s.PID()), "-t", topic, "-n", n, "-inflight", "256")
	fmt.Printf("%-8s changes %v\n", s.Name(), f)
	return f, err
}

// quorumRows are the lines of the report that these works fill.
func quorumRows() []row {
	atMost := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g >= 0 && g <= limit }
	}
	atLeast := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g >= limit }
	}
	return []row{
		{"metadata-commits", "kcommits_per_core_s", "metadata commits a second of one core", "k", 1, "", "≥ 10", atLeast(10)},
		{"metadata-commits", "kcommits_s", "… in the run", "k/s", 1, "", "", nil},
		{"million", "heap_mib", "image of a million partitions", "MiB", 0, "", "", nil},
		{"million", "write_mrec_s", "… its snapshot is written", "M records/s", 2, "", "≥ 1", atLeast(1)},
		{"million", "load_mrec_s", "… is loaded", "M records/s", 2, "", "≥ 1", atLeast(1)},
		{"million", "start_s", "… a controller starts on it and carries out a change (Kafka: with a heap of 6 GiB)", "s", 2, "", "≤ 5", atMost(5)},
		{"million", "rss_mib", "… its memory then", "MiB", 0, "", "≤ 4096", atMost(4096)},
		{"failover", "elected_ms", "leader of three controllers killed: the next leads", "ms", 0, "", "≤ 300", atMost(300)},
		{"failover", "created_ms", "… a topic is created", "ms", 0, "", "", nil},
		{"failover", "created_max_ms", "… at the worst of 20 (Kafka: of 5)", "ms", 0, "", "", nil},
	}
}
