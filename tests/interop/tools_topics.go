package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const toolCases = 30

// tools runs the cases that need Apache Kafka's command-line tools.
func (s *suite) tools() {
	if s.home == "" {
		s.skip("tools", "Apache Kafka's tools could not be fetched", toolCases)
		return
	}
	s.topicTools()
	s.recordTools()
	s.configTools()
	s.groupTools()
	s.clusterTools()
	s.dumpTools()
}

func (s *suite) topicTools() {
	s.run("topics/create-describe-delete", func(t *c) {
		out := t.admin("kafka-topics.sh", "--create", "--topic", "tt-create", "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=100000")
		t.wants(out, `^Created topic tt-create\.$`)
		t.clean(out)
		out = t.admin("kafka-topics.sh", "--describe", "--topic", "tt-create")
		t.wants(out, `^Topic: tt-create\tTopicId: [A-Za-z0-9_-]{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: min\.insync\.replicas=1,retention\.ms=100000$`)
		for p := range 3 {
			t.wants(out, fmt.Sprintf(`^\tTopic: tt-create\tPartition: %d\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: $`, p))
		}
		t.clean(out)
		t.clean(t.admin("kafka-topics.sh", "--delete", "--topic", "tt-create"))
		t.wants(t.adminFails("kafka-topics.sh", "--describe", "--topic", "tt-create"), `Topic 'tt-create' does not exist as expected`)
	})
	s.run("topics/alter-partitions", func(t *c) {
		t.topic("tt-alter", 2)
		t.clean(t.admin("kafka-topics.sh", "--alter", "--topic", "tt-alter", "--partitions", "5"))
		t.wants(t.admin("kafka-topics.sh", "--describe", "--topic", "tt-alter"), `PartitionCount: 5\t`, `Partition: 4\tLeader: 1\t`)
		t.wants(t.adminFails("kafka-topics.sh", "--alter", "--topic", "tt-alter", "--partitions", "2"),
			`InvalidPartitionsException: The topic tt-alter currently has 5 partition\(s\); 2 would not be an increase\.`)
	})
	s.run("topics/list", func(t *c) {
		t.topic("tt-list-a", 1)
		t.topic("tt-list-b", 1)
		out := t.admin("kafka-topics.sh", "--list")
		t.wants(out, `^tt-list-a$`, `^tt-list-b$`)
		t.clean(out)
	})
	s.run("topics/create-mistakes", func(t *c) {
		t.topic("tt-twice", 1)
		t.wants(t.adminFails("kafka-topics.sh", "--create", "--topic", "tt-twice"), `TopicExistsException: Topic 'tt-twice' already exists\.`)
		t.wants(t.adminFails("kafka-topics.sh", "--create", "--topic", "tt-rf", "--replication-factor", "3"), `InvalidReplicationFactorException: Unable to replicate the partition 3 time\(s\)`)
		t.wants(t.adminFails("kafka-topics.sh", "--create", "--topic", "tt-parts", "--partitions", "0"), `partitions must be greater than 0|InvalidPartitions`)
	})
}

func (s *suite) recordTools() {
	s.run("console/produce-consume", func(t *c) {
		t.topic("tr-console", 1)
		out, err := t.exec(t.home.Tool("kafka-console-producer.sh", "--bootstrap-server", t.srv.Addr(), "--topic", "tr-console",
			"--reader-property", "parse.key=true", "--reader-property", "key.separator=:", "--compression-codec", "lz4"), "a:1\nb:2\nc:3\n")
		t.check(err)
		t.clean(out)
		out = t.admin("kafka-console-consumer.sh", "--topic", "tr-console", "--from-beginning", "--max-messages", "3", "--timeout-ms", "20000", "--group", "tr-console",
			"--formatter-property", "print.key=true", "--formatter-property", "print.offset=true", "--formatter-property", "print.partition=true")
		t.wants(out, `^Partition:0\tOffset:0\ta\t1\n^Partition:0\tOffset:1\tb\t2\n^Partition:0\tOffset:2\tc\t3$`, `Processed a total of 3 messages`)
		t.clean(out)
	})
	s.run("console/partition-offset", func(t *c) {
		t.topic("tr-offset", 2)
		t.fill("tr-offset", 1, 10, time.Now())
		out := t.admin("kafka-console-consumer.sh", "--topic", "tr-offset", "--partition", "1", "--offset", "7", "--max-messages", "3", "--timeout-ms", "20000")
		t.wants(out, `^v7\nv8\nv9$`)
		t.clean(out)
	})
	s.run("console/auto-create", func(t *c) {
		_, err := t.exec(t.home.Tool("kafka-console-producer.sh", "--bootstrap-server", t.srv.Addr(), "--topic", "tr-auto"), "x\n")
		t.check(err)
		t.wants(t.admin("kafka-get-offsets.sh", "--topic", "tr-auto"), `^tr-auto:0:1$`)
	})
	s.run("perf/producer-and-consumer", func(t *c) {
		t.topic("tr-perf", 3)
		out := t.admin("kafka-producer-perf-test.sh", "--topic", "tr-perf", "--num-records", "50000", "--record-size", "200", "--throughput", "-1", "--command-property", "acks=all")
		t.wants(out, `^50000 records sent, [0-9.]+ records/sec`)
		t.clean(out)
		out = t.admin("kafka-consumer-perf-test.sh", "--topic", "tr-perf", "--num-records", "50000", "--timeout", "20000")
		t.wants(out, `, 9\.5367, [0-9.]+, 50000, `)
		t.clean(out)
	})
	s.run("perf/e2e-latency", func(t *c) {
		t.topic("tr-e2e", 1)
		out := t.admin("kafka-e2e-latency.sh", "--topic", "tr-e2e", "--num-records", "200", "--producer-acks", "all", "--record-size", "100")
		t.wants(out, `^Avg latency: [0-9.]+ ms`, `^Percentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+`)
		t.clean(out)
	})
	s.run("get-offsets/all-specs", func(t *c) {
		base := time.UnixMilli(1_700_000_000_000)
		t.topic("tr-get", 2)
		t.fill("tr-get", 0, 100, base)
		t.fill("tr-get", 1, 40, base)
		at := func(time string) string { return t.admin("kafka-get-offsets.sh", "--topic", "tr-get", "--time", time) }
		t.wants(at("latest"), `^tr-get:0:100\ntr-get:1:40$`)
		t.wants(at("earliest"), `^tr-get:0:0\ntr-get:1:0$`)
		t.wants(at("max-timestamp"), `^tr-get:0:99\ntr-get:1:39$`)
		t.wants(at(strconv.FormatInt(base.UnixMilli()+25, 10)), `^tr-get:0:25\ntr-get:1:25$`)
		t.wants(at(strconv.FormatInt(base.UnixMilli()+50, 10)), `\Atr-get:0:50\n\z`)
		t.wants(at("earliest-local"), `^tr-get:0:0\ntr-get:1:0$`)
		t.clean(at("latest-tiered"))
	})
	s.run("delete-records", func(t *c) {
		t.topic("tr-delete", 2)
		t.fill("tr-delete", 0, 20, time.Now())
		t.fill("tr-delete", 1, 20, time.Now())
		file := filepath.Join(t.srv.Dir(), "delete.json")
		t.check(os.WriteFile(file, []byte(`{"partitions":[{"topic":"tr-delete","partition":0,"offset":5},{"topic":"tr-delete","partition":1,"offset":-1}],"version":1}`), 0o600))
		out := t.admin("kafka-delete-records.sh", "--offset-json-file", file)
		t.wants(out, `^partition: tr-delete-0\tlow_watermark: 5$`, `^partition: tr-delete-1\tlow_watermark: 20$`)
		t.clean(out)
		t.wants(t.admin("kafka-get-offsets.sh", "--topic", "tr-delete", "--time", "earliest"), `^tr-delete:0:5\ntr-delete:1:20$`)
		t.check(os.WriteFile(file, []byte(`{"partitions":[{"topic":"tr-delete","partition":0,"offset":99}],"version":1}`), 0o600))
		t.wants(t.admin("kafka-delete-records.sh", "--offset-json-file", file), `OffsetOutOfRange`)
	})
}
