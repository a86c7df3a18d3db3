package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// groupVerbs: kafka-consumer-groups.sh and kafka-groups.sh over groups of both
// protocols, live and empty. What the older cases of tools_admin.go ask is not asked again.
func (s *suite) groupVerbs() {
	if s.home == "" {
		s.skip("groups/verbs", "Apache Kafka's jars could not be fetched", 4)
		return
	}
	s.run("groups/verbs/live-consumer-group", func(t *c) { t.liveGroup(true) })
	s.run("groups/verbs/live-classic-group", func(t *c) { t.liveGroup(false) })
	s.run("groups/verbs/reset-every-way", resetEveryWay)
	s.run("groups/verbs/delete", deleteGroups)
}

// liveGroup looks at a group with two members. Each tool starts a JVM, so what does
// not depend on the protocol is asked of one group only.
func (t *c) liveGroup(consumer bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	name, kind, protocol := "verbs-classic", "Classic", "range"
	if consumer {
		name, kind, protocol = "verbs-consumer", "Consumer", "uniform"
	}
	t.topic(name, groupPartitions)
	t.fillAll(name, 10)
	g := t.crew(ctx, name)
	defer g.kill()
	g.start("java", "a", name, consumer, "client.id=client-a")
	g.start("java", "b", name, consumer, "client.id=client-b")
	g.shared(groupPartitions, 2)
	g.hasRead(name, 10*groupPartitions)
	g.tell("a", "commit")
	g.tell("b", "commit")
	tool := func(args ...string) string { return t.admin("kafka-consumer-groups.sh", args...) }
	t.wants(tool("--describe", "--group", name, "--offsets", "--verbose"), `^`+name+` +`+name+` +0 +.*10 +10 +0 +\S+ +/127\.0\.0\.1 +client-[ab]`)
	t.wants(tool("--describe", "--group", name, "--members", "--verbose"), `^`+name+` +\S+ +/127\.0\.0\.1 +client-a +3 `, `^`+name+` +\S+ +/127\.0\.0\.1 +client-b +3 `)
	t.wants(tool("--describe", "--group", name, "--state", "--verbose"), `^`+name+` +\S+ +\(1\) +`+protocol+` +Stable +.*2 *$`)
	t.wants(t.admin("kafka-groups.sh", "--list", "--group-type", strings.ToLower(kind)), `^`+name+` +`+kind+` +consumer *$`)
	if consumer {
		out := tool("--list", "--state", "stable")
		t.wants(out, `^`+name+` +Stable *$`)
		t.wantsNot(out, ` Empty`)
		t.wants(tool("--list", "--type", "consumer"), `^`+name+` +Consumer`)
		t.wants(t.admin("kafka-groups.sh", "--list", "--consumer"), `^`+name+` +Consumer +consumer`)
		t.wants(t.admin("kafka-groups.sh", "--list", "--protocol", "consumer"), `^`+name+` +Consumer +consumer`)
		t.wants(tool("--describe", "--all-groups", "--state"), `^`+name+` +\S+ +\(1\) +`+protocol+` +Stable +2 *$`)
		t.wants(tool("--describe", "--group", name, "--members"), `^`+name+` +\S+ +/127\.0\.0\.1 +client-a +3 *$`)
		t.wants(tool("--delete", "--group", name), `GroupNotEmptyException`)
		t.wants(tool("--delete-offsets", "--group", name, "--topic", name), `GroupSubscribedToTopicException`)
		t.wants(tool("--reset-offsets", "--group", name, "--topic", name, "--to-earliest", "--execute"), `Assignments can only be reset if the group '`+name+`' is inactive`)
	}
	g.stopAll()
	t.check(g.ledger.Judge())
	t.wants(tool("--describe", "--group", name), `has no active members`, `^`+name+` +`+name+` +5 +.*10 +10 +0 `)
	t.wants(tool("--delete", "--group", name), `was successful`)
	if consumer {
		t.wantsNot(t.admin("kafka-groups.sh", "--list"), `^`+name+` `)
	}
}

// resetEveryWay takes every form of --reset-offsets.
func resetEveryWay(t *c) {
	base := time.UnixMilli(1_700_000_000_000)
	for _, topic := range []string{"verbs-reset", "verbs-reset-2"} {
		t.topic(topic, 2)
		t.fill(topic, 0, 50, base)
		t.fill(topic, 1, 50, base)
		t.commit("verbs-reset", topic, 0, 10)
		t.commit("verbs-reset", topic, 1, 10)
	}
	reset := func(args ...string) string {
		return t.admin("kafka-consumer-groups.sh", append([]string{"--reset-offsets", "--group", "verbs-reset"}, args...)...)
	}
	row := func(topic, partition, offset string) string {
		return `^verbs-reset +` + topic + ` +` + partition + ` +` + offset + ` *$`
	}
	t.wants(reset("--all-topics", "--to-latest", "--dry-run"), row("verbs-reset", "0", "50"), row("verbs-reset-2", "1", "50"))
	out := reset("--topic", "verbs-reset:1", "--to-offset", "33", "--execute")
	t.wants(out, row("verbs-reset", "1", "33"))
	t.wantsNot(out, row("verbs-reset", "0", "33"))
	t.wants(reset("--topic", "verbs-reset", "--to-current", "--execute"), row("verbs-reset", "0", "10"), row("verbs-reset", "1", "33"))
	t.wants(reset("--topic", "verbs-reset:0", "--shift-by", "5", "--execute"), row("verbs-reset", "0", "15"))
	t.wants(reset("--topic", "verbs-reset:0", "--shift-by", "1000", "--execute"), row("verbs-reset", "0", "50"))
	t.wants(reset("--topic", "verbs-reset:0", "--by-duration", "PT0S", "--execute"), row("verbs-reset", "0", "50"))
	t.wants(reset("--topic", "verbs-reset:0", "--to-earliest", "--execute"), row("verbs-reset", "0", "0"))
	t.wants(reset("--topic", "verbs-reset:0", "--to-datetime", base.Add(7*time.Millisecond).UTC().Format("2006-01-02T15:04:05.000"), "--execute"), row("verbs-reset", "0", "7"))
	exported := filepath.Join(t.srv.Dir(), "reset.csv")
	t.check(os.WriteFile(exported, []byte(t.find(reset("--topic", "verbs-reset", "--to-current", "--export", "--dry-run"), `^("?verbs-reset"?,0,7)$`)+"\n"), 0o600))
	t.wants(reset("--topic", "verbs-reset:0", "--to-latest", "--execute"), row("verbs-reset", "0", "50"))
	t.wants(reset("--from-file", exported, "--execute"), row("verbs-reset", "0", "7"))
	t.wants(t.admin("kafka-consumer-groups.sh", "--reset-offsets", "--all-groups", "--topic", "verbs-reset-2", "--to-offset", "1", "--dry-run"), row("verbs-reset-2", "0", "1"))
	resetSeveral(t, reset, row, exported)
}

// resetSeveral goes beyond the log's bounds, takes several topics and partitions at
// once, and only shows what it would do.
func resetSeveral(t *c, reset func(...string) string, row func(topic, partition, offset string) string, exported string) {
	t.wants(reset("--topic", "verbs-reset:1", "--shift-by", "-1000", "--execute"), row("verbs-reset", "1", "0"))
	t.wants(reset("--topic", "verbs-reset:0,1", "--topic", "verbs-reset-2:1", "--to-offset", "20", "--execute"),
		row("verbs-reset", "0", "20"), row("verbs-reset", "1", "20"), row("verbs-reset-2", "1", "20"))
	t.wants(reset("--topic", "verbs-reset:0", "--shift-by", "-3", "--dry-run"), row("verbs-reset", "0", "17"))
	t.wants(reset("--all-topics", "--by-duration", "P5000D", "--dry-run"), row("verbs-reset", "0", "0"), row("verbs-reset-2", "1", "0"))
	t.wants(reset("--from-file", exported, "--dry-run"), row("verbs-reset", "0", "7"))
	t.wants(reset("--topic", "verbs-reset:0", "--to-offset", "1000"), `No action will be performed as the --execute option is missing`, row("verbs-reset", "0", "50"))
	t.wants(t.admin("kafka-consumer-groups.sh", "--describe", "--group", "verbs-reset", "--offsets"),
		`^verbs-reset +verbs-reset +0 +20 +50 +30 `, `^verbs-reset +verbs-reset +1 +20 +50 +30 `, `^verbs-reset +verbs-reset-2 +0 +10 +50 +40 `, `^verbs-reset +verbs-reset-2 +1 +20 +50 +30 `)
	t.wants(reset("--all-topics", "--to-earliest", "--execute"), row("verbs-reset", "0", "0"), row("verbs-reset", "1", "0"), row("verbs-reset-2", "0", "0"), row("verbs-reset-2", "1", "0"))
}

func deleteGroups(t *c) {
	t.topic("verbs-del", 3)
	for _, g := range []string{"verbs-del-1", "verbs-del-2"} {
		t.commit(g, "verbs-del", 0, 0)
		t.commit(g, "verbs-del", 2, 0)
	}
	del := func(args ...string) string { return t.admin("kafka-consumer-groups.sh", args...) }
	t.wants(del("--delete-offsets", "--group", "verbs-del-1", "--topic", "verbs-del:0,2"), `^verbs-del +0 +Successful *$`, `^verbs-del +2 +Successful *$`)
	t.wants(del("--delete-offsets", "--group", "verbs-none", "--topic", "verbs-del:0"), `GroupIdNotFoundException`)
	t.wants(del("--delete", "--group", "verbs-del-1", "--group", "verbs-del-2"), `'verbs-del-1'`, `'verbs-del-2'`, `was successful`)
	t.wantsNot(del("--list"), `^verbs-del-`)
}
