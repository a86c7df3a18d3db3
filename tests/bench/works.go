package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// work is one thing that is measured. Run gets a server that has done nothing
// but earlier works of the same round, and returns figures by name.
type work struct {
	name  string
	title string
	run   func(b *bench, s *node.Server) (figures, error)
}

type figures map[string]float64

// works in the order they run; consume reads what produce wrote.
func works() []work {
	size := fmt.Sprint(*mib << 20)
	return []work{
		{"produce", "produce 1 KiB, acks=all, idempotent", func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", size)
		}},
		{"consume", "consume 1 KiB", func(b *bench, s *node.Server) (figures, error) {
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
		{"produce-lz4", "produce 1 KiB, lz4", func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", size, "-compression", "lz4")
		}},
		{"produce-100b", "produce 100 bytes", func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "produce", "-bytes", fmt.Sprint(*mib<<20/4), "-size", "100")
		}},
		{"e2e", "2,000 rec/s, one producer, one consumer", func(b *bench, s *node.Server) (figures, error) {
			return b.onTopic(s, "e2e", "-rate", "2000", "-d", "10s")
		}},
		{"topics", "500 topics of 10 partitions", func(b *bench, s *node.Server) (figures, error) {
			b.run++
			return b.kb(s, "topics", "-t", fmt.Sprint("bench-", b.run), "-n", "500", "-partitions", "10")
		}},
		{"idle", "10,000 idle connections", func(b *bench, s *node.Server) (figures, error) {
			return b.kb(s, "idle", "-n", "10000", "-d", "3s")
		}},
	}
}

// round does everything once. Both servers are there at the same time, one of
// them idle; what an idle server costs is small and weighs on the other alike.
func (b *bench) round(n int, results map[string]*result) error {
	servers := make([]*node.Server, len(b.software))
	defer func() {
		for _, s := range servers {
			if s != nil {
				s.Close()
			}
		}
	}()
	for i, sw := range b.software {
		s, f, err := startTimed(sw)
		if err != nil {
			return err
		}
		servers[i] = s
		add(results, "start", "start", sw.Name, f)
	}
	time.Sleep(5 * time.Second) // "idle after start" means some seconds after it
	for _, s := range servers {
		add(results, "start", "start", s.Name(), figures{"idle_mib": rss(s.PID())})
	}
	if wanted("produce") || wanted("consume") {
		f, err := b.exec("floor", "-bytes", fmt.Sprint(*mib<<20))
		if err != nil {
			return err
		}
		add(results, "floor", "floor", "floor", f)
	}
	for _, w := range works() {
		if !wanted(w.name) {
			continue
		}
		for _, s := range servers {
			f, err := w.run(b, s)
			if err != nil {
				return fmt.Errorf("round %d: %s on %s: %w", n+1, w.name, s.Name(), err)
			}
			add(results, w.name, w.title, s.Name(), f)
		}
	}
	return nil
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
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(b.kbench, append([]string{mode}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kbench %s: %w: %s", mode, err, stderr.String())
	}
	f := figures{}
	for _, field := range strings.Fields(stdout.String()) {
		k, v, _ := strings.Cut(field, "=")
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			f[k] = n
		}
	}
	return f, nil
}
