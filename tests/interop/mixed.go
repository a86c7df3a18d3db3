package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

// mixed runs clusters of Apache Kafka and of what is under test, each kind in
// each role, and folders that change hands. Each case makes its own cluster.
func (s *suite) mixed() {
	if s.home == "" {
		s.skip("mixed/", "Apache Kafka could not be fetched", 4)
		return
	}
	s.run("mixed/our-broker-under-their-controller", ourBroker)
	s.run("mixed/static-voters-and-the-controller-changes-hands", staticVoters)
	s.run("mixed/their-brokers-under-our-controller", theirBrokers)
	s.run("mixed/a-combined-nodes-folder-changes-hands", folder)
}

// A broker's session with the controller: short, because Kafka's controller
// takes a broker that comes back for a second one until the session is over.
var session = map[string]string{
	"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
	"metadata.log.max.record.bytes.between.snapshots": "3000",
}

// cluster is the servers of one case.
type cluster struct {
	*c
	servers []*node.Server
}

func (t *c) cluster() *cluster { return &cluster{c: t} }

// add starts a node; it ends with the case.
func (k *cluster) add(sw node.Software, place node.Place) *node.Server {
	s, err := node.NewAt(sw, place, session)
	k.check(err)
	k.servers = append(k.servers, s)
	k.check(s.Start())
	return s
}

// end ends what still runs. The folders of a failed case stay.
func (k *cluster) end() {
	failed := recover()
	if failed == nil {
		failed = k.sound()
	}
	for _, s := range k.servers {
		if failed != nil {
			s.Keep()
			k.log = append(k.log, "kept: "+s.Dir())
		}
		s.Close()
	}
	if failed != nil {
		panic(failed)
	}
}

// sound looks for what no case may bring about: a broken invariant, a fault, an
// error that is told of. It returns what end has to pass on.
func (k *cluster) sound() any {
	for _, s := range k.servers {
		lines := append(strings.Split(s.Output(), "\n"), "")
		for i, line := range lines[:len(lines)-1] {
			// What Apache Kafka calls an error while controllers come and go.
			expected := strings.Contains(lines[i+1], "NotControllerException") ||
				strings.Contains(lines[i+1], "FeaturesPublisher.features()") || // it was asked while it started
				strings.Contains(line, "queue overloaded") ||
				strings.Contains(line, "no space left on device") || // brought about
				strings.Contains(lines[i+1], "OutOfOrderSequenceException") // a transaction's first batch overtaken by its second: the client sends it again
			if bad.MatchString(line) && !expected {
				k.log = append(k.log, fmt.Sprintf("%s %d says: %s\n%s", s.Name(), s.ID(), line, lines[i+1]))
				return failure{}
			}
		}
	}
	return nil
}

var bad = regexp.MustCompile(`^\S+ (\S+ )?(ERROR|FATAL) |Encountered .* fault|^panic:|^goroutine `)

// stop ends a node cleanly.
func (k *cluster) stop(s *node.Server) {
	code, err := s.Term(15 * time.Second)
	k.check(err)
	if code != 0 && code != 143 { // java tells of the signal that way
		k.fatalf("%s: SIGTERM: code %d", s.Name(), code)
	}
}

// await asks until the answer is yes.
func (k *cluster) await(what string, yes func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			k.fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// place creates a topic with one replica a partition: partition i on brokers[i].
func (k *cluster) place(topic string, brokers ...string) {
	k.clean(k.admin("kafka-topics.sh", "--create", "--topic", topic, "--replica-assignment", strings.Join(brokers, ",")))
}

// produce writes n records to each partition through franz-go.
func (k *cluster) produce(topic string, partitions, n int) {
	for p := range partitions {
		k.fill(topic, int32(p), n, time.Now())
	}
}

// has reads the topic through franz-go until it has seen n records.
func (k *cluster) has(topic string, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	cl := k.kgo(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	for got := 0; got < n; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			k.fatalf("%s: %d of %d records, then: %v", topic, got, n, err)
		}
		got += fs.NumRecords()
	}
}

// console writes and reads n records with Kafka's own tools.
func (k *cluster) console(topic string, n int) {
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	_, err := k.exec(k.home.Tool("kafka-console-producer.sh", "--bootstrap-server", k.srv.Addr(), "--topic", topic), in.String())
	k.check(err)
	out := k.admin("kafka-console-consumer.sh", "--topic", topic, "--from-beginning", "--max-messages", fmt.Sprint(n), "--timeout-ms", "15000")
	if got := strings.Count(out, "line "); got != n {
		k.fatalf("%d lines, want %d", got, n)
	}
}

// snapshots of a node, but for the one that formatting wrote, oldest first.
func (k *cluster) snapshots(s *node.Server) []string {
	files, err := filepath.Glob(filepath.Join(s.MetadataDir(), "*.checkpoint"))
	k.check(err)
	sort.Strings(files)
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "/00000000000000000000-0000000000.checkpoint") })
}

// snapshot waits for a snapshot and returns the newest.
func (k *cluster) snapshot(s *node.Server) string { return k.snapshotBut(s, nil) }

// snapshotBut waits for a snapshot that is none of old.
func (k *cluster) snapshotBut(s *node.Server, old []string) (path string) {
	k.await("a snapshot of "+s.Name(), func() bool {
		files := k.snapshots(s)
		if len(files) == 0 || slices.Contains(old, files[len(files)-1]) {
			return false
		}
		path = files[len(files)-1]
		return true
	})
	return path
}

// forget removes a stopped node's copy of the metadata, so that it has to begin with a snapshot.
func (k *cluster) forget(s *node.Server) { k.check(os.RemoveAll(s.MetadataDir())) }

// fromSnapshot waits until a node has a snapshot that it fetched, and no log
// from the first record on.
func (k *cluster) fromSnapshot(s *node.Server) {
	k.snapshot(s)
	k.await(s.Name()+" to begin its log behind a snapshot", func() bool {
		_, err := os.Stat(filepath.Join(s.MetadataDir(), "00000000000000000000.log"))
		return os.IsNotExist(err)
	})
}

// The goal: our broker beside theirs in a cluster that their controller leads.
func ourBroker(t *c) {
	k := t.cluster()
	defer k.end()
	ctrl := k.add(k.home.Light(), node.Place{ID: 100, Roles: "controller"})
	ours := k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrl})
	theirs := k.add(k.home.Light(), node.Place{ID: 2, Roles: "broker", Controller: ctrl})
	k.srv = theirs
	k.place("both", "1", "2", "1")
	k.place("lines", "1")
	k.place("many", strings.Split(strings.Repeat("1 2 ", 30), " ")[:60]...)
	k.srv = ours
	k.produce("both", 3, 100)
	k.console("lines", 50)
	k.wants(k.admin("kafka-metadata-quorum.sh", "describe", "--status"), `^LeaderId: +100$`, `^CurrentObservers: .*"id": 1,`, `^CurrentObservers: .*"id": 2,`)
	k.snapshot(ctrl)

	k.stop(ours)
	k.srv = theirs
	k.wants(k.admin("kafka-topics.sh", "--describe", "--topic", "both"), `Partition: 0\s+Leader: none`, `Partition: 1\s+Leader: 2`)
	k.wants(ctrl.Output(), `The request from broker 1 to shut down has been granted`)
	k.forget(ours)
	k.check(ours.Start())
	k.fromSnapshot(ours)
	k.srv = ours
	k.has("both", 300)
}

// The older kind of quorum, and its controller handed over from them to us while
// our broker stays.
func staticVoters(t *c) {
	k := t.cluster()
	defer k.end()
	ctrl := k.add(k.home.Light(), node.Place{ID: 100, Roles: "controller", Static: true})
	ours := k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrl, Static: true})
	k.srv = ours
	k.wants(k.admin("kafka-features.sh", "describe"), `kraft\.version.*FinalizedVersionLevel: 0\b`)
	k.place("one", "1")
	k.produce("one", 1, 100)
	for i, next := range []node.Software{k.ours, k.home.Light()} {
		k.stop(ctrl)
		ctrl.Become(next)
		k.check(ctrl.Start())
		name := fmt.Sprintf("under-%d-%s", i, next.Name)
		k.topic(name, 1)
		k.produce(name, 1, 100)
	}
	k.has("one", 100)
	k.wants(k.admin("kafka-metadata-quorum.sh", "describe", "--status"), `^LeaderId: +100$`, `^LeaderEpoch: +3$`, `^MaxFollowerLag: +0$`)
}

// Two of their brokers follow our controller, also over its restart, and one of
// them begins anew with a snapshot of ours.
func theirBrokers(t *c) {
	k := t.cluster()
	defer k.end()
	ctrl := k.add(k.ours, node.Place{ID: 100, Roles: "controller"})
	one := k.add(k.home.Light(), node.Place{ID: 1, Roles: "broker", Controller: ctrl})
	two := k.add(k.home.Light(), node.Place{ID: 2, Roles: "broker", Controller: ctrl})
	k.srv = one
	k.place("both", "1", "2", "1")
	k.place("lines", "2")
	k.place("many", strings.Split(strings.Repeat("1 2 ", 30), " ")[:60]...)
	k.produce("both", 3, 100)
	k.console("lines", 50)
	k.snapshot(ctrl)

	k.stop(ctrl)
	k.check(ctrl.Start())
	k.topic("later", 1)
	k.produce("later", 1, 100)
	k.wants(k.admin("kafka-metadata-quorum.sh", "describe", "--status"),
		`^LeaderId: +100$`, `^LeaderEpoch: +2$`, `^CurrentObservers: .*"id": 1,`, `^CurrentObservers: .*"id": 2,`)
	k.wants(k.replicas(ctrl), `^100 .*Leader`, `^1 .*Observer`, `^2 .*Observer`)

	k.stop(two)
	k.forget(two)
	k.check(two.Start())
	k.fromSnapshot(two)
	k.srv = two
	k.has("both", 300)
}

// One node's folder goes from them to us and back, and their tools read what we
// wrote into it.
func folder(t *c) {
	k := t.cluster()
	defer k.end()
	n := k.add(k.home.Light(), node.Place{})
	k.srv = n
	k.topic("kept", 3)
	k.produce("kept", 3, 100)
	k.commit("group", "kept", 1, 42)

	k.stop(n)
	n.Become(k.ours)
	k.check(n.Start())
	k.has("kept", 300)
	k.produce("kept", 3, 100)
	k.commit("group", "kept", 2, 43)
	k.topic("ours", 60)
	snap := k.snapshot(n)
	k.stop(n)
	k.readSnapshot(snap)

	n.Become(k.home.Light())
	k.check(n.Start())
	k.has("kept", 600)
	k.topic("theirs", 1)
	k.wants(k.admin("kafka-consumer-groups.sh", "--describe", "--group", "group"), `kept +1 +42 +200`, `kept +2 +43 +200`)
	if w := n.Output(); strings.Contains(w, " ERROR ") {
		k.fatalf("an error is told of:\n%s", clip(w))
	}
}

// readSnapshot reads one of our snapshots with their tools.
func (k *cluster) readSnapshot(path string) {
	k.wants(k.tool("kafka-dump-log.sh", "--cluster-metadata-decoder", "--files", path),
		`SnapshotHeader`, `KRaftVersion .*"kRaftVersion":1`, `KRaftVoters .*"voterId":1,`, `SnapshotFooter`,
		`"FEATURE_LEVEL_RECORD".*"metadata.version"`, `"REGISTER_BROKER_RECORD".*"brokerId":1,`, `"TOPIC_RECORD".*"kept"`)
	k.shell(path)
}
