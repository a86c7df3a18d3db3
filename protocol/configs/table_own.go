package configs

// ownKeys are the broker keys that Apache Kafka does not have; a Kafka node
// with the same file ignores them. They begin with "gregor." and are internal,
// so that DescribeConfigs names them only where somebody set them.
var ownKeys = []row{
	{"gregor.group.heartbeat.hold.max.ms", Long, "5000", atLeast(0), Low, ReadOnly, acts | internal,
		"Longest time, in ms, for which the answer to a group member's heartbeat that has nothing new to tell is held back until there is something; 0: answer at once."},
	{"gregor.group.rebalance.heartbeat.interval.ms", Int, "500", atLeast(0), Low, ReadOnly, acts | internal,
		"Heartbeat interval, in ms, that a member of a consumer group is told while its assignment is about to change; 0: always the group's own."},
	{"gregor.http.listener", String, null, hostAndPort{}, Low, ReadOnly, acts | internal,
		"host:port of the HTTP port with /metrics, /livez, /readyz and /debug/pprof; nothing is opened while it is unset."},
}
