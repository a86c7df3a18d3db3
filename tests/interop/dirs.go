package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// dirs is about several log directories: the story that tests/clients tells
// without Apache Kafka, told by both, and Kafka's tools that move replicas.
func (s *suite) dirs() {
	if s.home == "" {
		s.skip("dirs/", "Apache Kafka could not be fetched", 2)
		return
	}
	s.run("dirs/the-same-story", func(t *c) {
		theirs, ours := t.story(t.home.Light()), t.story(t.ours)
		if theirs != ours {
			t.fatalf("Apache Kafka:\n%s\nours:\n%s", theirs, ours)
		}
		golden, err := os.ReadFile(filepath.Join(t.root, "tests", "clients", "testdata", "dirs.txt"))
		t.check(err)
		if theirs != string(golden) {
			t.fatalf("tests/clients/testdata/dirs.txt is not what Apache Kafka says:\n%s", theirs)
		}
	})
	s.run("dirs/kafka-log-dirs-and-reassign-partitions", moveWithTools)
}

// story is what one server tells of its log directories.
func (t *c) story(sw node.Software) string {
	dir, err := os.MkdirTemp("", "gregor-interop-dirs-")
	t.check(err)
	defer os.RemoveAll(dir)
	extra, paths := clients.DirsSettings(dir)
	srv, err := node.Run(sw, extra)
	t.check(err)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	lines, err := clients.Directories(ctx, srv, paths)
	if err != nil {
		t.fatalf("%s: %v\n%s\n%s", sw.Name, err, strings.Join(lines, "\n"), lastLines(srv.Output(), 30))
	}
	return strings.Join(lines, "\n") + "\n"
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// moveWithTools moves a replica with kafka-reassign-partitions.sh and sees it with kafka-log-dirs.sh.
func moveWithTools(t *c) {
	dir, err := os.MkdirTemp("", "gregor-interop-dirs-")
	t.check(err)
	defer os.RemoveAll(dir)
	extra, paths := clients.DirsSettings(dir)
	srv, err := node.Run(t.ours, extra)
	t.check(err)
	defer srv.Close()
	t.srv = srv
	t.topic("moved", 2)
	t.fill("moved", 0, 100, time.Now())
	t.fill("moved", 1, 100, time.Now())
	out := t.admin("kafka-log-dirs.sh", "--describe", "--topic-list", "moved", "--broker-list", "1")
	t.wants(out, `"version":1`, `"partition":"moved-0"`, `"partition":"moved-1"`, `"isFuture":false`)
	t.clean(out)
	for i, to := range paths {
		plan := filepath.Join(dir, fmt.Sprintf("plan-%d.json", i))
		t.check(os.WriteFile(plan, fmt.Appendf(nil, `{"version":1,"partitions":[{"topic":"moved","partition":0,"replicas":[1],"log_dirs":[%q]},{"topic":"moved","partition":1,"replicas":[1],"log_dirs":["any"]}]}`, to), 0o600))
		out = t.admin("kafka-reassign-partitions.sh", "--reassignment-json-file", plan, "--execute", "--replica-alter-log-dirs-throttle", "100000000")
		t.wants(out, `Successfully started partition reassignments? for moved-0,moved-1|Successfully started log directory moves? for`)
		deadline := time.Now().Add(20 * time.Second)
		for {
			out = t.admin("kafka-reassign-partitions.sh", "--reassignment-json-file", plan, "--verify", "--preserve-throttles")
			if strings.Contains(out, "Reassignment of replica moved-0-1 completed successfully.") || time.Now().After(deadline) {
				break
			}
		}
		t.wants(out, `Reassignment of replica moved-0-1 completed successfully\.`)
		if _, err := os.Stat(filepath.Join(to, "moved-0")); err != nil {
			t.fatalf("moved-0 is not in %s: %v", to, err)
		}
	}
	t.wants(t.admin("kafka-console-consumer.sh", "--topic", "moved", "--from-beginning", "--max-messages", "200", "--timeout-ms", "20000"), `Processed a total of 200 messages`)
}
