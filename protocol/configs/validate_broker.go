package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ValidateBroker checks a whole server configuration: each key by itself and,
// when all of those are good, the keys against each other. Every error is one
// line that names the keys and what to do.
func ValidateBroker(props map[string]string) []error {
	v, err := Resolve(props)
	if err != nil {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
		return []error{err}
	}
	return v.Validate()
}

// Validate checks the keys of a server configuration against each other.
func (v *Values) Validate() []error {
	p := &problems{v: v}
	p.identity()
	p.logs()
	p.intervals()
	p.groups()
	p.connections()
	if p.listenersParse() {
		p.roles()
		p.advertised()
	}
	return p.errs
}

// problems collects what is wrong with a configuration.
type problems struct {
	v    *Values
	errs []error

	listeners, brokers, controllers []Endpoint // set by listenersParse
}

// requirement is a broken rule that Kafka words "requirement failed: …" when a
// client breaks it at run time.
type requirement struct{ error }

func (p *problems) require(ok bool, format string, args ...any) {
	if !ok {
		p.errs = append(p.errs, requirement{fmt.Errorf(format, args...)})
	}
}

func (p *problems) report(err error) bool {
	if err != nil {
		p.errs = append(p.errs, err)
	}
	return err == nil
}

func (p *problems) identity() {
	v := p.v
	p.require(v.Int("node.id") == v.Int("broker.id"), "You must set `node.id` to the same value as `broker.id`; broker.id may be left out.")
	p.require(slices.Contains(v.List("group.coordinator.rebalance.protocols"), "classic"),
		"Disabling the 'CLASSIC' protocol is not supported; add classic to group.coordinator.rebalance.protocols.")
}

func (p *problems) logs() {
	v := p.v
	p.require(v.Family("log.roll.ms") >= 1, "log.roll.ms must be greater than or equal to 1")
	p.require(v.Family("log.roll.jitter.ms") >= 0, "log.roll.jitter.ms must be greater than or equal to 0")
	p.require(v.Family("log.retention.ms") >= 1 || v.Family("log.retention.ms") < 0,
		"log.retention.ms must be unlimited (-1) or, greater than or equal to 1")
	p.require(len(v.LogDirs()) > 0, "At least one log directory must be defined via log.dirs or log.dir.")
	if threads := int64(v.Int("log.cleaner.threads")); threads > 0 {
		p.require(v.Long("log.cleaner.dedupe.buffer.size")/threads > 1<<20,
			"log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.")
	}
	p.require(v.Long("log.cleaner.min.compaction.lag.ms") <= v.Long("log.cleaner.max.compaction.lag.ms"),
		"log.cleaner.min.compaction.lag.ms must not be greater than log.cleaner.max.compaction.lag.ms")
	for _, key := range []string{"offsets.topic.compression.codec", "share.coordinator.state.topic.compression.codec"} {
		if id := v.Int(key); id < 0 || id > 4 {
			p.report(fmt.Errorf("Unknown compression type id: %d; %s is 0 for none, 1 gzip, 2 snappy, 3 lz4, 4 zstd", id, key))
		}
	}
	p.cordoned()
}

func (p *problems) cordoned() {
	cordoned := p.v.List("cordoned.log.dirs")
	if slices.Contains(cordoned, "*") {
		p.require(len(cordoned) == 1, "When cordoned.log.dirs is set to *, it must not contain other values")
		return
	}
	unknown := slices.DeleteFunc(slices.Clone(cordoned), func(d string) bool { return slices.Contains(p.v.LogDirs(), d) })
	p.require(len(unknown) == 0, "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : %s",
		strings.Join(unknown, ", "))
}

func (p *problems) intervals() {
	v := p.v
	p.require(v.Int("replica.fetch.wait.max.ms") <= v.Int("replica.socket.timeout.ms"),
		"replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts")
	p.require(int64(v.Int("replica.fetch.wait.max.ms")) <= v.Long("replica.lag.time.max.ms"),
		"replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR")
}

// ordered are pairs of keys of which the first must not be below the second.
var ordered = [][2]string{
	{"group.share.max.delivery.count.limit", "group.share.delivery.count.limit"},
	{"group.share.delivery.count.limit", "group.share.min.delivery.count.limit"},
	{"group.share.max.partition.max.record.locks", "group.share.partition.max.record.locks"},
	{"group.share.partition.max.record.locks", "group.share.min.partition.max.record.locks"},
	{"group.share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms"},
	{"group.share.max.record.lock.duration.ms", "group.share.record.lock.duration.ms"},
	{"group.share.max.share.sessions", "group.share.max.size"},
}

func (p *problems) groups() {
	v := p.v
	for _, kind := range []string{"consumer", "share", "streams"} {
		for _, what := range []string{"heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"} {
			key, low, high := "group."+kind+"."+what, "group."+kind+".min."+what, "group."+kind+".max."+what
			p.require(v.Int(high) >= v.Int(low), "%s must be greater than or equal to %s", high, low)
			p.require(v.Int(key) >= v.Int(low), "%s must be greater than or equal to %s", key, low)
			p.require(v.Int(key) <= v.Int(high), "%s must be less than or equal to %s", key, high)
		}
		beat, session := "group."+kind+".heartbeat.interval.ms", "group."+kind+".session.timeout.ms"
		p.require(v.Int(beat) < v.Int(session), "%s must be less than %s", beat, session)
	}
	for _, pair := range ordered {
		p.require(v.Int(pair[0]) >= v.Int(pair[1]), "%s must be greater than or equal to %s", pair[0], pair[1])
	}
	p.require(v.Int("group.streams.num.standby.replicas") <= v.Int("group.streams.max.standby.replicas"),
		"group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas")
	p.require(len(v.List("group.share.assignors")) == 1, "group.share.assignors must contain exactly one assignor, but found %d",
		len(v.List("group.share.assignors")))
	for _, name := range v.List("group.consumer.assignors") {
		_, known := ConsumerAssignor(name)
		p.require(known, "group.consumer.assignors: there is no assignor %s; name uniform or range, or their classes in Kafka (classes of your own do not run in gregor)", name)
	}
}

// ConsumerAssignor is the short name of a server-side assignor, which may be given
// by the name of Kafka's class as well; false when there is none of that name.
func ConsumerAssignor(name string) (string, bool) {
	switch name {
	case "uniform", "org.apache.kafka.coordinator.group.assignor.UniformAssignor":
		return "uniform", true
	case "range", "org.apache.kafka.coordinator.group.assignor.RangeAssignor":
		return "range", true
	}
	return "", false
}

func (p *problems) connections() {
	v := p.v
	queued, frame := v.Long("queued.max.request.bytes"), int64(v.Int("socket.request.max.bytes"))
	p.require(queued <= 0 || queued >= frame, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes")
	overrides := splitList(trim(v.String("max.connections.per.ip.overrides")))
	p.require(v.Int("max.connections.per.ip") > 0 || len(overrides) > 0,
		"max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.")
	for _, entry := range overrides {
		p.report(checkOverride(entry))
	}
	idle, delay := v.Long("connections.max.idle.ms"), v.Int("connection.failed.authentication.delay.ms")
	p.require(idle < 0 || int64(delay) < idle, "connection.failed.authentication.delay.ms=%d should always be less than "+
		"connections.max.idle.ms=%d to prevent failed authentication responses from timing out", delay, idle)
}

func checkOverride(entry string) error {
	colon := strings.LastIndex(entry, ":")
	if colon < 0 {
		return fmt.Errorf("Error parsing configuration property 'max.connections.per.ip.overrides': entry %q is not of the form host:count", entry)
	}
	host, count := trim(entry[:colon]), trim(entry[colon+1:])
	if !hostCharacter.MatchString(host) {
		return errors.New("max.connections.per.ip.overrides contains invalid addresses : " + host)
	}
	if _, reason := Int.parse(count); reason != "" {
		return fmt.Errorf("max.connections.per.ip.overrides contains an invalid count for %s: %q is not a number", host, count)
	}
	return nil
}

// listenersParse reads the listener keys and reports whether they can be read.
func (p *problems) listenersParse() bool {
	var err error
	if p.listeners, err = p.v.Listeners(); !p.report(err) {
		return false
	}
	if p.brokers, err = p.v.AdvertisedBrokerListeners(); !p.report(err) {
		return false
	}
	p.controllers, err = p.v.AdvertisedControllerListeners()
	return p.report(err)
}

func (p *problems) roles() {
	v := p.v
	voters, err := v.Voters()
	p.report(err)
	p.require(len(voters) > 0 || len(v.List("controller.quorum.bootstrap.servers")) > 0,
		"If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap controllers or "+
			"controller.quorum.voters must contain a parseable set of controllers.")
	roles := v.List("process.roles")
	if slices.Contains(roles, "controller") {
		p.controllerRole(voters)
	}
	switch {
	case !slices.Contains(roles, "controller"):
		p.brokerOnly(voters)
	case !slices.Contains(roles, "broker"):
		p.controllerOnly()
	}
}

func (p *problems) isVoter(voters []Voter) bool {
	return slices.ContainsFunc(voters, func(v Voter) bool { return v.ID == p.v.Int("node.id") })
}

func (p *problems) controllerRole(voters []Voter) {
	v := p.v
	p.require(len(voters) == 0 || p.isVoter(voters), "If process.roles contains the 'controller' role, the node id %d must be included "+
		"in the set of voters controller.quorum.voters=%s", v.Int("node.id"), strings.Join(v.List("controller.quorum.voters"), ","))
	p.require(len(p.controllers) > 0, "controller.listener.names must contain at least one value appearing in the 'listeners' "+
		"configuration when running the KRaft controller role")
	for _, name := range v.List("controller.listener.names") {
		p.require(slices.ContainsFunc(p.listeners, func(e Endpoint) bool { return e.Name == name }),
			"controller.listener.names must only contain values appearing in the 'listeners' configuration when running the KRaft "+
				"controller role; %s does not", name)
	}
}

func (p *problems) brokerOnly(voters []Voter) {
	v := p.v
	p.require(!p.isVoter(voters), "If process.roles contains just the 'broker' role, the node id %d must not be included in the set of "+
		"voters controller.quorum.voters=%s", v.Int("node.id"), strings.Join(v.List("controller.quorum.voters"), ","))
	p.require(!slices.ContainsFunc(p.listeners, v.isController), "controller.listener.names must not contain a value appearing in the "+
		"'listeners' configuration when running KRaft with just the broker role")
	protocols, _ := v.ProtocolMap()
	for _, name := range v.List("controller.listener.names") {
		p.require(protocols[strings.ToUpper(name)] != "", "Controller listener with name %s defined in controller.listener.names not found in "+
			"listener.security.protocol.map (an explicit security mapping for each controller listener is required if "+
			"listener.security.protocol.map is non-empty, or if there are security protocols other than PLAINTEXT in use)", name)
	}
	p.require(!v.Bool("controller.quorum.auto.join.enable"),
		"controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role.")
}

func (p *problems) controllerOnly() {
	v := p.v
	p.require(len(p.controllers) == len(p.listeners), "The listeners config must only contain KRaft controller listeners from "+
		"controller.listener.names when process.roles=controller")
	if name := v.String("inter.broker.listener.name"); name != "" {
		p.require(!slices.Contains(v.List("controller.listener.names"), strings.ToUpper(name)), "controller.listener.names must not contain an "+
			"explicitly set inter.broker.listener.name configuration value when process.roles=controller")
	}
}

func (p *problems) advertised() {
	v := p.v
	inter, err := v.InterBrokerListener()
	if p.report(err) && slices.Contains(v.List("process.roles"), "broker") {
		p.brokerListeners(inter)
	}
	for _, e := range slices.Concat(p.brokers, p.controllers) {
		p.require(e.Host != "0.0.0.0", "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0 (listener %s). "+
			"Use a routable IP address.", e.Name)
	}
	for _, name := range v.List("early.start.listeners") {
		p.require(slices.ContainsFunc(p.listeners, func(e Endpoint) bool { return strings.EqualFold(e.Name, name) }) ||
			slices.Contains(v.List("controller.listener.names"), name), "early.start.listeners contains listener %s, but this is not "+
			"contained in listeners or controller.listener.names", name)
	}
}

func (p *problems) brokerListeners(inter string) {
	names := func(endpoints []Endpoint) []string {
		var out []string
		for _, e := range endpoints {
			out = append(out, e.Name)
		}
		return out
	}
	advertised, bound := names(p.brokers), names(p.listeners)
	if len(advertised) == 0 {
		p.require(false, "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?")
		return
	}
	p.require(slices.Contains(advertised, inter), "inter.broker.listener.name must be a listener name defined in advertised.listeners. "+
		"The valid options based on currently configured listeners are %s", strings.Join(advertised, ","))
	for _, name := range advertised {
		p.require(slices.Contains(bound, name), "advertised.listeners listener names must be equal to or a subset of the ones defined in "+
			"listeners. Found %s. The valid options based on the current configuration are %s", strings.Join(advertised, ","), strings.Join(bound, ","))
	}
	p.interBrokerSASL(inter)
}

func (p *problems) interBrokerSASL(inter string) {
	v := p.v
	protocols, _ := v.ProtocolMap()
	if !strings.HasPrefix(protocols[inter], "SASL_") {
		return
	}
	enabled := v.List("sasl.enabled.mechanisms")
	if raw, ok := v.Raw("listener.name." + strings.ToLower(inter) + ".sasl.enabled.mechanisms"); ok {
		enabled = splitList(trim(raw))
	}
	p.require(slices.Contains(enabled, v.String("sasl.mechanism.inter.broker.protocol")), "sasl.mechanism.inter.broker.protocol must be "+
		"included in sasl.enabled.mechanisms when SASL is used for inter-broker communication")
}
