package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/gregorbroker/gregor/tests/twin"
)

// twin asks Apache Kafka and the server under test the questions of tests/twin,
// at every version, compares, and writes docs/COMPATIBILITY.md. With -record
// Kafka's answers become the new testdata of tests/twin and tests/wire.
func (s *suite) twin() {
	if s.home == "" {
		s.skip("twin/", "Apache Kafka could not be fetched", 1)
		return
	}
	if !s.filter.MatchString("twin/") {
		return
	}
	var kafka twin.Answers
	var kafkaServed map[int16]twin.Range
	s.run("twin/ask-kafka", func(t *c) {
		oracle, err := node.Run(s.home.Software("1G"), nil)
		t.check(err)
		defer oracle.Close()
		kafka, kafkaServed = t.ask(oracle)
	})
	if kafka == nil {
		return
	}
	s.run("twin/recorded-answers-are-kafkas", func(t *c) {
		recorded, err := twin.Read(filepath.Join(t.root, "tests", "twin", "testdata"))
		t.check(err)
		if d := twin.Compare(recorded, kafka); len(d) > 0 {
			t.fatalf("%d lines of tests/twin/testdata are not what Kafka answers now; the first: %s", len(d), d[0])
		}
	})
	s.compareTwins(kafka, kafkaServed)
}

func (s *suite) compareTwins(kafka twin.Answers, kafkaServed map[int16]twin.Range) {
	var ours twin.Answers
	var served map[int16]twin.Range
	s.run("twin/ask-"+*against, func(t *c) {
		srv, err := node.Run(t.srv.Software(), nil) // as fresh as the oracle: some questions list everything there is
		t.check(err)
		defer srv.Close()
		ours, served = t.ask(srv)
	})
	diffs := twin.Compare(kafka, ours)
	unexplained, _ := twin.Judge(diffs)
	byKey := map[string][]twin.Diff{}
	for _, d := range unexplained {
		name, _, _ := strings.Cut(d.Title, " ")
		byKey[name] = append(byKey[name], d)
	}
	for k := range int16(200) {
		name := kmsg.NameForKey(k)
		if _, ok := served[k]; !ok || !asked(ours, name) {
			continue
		}
		s.run("twin/"+name, func(t *c) {
			for i, d := range byKey[name] {
				if i == 40 {
					t.log = append(t.log, "…")
					break
				}
				t.log = append(t.log, d.String())
			}
			if n := len(byKey[name]); n > 0 {
				t.fatalf("%d lines differ", n)
			}
		})
	}
	if *against == "gregor" && s.filter.String() == "" {
		s.run("twin/write-compatibility", func(t *c) {
			if unused := twin.Unused(diffs); len(unused) > 0 {
				t.log = append(t.log, "allowed differences that are none any more (remove them from tests/twin/allow.go): "+strings.Join(unused, "; "))
			}
			t.check(os.WriteFile(filepath.Join(t.root, "docs", "COMPATIBILITY.md"), []byte(twin.Compatibility(kafkaServed, served, ours, diffs)), 0o644))
		})
	}
}

func asked(a twin.Answers, name string) bool {
	for t := range a {
		if strings.HasPrefix(t, name+" ") {
			return true
		}
	}
	return false
}

func (t *c) ask(srv *node.Server) (twin.Answers, map[int16]twin.Range) {
	target := twin.Target{Name: srv.Name(), Addr: srv.Addr(), Controller: srv.Controller()}
	served, err := twin.Served(target)
	t.check(err)
	ans, _, err := twin.Ask(target, twin.Scripts(), served, true)
	t.check(err)
	return ans, served
}

// recordKafka writes what Apache Kafka answers into the testdata folders.
func (s *suite) recordKafka() error {
	oracle, err := node.Run(s.home.Software("1G"), nil)
	if err != nil {
		return err
	}
	defer oracle.Close()
	target := twin.Target{Name: "apache", Addr: oracle.Addr(), Controller: oracle.Controller()}
	served, err := twin.Served(target)
	if err != nil {
		return err
	}
	ans, frames, err := twin.Ask(target, twin.Scripts(), served, false)
	if err != nil {
		return err
	}
	if err := ans.Write(filepath.Join(s.root, "tests", "twin", "testdata")); err != nil {
		return err
	}
	dir := filepath.Join(s.root, "tests", "wire", "testdata")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fmt.Printf("recorded %d questions, %d exchanges\n", len(ans), len(frames))
	return twin.WriteFrames(filepath.Join(dir, "frames.txt"), frames)
}
