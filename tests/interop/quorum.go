package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gregorbroker/gregor/tests/node"
)

// quorum runs quorums of several controllers, of one kind and mixed, through
// changes of the leader, of the voters and of the software.
func (s *suite) quorum() {
	cases := []struct {
		name string
		f    func(*c)
	}{
		{"quorum/format", formatted},
		{"quorum/our-broker-under-three-of-theirs", underTheirs},
		{"quorum/their-broker-under-three-of-ours", underOurs},
		{"quorum/two-of-theirs-and-one-of-ours", func(t *c) { mixedQuorum(t, t.home.Light(), t.ours) }},
		{"quorum/two-of-ours-and-one-of-theirs", func(t *c) { mixedQuorum(t, t.ours, t.home.Light()) }},
		{"quorum/static-voters-change-hands-one-by-one", handOver},
		{"quorum/controllers-replaced-one-by-one-and-back", replaceAll},
		{"quorum/static-voters-become-voters-of-the-log", upgradedVoters},
	}
	if s.home == "" {
		s.skip("quorum/", "Apache Kafka could not be fetched", len(cases))
		return
	}
	for _, x := range cases {
		s.run(x.name, x.f)
	}
}

// controllers starts the first voters of a cluster, with ids from 100 on.
func (k *cluster) controllers(static bool, software ...node.Software) []*node.Server {
	made, err := node.NewQuorum(100, static, session, software...)
	k.servers = append(k.servers, made...)
	k.check(err)
	k.start(made...)
	return made
}

// start starts several nodes at once.
func (k *cluster) start(servers ...*node.Server) {
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { errs[i] = s.Start() })
	}
	wg.Wait()
	for _, err := range errs {
		k.check(err)
	}
}

// leader waits until one of the controllers leads, and tells what it says of the quorum.
func (k *cluster) leader(of ...*node.Server) (leads *node.Server, says node.Quorum) {
	k.await("a leader", func() bool {
		leads, says = node.Leads(context.Background(), of...)
		return leads != nil
	})
	return leads, says
}

// caughtUp waits until every voter has what the leader had at the start of the
// call, and returns that offset.
func (k *cluster) caughtUp(of ...*node.Server) (end int64) {
	_, q := k.leader(of...)
	end = q.Voters[q.Leader]
	k.await("all voters to catch up", func() bool {
		_, q := k.leader(of...)
		for _, at := range q.Voters {
			if at < end {
				return false
			}
		}
		return q.HighWatermark >= end
	})
	return end
}

// oneHistory checks that the logs of all nodes are the same up to end.
func (k *cluster) oneHistory(end int64, of ...*node.Server) {
	k.check(node.OneHistory(end, nil, of...))
}

// others are the servers but one.
func others(of []*node.Server, but *node.Server) []*node.Server {
	return slices.DeleteFunc(slices.Clone(of), func(s *node.Server) bool { return s == but })
}

// (a) A broker of ours beside one of theirs: it registers, takes partitions,
// serves, keeps on when the leader changes, and goes in order.
func underTheirs(t *c) {
	k := t.cluster()
	defer k.end()
	light := k.home.Light()
	ctrls := k.controllers(false, light, light, light)
	ours := k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0]})
	theirs := k.add(light, node.Place{ID: 2, Roles: "broker", Controller: ctrls[0]})
	k.brokerAtWork(ctrls, ours, theirs)

	leads, _ := k.leader(ctrls...)
	k.stop(ours)
	k.wants(leads.Output(), `The request from broker 1 to shut down has been granted`)
	k.srv = theirs
	k.wants(k.admin("kafka-topics.sh", "--describe", "--topic", "placed"), `Partition: 0\s+Leader: none`, `Partition: 1\s+Leader: 2`)
	k.check(ours.Start())
	k.srv = ours
	k.has("placed", 200)
}

// (b) The same under three of ours, one of which is killed.
func underOurs(t *c) {
	k := t.cluster()
	defer k.end()
	ctrls := k.controllers(false, k.ours, k.ours, k.ours)
	ours := k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0]})
	theirs := k.add(k.home.Light(), node.Place{ID: 2, Roles: "broker", Controller: ctrls[0]})
	k.brokerAtWork(ctrls, theirs, ours)

	leads, _ := k.leader(ctrls...)
	k.check(leads.Kill())
	rest := others(ctrls, leads)
	k.topic("after-the-kill", 4)
	k.produce("after-the-kill", 4, 50)
	k.stop(theirs)
	k.forget(theirs)
	k.start(leads, theirs)
	k.fromSnapshot(theirs)
	k.srv = theirs
	k.has("placed", 200)
	k.has("after-the-kill", 200)
	k.oneHistory(k.caughtUp(ctrls...), rest...)
}

// brokerAtWork proves that a new broker, which has id 1 or 2 as its mate has the
// other, is a full member of the cluster, also after the leader has changed.
func (k *cluster) brokerAtWork(ctrls []*node.Server, b, mate *node.Server) {
	k.srv = mate
	k.place("placed", "1", "2")
	k.topic("spread", 8)
	k.place("lines", fmt.Sprint(b.ID()))
	k.wants(k.admin("kafka-topics.sh", "--describe", "--topic", "spread"), `Leader: 1\b`, `Leader: 2\b`)
	k.wants(k.admin("kafka-broker-api-versions.sh"), `id: 1 `, `id: 2 `)
	k.srv = b
	k.produce("placed", 2, 100)
	k.console("lines", 20)
	leads, q := k.leader(ctrls...)
	k.stop(leads)
	next, now := k.leader(others(ctrls, leads)...)
	if now.Epoch <= q.Epoch {
		k.fatalf("the epoch was %d and is %d under another leader", q.Epoch, now.Epoch)
	}
	k.topic("under-the-next", 4)
	k.produce("under-the-next", 4, 50)
	k.has("under-the-next", 200)
	k.check(leads.Start())
	k.has("placed", 200)
	k.wants(k.tool("kafka-metadata-quorum.sh", "--bootstrap-controller", next.Controller(), "describe", "--status"), fmt.Sprintf(`^LeaderId: +%d$`, next.ID()),
		`^CurrentVoters: .*"id": 100,.*"id": 101,.*"id": 102,`, `^CurrentObservers: .*"id": 1,.*"id": 2,|^CurrentObservers: .*"id": 2,.*"id": 1,`)
	k.oneHistory(k.caughtUp(ctrls...), append(slices.Clone(ctrls), b, mate)...)
}

// (c) Two controllers of one kind and one of the other. Each kind leads in turn,
// and one of each kind begins anew with a snapshot of the other.
//
// Who leads is brought about, not left to luck: a node whose log lacks what was
// committed while it was away is voted for by nobody.
func mixedQuorum(t *c, major, minor node.Software) {
	k := t.cluster()
	defer k.end()
	ctrls := k.controllers(false, major, major, minor)
	k.srv = k.add(k.ours, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0]})
	k.topic("first", 60)
	k.leads(ctrls[2], ctrls[0], ctrls[1])
	k.topic("under-the-one", 60)
	k.snapshot(ctrls[2])
	k.anew(ctrls[0], ctrls)
	k.leads(ctrls[1], ctrls[2], ctrls[0])
	k.topic("under-the-other", 60)
	k.snapshot(ctrls[1])
	k.anew(ctrls[2], ctrls)
	k.oneHistory(k.caughtUp(ctrls...), ctrls...)
	k.wants(k.replicas(ctrls[1]), `^100\s.*Follower`, `^101\s.*Leader`, `^102\s.*Follower`, `^1\s.*Observer`)
	k.asked(ctrls[1], ctrls[0], ctrls[2])
	k.topic("last", 1)
	k.produce("last", 1, 100)
	k.has("last", 100)
}

// asked asks everybody about the quorum: who follows says so, of whichever kind
// it is, and a broker asks the leader.
func (k *cluster) asked(leads *node.Server, follow ...*node.Server) {
	ctx, cancel := patience()
	defer cancel()
	for _, s := range follow {
		if _, err := s.DescribeQuorum(ctx); !errors.Is(err, kerr.NotLeaderForPartition) {
			k.fatalf("%s %d does not lead and says %v", s.Name(), s.ID(), err)
		}
	}
	if q, err := k.srv.DescribeQuorumOfBroker(ctx); err != nil || q.Leader != leads.ID() || len(q.Voters) != 1+len(follow) {
		k.fatalf("the broker tells %+v, %v", q, err)
	}
}

// leads makes next the leader of three.
func (k *cluster) leads(next, away, other *node.Server) {
	k.caughtUp(next, away, other)
	k.stop(away)
	k.leader(next, other)
	k.topic(fmt.Sprintf("unseen-by-%d", away.ID()), 1)
	k.caughtUpBut(away, next, other)
	k.stop(other)
	k.check(away.Start())
	if l, _ := k.leader(next, away); l != next {
		k.fatalf("%d leads, and its log is behind", l.ID())
	}
	k.check(other.Start())
}

// caughtUpBut is caughtUp without one voter, which is away.
func (k *cluster) caughtUpBut(away *node.Server, of ...*node.Server) {
	_, q := k.leader(of...)
	end := q.Voters[q.Leader]
	k.await("the voters that are there to catch up", func() bool {
		_, q := k.leader(of...)
		delete(q.Voters, away.ID())
		for at := range maps.Values(q.Voters) {
			if at < end {
				return false
			}
		}
		return true
	})
}

// anew makes a controller begin with a snapshot of the leader's.
func (k *cluster) anew(s *node.Server, all []*node.Server) {
	k.stop(s)
	k.forget(s)
	k.check(s.Start())
	k.fromSnapshot(s)
	k.caughtUp(all...)
}

// Static voters: the kind that has no other way than to change the software on
// each folder in its turn, there and back, while the cluster works.
func handOver(t *c) {
	k := t.cluster()
	defer k.end()
	light := k.home.Light()
	ctrls := k.controllers(true, light, light, light)
	k.srv = k.add(light, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0], Static: true})
	k.topic("kept", 3)
	w := k.work()
	for _, next := range []node.Software{k.ours, light} {
		var old []string
		for _, s := range ctrls {
			k.stop(s)
			old = append(old, k.snapshots(s)...)
			s.Become(next)
			k.check(s.Start())
			k.oneHistory(k.caughtUp(ctrls...), ctrls...)
			k.topic(fmt.Sprintf("%s-on-%d", next.Name, s.ID()), 20)
		}
		if next.Name == k.ours.Name {
			k.readWith(ctrls[0], old)
		}
	}
	w.end()
}

// readWith reads a node's log, and a snapshot that is not one of old, with their tools.
func (k *cluster) readWith(s *node.Server, old []string) {
	snap := k.snapshotBut(s, old)
	k.wants(k.tool("kafka-dump-log.sh", "--cluster-metadata-decoder", "--files", snap), `SnapshotHeader`, `SnapshotFooter`,
		`"FEATURE_LEVEL_RECORD".*"metadata.version"`, `"REGISTER_BROKER_RECORD".*"brokerId":1,`, `"TOPIC_RECORD".*"kept"`)
	k.shell(snap)
	log := k.tool("kafka-dump-log.sh", "--cluster-metadata-decoder", "--files", s.MetadataDir()+"/00000000000000000000.log")
	k.wants(log, `"TOPIC_RECORD".*"kept"`, `LeaderChange`)
	k.wantsNot(log, `isvalid: false`, `Exception`)
}

// shell looks at a copy of a snapshot: the tool wants the folder for itself. It
// also answers, now and then, before it has loaded what it was given, its own
// snapshots too; it is asked again then.
func (k *cluster) shell(snap string) {
	dir, err := os.MkdirTemp("", "gregor-test-shell-")
	k.check(err)
	defer os.RemoveAll(dir)
	b, err := os.ReadFile(snap)
	k.check(err)
	snap = filepath.Join(dir, filepath.Base(snap))
	k.check(os.WriteFile(snap, b, 0o600))
	out := ""
	for range 3 {
		if out = k.tool("kafka-metadata-shell.sh", "--snapshot", snap, "ls", "/image/topics/byName"); strings.Contains(out, "kept") {
			break
		}
	}
	k.wants(out, `^kept$`)
}

// (d) Three controllers of theirs are replaced by ours with add-controller and
// remove-controller, and ours by theirs again, while the cluster works.
func replaceAll(t *c) {
	k := t.cluster()
	defer k.end()
	light := k.home.Light()
	voters := k.controllers(false, light, light, light)
	first := voters[0]
	// An observer that knows no leader asks bootstrap servers only: whoever
	// stays when the first voters are gone has to be told of those that come.
	var come []*node.Server
	known := []string{}
	for _, s := range voters {
		known = append(known, s.Controller())
	}
	for i, sw := range []node.Software{k.ours, k.ours, k.ours, light, light, light} {
		s, err := node.NewAt(sw, node.Place{ID: 200 + 100*(i/3) + i%3, Roles: "controller", Controller: first, Joins: true}, session)
		k.check(err)
		k.servers, come, known = append(k.servers, s), append(come, s), append(known, s.Controller())
	}
	bootstrap := "controller.quorum.bootstrap.servers=" + strings.Join(known, ",")
	var brokers []*node.Server
	for id, sw := range []node.Software{k.ours, light} {
		b, err := node.NewAt(sw, node.Place{ID: 1 + id, Roles: "broker", Controller: first}, session)
		k.check(err)
		k.servers, brokers = append(k.servers, b), append(brokers, b)
		k.check(b.Start(bootstrap))
	}
	k.srv = brokers[0]
	w := k.work()
	for _, s := range come {
		k.check(s.Start(bootstrap))
		voters = k.replace(voters, s)
	}
	k.oneHistory(k.caughtUp(voters...), append(voters, brokers...)...)
	w.end()
}

// replace adds a controller to the quorum and takes the oldest out of it.
func (k *cluster) replace(voters []*node.Server, s *node.Server) []*node.Server {
	leads, _ := k.leader(voters...)
	k.wants(k.tool("kafka-metadata-quorum.sh", "--command-config", s.Config(), "--bootstrap-controller", leads.Controller(), "add-controller"),
		fmt.Sprintf(`^Added controller %d `, s.ID()))
	old := voters[0]
	directory := k.find(k.replicas(leads), fmt.Sprintf(`^%d\s+(\S+)\s`, old.ID()))
	k.wants(k.tool("kafka-metadata-quorum.sh", "--bootstrap-server", k.srv.Addr(), "remove-controller",
		"--controller-id", fmt.Sprint(old.ID()), "--controller-directory-id", directory), fmt.Sprintf(`Removed +KRaft controller %d`, old.ID()))
	voters = append(voters[1:], s)
	_, q := k.leader(voters...)
	if want := len(voters); len(q.Voters) != want {
		k.fatalf("%d voters, want %d: %v", len(q.Voters), want, q.Voters)
	}
	k.stop(old)
	return voters
}

// replicas asks a controller who follows the metadata.
func (k *cluster) replicas(s *node.Server) string {
	return k.tool("kafka-metadata-quorum.sh", "--bootstrap-controller", s.Controller(), "describe", "--replication")
}
