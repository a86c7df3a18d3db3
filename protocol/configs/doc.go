// Package configs is the table of every configuration key: broker, topic,
// group and client-metrics keys with their type, default, validation, mode and
// synonyms. Everything that reads, checks, describes or alters configuration
// asks this table; there is no second list of keys.
package configs
