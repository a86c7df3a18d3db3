package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// features is about the levels of features: the story that tests/clients tells
// without Apache Kafka, told by both, and kafka-features.sh.
func (s *suite) features() {
	if s.home == "" {
		s.skip("features/", "Apache Kafka could not be fetched", 1)
		return
	}
	s.run("features/the-same-story", func(t *c) {
		theirs, ours := t.levels(t.home.Light()), t.levels(t.ours)
		if theirs != ours {
			t.fatalf("Apache Kafka:\n%s\nours:\n%s", theirs, ours)
		}
		golden, err := os.ReadFile(filepath.Join(t.root, "tests", "clients", "testdata", "features.txt"))
		t.check(err)
		if theirs != string(golden) {
			t.fatalf("tests/clients/testdata/features.txt is not what Apache Kafka says:\n%s", theirs)
		}
	})
}

// levels is what one server tells of its features.
func (t *c) levels(sw node.Software) string {
	srv, err := clients.FeaturesNode(sw)
	t.check(err)
	defer srv.Close()
	t.check(srv.Start())
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	lines, err := clients.Features(ctx, srv)
	if err != nil {
		t.fatalf("%s: %v\n%s\n%s", sw.Name, err, strings.Join(lines, "\n"), lastLines(srv.Output(), 30))
	}
	return strings.Join(lines, "\n") + "\n"
}
