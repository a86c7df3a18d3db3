package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/gregorbroker/gregor/tests/clients"
)

// groups runs consumer groups of every client and both protocols. Members tell
// what they own and read, and a ledger judges: no partition with two owners at a
// time, every record read, nothing read twice that was committed.
func (s *suite) groups() {
	for _, k := range groupKinds {
		s.groupOf(k)
	}
	s.run("groups/all-clients-in-one/classic", func(t *c) { t.together(false) })
	s.run("groups/all-clients-in-one/consumer", func(t *c) { t.together(true) })
	s.run("groups/migrates/java", func(t *c) { t.migrates("java") })
	s.run("groups/migrates/librdkafka", func(t *c) { t.migrates("librdkafka") })
	s.groupVerbs()
	s.heldHeartbeats()
	s.groupsMove()
	s.pipelined()
}

// groupKind is one client with one protocol. Config goes to each member; %s in it is its name.
type groupKind struct {
	name, client string
	consumer     bool // KIP-848
	static       bool
	regex        bool
	config       []string
}

var groupKinds = []groupKind{
	{name: "java/classic", client: "java", config: []string{"session.timeout.ms=6000"}},
	{name: "java/classic-cooperative", client: "java", config: []string{"partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}},
	{name: "java/classic-regex", client: "java", regex: true},
	{name: "java/classic-static", client: "java", static: true, config: []string{"group.instance.id=%s"}},
	{name: "java/consumer", client: "java", consumer: true},
	{name: "java/consumer-range", client: "java", consumer: true, config: []string{"group.remote.assignor=range"}},
	{name: "java/consumer-regex", client: "java", consumer: true, regex: true},
	{name: "java/consumer-static", client: "java", consumer: true, static: true, config: []string{"group.instance.id=%s"}},
	{name: "librdkafka/classic", client: "librdkafka"},
	{name: "librdkafka/consumer", client: "librdkafka", consumer: true},
	{name: "franz-go/classic", client: "franz-go"},
	{name: "franz-go/consumer", client: "franz-go", consumer: true},
	{name: "kafkajs/classic", client: "kafkajs"},
}

// crew is the members of one group, of any clients.
type crew struct {
	*c
	ctx       context.Context
	group     string
	ledger    *clients.Ledger
	processes map[string]*clients.Members // by client
	of        map[string]string           // member → client
	franz     map[string]*clients.FranzMember
}

func (t *c) crew(ctx context.Context, group string) *crew {
	return &crew{c: t, ctx: ctx, group: group, ledger: clients.NewLedger(), processes: map[string]*clients.Members{}, of: map[string]string{}, franz: map[string]*clients.FranzMember{}}
}

// program is the command of a client's members; nil for franz-go, which has no
// process of its own. The first time it installs the client.
func (t *c) program(client string) (*exec.Cmd, error) {
	switch client {
	case "java":
		return clients.JavaMembers(t.cache, t.home, t.srv.Addr())
	case "librdkafka":
		return clients.LibrdkafkaMembers(t.cache, t.srv.Addr())
	case "kafkajs":
		return clients.KafkajsMembers(t.cache, t.srv.Addr())
	}
	return nil, nil
}

// process is the program of a client, started when it is first needed.
func (g *crew) process(client string) *clients.Members {
	if m := g.processes[client]; m != nil {
		return m
	}
	name, _, _ := strings.Cut(client, "#")
	cmd, err := g.program(name)
	g.check(err)
	m, err := clients.StartMembers(cmd, g.ledger.Event)
	g.check(err)
	g.processes[client] = m
	return m
}

// start starts a member. A client may be followed by # and a number: another process of it.
func (g *crew) start(client, member, topics string, consumer bool, config ...string) {
	g.of[member] = client
	if client == "franz-go" {
		m, err := clients.StartFranzMember(g.srv.Addr(), member, g.group, strings.Split(topics, ","), consumer, g.ledger.Event)
		g.check(err)
		g.franz[member] = m
		return
	}
	words := []string{"start", member, g.group, topics}
	if consumer {
		words = append(words, "group.protocol=consumer")
	}
	for _, kv := range config {
		words = append(words, strings.ReplaceAll(kv, "%s", member))
	}
	g.check(g.process(client).Tell(words...))
}

// tell gives a member a command, and waits until it is done if it tells so.
func (g *crew) tell(member, command string, args ...string) (ms int64) {
	g.ledger.Forget(member, command)
	if m := g.franz[member]; m != nil {
		go g.tellFranz(m, command, args)
	} else {
		g.check(g.process(g.of[member]).Tell(append([]string{command, member}, args...)...))
	}
	g.await(fmt.Sprintf("%s: %s", member, command), func(l *clients.Ledger) bool {
		ms = l.Took(member, command)
		return ms >= 0
	})
	if command == "stop" {
		delete(g.of, member)
		delete(g.franz, member)
	}
	return ms
}

func (g *crew) tellFranz(m *clients.FranzMember, command string, args []string) {
	switch command {
	case "stop":
		_ = m.Stop(g.ctx) // an error shows in what the others get
	case "subscribe":
		m.Subscribe(strings.Split(args[0], ",")...)
	case "commit":
		_ = m.Commit(g.ctx)
	}
}

func (g *crew) await(what string, yes func(*clients.Ledger) bool) {
	g.check(g.ledger.Await(g.ctx, what, yes))
}

// shared waits until all partitions are owned, by that many members.
func (g *crew) shared(partitions, members int) {
	g.await(fmt.Sprintf("%d partitions owned by %d members", partitions, members), func(l *clients.Ledger) bool {
		p, m := l.Owned()
		return p == partitions && m == members
	})
}

// hasRead waits until that many different records were read.
func (g *crew) hasRead(topic string, n int) {
	g.await(fmt.Sprintf("%d records of %s", n, topic), func(l *clients.Ledger) bool { return l.Read(topic) >= n })
}

// stopAll lets everybody leave, one after another, and ends the processes.
func (g *crew) stopAll() {
	for m := range g.of {
		g.tell(m, "stop")
	}
	g.end()
}

func (g *crew) end() {
	for _, p := range g.processes {
		_ = p.Close() // it may have been killed
	}
	for _, m := range g.franz {
		_ = m.Stop(g.ctx)
	}
	g.processes, g.franz = map[string]*clients.Members{}, map[string]*clients.FranzMember{}
}

// kill ends what is left of a case that failed.
func (g *crew) kill() {
	for _, p := range g.processes {
		_ = p.Kill()
	}
	for _, m := range g.franz {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = m.Stop(ctx)
		cancel()
	}
}

// committed checks that the group's offsets are those of the log's end.
func (g *crew) committed(topic string, partitions int, n int64) {
	cl := g.kgo()
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).FetchOffsets(g.ctx, g.group)
	g.check(err)
	for p := range int32(partitions) {
		o, ok := offsets.Lookup(topic, p)
		if !ok || o.At != n {
			g.fatalf("%s-%d is committed up to %d (%v), not %d", topic, p, o.At, ok, n)
		}
	}
}

func (s *suite) groupOf(k groupKind) {
	if k.client == "java" && s.home == "" {
		s.skip("groups/"+k.name, "Apache Kafka's jars could not be fetched", 1)
		return
	}
	s.run("groups/"+k.name, func(t *c) { t.rebalances(k) })
}

const groupPartitions = 6

// rebalances lets members of one client join and leave.
func (t *c) rebalances(k groupKind) {
	_, err := t.program(k.client) // a compiler may take longer than the members may
	t.check(err)
	ctx, cancel := patience()
	defer cancel()
	topic := "groups-" + strings.ReplaceAll(k.name, "/", "-")
	g := t.crew(ctx, topic)
	defer g.kill()
	t.topic(topic, groupPartitions)
	t.fillAll(topic, 200)
	topics := topic
	if k.regex {
		topics = "^" + topic + ".*"
	}
	start := func(member string) { g.start(k.client, member, topics, k.consumer, k.config...) }
	start("a")
	g.shared(groupPartitions, 1)
	start("b")
	start("c")
	g.shared(groupPartitions, 3)
	t.fillAll(topic, 200)
	g.hasRead(topic, 400*groupPartitions)
	if k.static {
		g.bounce(start)
	}
	g.tell("b", "stop")
	if !k.static { // a static member's place is kept for it
		g.shared(groupPartitions, 2)
	}
	start("b")
	g.shared(groupPartitions, 3)
	n := 400
	if k.regex {
		g.another(topic, k.consumer)
	}
	t.fillAll(topic, 100)
	n += 100
	g.hasRead(topic, n*groupPartitions)
	g.stopAll()
	t.check(g.ledger.Judge())
	g.committed(topic, groupPartitions, int64(n))
}

// bounce restarts a static member: nobody else may be touched.
func (g *crew) bounce(start func(string)) {
	var before, after int
	count := func(n *int) func(l *clients.Ledger) bool {
		return func(l *clients.Ledger) bool {
			*n = l.Count("a", "assigned") + l.Count("b", "assigned") + l.Count("a", "revoked") + l.Count("b", "revoked")
			return true
		}
	}
	g.await("", count(&before))
	g.tell("c", "stop")
	start("c")
	g.shared(groupPartitions, 3)
	g.await("", count(&after))
	if before != after {
		g.fatalf("a and b were rebalanced by c's restart: %d events, then %d", before, after)
	}
}

// another makes a topic that a pattern matches too, and waits until it is read.
func (g *crew) another(topic string, consumer bool) {
	if !consumer {
		return // a classic member looks at metadata every five minutes only
	}
	other := topic + "-2"
	g.topic(other, 3)
	for p := range int32(3) {
		g.fill(other, p, 50, time.Now())
	}
	g.hasRead(other, 150)
}

func (t *c) fillAll(topic string, n int) {
	for p := range int32(groupPartitions) {
		t.fill(topic, p, n, time.Now())
	}
}

// together has members of several clients in one group.
func (t *c) together(consumer bool) {
	ctx, cancel := patience()
	defer cancel()
	topic := fmt.Sprint("groups-together-", consumer)
	g := t.crew(ctx, topic)
	defer g.kill()
	t.topic(topic, groupPartitions)
	t.fillAll(topic, 200)
	if consumer {
		g.start("franz-go", "f", topic, true)
	} else { // franz-go's balancer is cooperative-sticky, which librdkafka's name for it is too
		g.start("java", "j2", topic, false, "partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor")
	}
	g.start("librdkafka", "l", topic, consumer)
	g.start("java", "j", topic, consumer)
	g.shared(groupPartitions, 3)
	t.fillAll(topic, 200)
	g.hasRead(topic, 400*groupPartitions)
	g.tell("l", "stop")
	g.shared(groupPartitions, 2)
	t.fillAll(topic, 100)
	g.hasRead(topic, 500*groupPartitions)
	g.stopAll()
	t.check(g.ledger.Judge())
	g.committed(topic, groupPartitions, 500)
}
