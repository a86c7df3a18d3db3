package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

func (s *suite) configTools() {
	s.run("configs/describe-all-topic", func(t *c) {
		t.topic("tc-all", 1)
		out := t.admin("kafka-configs.sh", "--describe", "--all", "--entity-type", "topics", "--entity-name", "tc-all")
		t.wants(out, `^All configs for topic tc-all are:$`,
			`^  cleanup\.policy=delete sensitive=false synonyms=\{DEFAULT_CONFIG:log\.cleanup\.policy=delete\}$`,
			`^  segment\.bytes=1073741824 sensitive=false synonyms=\{DEFAULT_CONFIG:log\.segment\.bytes=1073741824\}$`,
			`^  min\.insync\.replicas=1 sensitive=false synonyms=\{.*DEFAULT_CONFIG:min\.insync\.replicas=1\}$`)
		if n := strings.Count(out, "\n  "); n != 33 {
			t.fatalf("%d configurations listed, Kafka 4.3.1 has 33", n)
		}
		t.clean(out)
	})
	s.run("configs/describe-all-broker", func(t *c) {
		out := t.admin("kafka-configs.sh", "--describe", "--all", "--entity-type", "brokers", "--entity-name", "1")
		t.wants(out, `^All configs for broker 1 are:$`,
			`^  node\.id=1 sensitive=false synonyms=\{STATIC_BROKER_CONFIG:node\.id=1`,
			`^  num\.partitions=1 sensitive=false synonyms=\{DEFAULT_CONFIG:num\.partitions=1\}$`,
			`^  offsets\.topic\.num\.partitions=4 sensitive=false synonyms=\{STATIC_BROKER_CONFIG:offsets\.topic\.num\.partitions=4, DEFAULT_CONFIG:offsets\.topic\.num\.partitions=50\}$`,
			`^  ssl\.keystore\.password=null sensitive=true synonyms=\{\}$`)
		if n := strings.Count(out, "\n  "); n < 200 {
			t.fatalf("only %d configurations listed", n)
		}
		t.clean(out)
	})
	s.run("configs/alter-topic", func(t *c) {
		t.topic("tc-alter", 1)
		topic := []string{"--entity-type", "topics", "--entity-name", "tc-alter"}
		alter := func(args ...string) string {
			return t.admin("kafka-configs.sh", append(append([]string{"--alter"}, topic...), args...)...)
		}
		t.wants(alter("--add-config", "retention.ms=5000,cleanup.policy=[compact,delete]"), `^Completed updating config for topic tc-alter\.$`)
		describe := append([]string{"--describe"}, topic...)
		t.wants(t.admin("kafka-configs.sh", describe...), `^Dynamic configs for topic tc-alter are:$`,
			`^  cleanup\.policy=compact,delete sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup\.policy=compact,delete, DEFAULT_CONFIG:log\.cleanup\.policy=delete\}$`,
			`^  retention\.ms=5000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention\.ms=5000\}$`)
		t.wants(alter("--delete-config", "retention.ms"), `^Completed updating config`)
		out := t.admin("kafka-configs.sh", describe...)
		t.wants(out, `cleanup\.policy=compact,delete`)
		t.wantsNot(out, `retention\.ms=5000`)
		t.wants(t.adminFails("kafka-configs.sh", append([]string{"--alter", "--add-config", "retention.ms=x"}, topic...)...),
			`InvalidConfigurationException: Invalid value x for configuration retention\.ms: Not a number of type LONG`)
	})
	s.run("configs/alter-broker", func(t *c) {
		one := []string{"--entity-type", "brokers", "--entity-name", "1"}
		all := []string{"--entity-type", "brokers", "--entity-default"}
		cfg := func(who []string, args ...string) string { return t.admin("kafka-configs.sh", append(args, who...)...) }
		t.wants(cfg(one, "--alter", "--add-config", "log.cleaner.threads=2"), `^Completed updating config for broker 1\.$`)
		t.wants(cfg(all, "--alter", "--add-config", "log.retention.ms=86400000"), `^Completed updating default config for brokers in the cluster\.$`)
		t.wants(cfg(one, "--describe"), `^  log\.cleaner\.threads=2 sensitive=false synonyms=\{DYNAMIC_BROKER_CONFIG:log\.cleaner\.threads=2, DEFAULT_CONFIG:log\.cleaner\.threads=1\}$`)
		t.wants(cfg(all, "--describe"), `^  log\.retention\.ms=86400000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log\.retention\.ms=86400000\}$`)
		t.topic("tc-inherit", 1)
		t.wants(t.admin("kafka-configs.sh", "--describe", "--all", "--entity-type", "topics", "--entity-name", "tc-inherit"),
			`^  retention\.ms=86400000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log\.retention\.ms=86400000`)
		cfg(one, "--alter", "--delete-config", "log.cleaner.threads")
		cfg(all, "--alter", "--delete-config", "log.retention.ms")
		t.wantsNot(cfg(one, "--describe"), `log\.cleaner\.threads=2`)
		t.wants(t.adminFails("kafka-configs.sh", append([]string{"--alter", "--add-config", "broker.id=3"}, one...)...), `InvalidRequestException|Cannot update these configs dynamically`)
	})
}

// groupTools: kafka-consumer-groups.sh ends with code 0 whatever happened, so its words are all there is to judge.
func (s *suite) groupTools() {
	s.run("groups/list-describe", func(t *c) {
		t.topic("tg-a", 2)
		t.fill("tg-a", 0, 10, time.Now())
		t.fill("tg-a", 1, 4, time.Now())
		t.commit("tg-a", "tg-a", 0, 7)
		t.commit("tg-a", "tg-a", 1, 4)
		t.wants(t.admin("kafka-consumer-groups.sh", "--list"), `^tg-a$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--list", "--state"), `^tg-a +Empty *$`)
		out := t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-a")
		t.wants(out, `^Consumer group 'tg-a' has no active members\.$`, `^tg-a +tg-a +0 +7 +10 +3 +- +- +-`, `^tg-a +tg-a +1 +4 +4 +0 +- +- +-`)
		out = t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-a", "--state")
		t.wants(out, `^tg-a +`+strings.ReplaceAll(t.srv.Addr(), ".", `\.`)+` +\(1\) .* Empty +0 *$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-none"), `GroupIdNotFoundException: Group tg-none not found\.`)
	})
	s.run("groups/describe-members", func(t *c) {
		t.topic("tg-live", 3)
		t.fill("tg-live", 0, 1, time.Now())
		leave := t.join("tg-live", "tg-live")
		defer leave()
		out := t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-live", "--members", "--verbose")
		t.wants(out, `^tg-live +\S+ +/127\.0\.0\.1 +interop-member +3 +- +tg-live:0,1,2 `)
		t.wants(t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-live", "--state"), `Stable +1 *$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--delete", "--group", "tg-live"), `GroupNotEmptyException`)
	})
	s.run("groups/reset-offsets", func(t *c) {
		base := time.UnixMilli(1_700_000_000_000)
		t.topic("tg-reset", 1)
		t.fill("tg-reset", 0, 50, base)
		t.commit("tg-reset", "tg-reset", 0, 10)
		reset := func(args ...string) string {
			return t.admin("kafka-consumer-groups.sh", append([]string{"--reset-offsets", "--group", "tg-reset", "--topic", "tg-reset"}, args...)...)
		}
		t.wants(reset("--to-earliest", "--dry-run"), `^tg-reset +tg-reset +0 +0 *$`)
		t.wants(reset("--to-latest", "--execute"), `^tg-reset +tg-reset +0 +50 *$`)
		t.wants(reset("--shift-by", "-8", "--execute"), `^tg-reset +tg-reset +0 +42 *$`)
		t.wants(reset("--to-datetime", base.Add(20*time.Millisecond).UTC().Format("2006-01-02T15:04:05.000"), "--execute"), `^tg-reset +tg-reset +0 +20 *$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--describe", "--group", "tg-reset"), `^tg-reset +tg-reset +0 +20 +50 +30 `)
	})
	s.run("groups/delete", func(t *c) {
		t.topic("tg-del", 2)
		t.commit("tg-del", "tg-del", 0, 0)
		t.commit("tg-del", "tg-del", 1, 0)
		t.wants(t.admin("kafka-consumer-groups.sh", "--delete-offsets", "--group", "tg-del", "--topic", "tg-del:0"), `^tg-del +0 +Successful *$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--delete", "--group", "tg-del"), `^Deletion of requested consumer groups \('tg-del'\) was successful\.$`)
		t.wants(t.admin("kafka-consumer-groups.sh", "--delete", "--group", "tg-del"), `GroupIdNotFoundException: The group id does not exist\.`)
	})
}

func (s *suite) clusterTools() {
	s.run("log-dirs", func(t *c) {
		t.topic("tl", 2)
		t.fill("tl", 0, 100, time.Now())
		out := t.admin("kafka-log-dirs.sh", "--describe", "--topic-list", "tl")
		t.wants(out, `"broker":1`, `"partition":"tl-0","size":[1-9][0-9]*,"offsetLag":0,"isFuture":false`, `"partition":"tl-1","size":0,"offsetLag":0,"isFuture":false`,
			`"error":null,"logDir":"`+t.srv.LogDir()+`"`)
		t.clean(out)
	})
	s.run("cluster/id-and-api-versions", func(t *c) {
		t.wants(t.tool("kafka-cluster.sh", "cluster-id", "--bootstrap-server", t.srv.Addr()), `^Cluster ID: 5L6g3nShT-eMCtK--X86sw$`)
		out := t.admin("kafka-broker-api-versions.sh")
		t.wants(out, `\(id: 1 rack: null isFenced: false\)`, `^\tProduce\(0\): 0 to 13 \[usable: 13\]`, `^\tFetch\(1\): 4 to 18 \[usable: 18\]`, `^\tMetadata\(3\): 0 to 13 \[usable: 13\]`)
		t.clean(out)
	})
	s.run("quorum/describe", func(t *c) {
		out := t.admin("kafka-metadata-quorum.sh", "describe", "--status")
		t.wants(out, `^ClusterId: +5L6g3nShT-eMCtK--X86sw$`, `^LeaderId: +1$`, `^LeaderEpoch: +[1-9]`, `^HighWatermark: +[1-9]`, `^MaxFollowerLag: +0$`,
			`^CurrentVoters: +\[\{"id": 1, "directoryId": "\S{22}", "endpoints": \["CONTROLLER://`+t.srv.Controller()+`"\]\}\]$`, `^CurrentObservers: +\[\]$`)
		t.clean(out)
		out = t.admin("kafka-metadata-quorum.sh", "describe", "--replication")
		t.wants(out, `^1 +\t\S{22}\t[1-9][0-9]* +\t0 +\t[0-9]+ +\t[0-9]+ +\tLeader`)
		out = t.tool("kafka-metadata-quorum.sh", "--bootstrap-controller", t.srv.Controller(), "describe", "--status")
		t.wants(out, `^LeaderId: +1$`)
	})
	s.run("features", func(t *c) {
		out := t.admin("kafka-features.sh", "describe")
		for f, want := range map[string]string{
			"metadata.version": "3.3-IV3 +SupportedMaxVersion: 4.3-IV0 +FinalizedVersionLevel: 4.3-IV0", "kraft.version": "0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1",
			"group.version": "0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1", "share.version": "0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1",
			"transaction.version": "0 +SupportedMaxVersion: 2 +FinalizedVersionLevel: 2", "streams.version": "0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1",
			"eligible.leader.replicas.version": "0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1",
		} {
			t.wants(out, fmt.Sprintf(`^Feature: %s +SupportedMinVersion: %s +Epoch: [0-9]+`, f, want))
		}
		t.wants(t.admin("kafka-features.sh", "downgrade", "--feature", "streams.version=0"), `^streams\.version was downgraded to 0\.$`)
		t.wants(t.admin("kafka-features.sh", "describe"), `^Feature: streams\.version .*FinalizedVersionLevel: 0 `)
		t.wants(t.admin("kafka-features.sh", "upgrade", "--feature", "streams.version=1"), `^streams\.version was upgraded to 1\.$`)
		t.wants(t.adminFails("kafka-features.sh", "upgrade", "--feature", "metadata.version=99"), `Invalid update version 99 for feature metadata\.version\. Local controller 1 only supports versions 7-30`)
		t.wants(t.adminFails("kafka-features.sh", "downgrade", "--feature", "metadata.version=25", "--dry-run"), `Refusing to perform the requested downgrade because it might delete metadata information`)
	})
}

func (s *suite) dumpTools() {
	dump := func(t *c, glob string, args ...string) string {
		files, err := filepath.Glob(filepath.Join(t.srv.LogDir(), glob))
		t.check(err)
		if len(files) == 0 {
			t.fatalf("no file matches %s", glob)
		}
		out := t.tool("kafka-dump-log.sh", append(args, "--files", strings.Join(files, ","))...)
		t.clean(out)
		t.wantsNot(out, `isvalid: false`, `(?i)mismatch`, `(?i)could not`, `(?i)corrupt`, `(?i)unable`, `(?i)out of order`, `(?i)found timestamp`)
		return out
	}
	s.run("dump-log/data-segment", func(t *c) {
		t.topic("td-data", 1, "index.interval.bytes=100")
		for i := range 20 {
			t.fill("td-data", 0, 50, time.UnixMilli(1_700_000_000_000+int64(i)*1000))
		}
		out := dump(t, "td-data-0/*.log", "--print-data-log")
		t.wants(out, `lastOffset: 999 count: `, `isvalid: true`, `\| offset: 999 CreateTime: 1700000019049 keySize: 3 valueSize: 3 sequence: \d+ headerKeys: \[\] key: k49 payload: v49`)
		// A running broker may hold its indexes back; a stopped one must have left them whole.
		code, err := t.srv.Term(30 * time.Second)
		t.check(err)
		if code != 0 && t.srv.Name() == "gregor" {
			t.fatalf("it ended with code %d on SIGTERM", code)
		}
		defer func() { t.check(t.srv.Start()) }()
		t.wants(dump(t, "td-data-0/*.index", "--index-sanity-check"), `passed sanity check`)
		t.wants(dump(t, "td-data-0/*.index"), `^offset: 9\d\d position: \d+$`)
		t.wants(dump(t, "td-data-0/*.timeindex"), `^timestamp: 17000000190\d\d offset: 9\d\d$`)
		dump(t, "td-data-0/*.index", "--verify-index-only")
	})
	s.run("dump-log/cluster-metadata", func(t *c) {
		out := dump(t, "__cluster_metadata-0/*.log", "--cluster-metadata-decoder")
		t.wants(out, `LeaderChange: \{"version":`, `"type":"FEATURE_LEVEL_RECORD","version":0,"data":\{"name":"metadata\.version","featureLevel":30\}`,
			`"type":"REGISTER_BROKER_RECORD"`, `"type":"TOPIC_RECORD"`, `"type":"PARTITION_RECORD"`)
	})
	s.run("dump-log/metadata-snapshot", func(t *c) {
		files, _ := filepath.Glob(filepath.Join(t.srv.LogDir(), "__cluster_metadata-0", "*.checkpoint"))
		if len(files) == 0 {
			t.fatalf("no snapshot, not even the one that formatting writes")
		}
		t.wants(dump(t, "__cluster_metadata-0/*.checkpoint", "--cluster-metadata-decoder"), `KRaftVersion`, `KRaftVoters`)
	})
	s.run("dump-log/consumer-offsets", func(t *c) {
		t.topic("td-offsets", 1)
		t.commit("td-offsets", "td-offsets", 0, 0)
		out := dump(t, "__consumer_offsets-*/*.log", "--offsets-decoder")
		t.wants(out, `key: \{"type":"1","data":\{"group":"td-offsets","topic":"td-offsets","partition":0\}\} payload: \{"version":"4","data":\{"offset":0,`)
	})
}
