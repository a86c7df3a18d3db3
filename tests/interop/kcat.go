package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const kcatCases = 3

// kcat runs the cases of the librdkafka command line tool.
func (s *suite) kcat() {
	if !s.filter.MatchString("kcat/") && !s.filter.MatchString("kcat/produce-consume") {
		return
	}
	if err := needKcat(); err != nil {
		s.skip("kcat/", err.Error(), kcatCases)
		return
	}
	s.run("kcat/list", func(t *c) {
		t.topic("tk-list", 2)
		out := t.kcatRun("", "-L")
		t.wants(out, `^ 1 brokers:$`, `^  broker 1 at `+t.srv.Addr()+` \(controller\)$`, `^  topic "tk-list" with 2 partitions:$`, `^    partition 1, leader 1, replicas: 1, isrs: 1$`)
	})
	s.run("kcat/produce-consume", func(t *c) {
		for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			topic := "tk-" + codec
			t.topic(topic, 1)
			t.kcatRun("a:1\nb:2\nc:3\n", "-P", "-t", topic, "-K:", "-z", codec, "-H", "h=x", "-X", "enable.idempotence=true")
			out := t.kcatRun("", "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p/%o %k=%s %h\\n")
			t.wants(out, `\A0/0 a=1 h=x\n0/1 b=2 h=x\n0/2 c=3 h=x\n\z`)
		}
		out := t.kcatRun("", "-G", "tk-group", "-X", "auto.offset.reset=earliest", "-c", "3", "-q", "tk-none")
		t.wants(out, `^1\n2\n3$`)
	})
	s.run("kcat/query-offsets", func(t *c) {
		base := time.UnixMilli(1_700_000_000_000)
		t.topic("tk-query", 1)
		t.fill("tk-query", 0, 10, base)
		for at, want := range map[string]int{"-1": 10, "-2": 0, strconv.FormatInt(base.UnixMilli()+4, 10): 4} {
			t.wants(t.kcatRun("", "-Q", "-t", "tk-query:0:"+at), fmt.Sprintf(`^tk-query \[0\] offset %d$`, want))
		}
	})
}

func (t *c) kcatRun(stdin string, args ...string) string {
	// -G takes its topics at the end, so the common flags stand in front.
	out, err := t.exec(exec.Command("kcat", append([]string{"-b", t.srv.Addr()}, args...)...), stdin)
	t.check(err)
	t.wantsNot(out, `^%(\d\||ERROR)`)
	return strings.TrimPrefix(out, "% Waiting for group rebalance\n")
}
