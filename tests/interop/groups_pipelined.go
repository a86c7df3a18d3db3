package main

import (
	"os"
	"path/filepath"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// pipelined: commits that do not wait for each other are answered as Apache Kafka
// does, which handles a connection's requests one at a time, and as the test
// that runs without it has it.
func (s *suite) pipelined() {
	if s.home == "" {
		s.skip("groups/commits-in-a-row", "no Apache Kafka", 1)
		return
	}
	s.run("groups/commits-in-a-row", func(t *c) {
		oracle, err := node.Run(s.home.Light(), nil)
		t.check(err)
		defer oracle.Close()
		theirs, err := clients.PipelinedCommits(oracle.Addr(), "pipelined")
		t.check(err)
		ours, err := clients.PipelinedCommits(s.srv.Addr(), "pipelined")
		t.check(err)
		recorded, err := os.ReadFile(filepath.Join(s.root, "tests", "clients", "testdata", "pipelined-commits.txt"))
		t.check(err)
		if ours != theirs || theirs != string(recorded) {
			t.fatalf("ours:\n%s\nKafka's:\n%s\nrecorded:\n%s", ours, theirs, recorded)
		}
	})
}
