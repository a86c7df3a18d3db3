package configs

// row is one line of a table; its fields are those of Def, in reading order.
type row struct {
	name       string
	typ        Type
	def_       string // null, required, or the default's text
	valid      validator
	importance Importance
	mode       Mode
	flags      flag
	doc        string
}

type flag uint8

const (
	acts flag = 1 << iota
	internal
	dynamicOnly
)

const (
	null     = "\x00null"
	required = "\x00required"
)

func (r *row) def(kind Kind) Def {
	d := Def{
		Name: r.name, Kind: kind, Type: r.typ, Importance: r.importance, Mode: r.mode, Doc: r.doc,
		Sensitive:   r.typ == Password,
		Required:    r.def_ == required,
		Acts:        r.flags&acts != 0,
		Internal:    r.flags&internal != 0,
		DynamicOnly: r.flags&dynamicOnly != 0,
		Synonyms:    synonymsOf(kind, r.name),
		valid:       r.valid,
	}
	if r.def_ != null && r.def_ != required {
		d.Default = &r.def_
	}
	return d
}

// dynamicOnlyKeys are the replication throttles, which only exist as dynamic
// broker configuration.
var dynamicOnlyKeys = []row{
	{"follower.replication.throttled.rate", Long, "9223372036854775807", atLeast(0), Medium, ClusterWide, dynamicOnly,
		"Most bytes a second of incoming replication for the throttled replicas."},
	{"leader.replication.throttled.rate", Long, "9223372036854775807", atLeast(0), Medium, ClusterWide, dynamicOnly,
		"Most bytes a second of outgoing replication for the throttled replicas."},
	{"replica.alter.log.dirs.io.max.bytes.per.second", Long, "9223372036854775807", atLeast(0), Medium, ClusterWide, dynamicOnly,
		"Most bytes a second that moves between log directories may use."},
}

const (
	minuteMs = 60 * 1000
	hourMs   = 60 * minuteMs
)

// families are broker keys that say the same in several units or in two places,
// in the order in which they win.
var families = map[string][]Synonym{
	"log.roll.ms":           {{"log.roll.ms", 1}, {"log.roll.hours", hourMs}},
	"log.roll.jitter.ms":    {{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", hourMs}},
	"log.retention.ms":      {{"log.retention.ms", 1}, {"log.retention.minutes", minuteMs}, {"log.retention.hours", hourMs}},
	"log.flush.interval.ms": {{"log.flush.interval.ms", 1}, {"log.flush.scheduler.interval.ms", 1}},
}

// familyOf names the family of those broker keys that are not its first member.
// log.flush.scheduler.interval.ms is none: it only lends its value.
var familyOf = map[string]string{
	"log.roll.hours": "log.roll.ms", "log.roll.jitter.hours": "log.roll.jitter.ms",
	"log.retention.hours": "log.retention.ms", "log.retention.minutes": "log.retention.ms",
}

// topicSynonyms maps a topic key to the broker key (or head of a family) that
// gives it its default. Topic keys not named here have no broker key.
var topicSynonyms = map[string]string{
	"cleanup.policy":                  "log.cleanup.policy",
	"compression.gzip.level":          "compression.gzip.level",
	"compression.lz4.level":           "compression.lz4.level",
	"compression.type":                "compression.type",
	"compression.zstd.level":          "compression.zstd.level",
	"delete.retention.ms":             "log.cleaner.delete.retention.ms",
	"file.delete.delay.ms":            "log.segment.delete.delay.ms",
	"flush.messages":                  "log.flush.interval.messages",
	"flush.ms":                        "log.flush.interval.ms",
	"index.interval.bytes":            "log.index.interval.bytes",
	"local.retention.bytes":           "log.local.retention.bytes",
	"local.retention.ms":              "log.local.retention.ms",
	"max.compaction.lag.ms":           "log.cleaner.max.compaction.lag.ms",
	"max.message.bytes":               "message.max.bytes",
	"message.timestamp.after.max.ms":  "log.message.timestamp.after.max.ms",
	"message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
	"message.timestamp.type":          "log.message.timestamp.type",
	"min.cleanable.dirty.ratio":       "log.cleaner.min.cleanable.ratio",
	"min.compaction.lag.ms":           "log.cleaner.min.compaction.lag.ms",
	"min.insync.replicas":             "min.insync.replicas",
	"preallocate":                     "log.preallocate",
	"retention.bytes":                 "log.retention.bytes",
	"retention.ms":                    "log.retention.ms",
	"segment.bytes":                   "log.segment.bytes",
	"segment.index.bytes":             "log.index.size.max.bytes",
	"segment.jitter.ms":               "log.roll.jitter.ms",
	"segment.ms":                      "log.roll.ms",
	"unclean.leader.election.enable":  "unclean.leader.election.enable",
}

// groupOnly are the group keys without a broker key; all others have one named
// group.<key>.
var groupOnly = map[string]bool{"share.auto.offset.reset": true, "share.isolation.level": true,
	"share.renew.acknowledge.enable": true}

func synonymsOf(kind Kind, name string) []Synonym {
	switch kind {
	case Broker:
		if head, ok := familyOf[name]; ok {
			return families[head]
		}
		return broker(name)
	case Topic:
		if name, ok := topicSynonyms[name]; ok {
			return broker(name)
		}
	case Group:
		if !groupOnly[name] {
			return broker("group." + name)
		}
	}
	return nil
}

func broker(name string) []Synonym {
	if family, ok := families[name]; ok {
		return family
	}
	return []Synonym{{name, 1}}
}
