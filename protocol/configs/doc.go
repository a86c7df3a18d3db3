// Package configs is THE table of configuration keys: broker, topic, group and
// client-metrics keys with type, default, validation, dynamic mode and
// synonyms. Whatever reads, checks, describes or alters configuration asks this
// table; there is no second list of keys.
//
//	server.properties ─ Resolve ─ Values ─ Validate          (cmd, once)
//	                               │ Overlay: dynamic configuration of the cluster, of this broker
//	                               └ TopicDefaults, TopicValues: what a topic gets
//	AlterConfigs      ─ Lookup ─ Def.Parse, ValidateTopic … (controller)
//	DescribeConfigs   ─ All, Def.Synonyms, Format           (broker)
//
// Names, types, defaults and bounds are Apache Kafka 4.3.1's, checked against a
// recording of its own table (testdata). Errors have Kafka's words for the same
// mistake, because people search for them; where Kafka's do not say what to do,
// ours do.
//
// Invariants: every default parses and passes its key's validator, but for
// Required keys; Defs and Values never change once made; a Secret never prints.
package configs
