package configs

import "strings"

// removed are broker keys that Kafka had and 4.x has no more, with what took
// their place. A file that is older than Kafka 4 is full of them.
var removed = map[string]string{
	"advertised.host.name":                    "use advertised.listeners",
	"advertised.port":                         "use advertised.listeners",
	"auto.include.jmx.reporter":               "there is no JMX; gregor.http.listener has the metrics",
	"broker.id.generation.enable":             "every node has a node.id of its own",
	"control.plane.listener.name":             "controllers have listeners of their own, controller.listener.names",
	"delegation.token.master.key":             "use delegation.token.secret.key",
	"host.name":                               "use listeners",
	"inter.broker.protocol.version":           "metadata.version took its place, kafka-features shows and raises it",
	"leader.imbalance.per.broker.percentage":  "whatever is not led by its preferred replica is moved",
	"log.message.downconversion.enable":       "records are kept and sent in format 2, every client since 2.1 reads it",
	"log.message.format.version":              "records are kept and sent in format 2, every client since 2.1 reads it",
	"log.message.timestamp.difference.max.ms": "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
	"offsets.commit.required.acks":            "commits wait for all in-sync replicas",
	"port":                                    "use listeners",
	"quota.consumer.default":                  "quotas are set with kafka-configs --entity-type users or clients",
	"quota.producer.default":                  "quotas are set with kafka-configs --entity-type users or clients",
	"reserved.broker.max.id":                  "every node has a node.id of its own",
	"unstable.metadata.versions.enable":       "use unstable.feature.versions.enable",
}

// Removed tells whether a broker key is one of earlier releases that has no
// effect in Kafka 4 either, and what took its place.
func Removed(name string) (instead string, ok bool) {
	switch {
	case strings.HasPrefix(name, "zookeeper."):
		return "the metadata is with the controllers, not in ZooKeeper", true
	case strings.HasPrefix(name, "password.encoder."):
		return "nothing is kept in ZooKeeper that would need it", true
	}
	instead, ok = removed[name]
	return instead, ok
}
