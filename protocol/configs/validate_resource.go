package configs

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ErrUnknownKey is a topic, group or client-metrics key that does not exist.
var ErrUnknownKey = errors.New("unknown configuration key")

// unknownKey has Kafka's text and is an ErrUnknownKey.
type unknownKey string

func (e unknownKey) Error() string      { return string(e) }
func (unknownKey) Is(target error) bool { return target == ErrUnknownKey }

func unknownName(kind Kind, props map[string]string, text string) error {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if _, ok := Lookup(kind, name); !ok {
			return unknownKey(text + name)
		}
	}
	return nil
}

// resolveResource parses the overrides of one resource over its defaults.
func resolveResource(kind Kind, props map[string]string, broker *Values) (*Values, error) {
	v, errs := parseAll(kind, props, ResolveDefaults(kind, broker))
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
}

// ValidateTopic checks the whole configuration that a topic is to have: names,
// values, and keys against each other over the broker's defaults. existing is
// what it has now (nil for a new topic). The caller answers every error with
// INVALID_CONFIG.
func ValidateTopic(existing, props map[string]string, broker *Values) error {
	if err := unknownName(Topic, props, "Unknown topic config name: "); err != nil {
		return err
	}
	v, err := resolveResource(Topic, props, broker)
	if err != nil {
		return err
	}
	low, high := v.Long("min.compaction.lag.ms"), v.Long("max.compaction.lag.ms")
	if low > high {
		return fmt.Errorf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)
	}
	if v.Bool("remote.storage.enable") {
		return validateTiered(v, broker)
	}
	if strings.EqualFold(existing["remote.storage.enable"], "true") && !v.Bool("remote.log.delete.on.disable") {
		return errors.New("It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data and " +
			"turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote storage " +
			"and delete all remote data, please set `remote.storage.enable=false,remote.log.delete.on.disable=true`.")
	}
	return nil
}

func validateTiered(v, broker *Values) error {
	if !broker.Bool("remote.log.storage.system.enable") {
		return errors.New("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	if policy := v.List("cleanup.policy"); len(policy) > 0 && !slices.Equal(policy, []string{"delete"}) {
		return errors.New("Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy being an empty list.")
	}
	for _, unit := range []string{"bytes", "ms"} {
		total, local := v.Long("retention."+unit), v.Long("local.retention."+unit)
		if local == -2 {
			continue
		}
		if total > -1 && local == -1 {
			return invalid("local.retention."+unit, local, fmt.Sprintf("Value must not be -1 as retention.%s value is set as %d.", unit, total))
		}
		if total > -1 && local > total {
			return invalid("local.retention."+unit, local, fmt.Sprintf("Value must not be more than retention.%s property value: %d", unit, total))
		}
		if v.Bool("remote.log.copy.disable") && local != total {
			return fmt.Errorf("When `remote.log.copy.disable` is set to true, the `local.retention.%s` and `retention.%s` must be set to the "+
				"identical value because there will be no more logs copied to the remote storage.", unit, unit)
		}
	}
	return nil
}

// groupBounds are the group keys that the broker bounds, in the order in which
// they are checked, with the broker keys that bound them ("" for none).
var groupBounds = [][3]string{
	{"consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"},
	{"consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"},
	{"consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"},
	{"share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms"},
	{"share.session.timeout.ms", "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"},
	{"share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms", "group.share.max.record.lock.duration.ms"},
	{"share.delivery.count.limit", "group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"},
	{"share.partition.max.record.locks", "group.share.min.partition.max.record.locks", "group.share.max.partition.max.record.locks"},
	{"share.assignment.interval.ms", "group.share.min.assignment.interval.ms", "group.share.max.assignment.interval.ms"},
	{"streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms"},
	{"streams.session.timeout.ms", "group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"},
	{"streams.num.standby.replicas", "", "group.streams.max.standby.replicas"},
	{"streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms", "group.streams.max.assignment.interval.ms"},
}

// ValidateGroup checks the whole configuration that a group is to have, within
// the broker's bounds. The caller answers every error with INVALID_CONFIG.
func ValidateGroup(props map[string]string, broker *Values) error {
	if err := unknownName(Group, props, "Unknown group config name: "); err != nil {
		return err
	}
	v, err := resolveResource(Group, props, broker)
	if err != nil {
		return err
	}
	for _, b := range groupBounds {
		if b[1] != "" && v.Int(b[0]) < broker.Int(b[1]) {
			return fmt.Errorf("%s must be greater than or equal to %s", b[0], b[1])
		}
		if v.Int(b[0]) > broker.Int(b[2]) {
			return fmt.Errorf("%s must be less than or equal to %s", b[0], b[2])
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		session, beat := kind+".session.timeout.ms", kind+".heartbeat.interval.ms"
		if v.Int(session) <= v.Int(beat) {
			return fmt.Errorf("%s must be greater than %s", session, beat)
		}
	}
	return nil
}

// matchNames are the client properties that a subscription may match.
var matchNames = []string{"client_instance_id", "client_id", "client_software_name", "client_software_version",
	"client_source_address", "client_source_port"}

// ErrMatchPattern is a client-metrics match pattern that cannot be used. It is
// answered with INVALID_CONFIG, all other mistakes in a subscription with
// INVALID_REQUEST.
var ErrMatchPattern = errors.New("illegal client matching pattern")

type matchPattern string

func (e matchPattern) Error() string      { return "Illegal client matching pattern: " + string(e) }
func (matchPattern) Is(target error) bool { return target == ErrMatchPattern }

// ValidateClientMetrics checks the whole configuration that a client-metrics
// subscription is to have. An *InvalidError or ErrMatchPattern is answered with
// INVALID_CONFIG, everything else with INVALID_REQUEST.
func ValidateClientMetrics(subscription string, props map[string]string) error {
	if subscription == "" {
		return errors.New("Subscription name can't be empty")
	}
	if err := unknownName(ClientMetrics, props, "Unknown client metrics configuration: "); err != nil {
		return err
	}
	v, errs := parseAll(ClientMetrics, props, nil)
	if len(errs) > 0 {
		return errs[0]
	}
	if ms := v.Int("interval.ms"); ms < 100 || ms > 3600000 {
		return fmt.Errorf("Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", ms)
	}
	for _, pattern := range v.List("match") {
		parts := strings.Split(strings.TrimRight(pattern, "="), "=")
		if len(parts) != 2 || !slices.Contains(matchNames, trim(parts[0])) {
			return matchPattern(pattern)
		}
		if _, err := regexp.Compile(trim(parts[1])); err != nil {
			return matchPattern(pattern)
		}
	}
	return nil
}
