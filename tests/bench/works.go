package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// work is one thing that is measured. Run gets a server that has done nothing
// but earlier works of the same round, and returns figures by name.
type work struct {
	name string
	// once: in the first round only, because it takes minutes with Apache Kafka, or
	// because its topics stay: Kafka keeps three files open for each partition, and
	// twice is more than a process may have here.
	once bool
	run  func(b *bench, s *node.Server) (figures, error)
}

type figures map[string]float64

// patience is how long one step of a work may take; what hangs has failed.
const patience = 20 * time.Minute

// works in the order they run; consume reads what produce wrote.
func works() []work {
	size := fmt.Sprint(*mib << 20)
	return append([]work{
		{"produce", false, func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", size)
		}},
		{"consume", false, func(b *bench, s *node.Server) (figures, error) {
			// A topic of its own, so that the work also runs alone.
			topic, err := b.newTopic(s)
			if err != nil {
				return nil, err
			}
			if _, err := b.kb(s, "produce", "-t", topic, "-bytes", size); err != nil {
				return nil, err
			}
			return b.kb(s, "consume", "-t", topic, "-bytes", size)
		}},
		{"produce-lz4", false, func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", size, "-compression", "lz4")
		}},
		{"produce-100b", false, func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", fmt.Sprint(*mib<<20/4), "-size", "100")
		}},
		{"e2e", false, func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "e2e", "-rate", "2000", "-d", "10s")
		}},
		{"topics", true, func(b *bench, s *node.Server) (figures, error) {
			b.run++
			return b.kb(s, "topics", "-t", fmt.Sprint("bench-", b.run), "-n", "500", "-partitions", "10")
		}},
		{"idle", true, func(b *bench, s *node.Server) (figures, error) {
			return b.kb(s, "idle", "-n", "10000", "-d", "3s")
		}},
	}, slices.Concat(groupWorks(), logWorks(), quorumWorks(), partitionWorks())...)
}

// startAll starts both servers and lets each move one run's payload uncounted:
// a JVM compiles what is hot, and nobody runs a broker for one minute only.
// Both stay for all rounds, one of them idle while the other works; what an
// idle server costs weighs on the other alike.
func (b *bench) startAll() (servers []*node.Server, err error) {
	for _, sw := range b.software {
		s, err := node.Run(sw, nil)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
		topic, err := b.newTopic(s)
		if err != nil {
			return servers, err
		}
		for _, mode := range []string{"produce", "consume"} {
			if _, err := b.kb(s, mode, "-t", topic, "-bytes", fmt.Sprint(*mib<<20)); err != nil {
				return servers, err
			}
		}
	}
	return servers, nil
}

// round does everything once. What fails is noted and does not keep the rest
// from being measured.
func (b *bench) round(n int, servers []*node.Server, results map[string]*result) {
	if wanted("start") {
		for _, sw := range b.software {
			f, err := starts(sw)
			b.note(results, "start", sw.Name, f, err)
		}
	}
	if wanted("produce") || wanted("consume") {
		f, err := b.exec("floor", "-bytes", fmt.Sprint(*mib<<20))
		fmt.Printf("%-8s %v\n", "floor", f)
		b.note(results, "floor", "floor", f, err)
	}
	if wanted("busy") && n == 0 {
		f, err := busyFloor(b)
		b.note(results, "floor", "floor", f, err)
	}
	for _, w := range works() {
		if !wanted(w.name) || w.once && n > 0 {
			continue
		}
		for _, s := range servers {
			f, err := b.work(w, s)
			b.note(results, w.name, s.Name(), f, err)
		}
	}
}

// work does one, on a server that runs: an earlier work may have ended it.
func (b *bench) work(w work, s *node.Server) (figures, error) {
	if !s.Alive() {
		if err := s.Start(); err != nil {
			return nil, fmt.Errorf("start again: %w", err)
		}
	}
	return w.run(b, s)
}

// note keeps what a work measured, or why it did not.
func (b *bench) note(results map[string]*result, work, software string, f figures, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s on %s failed: %v\n", work, software, err)
		fail(results, work, software, err)
		return
	}
	add(results, work, software, f)
}

// starts measures a fresh node's start and its memory some seconds after it.
func starts(sw node.Software) (figures, error) {
	s, f, err := startTimed(sw)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	time.Sleep(5 * time.Second)
	f["idle_mib"] = rss(s.PID())
	fmt.Printf("%-8s start %v\n", sw.Name, f)
	return f, nil
}

// startTimed formats and starts a server: milliseconds to format, and from exec to an answered request.
func startTimed(sw node.Software) (*node.Server, figures, error) {
	begin := time.Now()
	s, err := node.New(sw, nil)
	if err != nil {
		return nil, nil, err
	}
	formatted := time.Now()
	if err := s.Start(); err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, figures{"format_ms": formatted.Sub(begin).Seconds() * 1e3, "ready_ms": time.Since(formatted).Seconds() * 1e3}, nil
}

func (b *bench) newTopic(s *node.Server) (string, error) {
	b.run++
	topic := fmt.Sprint("bench-", b.run)
	_, err := b.kb(s, "create", "-t", topic)
	return topic, err
}

// onTopic runs a mode on a fresh topic.
func (b *bench) onTopic(s *node.Server, mode string, args ...string) (figures, error) {
	topic, err := b.newTopic(s)
	if err != nil {
		return nil, err
	}
	return b.kb(s, mode, append([]string{"-t", topic}, args...)...)
}

func (b *bench) kb(s *node.Server, mode string, args ...string) (figures, error) {
	f, err := b.exec(mode, append([]string{"-b", s.Addr(), "-pid", fmt.Sprint(s.PID())}, args...)...)
	fmt.Printf("%-8s %s %v %v\n", s.Name(), mode, args, f)
	return f, err
}

// exec runs kbench and reads its line of key=value figures.
func (b *bench) exec(mode string, args ...string) (figures, error) {
	if mode == "produce" || mode == "floor" {
		touchMemory(*mib * 3 / 2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, b.kbench, append([]string{mode}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kbench %s: %w: %s", mode, err, stderr.String())
	}
	return parseFigures(stdout.String()), nil
}

// background runs a mode of kbench until the function that it returns is called,
// which ends it as Ctrl-C does and gives what it has measured.
func (b *bench) background(mode string, args ...string) (stop func() (figures, error)) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(b.kbench, append([]string{mode}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	return func() (figures, error) {
		if err == nil {
			err = errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait())
		}
		if err != nil {
			return nil, fmt.Errorf("kbench %s: %w: %s", mode, err, stderr.String())
		}
		return parseFigures(stdout.String()), nil
	}
}

// parseFigures reads a line of key=value figures.
func parseFigures(line string) figures {
	f := figures{}
	for _, field := range strings.Fields(line) {
		k, v, _ := strings.Cut(field, "=")
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			f[k] = n
		}
	}
	return f
}
