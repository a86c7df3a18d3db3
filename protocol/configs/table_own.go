package configs

// ownKeys are the broker keys that Apache Kafka does not have; a Kafka node
// with the same file ignores them. They begin with "gregor." and are internal,
// so that DescribeConfigs names them only where somebody set them.
var ownKeys = []row{
	{"gregor.http.listener", String, null, nil, Low, ReadOnly, acts | internal,
		"host:port of the HTTP port with /metrics, /livez, /readyz and /debug/pprof; nothing is opened while it is unset."},
}
