// Command interop proves gregor with what people really use: Apache Kafka's own
// command-line tools, kcat, and six client libraries with five codecs each.
//
//	go run ./tests/interop                  everything, against bin/gregor
//	go run ./tests/interop -against apache  the same cases against Apache Kafka: proves the cases
//	go run ./tests/interop -run 'configs'   the cases whose name matches
//
// It installs what it needs below .cache (see tests/apache, tests/clients). A
// tool that the machine lacks is named in one line, and what hangs on it is
// counted as skipped. The last line is "N passed, N failed, N skipped"; the exit
// code is 1 if anything failed. Cases run one after another on one server, each
// with topics and groups of its own, and judge what was printed, not only
// whether a tool ended well.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/gregorbroker/gregor/tests/apache"
	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

var (
	against = flag.String("against", "gregor", "gregor, or apache to prove the cases themselves")
	only    = flag.String("run", "", "run the cases whose name matches this regular expression")
	binary  = flag.String("binary", "", "gregor's binary (default bin/gregor)")
	record  = flag.Bool("record", false, "only write what Apache Kafka makes into testdata: its answers (tests/twin, tests/wire) a folder (storage/check), what it assigns (groupcoord/assignor); -run chooses answers, folder or assignors")
	count   = flag.Int("records", 100_000, "records of each client round trip")
)

func main() {
	flag.Parse()
	root, err := node.Root()
	if err != nil {
		fatal(err)
	}
	s := &suite{root: root, cache: filepath.Join(root, ".cache"), filter: regexp.MustCompile(*only)}
	if m := apache.Missing(); m != "" {
		fmt.Printf("missing: %s, so nothing of Apache Kafka can run: all but kcat and the non-Java clients is skipped\n", m)
	} else if s.home, err = apache.Fetch(s.cache); err != nil {
		fatal(err)
	}
	if *record {
		for name, f := range map[string]func() error{"answers": s.recordKafka, "folder": s.goldenFolder, "assignors": s.recordAssignors} {
			if !s.filter.MatchString(name) {
				continue
			}
			if err := f(); err != nil {
				fatal(err)
			}
		}
		return
	}
	srv, err := s.start(root)
	if err != nil {
		fatal(err)
	}
	s.srv = srv
	s.all()
	if s.failed > 0 {
		srv.Keep()
		fmt.Printf("kept: %s\n", srv.Dir())
	}
	srv.Close()
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	if s.failed > 0 {
		os.Exit(1)
	}
}

func (s *suite) start(root string) (*node.Server, error) {
	bin := *binary
	if bin == "" {
		bin = filepath.Join(root, "bin", "gregor")
	}
	sw := node.Gregor(bin)
	s.ours = sw
	if *against == "apache" {
		s.ours = s.home.Light()
		return node.Run(s.home.Software("1G"), nil)
	}
	return node.Run(sw, map[string]string{"gregor.http.listener": "127.0.0.1:0"})
}

// all runs every case, in an order where a later one may rely on nothing of an earlier one but the server.
func (s *suite) all() {
	s.tools()
	s.kcat()
	s.controller()
	s.features()
	s.mixed()
	s.groups()
	s.assignors()
	s.logs()
	s.quorum()
	s.networks()
	s.dirs()
	s.roundTrips()
	s.twin()
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "interop:", err)
	fmt.Printf("\n0 passed, 1 failed, 0 skipped\n")
	os.Exit(1)
}

// suite counts cases and holds what they share.
type suite struct {
	root, cache             string
	home                    apache.Home
	ours                    node.Software // what is under test
	srv                     *node.Server
	filter                  *regexp.Regexp
	passed, failed, skipped int
}

// c is one running case. A failed expectation ends it.
type c struct {
	*suite
	srv  *node.Server // whom tools and clients are sent to: the suite's, until a case says otherwise
	name string
	log  []string
}

type failure struct{}

func (t *c) fatalf(format string, args ...any) {
	t.log = append(t.log, fmt.Sprintf(format, args...))
	panic(failure{})
}

func (t *c) check(err error) {
	if err != nil {
		t.fatalf("%v", err)
	}
}

// run runs one case and prints one line about it; what it did is shown if it failed.
func (s *suite) run(name string, f func(t *c)) {
	if !s.filter.MatchString(name) {
		return
	}
	t, start := &c{suite: s, srv: s.srv, name: name}, time.Now()
	ok := func() (ok bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, is := r.(failure); !is {
					panic(r)
				}
			}
		}()
		f(t)
		return true
	}()
	if !s.srv.Alive() {
		ok = false
		t.log = append(t.log, "the server has ended:\n"+s.srv.Output())
	}
	verdict := "PASS"
	if ok {
		s.passed++
	} else {
		s.failed++
		verdict = "FAIL"
	}
	fmt.Printf("--- %s: %s (%.2fs)\n", verdict, name, time.Since(start).Seconds())
	if !ok {
		for _, l := range t.log {
			fmt.Println("    " + l)
		}
	}
}

// skip counts n cases that can not run here.
func (s *suite) skip(name, why string, n int) {
	if !s.filter.MatchString(name) {
		return
	}
	s.skipped += n
	fmt.Printf("--- SKIP: %s (%d cases): %s\n", name, n, why)
}

// needKcat installs kcat if that is possible.
func needKcat() error {
	if _, err := exec.LookPath("kcat"); err == nil {
		return nil
	}
	if err := clients.AptInstall("kcat"); err != nil {
		return clients.Missing{Tool: "kcat", Why: err.Error()}
	}
	return nil
}
