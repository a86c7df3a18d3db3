package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// result collects a work's figures by software and figure name, one value a round.
type result struct {
	values map[string]map[string][]float64
	failed map[string]string // why, by software: the last round's
}

func resultOf(rs map[string]*result, work string) *result {
	if rs[work] == nil {
		rs[work] = &result{values: map[string]map[string][]float64{}, failed: map[string]string{}}
	}
	return rs[work]
}

// fail notes why a work has no figures.
func fail(rs map[string]*result, work, software string, err error) {
	why, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if most := 160; len(why) > most {
		why = why[:most] + "…"
	}
	resultOf(rs, work).failed[software] = strings.ReplaceAll(why, "|", "/")
}

// failures are the works that failed at least once.
func failures(rs map[string]*result) (out []string) {
	for name, r := range rs {
		for software := range r.failed {
			out = append(out, name+" on "+software)
		}
	}
	slices.Sort(out)
	return out
}

func add(rs map[string]*result, name, software string, f figures) {
	r := resultOf(rs, name)
	if r.values[software] == nil {
		r.values[software] = map[string][]float64{}
	}
	for k, v := range f {
		r.values[software][k] = append(r.values[software][k], v)
	}
}

// median of a figure; NaN if it was not measured.
func median(rs map[string]*result, work, software, figure string) float64 {
	r := rs[work]
	if r == nil || len(r.values[software][figure]) == 0 {
		return math.NaN()
	}
	return middle(slices.Clone(r.values[software][figure]))
}

// middle is the median of some values, which it sorts.
func middle(v []float64) float64 {
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// row is one line of the table: a figure of a work, with its goal. Goal gets
// Kafka's, gregor's and the floor's medians and says in words what was aimed at
// and whether it is reached.
type row struct {
	work, figure, what, unit string
	digits                   int
	floor                    string // the floor's figure, if there is one
	goal                     string
	met                      func(kafka, gregor, floor float64) bool
}

func rows() []row {
	quarter := func(k, g, _ float64) bool { return g <= k/4 }
	atMost := func(limit float64) func(_, g, _ float64) bool {
		return func(_, g, _ float64) bool { return g <= limit }
	}
	ofFloor := func(f float64) func(_, g, fl float64) bool { return func(_, g, fl float64) bool { return g <= f*fl } }
	return append([]row{
		{"produce", "cpu_s_per_gib", "produce 1 KiB, acks=all, idempotent: CPU", "s/GiB", 3, "in_cpu_s_per_gib", "≤ 1/4 of Kafka", quarter},
		{"produce", "cpu_s_per_gib", "… against the floor", "s/GiB", 3, "in_cpu_s_per_gib", "≤ 1.4 × floor", ofFloor(1.4)},
		{"produce", "MBps", "… rate", "MB/s", 0, "in_MBps", "", nil},
		{"produce", "rss_mib", "… memory afterwards", "MiB", 0, "", "≤ 100", atMost(100)},
		{"produce-lz4", "cpu_s_per_gib", "produce 1 KiB, lz4: CPU", "s/GiB", 3, "", "≤ 1/4 of Kafka", quarter},
		{"produce-100b", "cpu_s_per_gib", "produce 100 bytes: CPU", "s/GiB", 3, "", "≤ 1/4 of Kafka", quarter},
		{"produce-100b", "krec_s", "… rate", "krec/s", 0, "", "", nil},
		{"consume", "cpu_s_per_gib", "consume 1 KiB: CPU", "s/GiB", 3, "out_cpu_s_per_gib", "≤ 1.2 × floor", ofFloor(1.2)},
		{"consume", "MBps", "… rate", "MB/s", 0, "out_MBps", "", nil},
		{"e2e", "ack_p50_ms", "2,000 rec/s: acknowledged, p50", "ms", 3, "", "≤ 0.15", atMost(.15)},
		{"e2e", "ack_p99_ms", "… p99", "ms", 2, "", "≤ 1", atMost(1)},
		{"e2e", "ack_p999_ms", "… p99.9", "ms", 2, "", "≤ 3", atMost(3)},
		{"e2e", "e2e_p50_ms", "… consumed, p50", "ms", 3, "", "", nil},
		{"e2e", "e2e_p99_ms", "… consumed, p99", "ms", 2, "", "", nil},
		{"e2e", "cpu_pct", "… of one core", "%", 1, "", "≤ 10", atMost(10)},
		{"topics", "ready_s", "500 topics × 10 partitions with leaders", "s", 2, "", "≤ 0.5", atMost(.5)},
		{"topics", "cpu_s", "… CPU", "s", 2, "", "", nil},
		{"idle", "kib_per_connection", "10,000 idle connections, each", "KiB", 1, "", "≤ 20", atMost(20)},
		{"start", "format_ms", "format a folder", "ms", 0, "", "", nil},
		{"start", "ready_ms", "start to an answered request", "ms", 0, "", "≤ 30 with formatting", atMost(30)},
		{"start", "idle_mib", "memory some seconds after the start", "MiB", 1, "", "≤ 25", atMost(25)},
	}, slices.Concat(groupRows(), logRows(), quorumRows(), partitionRows())...)
}

func report(b *bench, rs map[string]*result) string {
	var t strings.Builder
	fmt.Fprintf(&t, "# Benchmarks\n\nWritten by `make bench` (tests/bench) on %s, commit %s.\nMachine: %s; everything on loopback of this one machine. "+
		"Apache Kafka 4.3.1 with a 1 GiB heap.\nMedian of %d rounds, in each of which both do the same work in turn on fresh topics; %d MiB a throughput run; topics, idle connections, and the works of groups, the log and the quorum in the first round only.\n"+
		"The floor is a process that only receives, checksums and writes, or sends with sendfile; beside a busy disk, one that appends and answers while another thread writes, syncs and reads as the producers and the cold reader make a broker do.\n"+
		"Beside a busy disk latencies are taken while the cores are kept from halting, for the sake of virtual machines.\n\n", time.Now().UTC().Format("2006-01-02"), commit(b.root), machine(), *rounds, *mib)
	t.WriteString("| work | Apache Kafka | gregor | gregor ÷ Kafka | floor | goal | |\n|---|---:|---:|---:|---:|---|---|\n")
	told := map[string]bool{}
	for _, r := range rows() {
		t.WriteString(line(rs, r, told))
	}
	if info, err := os.Stat(b.gregor); err == nil {
		mb, verdict := float64(info.Size())/1e6, "missed"
		if mb <= 25 {
			verdict = "reached"
		}
		jars := folderMB(b.home.Libs())
		fmt.Fprintf(&t, "| program (MB; Kafka: jars, without a JVM) | %s | %s | %s | | ≤ 25 | %s |\n", number(jars, 0), number(mb, 1), number(mb/jars, 2), verdict)
	}
	t.WriteString("\nWhat holds missed figures back: docs/decisions/0004-missed-figures.md.\n")
	return t.String()
}

// line is a row of the table; empty when nothing of it was measured or tried. Why a
// work failed is told in its first line.
func line(rs map[string]*result, r row, told map[string]bool) string {
	k, g, fl := median(rs, r.work, "apache", r.figure), median(rs, r.work, "gregor", r.figure), math.NaN()
	if r.floor != "" {
		fl = median(rs, "floor", "floor", r.floor)
	}
	cell := func(software string, v float64) string {
		why := ""
		if res := rs[r.work]; res != nil {
			why = res.failed[software]
		}
		switch {
		case !math.IsNaN(v) || why == "":
			return number(v, r.digits)
		case told[r.work+software]:
			return "failed"
		default:
			told[r.work+software] = true
			return "failed: " + why
		}
	}
	kafka, gregor := cell("apache", k), cell("gregor", g)
	if gregor == "" {
		return ""
	}
	verdict := ""
	if r.met != nil {
		verdict = "missed"
		if r.met(k, g, fl) {
			verdict = "reached"
		}
	}
	return fmt.Sprintf("| %s (%s) | %s | %s | %s | %s | %s | %s |\n", r.what, r.unit, kafka, gregor, number(g/k, 2), number(fl, r.digits), r.goal, verdict)
}

func number(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, v)
}
