package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

var logMiB = flag.Int64("log-mib", 1024, "MiB of payload in the folders that change hands")

// logs runs the cases about one folder under two brokers: what one wrote the
// other serves, as it is, and checks, dumps and cleans.
func (s *suite) logs() {
	if s.home == "" {
		s.skip("log/", "Apache Kafka could not be fetched", 3)
		return
	}
	s.run("log/a-folder-of-theirs-changes-hands", theirFolder)
	s.run("log/a-folder-of-ours-changes-hands", ourFolder)
	s.run("log/compaction-is-theirs", compaction)
}

func (t *c) mix(bytes int64, segment int) *mix {
	return &mix{cluster: t.cluster(), seed: uint64(time.Now().UnixNano()), began: time.Now().UnixMilli(), bytes: bytes, segment: segment}
}

// theirFolder goes from Apache Kafka to us and back, after a clean stop and
// after kill -9 in both directions; each writes to it on the way.
func theirFolder(t *c) {
	m := t.mix(*logMiB<<20*3/4, 32<<20) // and three waves of an eighth: all of it, in spite of what rounding leaves out
	defer m.end()
	m.log = append(m.log, fmt.Sprintf("seed %d", m.seed))
	apache := m.home.Software("512m")
	n := m.single(apache)
	m.topics()
	m.wave(true)
	m.settle(n)
	m.pass(n, m.ours, m.stop, "written by Apache Kafka, served by us:")
	m.bytes /= 6
	m.wave(false)
	m.settle(n)
	m.pass(n, apache, m.stop, "written by us, served by Apache Kafka:")
	m.wave(true)
	m.settle(n)
	m.pass(n, m.ours, m.kill, "written by Apache Kafka and killed, served by us:")
	m.wave(false)
	m.settle(n)
	m.pass(n, apache, m.kill, "written by us and killed, served by Apache Kafka:")
	m.stop(n)
	m.accepted(n)
}

// ourFolder is formatted and filled by us first.
func ourFolder(t *c) {
	m := t.mix(*logMiB<<20/4, 16<<20)
	defer m.end()
	m.log = append(m.log, fmt.Sprintf("seed %d", m.seed))
	apache := m.home.Software("512m")
	n := m.single(m.ours)
	m.topics()
	m.wave(false)
	m.settle(n)
	m.pass(n, apache, m.stop, "written by us, served by Apache Kafka:")
	m.wave(true)
	m.settle(n)
	m.pass(n, m.ours, m.stop, "written by Apache Kafka, served by us:")
	m.stop(n)
	m.accepted(n)
}

// kill ends a node with SIGKILL.
func (k *cluster) kill(s *node.Server) { k.check(s.Kill()) }

// pass hands the folder over and compares what clients see.
func (m *mix) pass(n *node.Server, to node.Software, stop func(*node.Server), when string) {
	before := m.observe()
	stop(n)
	m.accepted(n)
	n.Become(to)
	m.check(n.Start())
	m.same(before, m.observe(), when)
}

// accepted checks a folder that no server uses with our tools, and what we
// wrote with theirs.
func (m *mix) accepted(n *node.Server) {
	m.wants(m.own("check", n.LogDir()), `^nothing is (wrong|damaged)`)
	m.verify(exec.Command(m.gregor(), "dump", "-o", "json", n.LogDir()))
	few, err := filepath.Glob(filepath.Join(n.LogDir(), "__*-0")) // with the records of the internal topics, whose meaning it knows
	m.check(err)
	m.verify(exec.Command(m.gregor(), append([]string{"dump", "-o", "json", "--records"}, few...)...))
	if n.Name() == m.ours.Name {
		m.dumpLog(n)
	}
}

// own runs a command of ours that must end with code 0.
func (m *mix) own(args ...string) string {
	cmd := exec.Command(m.gregor(), args...)
	out, err := m.execFor(cmd, "", 2*time.Minute)
	if err != nil {
		m.fatalf("gregor %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// gregor is our binary, also when Apache Kafka stands in for us.
func (s *suite) gregor() string {
	if *binary != "" {
		return *binary
	}
	return filepath.Join(s.root, "bin", "gregor")
}

// dumpLog lets kafka-dump-log.sh verify every file that it knows, those of the
// internal topics and of the metadata log too.
func (m *mix) dumpLog(n *node.Server) {
	files := map[string][]string{}
	m.check(filepath.WalkDir(n.LogDir(), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !padding(p) {
			files[filepath.Ext(p)] = append(files[filepath.Ext(p)], p)
		}
		return err
	}))
	run := func(exts []string, args ...string) {
		var all []string
		for _, e := range exts {
			all = append(all, files[e]...)
		}
		if len(all) > 0 {
			m.verify(m.home.Tool("kafka-dump-log.sh", append(args, "--files", strings.Join(all, ","))...))
		}
	}
	run([]string{".log", ".timeindex", ".txnindex", ".snapshot", ".index", ".checkpoint"})
	run([]string{".index"}, "--index-sanity-check")
	run([]string{".index"}, "--verify-index-only")
}

// padding tells an index that is nothing but what Apache Kafka reserved before it
// was killed. Its own tool takes the first of the zeros for an entry.
func padding(name string) bool {
	if !strings.HasSuffix(name, "index") {
		return false
	}
	b, err := os.ReadFile(name)
	return err == nil && len(b) > 0 && len(bytes.TrimLeft(b, "\x00")) == 0
}

// complaint is what a dump says of damage. A time index whose entry belongs to a
// batch that compaction left without records is a mismatch with timestamp -1 to
// Kafka's tool, in Kafka's own files too.
var complaint = regexp.MustCompile(`(?i)isvalid: false|mismatches in|log timestamp: \d|could not|corrupt|unable|out of order|exception|"kind":"damage"|"undecoded":`)

// verify runs either side's dump, whose long output is searched as it comes.
func (m *mix) verify(cmd *exec.Cmd) {
	out, err := cmd.StdoutPipe()
	m.check(err)
	cmd.Stderr = cmd.Stdout
	m.check(cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	var bad []string
	for lines.Scan() {
		if complaint.MatchString(lines.Text()) && len(bad) < 20 {
			bad = append(bad, clip(lines.Text()))
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil || len(bad) > 0 {
		m.fatalf("%s: %v\n%s", clip(strings.Join(cmd.Args, " ")), err, strings.Join(bad, "\n"))
	}
}
