package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
)

// heldHeartbeats shows with each client that holding heartbeats delays nothing:
// not a commit, a leave, a subscription change nor a revocation acknowledged, each
// asked for while a heartbeat may be held; and that a rebalance reaches members
// whose heartbeats are held without waiting for their interval. Only gregor holds.
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
	g.quiet()

	for _, m := range []string{"a", "b"} {
		g.prompt("commit", promptly, func() { g.tell(m, "commit", g.offsetOfFirst(k)...) })
	}
	g.quiet()
	// A revocation: c comes, a and b are told, give up, acknowledge; then c has its part.
	limit := promptly + interval
	if k.name == "java/consumer" { // always held: told at once. A classic member sends none for an interval after it has joined.
		limit = promptly + time.Second
	}
	g.prompt("one more joins", limit, func() {
		start("c")
		g.shared(groupPartitions, 3)
	})
	g.quiet()
	if k.client != "kafkajs" { // it stops to take a new subscription
		// Java tells a new subscription with its next heartbeat, held or not; franz-go
		// and librdkafka at once.
		g.prompt("subscribe", promptly+interval, func() {
			for _, m := range []string{"a", "b", "c"} {
				g.tell(m, "subscribe", topic+","+topic+"-2")
			}
			g.await("the second topic is owned", func(l *clients.Ledger) bool { p, _ := l.Owned(); return p == groupPartitions+3 })
		})
		g.quiet()
	}
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

// quiet lets two seconds pass in which nothing has to be told, so that a heartbeat
// is out and held; there is nothing to be seen of it from outside.
func (g *crew) quiet() { time.Sleep(2 * time.Second) }

func (g *crew) prompt(what string, limit time.Duration, f func()) {
	begin := time.Now()
	f()
	took := time.Since(begin)
	g.log = append(g.log, fmt.Sprintf("%s: %v", what, took))
	if took > limit {
		g.fatalf("%s took %v, at most %v was expected", what, took, limit)
	}
}
