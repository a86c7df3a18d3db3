package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/assignor/assignortest"
)

// assignors has Apache Kafka's assignors and ours divide groups at random: range
// alike, uniform no less even and moving hardly more (see assignortest.Compare).
func (s *suite) assignors() {
	if s.home == "" {
		s.skip("groups/assignors", "no Apache Kafka", 1)
		return
	}
	s.run("groups/assignors", func(t *c) {
		seed := rand.Uint64()
		cases, err := s.kafkaAssigns(seed, 600)
		t.check(err)
		var ours, kafka assignortest.Tally
		for _, c := range cases {
			if err := assignortest.Compare(c, &ours, &kafka); err != nil {
				t.fatalf("seed %d: %v\n%s%s", seed, err, c.Question(), c.Answer())
			}
		}
		if err := assignortest.CompareAll(ours, kafka); err != nil {
			t.fatalf("seed %d: %v", seed, err)
		}
	})
}

// recordAssignors writes what Kafka makes of some groups for the test that runs without Java.
func (s *suite) recordAssignors() error {
	cases, err := s.kafkaAssigns(1, 300)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, c := range cases {
		text.WriteString(c.Question() + c.Answer())
	}
	return os.WriteFile(filepath.Join(s.root, "groupcoord", "assignor", "testdata", "kafka.txt"), []byte(text.String()), 0o644)
}

// kafkaAssigns asks Kafka's assignors about n groups (see java/Assignors.java).
func (s *suite) kafkaAssigns(seed uint64, n uint64) (cases []*assignortest.Case, err error) {
	classes := filepath.Join(s.cache, "interop-java")
	if err := s.home.Javac(filepath.Join(s.root, "tests", "interop", "java", "Assignors.java"), classes); err != nil {
		return nil, err
	}
	cmd := exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+s.home.Classpath(), "Assignors")
	var questions, faults strings.Builder
	for i := range n {
		c := assignortest.Random(rand.New(rand.NewPCG(seed, i)))
		cases = append(cases, c)
		questions.WriteString(c.Question())
	}
	cmd.Stdin, cmd.Stderr = strings.NewReader(questions.String()), &faults
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for _, c := range cases {
		if err == nil {
			err = c.ReadAnswer(lines)
		}
	}
	_, _ = io.Copy(io.Discard, out) // what is left after an error: the program must come to its end
	if ended := cmd.Wait(); ended != nil {
		return nil, fmt.Errorf("%w: %s", ended, faults.String())
	}
	return cases, err
}
