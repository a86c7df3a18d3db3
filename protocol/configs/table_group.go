package configs

// groupKeys are the keys of one consumer, share or streams group.
var groupKeys = []row{
	{"consumer.assignment.interval.ms", Int, "1000", atLeast(0), Medium, ClusterWide, acts,
		"Least time, in ms, between two assignments of a consumer group."},
	{"consumer.heartbeat.interval.ms", Int, "5000", atLeast(1), Medium, ClusterWide, acts,
		"Heartbeat interval, in ms, that members of a consumer group are told."},
	{"consumer.session.timeout.ms", Int, "45000", atLeast(1), Medium, ClusterWide, acts,
		"Time, in ms, without heartbeats after which a member leaves its consumer group."},
	{"share.assignment.interval.ms", Int, "1000", atLeast(0), Medium, ClusterWide, 0,
		"Least time, in ms, between two assignments of a share group."},
	{"share.auto.offset.reset", String, "latest", offsetReset{}, Medium, ClusterWide, 0,
		"Where a share group starts to read: earliest, latest or by_duration:<ISO 8601 duration>."},
	{"share.delivery.count.limit", Int, "5", atLeast(2), Medium, ClusterWide, 0,
		"Number of times a record is delivered to a share group before it is given up."},
	{"share.heartbeat.interval.ms", Int, "5000", atLeast(1), Medium, ClusterWide, 0,
		"Heartbeat interval, in ms, that members of a share group are told."},
	{"share.isolation.level", String, "read_uncommitted", oneOf("read_committed", "read_uncommitted"), Medium, ClusterWide, 0,
		"Whether a share group sees the records of aborted and open transactions."},
	{"share.partition.max.record.locks", Int, "2000", atLeast(100), Medium, ClusterWide, 0,
		"Most records of one partition that a share group may hold acquired."},
	{"share.record.lock.duration.ms", Int, "30000", atLeast(1000), Medium, ClusterWide, 0,
		"Time, in ms, for which a record delivered to a share group stays acquired."},
	{"share.renew.acknowledge.enable", Boolean, "true", nil, Medium, ClusterWide, 0,
		"Let members of a share group renew the acquisition of a record."},
	{"share.session.timeout.ms", Int, "45000", atLeast(1), Medium, ClusterWide, 0,
		"Time, in ms, without heartbeats after which a member leaves its share group."},
	{"streams.assignment.interval.ms", Int, "1000", atLeast(0), Medium, ClusterWide, 0,
		"Least time, in ms, between two assignments of a streams group."},
	{"streams.heartbeat.interval.ms", Int, "5000", atLeast(1), Medium, ClusterWide, 0,
		"Heartbeat interval, in ms, that members of a streams group are told."},
	{"streams.initial.rebalance.delay.ms", Int, "3000", atLeast(0), Medium, ClusterWide, 0,
		"Time, in ms, for which an empty streams group waits for more members before its first assignment."},
	{"streams.num.standby.replicas", Int, "0", atLeast(0), Medium, ClusterWide, 0,
		"Standby replicas of each stateful task of a streams group."},
	{"streams.session.timeout.ms", Int, "45000", atLeast(1), Medium, ClusterWide, 0,
		"Time, in ms, without heartbeats after which a member leaves its streams group."},
}

// clientMetricsKeys are the keys of one client-metrics subscription (KIP-714).
var clientMetricsKeys = []row{
	{"interval.ms", Int, "300000", nil, Medium, ClusterWide, 0,
		"Time, in ms, between two pushes of a client."},
	{"match", List, "", listOf(true), Medium, ClusterWide, 0,
		"Which clients the subscription is for, as name=regular expression,…; empty for all."},
	{"metrics", List, "", listOf(true), Medium, ClusterWide, 0,
		"Prefixes of the metrics that clients shall push; * for all."},
}
