package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/tests/node"
)

// Three static voters, ours and then theirs, are upgraded to voters of the log
// with kafka-features.sh, and one is replaced by a controller that comes. Both
// kinds say the same of it, but for what is drawn.
func upgradedVoters(t *c) {
	ours := t.upgradeVoters(t.ours)
	theirs := t.upgradeVoters(t.home.Light())
	if ours != theirs {
		t.fatalf("Apache Kafka says\n%s\nand ours\n%s", theirs, ours)
	}
}

func (t *c) upgradeVoters(sw node.Software) string {
	k := t.cluster()
	defer k.end()
	// A voter tells its directory three fetch timeouts after it found the leader.
	settings := maps.Clone(session)
	settings["controller.quorum.fetch.timeout.ms"] = "1000"
	ctrls, err := node.NewQuorum(100, true, settings, sw, sw, sw)
	k.servers = append(k.servers, ctrls...)
	k.check(err)
	k.start(ctrls...)
	k.srv = k.add(sw, node.Place{ID: 1, Roles: "broker", Controller: ctrls[0], Static: true})
	k.topic("before", 3)
	var said []string
	say := func(out string) { said = append(said, undrawnQuorum(out)) }
	upgrade := func(args ...string) (string, error) {
		return k.exec(k.home.Tool("kafka-features.sh", append([]string{"--bootstrap-server", k.srv.Addr(), "upgrade", "--feature", "kraft.version=1"}, args...)...), "")
	}
	say(k.status(ctrls))
	k.await("every voter to tell its directory", func() bool {
		out, err := upgrade("--dry-run")
		if err == nil {
			say(out)
		}
		return err == nil
	})
	out, err := upgrade()
	k.check(err)
	say(out)
	say(k.status(ctrls))
	leads, _ := k.leader(ctrls...)
	say(k.members(leads, 4))
	comes := k.add(sw, node.Place{ID: 103, Roles: "controller", Controller: ctrls[0], Joins: true})
	k.caughtUp(ctrls...)
	k.members(leads, 5)
	voters := k.replace([]*node.Server{others(ctrls, leads)[0], leads, others(ctrls, leads)[1]}, comes)
	k.topic("after", 3)
	k.produce("after", 3, 50)
	k.oneHistory(k.caughtUp(voters...), append(slices.Clone(voters), k.srv)...)
	return strings.Join(said, "\n")
}

// status is what the cluster says of its voters and observers.
func (k *cluster) status(ctrls []*node.Server) string {
	out := k.tool("kafka-metadata-quorum.sh", "--bootstrap-server", k.srv.Addr(), "describe", "--status")
	return k.find(out, `^(CurrentVoters: .*)$`) + "\n" + k.find(out, `^(CurrentObservers: .*)$`)
}

// members waits until so many nodes are listed by the leader, and returns the
// list without offsets and times: each must be in it once.
func (k *cluster) members(leads *node.Server, n int) string {
	var rows []string
	k.await(fmt.Sprint(n, " members"), func() bool {
		rows = nil
		for _, m := range regexp.MustCompile(`(?m)^(\d+)\s+(\S+)\s.*\s(Leader|Follower|Observer)\s*$`).FindAllStringSubmatch(k.replicas(leads), -1) {
			rows = append(rows, strings.NewReplacer("Leader", "Voter", "Follower", "Voter").Replace(strings.Join(m[1:], " ")))
		}
		return len(rows) >= n
	})
	slices.Sort(rows)
	ids := map[string]bool{}
	for _, r := range rows {
		id, _, _ := strings.Cut(r, " ")
		ids[id] = true
	}
	if len(rows) != n || len(ids) != n {
		k.fatalf("listed are\n%s", strings.Join(rows, "\n"))
	}
	return strings.Join(rows, "\n")
}

var (
	noDirectory = strings.Repeat("A", 22)
	drawnID     = regexp.MustCompile(`[A-Za-z0-9_-]{22}`)
	drawnPort   = regexp.MustCompile(`:\d{5}\b`)
)

// undrawnQuorum is a text without ports and ids that are drawn.
func undrawnQuorum(text string) string {
	text = drawnID.ReplaceAllStringFunc(text, func(id string) string {
		if id == noDirectory {
			return "NONE"
		}
		return "DRAWN"
	})
	return drawnPort.ReplaceAllString(text, ":PORT")
}
