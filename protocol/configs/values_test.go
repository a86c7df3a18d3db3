package configs

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func node(extra ...string) map[string]string {
	props := map[string]string{"process.roles": "broker,controller", "node.id": "1", "controller.listener.names": "CONTROLLER",
		"listeners": "PLAINTEXT://:9092,CONTROLLER://:9093", "controller.quorum.voters": "1@localhost:9093"}
	for i := 0; i < len(extra); i += 2 {
		if extra[i+1] == "-" {
			delete(props, extra[i])
		} else {
			props[extra[i]] = extra[i+1]
		}
	}
	return props
}

func resolve(t *testing.T, extra ...string) *Values {
	t.Helper()
	v, err := Resolve(node(extra...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValuesAndFamilies(t *testing.T) {
	v := resolve(t, "log.retention.hours", "2", "log.roll.ms", "5", "log.dirs", "/a, /b", "unknown.key", "x")
	if v.Family("log.retention.ms") != 2*hourMs || v.Family("log.roll.ms") != 5 || v.Family("log.roll.jitter.ms") != 0 {
		t.Error("families")
	}
	if v.Int("broker.id") != 1 || len(v.LogDirs()) != 2 || v.LogDirs()[1] != "/b" || !v.IsSet("unknown.key") || v.Int("offsets.topic.replication.factor") != 3 {
		t.Error("values")
	}
	topic := TopicDefaults(v)
	if topic["retention.ms"] != "7200000" || topic["segment.ms"] != "5" || len(topic) != 33 || topic["min.cleanable.dirty.ratio"] != "0.5" {
		t.Errorf("topic defaults %v", topic)
	}
	over := TopicValues(map[string]string{"retention.ms": "-1", "segment.bytes": "nonsense"}, v)
	if over.Long("retention.ms") != -1 || over.Int("segment.bytes") != 1<<30 || over.Long("segment.ms") != 5 {
		t.Error("topic overrides")
	}
}

func TestDynamicBeatsStatic(t *testing.T) {
	v := resolve(t, "log.roll.ms", "5").Overlay(map[string]string{"log.roll.hours": "3", "node.id": "7"}, nil)
	if v.Family("log.roll.ms") == 3*hourMs {
		t.Error("log.roll.hours is read-only in Kafka and must not count")
	}
	v = resolve(t, "log.retention.hours", "5").Overlay(map[string]string{"log.retention.ms": "9"}).Overlay(map[string]string{"log.retention.ms": "8"})
	if v.RetentionMs() != 8 || v.Int("node.id") != 1 {
		t.Errorf("retention %d node %d", v.RetentionMs(), v.Int("node.id"))
	}
	if got := resolve(t, "log.retention.minutes", "-1").RetentionMs(); got != -1 {
		t.Errorf("for ever is %d", got)
	}
}

// "For ever" is written as the largest number there is, and must not wrap around.
func TestLongTimes(t *testing.T) {
	const key = "log.cleaner.backoff.ms"
	for text, want := range map[string]time.Duration{
		"0": 0, "600000": 10 * time.Minute, "18446744073710": math.MaxInt64 / time.Millisecond * time.Millisecond,
		fmt.Sprint(math.MaxInt64): math.MaxInt64 / time.Millisecond * time.Millisecond,
	} {
		v, err := Resolve(node(key, text))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Time(key, time.Millisecond); got != want {
			t.Errorf("%s ms are %v, want %v", text, got, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	v := resolve(t, "ssl.key.password", "hunter2")
	if s := fmt.Sprintf("%v %+v %#v", v.Secret("ssl.key.password"), v.Get("ssl.key.password"), v.Get("ssl.key.password")); strings.Contains(s, "hunter2") {
		t.Error(s)
	}
	if string(v.Secret("ssl.key.password")) != "hunter2" {
		t.Error("the secret is lost")
	}
}

// Each case alters a good configuration of a combined node.
func TestValidateBroker(t *testing.T) {
	tests := []struct {
		alter []string
		want  string // part of the only error; "" for none
	}{
		{nil, ""},
		{[]string{"process.roles", "-"}, `Missing required configuration "process.roles"`},
		{[]string{"process.roles", "boss"}, "Invalid value boss for configuration process.roles: String must be one of: broker, controller"},
		{[]string{"process.roles", ""}, "Configuration 'process.roles' must not be empty"},
		{[]string{"node.id", "-5"}, "Value must be at least 0"},
		{[]string{"broker.id", "2"}, "You must set `node.id` to the same value as `broker.id`"},
		{[]string{"node.id", "-", "broker.id", "1"}, ""},
		{[]string{"controller.quorum.voters", "-"}, "either controller.quorum.bootstrap.servers must contain"},
		{[]string{"controller.quorum.voters", "-", "controller.quorum.bootstrap.servers", "h:1"}, ""},
		{[]string{"controller.quorum.voters", "2@h:1"}, "the node id 1 must be included in the set of voters"},
		{[]string{"controller.quorum.voters", "x@h:1"}, "Failed to parse voter ID as an integer from x"},
		{[]string{"controller.listener.names", "OTHER"}, "No security protocol"},
		{[]string{"controller.listener.names", "CONTROLLER,SSL"}, "No security protocol defined for listener CONTROLLER"},
		{[]string{"listeners", "PLAINTEXT://:9092"}, "controller.listener.names must contain at least one value appearing in the 'listeners'"},
		{[]string{"listeners", "CONTROLLER://:9093"}, "There must be at least one broker advertised listener"},
		{[]string{"listeners", "PLAINTEXT://:9092,CONTROLLER://:9092"}, "must have a different port"},
		{[]string{"listeners", "PLAINTEXT://1.2.3.4:9092,CONTROLLER://[::1]:9092"}, ""},
		{[]string{"listeners", "PLAINTEXT://:9092,PLAINTEXT://:9094,CONTROLLER://:9093"}, "must have a different name"},
		{[]string{"listeners", "PLAINTEXT:9092,CONTROLLER://:9093"}, "Unable to parse PLAINTEXT:9092 to a broker endpoint"},
		{[]string{"listeners", "OUTSIDE://:9092,CONTROLLER://:9093"}, "No security protocol defined for listener OUTSIDE"},
		{[]string{"advertised.listeners", "PLAINTEXT://0.0.0.0:9092"}, "cannot use the nonroutable meta-address"},
		{[]string{"advertised.listeners", "SSL://h:9092"}, "inter.broker.listener.name must be a listener name defined in advertised.listeners"},
		{[]string{"advertised.listeners", "PLAINTEXT://h:9092,SSL://h:9094"}, "must be equal to or a subset"},
		{[]string{"inter.broker.listener.name", "PLAINTEXT", "security.inter.broker.protocol", "PLAINTEXT"}, "Only one of inter.broker.listener.name and"},
		{[]string{"inter.broker.listener.name", ""}, "The provided listener name is null or empty string"},
		{[]string{"offsets.topic.compression.codec", "5"}, "Unknown compression type id: 5"},
		{[]string{"share.coordinator.state.topic.compression.codec", "-1"}, "Unknown compression type id: -1"},
		{[]string{"offsets.topic.compression.codec", "4"}, ""},
		{[]string{"log.dirs", "/a,/b,/a"}, ""},
		{[]string{"process.roles", "controller,broker,controller"}, ""},
		{[]string{"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093,PLAINTEXT://:9092"}, ""},
		{[]string{"log.dirs", ","}, "Configuration 'log.dirs' values must not be empty."},
		{[]string{"inter.broker.listener.name", "X"}, "Listener with name X defined in inter.broker.listener.name not found"},
		{[]string{"listener.security.protocol.map", "PLAINTEXT:NOPE,CONTROLLER:PLAINTEXT"}, "Invalid security protocol `NOPE`"},
		{[]string{"process.roles", "broker", "controller.quorum.voters", "2@h:1"}, "must not contain a value appearing in the 'listeners'"},
		{[]string{"process.roles", "broker", "listeners", "PLAINTEXT://:9092", "controller.quorum.voters", "2@h:1"}, ""},
		{[]string{"process.roles", "broker", "listeners", "PLAINTEXT://:9092"}, "must not be included in the set of voters"},
		{[]string{"process.roles", "controller"}, "must only contain KRaft controller listeners"},
		{[]string{"process.roles", "controller", "listeners", "CONTROLLER://:9093"}, ""},
		{[]string{"log.roll.ms", "0"}, "log.roll.ms must be greater than or equal to 1"},
		{[]string{"log.retention.ms", "0"}, "log.retention.ms must be unlimited (-1) or"},
		{[]string{"log.cleaner.threads", "1000"}, "at least 1MB per cleaner thread"},
		{[]string{"replica.fetch.wait.max.ms", "40000"}, ""},
		{[]string{"group.consumer.heartbeat.interval.ms", "16000"}, "must be less than or equal to group.consumer.max.heartbeat.interval.ms"},
		{[]string{"group.consumer.assignors", "range,sticky"}, "there is no assignor sticky; name uniform or range"},
		{[]string{"group.consumer.assignors", "org.apache.kafka.coordinator.group.assignor.RangeAssignor"}, ""},
		{[]string{"group.consumer.assignors", ""}, "must not be empty"},
		{[]string{"queued.max.request.bytes", "5"}, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes"},
		{[]string{"max.connections.per.ip", "0"}, "can be set to zero only if"},
		{[]string{"max.connections.per.ip", "0", "max.connections.per.ip.overrides", "h:5"}, ""},
		{[]string{"max.connections.per.ip.overrides", "h:x"}, "invalid count for h"},
		{[]string{"cordoned.log.dirs", "/x"}, "Missing entries : /x"},
		{[]string{"early.start.listeners", "NOPE"}, "early.start.listeners contains listener NOPE"},
		{[]string{"connections.max.idle.ms", "50"}, "should always be less than connections.max.idle.ms=50"},
		{[]string{"group.coordinator.rebalance.protocols", "consumer"}, "Disabling the 'CLASSIC' protocol"},
	}
	for _, tt := range tests {
		errs := ValidateBroker(node(tt.alter...))
		text := fmt.Sprint(errs)
		if tt.alter != nil && tt.alter[0] == "replica.fetch.wait.max.ms" {
			if len(errs) != 2 {
				t.Errorf("%v: %v", tt.alter, errs)
			}
			continue
		}
		if tt.want == "" && len(errs) > 0 || tt.want != "" && (len(errs) == 0 || !strings.Contains(text, tt.want)) {
			t.Errorf("%v:\ngot  %v\nwant %q", tt.alter, errs, tt.want)
		}
		for _, err := range errs {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: more than one line: %q", tt.alter, err)
			}
		}
	}
}

func TestAdvertised(t *testing.T) {
	v := resolve(t, "listeners", "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093", "advertised.listeners", "PLAINTEXT://[fe80::1]:1")
	brokers, err := v.AdvertisedBrokerListeners()
	if err != nil || len(brokers) != 1 || brokers[0].String() != "PLAINTEXT://[fe80::1]:1" {
		t.Errorf("%v %v", brokers, err)
	}
	controllers, err := v.AdvertisedControllerListeners()
	if err != nil || len(controllers) != 1 || controllers[0].String() != "CONTROLLER://localhost:9093" {
		t.Errorf("%v %v", controllers, err)
	}
}

func TestValidateResources(t *testing.T) {
	broker := resolve(t)
	check := func(what string, err error, want string) {
		t.Helper()
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	topic := func(kv ...string) error {
		props := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			props[kv[i]] = kv[i+1]
		}
		return ValidateTopic(map[string]string{"remote.storage.enable": "false"}, props, broker)
	}
	check("unknown", topic("nope", "1"), "Unknown topic config name: nope")
	check("bad", topic("retention.ms", "abc"), "Invalid value abc for configuration retention.ms: Not a number of type LONG")
	check("lag", topic("min.compaction.lag.ms", "6", "max.compaction.lag.ms", "5"), "conflict topic config setting min.compaction.lag.ms (6) > max.compaction.lag.ms (5)")
	check("twice", topic("cleanup.policy", "compact,compact"), "")
	if got := TopicValues(map[string]string{"cleanup.policy": "delete,compact,delete"}, broker).List("cleanup.policy"); !slices.Equal(got, []string{"delete", "compact"}) {
		t.Errorf("cleanup.policy is %v", got)
	}
	check("tiered", topic("remote.storage.enable", "true"), "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	check("good", topic("cleanup.policy", "compact,delete", "retention.bytes", "-5"), "")
	check("group", ValidateGroup(map[string]string{"consumer.session.timeout.ms": "5"}, broker),
		"consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms")
	check("group", ValidateGroup(map[string]string{"consumer.session.timeout.ms": "50000"}, broker), "")
	check("metrics", ValidateClientMetrics("s", map[string]string{"interval.ms": "5"}), "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)")
	check("metrics", ValidateClientMetrics("s", map[string]string{"match": "client_id=a,b"}), "Illegal client matching pattern: b")
	check("metrics", ValidateClientMetrics("", nil), "Subscription name can't be empty")
	check("metrics", ValidateClientMetrics("s", map[string]string{"match": "client_id=a.*", "metrics": "*"}), "")
}

func TestValidateDynamic(t *testing.T) {
	static := resolve(t)
	for _, tt := range []struct {
		key, value string
		perBroker  bool
		want       string
	}{
		{"log.retention.ms", "5", false, ""},
		{"node.id", "5", true, "Cannot update these configs dynamically: [node.id]"},
		{"ssl.keystore.location", "/x", true, "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"},
		{"listener.name.plaintext.ssl.keystore.location", "/x", true, ""},
		{"listener.name.plaintext.ssl.keystore.location", "/x", false, "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.plaintext.ssl.keystore.location]"},
		{"message.max.bytes", "x", true, "Invalid value x for configuration message.max.bytes: Not a number of type INT"},
		{"log.retention.ms", "0", true, "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{"num.io.threads", "100", false, "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than double the current value 8 for configuration Invalid dynamic configuration"},
		{"some.plugin.key", "x", true, ""},
	} {
		err := ValidateDynamicBroker(static, nil, map[string]string{tt.key: tt.value}, tt.perBroker)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%s=%s: got %v, want %q", tt.key, tt.value, err, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"log.retention.hour": "log.retention.hours", "listener": "listeners", "num.partition": "num.partitions",
		"advertised.listner": "advertised.listeners", "zookeeper.connect": "", "": "", strings.Repeat("x", 1000): ""} {
		if got := Nearest(Broker, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestListenerPrefix(t *testing.T) {
	d, ok := Lookup(Broker, "listener.name.internal.scram-sha-256.sasl.jaas.config")
	if !ok || d.Name != "sasl.jaas.config" {
		t.Error("mechanism key")
	}
	if _, ok := Lookup(Broker, "listener.name.internal.nope"); ok {
		t.Error("unknown key behind a prefix")
	}
	if !Passthrough("config.providers.file.class") || Passthrough("nope") {
		t.Error("passthrough")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("retention.ms", "5")
	f.Add("listeners", "A://:1,B://[::1]:2")
	f.Add("controller.quorum.voters", "1@h:1")
	f.Add("share.auto.offset.reset", "by_duration:PT1H")
	f.Fuzz(func(t *testing.T, name, raw string) {
		for kind := range tables {
			d, ok := Lookup(Kind(kind), name)
			if !ok {
				continue
			}
			value, err := d.Parse(raw)
			if err != nil {
				continue
			}
			// What was printed parses to the same again, but for lists whose
			// elements hold commas, which cannot come from text.
			again, err := d.Parse(Format(value))
			if err != nil || Format(again) != Format(value) {
				t.Fatalf("%s: %q → %v → %v, %v", name, raw, value, again, err)
			}
		}
		_ = ValidateBroker(node(name, raw))
		Nearest(Broker, name)
	})
}

func BenchmarkTopicValues(b *testing.B) {
	v, _ := Resolve(node())
	base := ResolveDefaults(Topic, v)
	b.ReportAllocs()
	for b.Loop() {
		base.Overlay(map[string]string{"retention.ms": "5"})
	}
}
