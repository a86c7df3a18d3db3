package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
)

// heldHeartbeats shows with each client that holding heartbeats delays nothing:
// not a commit, a leave, a subscription change nor a revocation acknowledged, each
// asked for while a heartbeat is held, as gregor itself tells; and that a rebalance
// reaches members whose heartbeats are held without waiting for their interval. Only
// gregor holds, and not the heartbeats of clients that would wait for the answer
// (decision 0005): of those it shows that none is.
func (s *suite) heldHeartbeats() {
	if *against != "gregor" {
		return
	}
	for _, k := range groupKinds {
		switch k.name {
		case "java/classic-cooperative", "java/consumer", "librdkafka/classic", "librdkafka/consumer", "franz-go/classic", "franz-go/consumer", "kafkajs/classic":
			if k.client != "java" || s.home != "" {
				s.run("groups/held/"+k.name, func(t *c) { t.held(k) })
			}
		}
	}
}

// Bounds that tell a delay by a held heartbeat (3 s, 5 s) from a busy machine's.
const (
	promptly = 2 * time.Second
	interval = 5 * time.Second // of KIP-848's heartbeats
	slack    = 2 * time.Second // for what members do in several steps
)

func (t *c) held(k groupKind) {
	ctx, cancel := patience()
	defer cancel()
	topic := "held-" + strings.ReplaceAll(k.name, "/", "-")
	g := t.crew(ctx, topic)
	defer g.kill()
	t.topic(topic, groupPartitions)
	t.topic(topic+"-2", 3)
	t.fillAll(topic, 10)
	start := func(m string) { g.start(k.client, m, topic, k.consumer, k.config...) }
	start("a")
	start("b")
	g.shared(groupPartitions, 2)
	g.hasRead(topic, 10*groupPartitions)

	for _, m := range []string{"a", "b"} {
		g.quiet(k)
		g.prompt("commit", promptly, func() { g.tell(m, "commit", g.offsetOfFirst(k)...) })
	}
	g.quiet(k)
	// A revocation: c comes, a and b are told, give up, acknowledge; then c has its part.
	limit := promptly + interval + slack
	if k.name == "java/consumer" { // always held: told at once. A classic member sends none for an interval after it has joined.
		limit = promptly + slack
	}
	g.prompt("one more joins", limit, func() {
		start("c")
		g.shared(groupPartitions, 3)
	})
	g.quiet(k)
	// Java tells a new subscription with its next heartbeat, held or not; franz-go and
	// librdkafka at once. kafkajs leaves and joins for it.
	limit = promptly + interval + slack
	if k.client == "kafkajs" { // one after another, and the others hear of each with their next heartbeat
		limit = promptly + 3*interval
	}
	g.prompt("subscribe", limit, func() {
		for _, m := range []string{"a", "b", "c"} {
			g.tell(m, "subscribe", topic+","+topic+"-2")
		}
		g.await("the second topic is owned", func(l *clients.Ledger) bool { p, _ := l.Owned(); return p == groupPartitions+3 })
	})
	g.quiet(k)
	g.prompt("leave", promptly, func() { g.tell("b", "stop") })
	g.stopAll()
	t.check(g.ledger.Judge())
}

// offsetOfFirst is the argument of kafkajs's commit.
func (g *crew) offsetOfFirst(k groupKind) []string {
	if k.client == "kafkajs" {
		return []string{"10"}
	}
	return nil
}

// heldKinds are the clients whose heartbeats are held.
var heldKinds = map[string]bool{"java/classic-cooperative": true, "java/consumer": true, "librdkafka/classic": true}

var (
	httpPort  = regexp.MustCompile(`HTTP port.*"bound": "([^"]+)"`)
	heldGauge = regexp.MustCompile(`(?m)^gregor_group_held_heartbeats (\d+)$`)
)

// quiet lets the group come to rest, until the heartbeats of all members are held, or
// those of clients that must not be held have been on their way for a while.
func (g *crew) quiet(k groupKind) {
	if !heldKinds[k.name] {
		time.Sleep(2 * time.Second) // there is nothing to be waited for
		if n := g.heartbeatsHeld(); n > 0 {
			g.fatalf("%d heartbeats are held of a client that waits for them", n)
		}
		return
	}
	end := time.Now().Add(20 * time.Second)
	for g.heartbeatsHeld() < len(g.of) {
		if time.Now().After(end) {
			g.fatalf("the heartbeats of %d members are not all held: %d are", len(g.of), g.heartbeatsHeld())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// heartbeatsHeld is how many heartbeats gregor says that it holds.
func (g *crew) heartbeatsHeld() int {
	starts := httpPort.FindAllStringSubmatch(g.srv.Output(), -1)
	if len(starts) == 0 {
		g.fatalf("no HTTP port in the log")
	}
	resp, err := http.Get("http://" + starts[len(starts)-1][1] + "/metrics") // the node was started again meanwhile
	g.check(err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	g.check(err)
	m := heldGauge.FindSubmatch(page)
	if m == nil {
		g.fatalf("no gregor_group_held_heartbeats")
	}
	n, err := strconv.Atoi(string(m[1]))
	g.check(err)
	return n
}

func (g *crew) prompt(what string, limit time.Duration, f func()) {
	begin := time.Now()
	f()
	took := time.Since(begin)
	g.log = append(g.log, fmt.Sprintf("%s: %v", what, took))
	if took > limit {
		g.fatalf("%s took %v, at most %v was expected", what, took, limit)
	}
}
