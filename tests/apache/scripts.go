package apache

import (
	"fmt"
	"os"
	"path/filepath"
)

// tools maps the script names of a Kafka installation to the classes they start.
var tools = map[string]string{
	"kafka-acls.sh":                   "org.apache.kafka.tools.AclCommand",
	"kafka-broker-api-versions.sh":    "org.apache.kafka.tools.BrokerApiVersionsCommand",
	"kafka-cluster.sh":                "org.apache.kafka.tools.ClusterTool",
	"kafka-configs.sh":                "kafka.admin.ConfigCommand",
	"kafka-console-consumer.sh":       "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-console-producer.sh":       "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-share-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
	"kafka-consumer-groups.sh":        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-consumer-perf-test.sh":     "org.apache.kafka.tools.ConsumerPerformance",
	"kafka-delete-records.sh":         "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-dump-log.sh":               "org.apache.kafka.tools.DumpLogSegments",
	"kafka-e2e-latency.sh":            "org.apache.kafka.tools.EndToEndLatency",
	"kafka-features.sh":               "org.apache.kafka.tools.FeatureCommand",
	"kafka-get-offsets.sh":            "org.apache.kafka.tools.GetOffsetShell",
	"kafka-groups.sh":                 "org.apache.kafka.tools.GroupsCommand",
	"kafka-leader-election.sh":        "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-log-dirs.sh":               "org.apache.kafka.tools.LogDirsCommand",
	"kafka-metadata-quorum.sh":        "org.apache.kafka.tools.MetadataQuorumCommand",
	"kafka-metadata-shell.sh":         "org.apache.kafka.shell.MetadataShell",
	"kafka-producer-perf-test.sh":     "org.apache.kafka.tools.ProducerPerformance",
	"kafka-reassign-partitions.sh":    "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-replica-verification.sh":   "org.apache.kafka.tools.ReplicaVerificationTool",
	"kafka-server-start.sh":           "kafka.Kafka",
	"kafka-share-groups.sh":           "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
	"kafka-storage.sh":                "kafka.tools.StorageTool",
	"kafka-topics.sh":                 "org.apache.kafka.tools.TopicCommand",
	"kafka-transactions.sh":           "org.apache.kafka.tools.TransactionsCommand",
	"kafka-verifiable-consumer.sh":    "org.apache.kafka.tools.VerifiableConsumer",
	"kafka-verifiable-producer.sh":    "org.apache.kafka.tools.VerifiableProducer",
}

// runClass starts one class. The class-data archive and the serial collector
// with one compiler tier halve a tool's start, which is most of what it does;
// a server is given its own options through KAFKA_HEAP_OPTS.
const runClass = `#!/bin/sh
h=$(cd "$(dirname "$0")/.." && pwd)
exec java ${KAFKA_HEAP_OPTS:--Xmx256M -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1} ${KAFKA_OPTS:-} \
  -Dlog4j2.configurationFile="${KAFKA_LOG4J:-$h/config/tools-log4j2.xml}" -cp "$h/libs/*" "$@"
`

const log4j = `<Configuration><Appenders><Console name="C" target="%s"><PatternLayout pattern="[%%d] %%p %%m (%%c)%%n"/></Console></Appenders><Loggers><Root level="%s"><AppenderRef ref="C"/></Root></Loggers></Configuration>
`

func (h Home) writeScripts() error {
	files := map[string]string{
		"config/tools-log4j2.xml":  fmt.Sprintf(log4j, "SYSTEM_ERR", "WARN"),
		"config/server-log4j2.xml": fmt.Sprintf(log4j, "SYSTEM_OUT", "INFO"),
		"bin/kafka-run-class.sh":   runClass,
	}
	for name, class := range tools {
		files["bin/"+name] = "#!/bin/sh\nexec \"$(dirname \"$0\")/kafka-run-class.sh\" " + class + " \"$@\"\n"
	}
	for name, text := range files {
		p := filepath.Join(string(h), name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}
