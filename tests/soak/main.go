// Soak goes on where `make test` stops: it runs the simulation of tests/sim over
// seeds that nobody ran before, for as long as it is told, and adds a dated line to
// docs/reliability/LEDGER.md.
//
//	make soak DURATION=1h        or  SEEDS=20000        what is left out is not a bound
//	go run ./tests/soak -seeds 100 -from 1 -ledger ''   without a trace
//
// A failure is printed with the command that replays it. The exit code is 1 after
// failures. An interrupt ends the run as its time would.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gregorbroker/gregor/tests/sim"
)

var (
	duration = flag.Duration("duration", 0, "how long to go on; 0 = until the seeds are done")
	seeds    = flag.Uint64("seeds", 0, "how many seeds; 0 = until the time is up")
	from     = flag.Uint64("from", 0, "the first seed; 0 = behind the last in the ledger")
	path     = flag.String("ledger", "docs/reliability/LEDGER.md", "the ledger to add a line to; empty = none")
)

func main() {
	flag.Parse()
	code, err := soak()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 2
	}
	os.Exit(code)
}

func soak() (int, error) {
	if *duration == 0 && *seeds == 0 {
		return 2, fmt.Errorf("how long? -duration 10m, -seeds 20000, or both")
	}
	first, err := firstSeed()
	if err != nil {
		return 2, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	r := &run{began: time.Now(), first: first, next: first}
	commit := revision() // before: what is measured is what was built
	r.all(ctx)
	line := r.line(commit)
	fmt.Println(line)
	if *path != "" {
		err = add(*path, line)
	}
	if len(r.failures) > 0 {
		return 1, err
	}
	return 0, err
}

// firstSeed is the one behind all of the ledger; `make test` runs those up to testSeeds.
func firstSeed() (uint64, error) {
	if *from > 0 || *path == "" {
		return max(*from, 1), nil
	}
	last, err := lastSeed(*path)
	return max(last, testSeeds) + 1, err
}

const testSeeds = 5000

// run is one soak.
type run struct {
	began time.Time
	first uint64

	mu       sync.Mutex // guards what follows
	next     uint64
	failures []string

	done, events, committed, leaders atomic.Int64
}

// take hands out the next seed.
func (r *run) take(ctx context.Context) (seed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil || *seeds > 0 && r.next-r.first >= *seeds {
		return 0, false
	}
	r.next++
	return r.next - 1, true
}

func (r *run) all(ctx context.Context) {
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed, ok := r.take(ctx); ok; seed, ok = r.take(ctx) {
				r.one(seed)
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		workers.Wait()
		close(finished)
	}()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-finished:
			return
		case <-tick.C:
			r.progress()
		}
	}
}

// one runs a seed, every hundredth twice: the same seed is the same run.
func (r *run) one(seed uint64) {
	res, err := sim.Run(sim.Config{Seed: seed})
	if err == nil && seed%100 == 0 {
		if again, _ := sim.Run(sim.Config{Seed: seed}); again.Hash != res.Hash {
			err = fmt.Errorf("seed %d ran twice with different traces", seed)
		}
	}
	r.done.Add(1)
	r.events.Add(int64(res.Events))
	r.committed.Add(int64(res.Committed))
	r.leaders.Add(int64(res.Leaders))
	if err != nil {
		fmt.Printf("FAIL %v\n     go test ./tests/sim -run TestQuorumSurvivesFaults -seed %d -v\n", err, seed)
		r.mu.Lock()
		r.failures = append(r.failures, err.Error())
		r.mu.Unlock()
	}
}

func (r *run) progress() {
	r.mu.Lock()
	failed := len(r.failures)
	r.mu.Unlock()
	done, passed := r.done.Load(), time.Since(r.began)
	left := ""
	if *seeds > 0 && done > 0 {
		left = fmt.Sprintf(", about %v to go", (passed / time.Duration(done) * time.Duration(*seeds-min(uint64(done), *seeds))).Round(time.Second))
	}
	fmt.Printf("%v: %d seeds from %d on, %d million events, %d failures%s\n", passed.Round(time.Second), done, r.first, r.events.Load()/1e6, failed, left)
}

// line is the entry of the ledger.
func (r *run) line(commit string) string {
	findings := "none"
	if len(r.failures) > 0 {
		findings = strings.ReplaceAll(strings.Join(r.failures, "; "), "|", "/")
	}
	return fmt.Sprintf("| %s | %s | quorum | %d–%d | %v | %d million events, %d leaders, %d records committed | %s |",
		r.began.UTC().Format("2006-01-02 15:04"), commit, r.first, r.first+uint64(r.done.Load())-1, time.Since(r.began).Round(time.Second),
		r.events.Load()/1e6, r.leaders.Load(), r.committed.Load(), findings)
}

// revision names the commit, with a mark when the work tree differs in what runs here.
func revision() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(out))
	if exec.Command("git", "diff", "--quiet", "HEAD", "--", "controller/raft", "controller/raftio", "storage", "tests/sim").Run() != nil {
		commit += "+"
	}
	return commit
}
