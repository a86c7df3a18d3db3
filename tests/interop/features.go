package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
	"github.com/gregorbroker/gregor/tests/node"
)

// features is about the levels of features: the story that tests/clients tells
// without Apache Kafka, told by both, and kafka-features.sh.
func (s *suite) features() {
	if s.home == "" {
		s.skip("features/", "Apache Kafka could not be fetched", 2)
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
	s.run("features/kafka-features-and-folders-that-change-hands", sideBySide)
}

// sideBySide has kafka-features.sh take two nodes, one of each kind, from 3.3-IV3
// to 4.3-IV0, and compares what it says. On the way the two folders change hands,
// and do so again at the end.
func sideBySide(t *c) {
	k := t.cluster()
	defer k.end()
	var pair []*node.Server
	for _, sw := range []node.Software{k.home.Light(), k.ours} {
		s, err := clients.FeaturesNode(sw)
		k.check(err)
		pair = append(pair, s)
	}
	k.servers = pair
	k.start(pair...)
	made := func(name string) {
		for _, k.srv = range pair {
			k.topic(name, 2)
			k.produce(name, 2, 50)
		}
	}
	made("from-the-first-day")
	k.wants(k.alike(pair, "describe"), `^Feature: metadata\.version .*SupportedMaxVersion: 4\.3-IV0 .*FinalizedVersionLevel: 3\.3-IV3`)
	k.wants(k.alike(pair, "upgrade", "--release-version", "3.6", "--dry-run"), `^metadata\.version can be upgraded to 14\.$`)
	k.wants(k.alike(pair, "upgrade", "--release-version", "3.6"), `^metadata\.version was upgraded to 14\.$`)
	k.wants(k.alike(pair, "downgrade", "--metadata", "3.5"), `might delete metadata information`, `failed: true`)
	k.handOn(pair)
	made("in-other-hands")
	k.wants(k.alike(pair, "downgrade", "--metadata", "3.3-IV3", "--unsafe"), `Unsafe metadata downgrade is not supported`, `failed: true`)
	k.wants(k.alike(pair, "upgrade", "--release-version", "4.2"), `^metadata\.version was upgraded to 29\.$`, `^kraft\.version was upgraded to 1\.$`, `^share\.version was upgraded to 1\.$`)
	k.wants(k.alike(pair, "downgrade", "--feature", "metadata.version=25", "--feature", "share.version=0"), `^metadata\.version was downgraded to 25\.$`, `^share\.version was downgraded to 0\.$`)
	k.wants(k.alike(pair, "upgrade", "--release-version", "4.3"), `^metadata\.version was upgraded to 30\.$`)
	k.wants(k.alike(pair, "disable", "--feature", "group.version", "--feature", "transaction.version"), `^group\.version was disabled\.$`)
	k.wants(k.alike(pair, "downgrade", "--metadata", "4.2", "--unsafe"), `Unsafe metadata downgrade is not supported`, `failed: true`)
	made("at-the-end")
	k.handOn(pair)
	k.wants(k.alike(pair, "describe"), `^Feature: metadata\.version .*FinalizedVersionLevel: 4\.3-IV0`, `^Feature: share\.version .*FinalizedVersionLevel: 1 `, `^Feature: group\.version .*FinalizedVersionLevel: 0 `)
	for _, k.srv = range pair {
		for _, name := range []string{"from-the-first-day", "in-other-hands", "at-the-end"} {
			k.has(name, 100)
		}
	}
}

// handOn stops a pair and starts each with the software of the other.
func (k *cluster) handOn(pair []*node.Server) {
	a, b := pair[0].Software(), pair[1].Software()
	for i, sw := range []node.Software{b, a} {
		k.snapshot(pair[i])
		k.stop(pair[i])
		pair[i].Become(sw)
	}
	k.start(pair...)
}

// alike runs kafka-features.sh on both nodes of a pair, which must be told the same,
// and returns it, its lines sorted.
func (k *cluster) alike(pair []*node.Server, args ...string) string {
	said := make([]string, len(pair))
	var wg sync.WaitGroup
	for i, s := range pair {
		one := &c{suite: k.suite}
		wg.Go(func() {
			out, err := one.exec(k.home.Tool("kafka-features.sh", append([]string{"--bootstrap-server", s.Addr()}, args...)...), "")
			said[i] = fmt.Sprintf("%s\n(failed: %v)", epochOfFeatures.ReplaceAllString(lines(out), "Epoch"), err != nil)
		})
	}
	wg.Wait()
	k.log = append(k.log, fmt.Sprintf("kafka-features.sh %s\n%s", strings.Join(args, " "), said[0]))
	if said[0] != said[1] {
		k.fatalf("%s says\n%s\nand %s\n%s", pair[0].Name(), said[0], pair[1].Name(), said[1])
	}
	return said[0]
}

// The epoch of features is the offset of a record.
var epochOfFeatures = regexp.MustCompile(`Epoch: \d+`)

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
