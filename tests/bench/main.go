// Command bench measures gregor and Apache Kafka in turn on this machine and
// writes docs/BENCHMARKS.md: medians, ratios, the machine, the date, the commit.
//
//	go run ./tests/bench                       everything, 3 rounds
//	go run ./tests/bench -only produce,consume those alone; the file is not written
//	go run ./tests/bench -bytes 256            MiB a run, for a quick look
//	go run ./tests/bench -partitions 100000    only a node with so many, killed and started
//	go run ./tests/bench -servers gregor       one of the two alone
//
// Absolute figures drift from machine to machine and hour to hour, so what
// counts is a ratio within one round: in each, every piece of work is done by
// Apache Kafka, then by gregor, then (where there is one) by the floor, on fresh
// topics. Memory is touched before each run that fills the page cache, because a
// virtual machine's first touch of a page costs up to ten times a later one.
//
// A work that fails is told of in its row, and at the end with exit code 1; the
// others are measured and written all the same.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gregorbroker/gregor/tests/apache"
	"github.com/gregorbroker/gregor/tests/node"
)

var (
	only   = flag.String("only", "", "comma-separated names of works; docs/BENCHMARKS.md is then not written")
	which  = flag.String("servers", "apache,gregor", "servers to measure; docs/BENCHMARKS.md is written with both only")
	rounds = flag.Int("rounds", 3, "rounds, of which the median counts")
	mib    = flag.Int64("bytes", 1024, "MiB of payload a throughput run moves")
	binary = flag.String("binary", "", "gregor's binary (default bin/gregor)")
	out    = flag.String("out", "", "where to write (default docs/BENCHMARKS.md, when everything was measured)")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench holds what the works share.
type bench struct {
	root, kbench, gregor string
	home                 apache.Home
	software             []node.Software // Apache Kafka, then gregor
	run                  int             // makes topic names fresh
}

func run() error {
	root, err := node.Root()
	if err != nil {
		return err
	}
	b := &bench{root: root, gregor: *binary}
	if b.gregor == "" {
		b.gregor = filepath.Join(root, "bin", "gregor")
	}
	if *manyPartitions > 0 {
		_, err := partitionsRun(node.Gregor(b.gregor), *manyPartitions)
		return err
	}
	if m := apache.Missing(); m != "" {
		return errors.New(m + " is not installed, so there is no Apache Kafka to compare with")
	}
	if b.home, err = apache.Fetch(filepath.Join(root, ".cache")); err != nil {
		return err
	}
	for _, sw := range []node.Software{b.home.Software("1G"), node.Gregor(b.gregor)} {
		if strings.Contains(*which, sw.Name) {
			b.software = append(b.software, sw)
		}
	}
	b.kbench = filepath.Join(root, ".cache", "kbench")
	if o, err := exec.Command("go", "build", "-o", b.kbench, "./tests/bench/kbench").CombinedOutput(); err != nil {
		return fmt.Errorf("go build kbench: %w\n%s", err, o)
	}
	servers, err := b.startAll()
	defer func() {
		for _, s := range servers {
			s.Close()
		}
	}()
	if err != nil {
		return err
	}
	results := map[string]*result{}
	for round := range *rounds {
		b.round(round, servers, results)
	}
	text := report(b, results)
	fmt.Println(text)
	if err := write(b, text); err != nil {
		return err
	}
	if failed := failures(results); len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// write writes the report, if it is one of everything.
func write(b *bench, text string) error {
	p := *out
	if p == "" {
		if *only != "" || len(b.software) < 2 {
			return nil
		}
		p = filepath.Join(b.root, "docs", "BENCHMARKS.md")
	}
	return os.WriteFile(p, []byte(text), 0o644)
}

// wanted tells whether a work was asked for.
func wanted(name string) bool {
	if *only == "" {
		return true
	}
	for _, n := range strings.Split(*only, ",") {
		if strings.HasPrefix(name, strings.TrimSpace(n)) {
			return true
		}
	}
	return false
}
