package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// groupWorks are those of the group coordinator. Each uses a group of its own.
func groupWorks() []work {
	return []work{
		{"members-20", true, func(b *bench, s *node.Server) (figures, error) {
			return b.members(s, "members", 20, 10)
		}},
		{"members-10k", true, func(b *bench, s *node.Server) (figures, error) {
			// A server of its own: each partition and each connection is an open file, and
			// with the topics of earlier works Kafka has more than it may here.
			own, err := node.Run(s.Software(), nil)
			if err != nil {
				return nil, err
			}
			defer own.Close()
			return b.members(own, "members", 10_000, 5_000)
		}},
		{"classic-1k", true, func(b *bench, s *node.Server) (figures, error) {
			return b.members(s, "classic", 1_000, 10)
		}},
		{"commits", true, func(b *bench, s *node.Server) (figures, error) {
			return b.onGroup(s, "commits", 100, "-clients", "32", "-inflight", "8", "-d", "5s")
		}},
		{"commits-1", true, func(b *bench, s *node.Server) (figures, error) {
			return b.onGroup(s, "commits", 100, "-clients", "64", "-inflight", "1", "-d", "5s")
		}},
		{"offsets", true, loadOffsets},
		{"members-100k", true, hundredThousand},
	}
}

// members runs a mode on a fresh topic and group.
func (b *bench) members(s *node.Server, mode string, n, partitions int) (figures, error) {
	return b.onGroup(s, mode, partitions, "-n", fmt.Sprint(n), "-d", "10s")
}

func (b *bench) onGroup(s *node.Server, mode string, partitions int, args ...string) (figures, error) {
	b.run++
	name := fmt.Sprint("bench-", b.run)
	common := []string{"-t", name, "-group", name, "-partitions", fmt.Sprint(partitions)}
	if _, err := b.kb(s, "create", common...); err != nil {
		return nil, err
	}
	return b.kb(s, mode, append(common, args...)...)
}

// loadOffsets commits a million offsets to a server of its own, starts that anew,
// and measures from the first answer until every group's offsets are there.
func loadOffsets(b *bench, like *node.Server) (figures, error) {
	s, err := node.Run(like.Software(), map[string]string{"offsets.topic.num.partitions": "50"})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	args := []string{"-n", "1000000"}
	if _, err := b.onGroup(s, "fill-offsets", 1000, args...); err != nil {
		return nil, err
	}
	if _, err := s.Term(time.Minute); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	name := fmt.Sprint("bench-", b.run)
	return b.kb(s, "loaded", "-t", name, "-group", name, "-partitions", "1000", "-n", "1000000")
}

// hundredThousand is a group of so many members below the socket: one machine has
// neither the ports nor the files for their connections. The Go benchmark that does
// it measures clients and coordinator together.
func hundredThousand(b *bench, like *node.Server) (figures, error) {
	if like.Name() == "apache" {
		return nil, nil // nothing of it can be measured without sockets
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "./groupcoord", "-run", "^$", "-bench", "^BenchmarkCrowd$", "-benchtime", "1x")
	cmd.Dir = b.root
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	f := benchmarkFigures(string(text))
	fmt.Printf("%-8s members-100k %v\n", like.Name(), f)
	if len(f) == 0 {
		return nil, fmt.Errorf("no figures in %q", text)
	}
	return f, nil
}

// benchmarkFigures reads the line that "go test -bench" prints for a benchmark: its
// name, how often it ran, and then values with their units.
func benchmarkFigures(text string) figures {
	f := figures{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				f[fields[i+1]] = v
			}
		}
	}
	return f
}

// groupRows are the lines of the report that these works fill.
func groupRows() []row {
	atMost := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g >= 0 && g <= limit }
	}
	atLeast := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g >= limit }
	}
	return []row{
		{"members-20", "join_all_s", "20 members, 10 partitions: all have joined", "s", 2, "", "≤ 0.5", atMost(.5)},
		{"members-20", "one_more_s", "… one more", "s", 2, "", "", nil},
		{"members-10k", "join_all_s", "10,000 members, 5,000 partitions: all have joined", "s", 2, "", "≤ 4", atMost(4)},
		{"members-10k", "one_more_s", "… one more", "s", 2, "", "≤ 0.5", atMost(.5)},
		{"members-10k", "steady_cpu_pct", "… steady, of one core", "%", 1, "", "≤ 6", atMost(6)},
		{"members-10k", "hb_per_s", "… heartbeats a second", "1/s", 0, "", "", nil},
		{"members-10k", "rss_mib", "… memory", "MiB", 0, "", "≤ 300", atMost(300)},
		{"members-100k", "%-core-steady", "100,000 members and partitions below the socket, clients included: steady, of one core", "%", 0, "", "≤ 100", atMost(100)},
		{"members-100k", "heartbeats/s", "… heartbeats a second", "1/s", 0, "", "", nil},
		{"members-100k", "s-one-more", "… one more", "s", 2, "", "≤ 2", atMost(2)},
		{"members-100k", "MiB-held", "… memory", "MiB", 0, "", "≤ 2048", atMost(2048)},
		{"classic-1k", "after_last_join_s", "1,000 classic members: rebalance after the last join", "s", 2, "", "≤ 1", atMost(1)},
		{"classic-1k", "one_more_s", "… from the newcomer's JoinGroup on", "s", 2, "", "", nil},
		{"commits", "kcommits_per_core_s", "offset commits a second of one core, 8 under way on each of 32 connections", "k", 1, "", "≥ 100", atLeast(100)},
		{"commits", "krate", "… in the run", "k/s", 1, "", "", nil},
		{"commits-1", "kcommits_per_core_s", "… one at a time on each of 64 connections", "k", 1, "", "", nil},
		{"offsets", "load_s", "1 M committed offsets are loaded", "s", 2, "", "≤ 1", atMost(1)},
	}
}
