package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// groupsMove: groups of both protocols outlive that their coordinator's folder
// goes from Apache Kafka to us and back, and go on where they were.
func (s *suite) groupsMove() {
	if s.home == "" {
		s.skip("groups/a-coordinator-changes-hands", "Apache Kafka could not be fetched", 1)
		return
	}
	s.run("groups/a-coordinator-changes-hands", coordinatorMoves)
	s.run("groups/churn", churn)
}

func coordinatorMoves(t *c) {
	k := t.cluster()
	defer k.end()
	n := k.add(k.home.Light(), node.Place{})
	k.srv = n
	k.topic("moved", groupPartitions)
	read := 0
	turn := func() { // a new member of each group reads what came since
		k.fillAll("moved", 20)
		read += 20
		for _, consumer := range []bool{false, true} {
			ctx, cancel := patience()
			g := k.crew(ctx, map[bool]string{false: "moved-classic", true: "moved-consumer"}[consumer])
			g.start("java", "a", "moved", consumer)
			g.hasRead("moved", 20*groupPartitions)
			g.stopAll()
			k.check(g.ledger.Judge())
			g.committed("moved", groupPartitions, int64(read))
			cancel()
		}
	}
	swap := func(to node.Software) {
		k.stop(n)
		n.Become(to)
		k.check(n.Start())
		out := k.admin("kafka-consumer-groups.sh", "--list", "--type", "consumer")
		k.wants(out, `^moved-consumer +Consumer`)
		k.wants(k.admin("kafka-consumer-groups.sh", "--describe", "--all-groups"), `moved-classic +moved +0 +.*`, `moved-consumer +moved +5 +`)
	}
	turn()
	swap(k.ours)
	turn()
	swap(k.home.Light())
	turn()
	if w := n.Output(); strings.Contains(w, " ERROR ") {
		k.fatalf("an error is told of:\n%s", clip(w))
	}
}

// churn has six Java members of each protocol in two processes come, go and be
// killed, by a random seed, while records are written; then all has been read.
func churn(t *c) {
	for _, consumer := range []bool{false, true} {
		t.churnOf(consumer)
	}
}

// quickSessions makes a killed member's partitions free within seconds.
var quickSessions = map[string]string{
	"group.min.session.timeout.ms": "1000", "group.consumer.min.session.timeout.ms": "1000", "group.consumer.session.timeout.ms": "3000",
	"group.consumer.min.heartbeat.interval.ms": "500", "group.consumer.heartbeat.interval.ms": "1000",
}

const churnSpan = 10 * time.Second

func (t *c) churnOf(consumer bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	srv, err := node.Run(t.ours, quickSessions)
	t.check(err)
	defer srv.Close()
	own := *t
	own.srv = srv
	g := (&own).crew(ctx, "churn")
	defer g.kill()
	defer func() { t.log = own.log }()
	config := []string(nil)
	if !consumer {
		config = []string{"session.timeout.ms=3000", "heartbeat.interval.ms=500"}
	}
	seed := uint64(time.Now().UnixNano())
	own.log = append(own.log, fmt.Sprint("seed ", seed))
	rng := rand.New(rand.NewPCG(seed, 1))
	own.topic("churn", groupPartitions)
	own.fillAll("churn", 50)
	written, next := 50, 0
	join := func() {
		next++
		g.start(fmt.Sprint("java#", next%2), fmt.Sprint("m", next), "churn", consumer, config...)
	}
	for range 3 {
		join()
	}
	for begin := time.Now(); time.Since(begin) < churnSpan; time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond) {
		own.fillAll("churn", 10)
		written += 10
		switch n := len(g.of); {
		case n < 3 || n < 6 && rng.IntN(2) == 0:
			join()
		case rng.IntN(6) == 0:
			g.killProcess(fmt.Sprint("java#", rng.IntN(2)))
		default:
			g.tell(slices.Sorted(maps.Keys(g.of))[rng.IntN(n)], "stop")
		}
	}
	for len(g.of) < 2 {
		join()
	}
	g.hasRead("churn", written*groupPartitions)
	g.stopAll()
	own.check(g.ledger.Judge())
	g.committed("churn", groupPartitions, int64(written))
}

// killProcess kills a client's process with all its members.
func (g *crew) killProcess(client string) {
	p := g.processes[client]
	if p == nil {
		return
	}
	g.check(p.Kill())
	delete(g.processes, client)
	for _, m := range slices.Sorted(maps.Keys(g.of)) {
		if g.of[m] == client {
			delete(g.of, m)
			g.ledger.Killed(m)
		}
	}
}
